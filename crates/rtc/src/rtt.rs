//! RTT by echoed timestamps: LSR and DLSR of report blocks (RFC 3550 section 6.4.1), LRR and DLRR
//! of extended reports (RFC 3611 section 4.5).
//!
//! A timestamp is the middle 32 bits of an NTP time; its echo has the delay at the peer.

use core::time::Duration;
use wire::time::{Time, duration_to_short, short_to_duration};

/// Timestamps kept: reports are sent every second or less often, an RTT is far below 8 s.
const KEPT: usize = 8;
/// The peer's delay may exceed the local round trip by this much, by clock drift.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(1);

/// The latest timestamps sent, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentTimestamps {
    entries: [Option<(u32, Time)>; KEPT],
    next: usize,
}

impl SentTimestamps {
    /// Record `timestamp` sent at `now`; the oldest of eight is dropped.
    pub fn remember(&mut self, timestamp: u32, now: Time) {
        self.entries[self.next] = Some((timestamp, now));
        self.next = (self.next + 1) % KEPT;
    }

    /// Return the RTT by the echo of `timestamp`, delayed by `delay` (1/65536 s) at the peer.
    ///
    /// `None` for a timestamp of 0 (nothing received yet), one not kept, or a delay longer than the
    /// elapsed time.
    pub fn round_trip(&self, now: Time, timestamp: u32, delay: u32) -> Option<Duration> {
        if timestamp == 0 {
            return None;
        }
        let newest_first = (1..=KEPT).map(|back| (self.next + KEPT - back) % KEPT);
        let (_, sent) = newest_first
            .filter_map(|at| self.entries[at])
            .find(|&(sent, _)| sent == timestamp)?;
        let elapsed = now.since(sent);
        let held = short_to_duration(delay);
        if held > elapsed + CLOCK_TOLERANCE {
            return None;
        }
        Some(elapsed.saturating_sub(held))
    }
}

/// The latest timestamp received from a peer, and its arrival time.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceivedTimestamp(Option<(u32, Time)>);

impl ReceivedTimestamp {
    /// Record a timestamp received at `now`.
    pub fn note(&mut self, timestamp: u32, now: Time) {
        self.0 = Some((timestamp, now));
    }

    /// Return timestamp and delay (1/65536 s) for the echo, zeros without a timestamp.
    pub fn echo(&self, now: Time) -> (u32, u32) {
        self.0.map_or((0, 0), |(timestamp, arrived)| {
            (timestamp, duration_to_short(now.since(arrived)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT_SECOND: u32 = 0x1_0000;

    #[test]
    fn the_delay_is_not_part_of_the_rtt() {
        let mut sent = SentTimestamps::default();
        sent.remember(7, Time::from_millis(100));
        let rtt = sent.round_trip(Time::from_millis(1140), 7, SHORT_SECOND);
        assert_eq!(rtt, Some(Duration::from_millis(40)));
    }

    #[test]
    fn only_the_last_eight_timestamps_are_kept() {
        let mut sent = SentTimestamps::default();
        for timestamp in 1..=9 {
            sent.remember(timestamp, Time::from_secs(u64::from(timestamp)));
        }
        let now = Time::from_secs(10);
        assert_eq!(sent.round_trip(now, 1, 0), None);
        assert_eq!(sent.round_trip(now, 2, 0), Some(Duration::from_secs(8)));
        assert_eq!(sent.round_trip(now, 9, 0), Some(Duration::from_secs(1)));
    }

    #[test]
    fn no_timestamp_and_impossible_delays_give_no_rtt() {
        let mut sent = SentTimestamps::default();
        sent.remember(0, Time::ZERO);
        sent.remember(5, Time::ZERO);
        let now = Time::from_millis(1000);
        assert_eq!(sent.round_trip(now, 0, 0), None);
        assert_eq!(sent.round_trip(now, 6, 0), None);
        assert_eq!(sent.round_trip(now, 5, 2 * SHORT_SECOND), None);
        // A clock that runs a little fast is tolerated.
        assert_eq!(
            sent.round_trip(now, 5, SHORT_SECOND + 30),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn an_echo_has_the_delay() {
        let mut received = ReceivedTimestamp::default();
        assert_eq!(received.echo(Time::from_secs(1)), (0, 0));
        received.note(9, Time::from_secs(1));
        assert_eq!(
            received.echo(Time::from_millis(1500)),
            (9, SHORT_SECOND / 2)
        );
    }
}
