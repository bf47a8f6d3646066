//! Freezes as webrtc-stats defines them, estimated: frames here are complete, not rendered.

use std::time::Duration;
use wire::time::Time;

/// How many gaps between frames the average looks back over.
const WINDOW: usize = 30;
/// Before that many gaps there is no average worth the name (as libwebrtc has it).
const MIN_GAPS: usize = 5;
const MARGIN: Duration = Duration::from_millis(150);

/// Find the gaps between decodable frames that a viewer would see as a freeze.
///
/// A gap is one from max(3 x average, average + 150 ms) on (webrtc-stats, `freezeCount`).
#[derive(Clone, Debug)]
pub struct FreezeMeter {
    gaps_us: [u32; WINDOW],
    sum_us: u64,
    gaps: usize,
    first: Option<Time>,
    last: Time,
    /// Since when time is counted.
    since: Time,
    freezes: u32,
    frozen: Duration,
    longest_gap: Duration,
}

impl Default for FreezeMeter {
    fn default() -> Self {
        Self {
            gaps_us: [0; WINDOW],
            sum_us: 0,
            gaps: 0,
            first: None,
            last: Time::ZERO,
            since: Time::ZERO,
            freezes: 0,
            frozen: Duration::ZERO,
            longest_gap: Duration::ZERO,
        }
    }
}

impl FreezeMeter {
    /// Note that a decodable frame is complete.
    pub fn frame(&mut self, now: Time) {
        if self.first.is_none() {
            self.first = Some(now);
            self.last = now;
            return;
        }
        let (gap, counted) = (now.since(self.last), self.counted(now));
        self.last = self.last.max(now);
        if self.is_freeze(gap) {
            self.freezes += 1;
            self.frozen += counted;
        }
        self.longest_gap = self.longest_gap.max(gap);
        self.remember(gap);
    }

    /// Count the freezes, one that still lasts included.
    #[must_use]
    pub fn freezes(&self, now: Time) -> u32 {
        self.freezes + u32::from(self.is_frozen(now))
    }

    /// Return the time frozen so far, a freeze that still lasts included: never more than
    /// [`Self::playing`].
    #[must_use]
    pub fn frozen(&self, now: Time) -> Duration {
        self.frozen + self.current(now)
    }

    /// Return the time since the first frame.
    #[must_use]
    pub fn playing(&self, now: Time) -> Duration {
        let since = |first: Time| now.since(first.max(self.since));
        self.first.map_or(Duration::ZERO, since)
    }

    /// Return the longest gap between two frames, or since the last one.
    #[must_use]
    pub fn longest_gap(&self, now: Time) -> Duration {
        match self.first {
            None => Duration::ZERO,
            Some(_) => self.longest_gap.max(now.since(self.last)),
        }
    }

    /// Count time from here on, also that of a freeze that lasts or is about to be one, and look
    /// for the longest gap anew.
    pub fn count_from(&mut self, now: Time) {
        self.since = now;
        self.frozen = Duration::ZERO;
        self.longest_gap = Duration::ZERO;
    }

    fn current(&self, now: Time) -> Duration {
        match self.is_frozen(now) {
            true => self.counted(now),
            false => Duration::ZERO,
        }
    }

    fn is_frozen(&self, now: Time) -> bool {
        self.first.is_some() && self.is_freeze(now.since(self.last))
    }

    /// Return what of the gap behind the last frame is counted.
    fn counted(&self, now: Time) -> Duration {
        now.since(self.last.max(self.since))
    }

    fn is_freeze(&self, gap: Duration) -> bool {
        let known = self.gaps.min(WINDOW);
        if known < MIN_GAPS {
            return false;
        }
        let average = Duration::from_micros(self.sum_us / known as u64);
        gap >= (3 * average).max(average + MARGIN)
    }

    fn remember(&mut self, gap: Duration) {
        let gap_us = u32::try_from(gap.as_micros()).unwrap_or(u32::MAX);
        let slot = &mut self.gaps_us[self.gaps % WINDOW];
        self.sum_us = self.sum_us - u64::from(*slot) + u64::from(gap_us);
        *slot = gap_us;
        self.gaps += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames_every(meter: &mut FreezeMeter, gap_ms: u64, from_ms: u64, count: u64) -> u64 {
        for nth in 0..count {
            meter.frame(Time::from_millis(from_ms + nth * gap_ms));
        }
        from_ms + (count - 1) * gap_ms
    }

    #[test]
    fn the_rule_has_its_edges_where_webrtc_stats_puts_them() {
        // 33 ms apart: the bound is 33 + 150 = 183 ms; 100 ms apart: 3 x 100 = 300 ms.
        for (gap_ms, bound_ms) in [(33, 183), (100, 300)] {
            let mut meter = FreezeMeter::default();
            let last = frames_every(&mut meter, gap_ms, 0, 40);
            let mut freezing = meter.clone();
            meter.frame(Time::from_millis(last + bound_ms - 1));
            assert_eq!(meter.freezes, 0);
            freezing.frame(Time::from_millis(last + bound_ms));
            assert_eq!(
                (freezing.freezes, freezing.frozen),
                (1, Duration::from_millis(bound_ms))
            );
        }
    }

    #[test]
    fn a_freeze_that_lasts_counts_before_it_ends_and_once() {
        let mut meter = FreezeMeter::default();
        let last = frames_every(&mut meter, 33, 0, 10);
        let later = Time::from_millis(last + 2_000);
        assert_eq!(
            (meter.freezes(later), meter.frozen(later)),
            (1, Duration::from_secs(2))
        );
        meter.frame(later);
        assert_eq!(
            (meter.freezes(later), meter.frozen(later)),
            (1, Duration::from_secs(2))
        );
        assert_eq!(meter.playing(later), Duration::from_millis(last + 2_000));
        assert_eq!(meter.longest_gap(later), Duration::from_secs(2));
    }

    #[test]
    fn a_picture_that_stands_still_is_frozen_for_all_of_the_window_and_no_longer() {
        let mut meter = FreezeMeter::default();
        let last = frames_every(&mut meter, 33, 0, 40);
        for opened_ms in [last + 1, last + 100, last + 1_000] {
            let mut meter = meter.clone();
            meter.count_from(Time::from_millis(opened_ms));
            let closed = Time::from_millis(opened_ms + 5_000);
            let window = Duration::from_secs(5);
            assert_eq!(meter.playing(closed), window);
            assert_eq!(meter.frozen(closed), window);
            meter.frame(closed);
            assert_eq!(meter.frozen(closed), window);
        }
    }

    #[test]
    fn the_first_frames_are_no_freeze_and_silence_before_them_neither() {
        let mut meter = FreezeMeter::default();
        assert_eq!(meter.frozen(Time::from_millis(9_000)), Duration::ZERO);
        frames_every(&mut meter, 700, 9_000, 4);
        assert_eq!(meter.freezes, 0);
    }
}
