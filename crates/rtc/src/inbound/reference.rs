//! RTT of a receiver by RRTR and DLRR (RFC 3611 section 4.4 and 4.5).
//!
//! An endpoint that only receives sends no sender report, so LSR and DLSR give it no RTT.

use crate::rtt::SentTimestamps;
use core::time::Duration;
use wire::id::Ssrc;
use wire::rtcp::DlrrEntries;
use wire::time::{NtpTime, Time};

/// The receiver reference times (RRTR) sent by one receiver.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceTimes {
    ssrc: Ssrc,
    sent: SentTimestamps,
    rtt: Option<Duration>,
}

impl ReferenceTimes {
    /// Create a record for the sender SSRC of the extended reports.
    pub fn new(ssrc: Ssrc) -> ReferenceTimes {
        ReferenceTimes {
            ssrc,
            sent: SentTimestamps::default(),
            rtt: None,
        }
    }

    /// Record the reference time `ntp` sent at `now`.
    pub fn sent(&mut self, now: Time, ntp: NtpTime) {
        self.sent.remember(ntp.mid32(), now);
    }

    /// Return the RTT of the DLRR entry for this receiver, `None` where there is none.
    pub fn on_echoes(&mut self, now: Time, mut entries: DlrrEntries<'_>) -> Option<Duration> {
        let echo = entries.find(|entry| entry.ssrc == self.ssrc)?;
        let rtt = self
            .sent
            .round_trip(now, echo.last_rr, echo.delay_since_last_rr)?;
        self.rtt = Some(rtt);
        Some(rtt)
    }

    /// Return the last RTT measured.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}
