//! Additions of layers that failed: what was added had to be removed soon after.
//!
//! A probe of some milliseconds does not see the frames of others in the same bottleneck, so that it
//! passes and the addition fails. The same bitrate is then not tried again for some time, unless
//! probes show that the link has become wider.

use std::time::Duration;

use wire::time::Time;

/// An addition has failed where layers are removed within this after it.
const FAILS_WITHIN: Duration = Duration::from_secs(6);
/// Then the same bitrate is not tried again for this long, twice as long after each further failure.
const HELD_FOR: Duration = Duration::from_secs(12);
const MOST_FAILURES: u32 = 3;
/// So long after the first video a failure says little: the keyframes of all videos are sent at once.
/// The bitrate is tried again soon.
const SETTLES: Duration = Duration::from_millis(2_500);
const HELD_AT_START_FOR: Duration = Duration::from_secs(2);
/// An addition that lasted for so long was no failure.
const LASTS: Duration = Duration::from_secs(20);
/// A bitrate that is higher by this is an addition; measured bitrates vary by less.
const ADDED_PERCENT: u64 = 120;
/// A probe that finds so much of a bitrate that failed is evidence of a wider link.
const WIDER_PERCENT: u64 = 150;
/// What is below this share of a bitrate that failed may be added.
const BELOW_FAILED_PERCENT: u64 = 75;

/// The additions of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    /// The last bitrate of all video, bit/s, and when it rose.
    video_bps: u64,
    begun: Option<Time>,
    added: Option<Time>,
    /// Whether anything was added since the last failure.
    has_added: bool,
    /// Additions that failed one after the other.
    count: u32,
    /// Probes that were wide enough to try again, less the others.
    wide_probes: u32,
    /// What failed last, bit/s, and until when it is not tried again.
    failed: Option<(u64, Time)>,
}

impl Failures {
    /// Note the bitrate of all video that is sent.
    pub fn note_video(&mut self, now: Time, video_bps: u64) {
        if video_bps > 0 {
            self.begun.get_or_insert(now);
        }
        let before_bps = std::mem::replace(&mut self.video_bps, video_bps);
        if before_bps > 0 && video_bps > before_bps / 100 * ADDED_PERCENT {
            (self.added, self.has_added) = (Some(now), true);
        } else if self.added.is_some_and(|at| now.since(at) >= LASTS) {
            (self.added, self.count) = (None, 0);
        }
    }

    /// Note what a probe has found: a link that became wider shows it to as many probes as additions
    /// have failed.
    pub fn note_probe(&mut self, probed_bps: u64) {
        let Some((failed_bps, _)) = self.failed else {
            return;
        };
        self.wide_probes = match probed_bps >= failed_bps / 100 * WIDER_PERCENT {
            true => self.wide_probes + 1,
            false => self.wide_probes.saturating_sub(1),
        };
        if self.wide_probes >= self.count {
            self.failed = None;
        }
    }

    /// Try anything again: what failed was not too much.
    pub fn forget(&mut self) {
        (self.failed, self.count) = (None, 0);
    }

    /// Note that layers are removed.
    pub fn note_removal(&mut self, now: Time) {
        self.added = None;
        self.wide_probes = 0;
        let video_bps = self.video_bps;
        if !std::mem::take(&mut self.has_added) {
            // The same failure goes on.
            self.failed = self.failed.map(|(_, until)| (video_bps, until));
            return;
        }
        if self.begun.is_some_and(|at| now.since(at) < SETTLES) {
            self.failed = Some((video_bps, now + HELD_AT_START_FOR));
            return;
        }
        // Transports of one bottleneck that fail together do not try again together.
        let spread = (now.as_nanos() ^ video_bps).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let held = HELD_FOR * (1 << self.count) * (256 + spread as u32) / 256;
        self.count = (self.count + 1).min(MOST_FAILURES);
        self.failed = Some((video_bps, now + held));
    }

    /// Return whether something was added that may still fail.
    pub fn is_new(&self, now: Time) -> bool {
        self.added.is_some_and(|at| now.since(at) < FAILS_WITHIN)
    }

    /// Return whether something has failed that is not tried again yet.
    pub fn is_held(&self, now: Time) -> bool {
        self.failed.is_some_and(|(_, until)| now < until)
    }

    /// Return the bitrate of all video that additions stay below.
    pub fn ceiling_bps(&self, now: Time) -> u64 {
        let failed = self.failed.filter(|(_, until)| now < *until);
        failed.map_or(u64::MAX, |(bps, _)| bps / 100 * BELOW_FAILED_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn settled() -> Failures {
        let mut failures = Failures::default();
        failures.note_video(Time::ZERO, 500_000);
        failures
    }

    #[test]
    fn what_failed_at_the_start_is_tried_again_soon() {
        let mut failures = settled();
        fail(&mut failures, 1_000);
        assert!(failures.is_held(at(3_999)));
        assert!(!failures.is_held(at(4_001)));
        fail(&mut failures, 6_000);
        assert!(failures.is_held(at(18_999)), "as the first failure");
    }

    /// Add 1 Mb/s to 500 kb/s at this instant, and remove it after a second.
    fn fail(failures: &mut Failures, ms: u64) {
        failures.note_video(at(ms), 500_000);
        failures.note_video(at(ms + 10), 1_500_000);
        assert!(failures.is_new(at(ms + 1_000)));
        failures.note_removal(at(ms + 1_000));
        failures.note_video(at(ms + 1_010), 500_000);
    }

    #[test]
    fn what_failed_is_not_tried_again_for_twice_as_long_each_time() {
        let mut failures = settled();
        let mut ms = 10_000;
        for held in [12_000, 24_000, 48_000, 96_000, 96_000] {
            fail(&mut failures, ms);
            let end = ms + 1_000;
            assert!(failures.is_held(at(end + held - 1)), "{held}");
            assert!(!failures.is_held(at(end + 2 * held)), "{held}");
            assert_eq!(failures.ceiling_bps(at(end + 1)), 1_125_000);
            ms = end + 2 * held;
        }
    }

    #[test]
    fn what_lasts_is_no_failure() {
        let mut failures = settled();
        for ms in [10_000, 200_000] {
            fail(&mut failures, ms);
            failures.note_video(at(ms + 20_000), 1_500_000);
            failures.note_video(at(ms + 41_000), 1_500_000);
            failures.note_removal(at(ms + 42_000));
            assert!(!failures.is_held(at(ms + 67_000)), "12 to 24 s again");
        }
    }

    #[test]
    fn a_removal_without_an_addition_is_the_same_failure() {
        let mut failures = settled();
        fail(&mut failures, 10_000);
        for _ in 0..10 {
            failures.note_removal(at(11_500));
        }
        assert_eq!(failures.ceiling_bps(at(11_600)), 375_000);
        assert!(!failures.is_held(at(35_001)));
    }

    #[test]
    fn wide_probes_end_the_hold_as_many_as_additions_failed() {
        let mut failures = settled();
        fail(&mut failures, 10_000);
        failures.note_probe(2_249_000);
        assert!(failures.is_held(at(11_100)));
        failures.note_probe(2_250_000);
        assert!(!failures.is_held(at(11_100)));
        fail(&mut failures, 13_000);
        failures.note_probe(2_250_000);
        assert!(failures.is_held(at(14_100)), "one of two");
        failures.note_probe(1_000_000);
        failures.note_probe(2_250_000);
        assert!(failures.is_held(at(14_100)), "one of two");
        failures.note_probe(2_250_000);
        assert!(!failures.is_held(at(14_100)));
        assert_eq!(failures.ceiling_bps(at(14_100)), u64::MAX);
    }
}
