//! Sender reports of a forwarded stream, and the report blocks of its receiver.
//!
//! Outgoing sender reports have the NTP time of the publisher: its last sender report plus the time
//! since its arrival. Audio and video of one publisher then stay in sync at the subscriber (lip
//! sync), independent of the local clock.

use crate::rtt::SentTimestamps;
use core::time::Duration;
use wire::rtcp::{ReportBlock, SenderInfo};
use wire::time::{NtpTime, Time};

/// The publisher's sender report, with outgoing timestamps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceReport {
    /// NTP time of the publisher.
    pub ntp: NtpTime,
    /// The same instant as an outgoing RTP timestamp.
    pub rtp_timestamp: u32,
    /// Arrival time.
    pub arrived: Time,
}

/// The latest report block of the receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    /// The report block.
    pub block: ReportBlock,
    /// Arrival time.
    pub at: Time,
}

/// Sender reports and received report blocks of one outgoing stream.
#[derive(Clone, Copy, Debug)]
pub struct SenderReports {
    clock_rate: u32,
    sent: SentTimestamps,
    received: Option<Received>,
    rtt: Option<Duration>,
}

impl SenderReports {
    /// Create the reports of a stream; `clock_rate` is in Hz.
    pub fn new(clock_rate: u32) -> SenderReports {
        SenderReports {
            clock_rate,
            sent: SentTimestamps::default(),
            received: None,
            rtt: None,
        }
    }

    /// Build the sender information of a report sent at `now`.
    ///
    /// `packets` and `octets` (payload without padding) count since the start and wrap. `None`
    /// before the publisher's first report, for want of an NTP time, and before the
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

    /// Record the receiver's report block; return its RTT.
    ///
    /// RTT = now - time that SR was sent - DLSR. LSR is of the publisher's clock, so it is looked
    /// up, never subtracted.
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

    /// Return the last RTT measured.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Return the latest report block of the receiver.
    pub fn received(&self) -> Option<&Received> {
        self.received.as_ref()
    }

    /// Return the jitter that the receiver last reported.
    pub fn remote_jitter(&self) -> Option<Duration> {
        let jitter = u64::from(self.received?.block.jitter);
        let nanos = jitter * 1_000_000_000 / u64::from(self.clock_rate.max(1));
        Some(Duration::from_nanos(nanos))
    }

    fn rtp_units(&self, span: Duration) -> u32 {
        (span.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000) as u32
    }
}
