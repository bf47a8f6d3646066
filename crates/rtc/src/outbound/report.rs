//! Sender reports of a forwarded stream, and what its receiver says of it.
//!
//! The NTP time we report is the publisher's: its last sender report plus the time since that
//! arrived. Audio and video of one publisher then stay in step at the subscriber, whatever our
//! own clock says.

use crate::rtt::SentMarks;
use core::time::Duration;
use wire::rtcp::{ReportBlock, SenderInfo};
use wire::time::{NtpTime, Time};

/// A publisher's sender report, on the outgoing timeline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceReport {
    /// Its wall clock.
    pub ntp: NtpTime,
    /// The same instant as an outgoing RTP timestamp.
    pub rtp_timestamp: u32,
    /// When it arrived.
    pub arrived: Time,
}

/// What the receiver reported last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    /// Its report block.
    pub block: ReportBlock,
    /// When it arrived.
    pub at: Time,
}

/// Reports of one outgoing stream, both directions.
#[derive(Clone, Copy, Debug)]
pub struct SenderReports {
    clock_rate: u32,
    sent: SentMarks,
    received: Option<Received>,
    rtt: Option<Duration>,
}

impl SenderReports {
    /// Begin with a stream whose clock runs at `clock_rate` Hz.
    pub fn new(clock_rate: u32) -> SenderReports {
        SenderReports {
            clock_rate,
            sent: SentMarks::default(),
            received: None,
            rtt: None,
        }
    }

    /// Make the sender information that leaves at `now`.
    ///
    /// `packets` and `octets` (payload without padding) count since the start and wrap. `None`
    /// before the publisher's first report, since there is no NTP time to give, and before the
    /// first packet, since only senders send SRs (RFC 3550 section 6.4).
    pub fn report(
        &mut self,
        now: Time,
        source: Option<&SourceReport>,
        packets: u64,
        octets: u64,
    ) -> Option<SenderInfo> {
        let source = source.filter(|_| packets > 0)?;
        let elapsed = now.since(source.arrived);
        let ntp = source.ntp + elapsed;
        self.sent.remember(ntp.mid32(), now);
        Some(SenderInfo {
            ntp,
            rtp_timestamp: source.rtp_timestamp.wrapping_add(self.rtp_units(elapsed)),
            packets: packets as u32,
            octets: octets as u32,
        })
    }

    /// Note the receiver's report block; return the round trip it shows.
    ///
    /// RTT = now - instant we sent that SR - DLSR. The mark in LSR is of the publisher's clock, so
    /// it is looked up, never subtracted.
    pub fn on_report_block(&mut self, now: Time, block: &ReportBlock) -> Option<Duration> {
        self.received = Some(Received {
            block: *block,
            at: now,
        });
        let rtt = self
            .sent
            .round_trip(now, block.last_sr, block.delay_since_last_sr)?;
        self.rtt = Some(rtt);
        Some(rtt)
    }

    /// Return the last round trip measured.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Return the receiver's last report.
    pub fn received(&self) -> Option<&Received> {
        self.received.as_ref()
    }

    /// Return the jitter that the receiver reported last.
    pub fn remote_jitter(&self) -> Option<Duration> {
        let jitter = u64::from(self.received?.block.jitter);
        let nanos = jitter * 1_000_000_000 / u64::from(self.clock_rate.max(1));
        Some(Duration::from_nanos(nanos))
    }

    fn rtp_units(&self, span: Duration) -> u32 {
        (span.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000) as u32
    }
}
