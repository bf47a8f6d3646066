//! Round trips by echo: a mark goes out, comes back with the time it was held over there.
//!
//! LSR and DLSR of report blocks (RFC 3550 section 6.4.1) and LRR and DLRR of extended reports
//! (RFC 3611 section 4.5) are the same exchange, either way round.

use core::time::Duration;
use wire::time::{Time, duration_to_short, short_to_duration};

/// Marks that are remembered: reports leave every second or more, round trips are far below 8 s.
const REMEMBERED: usize = 8;
/// The peer's clock may count a hold this much longer than ours counts the whole way.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(1);

/// The marks we sent last, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentMarks {
    marks: [Option<(u32, Time)>; REMEMBERED],
    next: usize,
}

impl SentMarks {
    /// Remember that `mark` leaves at `now`; the oldest of eight is forgotten.
    pub fn remember(&mut self, mark: u32, now: Time) {
        self.marks[self.next] = Some((mark, now));
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// Return the round trip that the echo of `mark` shows, held for `delay` (1/65536 s).
    ///
    /// `None` for a mark of 0 (nothing received yet), one not remembered, or a hold longer than
    /// the time that passed.
    pub fn round_trip(&self, now: Time, mark: u32, delay: u32) -> Option<Duration> {
        if mark == 0 {
            return None;
        }
        let newest_first =
            (1..=REMEMBERED).map(|back| (self.next + REMEMBERED - back) % REMEMBERED);
        let (_, sent) = newest_first
            .filter_map(|at| self.marks[at])
            .find(|&(sent_mark, _)| sent_mark == mark)?;
        let elapsed = now.since(sent);
        let held = short_to_duration(delay);
        if held > elapsed + CLOCK_TOLERANCE {
            return None;
        }
        Some(elapsed.saturating_sub(held))
    }
}

/// The mark that a peer sent last, and when it arrived.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceivedMark(Option<(u32, Time)>);

impl ReceivedMark {
    /// Note a mark that arrives at `now`.
    pub fn note(&mut self, mark: u32, now: Time) {
        self.0 = Some((mark, now));
    }

    /// Return mark and hold (1/65536 s) for the echo, zeros if there was no mark.
    pub fn echo(&self, now: Time) -> (u32, u32) {
        self.0.map_or((0, 0), |(mark, arrived)| {
            (mark, duration_to_short(now.since(arrived)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT_SECOND: u32 = 0x1_0000;

    #[test]
    fn the_hold_is_not_part_of_the_round_trip() {
        let mut sent = SentMarks::default();
        sent.remember(7, Time::from_millis(100));
        let rtt = sent.round_trip(Time::from_millis(1140), 7, SHORT_SECOND);
        assert_eq!(rtt, Some(Duration::from_millis(40)));
    }

    #[test]
    fn only_the_last_eight_marks_are_known() {
        let mut sent = SentMarks::default();
        for mark in 1..=9 {
            sent.remember(mark, Time::from_secs(u64::from(mark)));
        }
        let now = Time::from_secs(10);
        assert_eq!(sent.round_trip(now, 1, 0), None);
        assert_eq!(sent.round_trip(now, 2, 0), Some(Duration::from_secs(8)));
        assert_eq!(sent.round_trip(now, 9, 0), Some(Duration::from_secs(1)));
    }

    #[test]
    fn no_mark_and_impossible_holds_show_nothing() {
        let mut sent = SentMarks::default();
        sent.remember(0, Time::ZERO);
        sent.remember(5, Time::ZERO);
        let now = Time::from_millis(1000);
        assert_eq!(sent.round_trip(now, 0, 0), None);
        assert_eq!(sent.round_trip(now, 6, 0), None);
        assert_eq!(sent.round_trip(now, 5, 2 * SHORT_SECOND), None);
        // A clock that runs a little fast is no lie.
        assert_eq!(
            sent.round_trip(now, 5, SHORT_SECOND + 30),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn an_echo_carries_the_hold() {
        let mut received = ReceivedMark::default();
        assert_eq!(received.echo(Time::from_secs(1)), (0, 0));
        received.note(9, Time::from_secs(1));
        assert_eq!(
            received.echo(Time::from_millis(1500)),
            (9, SHORT_SECOND / 2)
        );
    }
}
