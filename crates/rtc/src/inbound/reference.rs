//! Round trip to a publisher: our reference time and its echo (RFC 3611 section 4.4 and 4.5).
//!
//! Whoever only receives has no sender report that the peer could echo.

use crate::rtt::SentMarks;
use core::time::Duration;
use wire::id::Ssrc;
use wire::rtcp::DlrrEntries;
use wire::time::{NtpTime, Time};

/// The reference times that one receiver sent.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceTimes {
    ssrc: Ssrc,
    sent: SentMarks,
    rtt: Option<Duration>,
}

impl ReferenceTimes {
    /// Begin for the SSRC that our extended reports come from.
    pub fn new(ssrc: Ssrc) -> ReferenceTimes {
        ReferenceTimes {
            ssrc,
            sent: SentMarks::default(),
            rtt: None,
        }
    }

    /// Note that the reference time `ntp` leaves at `now`.
    pub fn sent(&mut self, now: Time, ntp: NtpTime) {
        self.sent.remember(ntp.mid32(), now);
    }

    /// Take the round trip from the echo meant for us, if there is one.
    pub fn on_echoes(&mut self, now: Time, mut entries: DlrrEntries<'_>) -> Option<Duration> {
        let echo = entries.find(|entry| entry.ssrc == self.ssrc)?;
        let rtt = self
            .sent
            .round_trip(now, echo.last_rr, echo.delay_since_last_rr)?;
        self.rtt = Some(rtt);
        Some(rtt)
    }

    /// Return the last round trip measured.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}
