//! Freezes by the definition of webrtc-stats, estimated from decodable instead of rendered frames.

use std::time::Duration;
use wire::time::Time;

/// Number of frame intervals in the average.
const WINDOW: usize = 30;
/// Minimum number of frame intervals for an average (libwebrtc's).
const MIN_GAPS: usize = 5;
const MARGIN: Duration = Duration::from_millis(150);

/// Counts freezes: gaps between decodable frames.
///
/// A gap is a freeze from max(3 x average, average + 150 ms) on (webrtc-stats, `freezeCount`).
#[derive(Clone, Debug)]
pub struct FreezeMeter {
    gaps_us: [u32; WINDOW],
    sum_us: u64,
    gaps: usize,
    first: Option<Time>,
    last: Time,
    /// Start of the measurement window.
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
    /// Record a decodable frame.
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
        self.record_gap(gap);
    }

    /// Return the number of freezes, including one in progress.
    #[must_use]
    pub fn freezes(&self, now: Time) -> u32 {
        self.freezes + u32::from(self.is_frozen(now))
    }

    /// Return the total freeze duration, including a freeze in progress: at most
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

    /// Start the measurement window: freeze durations and the longest gap count from `now` on, also
    /// those of a gap in progress.
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

    /// Return the part of the current gap within the measurement window.
    fn counted(&self, now: Time) -> Duration {
        now.since(self.last.max(self.since))
    }

    fn is_freeze(&self, gap: Duration) -> bool {
        let samples = self.gaps.min(WINDOW);
        if samples < MIN_GAPS {
            return false;
        }
        let average = Duration::from_micros(self.sum_us / samples as u64);
        gap >= (3 * average).max(average + MARGIN)
    }

    fn record_gap(&mut self, gap: Duration) {
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
    fn the_thresholds_are_those_of_webrtc_stats() {
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
    fn a_freeze_in_progress_counts_once() {
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
    fn a_freeze_in_progress_lasts_for_all_of_the_window_and_no_longer() {
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
    fn neither_the_first_frames_nor_the_time_before_them_are_a_freeze() {
        let mut meter = FreezeMeter::default();
        assert_eq!(meter.frozen(Time::from_millis(9_000)), Duration::ZERO);
        frames_every(&mut meter, 700, 9_000, 4);
        assert_eq!(meter.freezes, 0);
    }
}
