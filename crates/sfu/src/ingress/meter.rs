//! The bitrate of a stream over the last second or longer.

use std::time::Duration;

use wire::time::Time;

const BUCKET: Duration = Duration::from_millis(250);

/// Bytes counted in buckets of 250 ms; the one being filled does not count yet.
#[derive(Clone, Copy, Debug)]
pub struct Meter<const BUCKETS: usize = 6> {
    buckets: [u64; BUCKETS],
    filling: usize,
    /// Start of the current bucket; `None` until the first packet after silence, which therefore
    /// does not count.
    since: Option<Time>,
    /// Buckets filled before it.
    full: u32,
}

impl<const BUCKETS: usize> Default for Meter<BUCKETS> {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            filling: 0,
            since: None,
            full: 0,
        }
    }
}

impl<const BUCKETS: usize> Meter<BUCKETS> {
    /// Count bytes.
    #[inline]
    pub fn add(&mut self, now: Time, bytes: usize) {
        if self.since.is_none_or(|since| now.since(since) >= BUCKET) {
            self.turn(now);
            self.since.get_or_insert(now);
        }
        self.buckets[self.filling] += bytes as u64;
    }

    /// Return bit/s over the full buckets.
    pub fn bps(&mut self, now: Time) -> u64 {
        self.turn(now);
        let full: u64 = self.buckets.iter().sum::<u64>() - self.buckets[self.filling];
        match self.covered().as_millis() as u64 {
            0 => 0,
            ms => full * 8 * 1000 / ms,
        }
    }

    /// Return the time that [`Self::bps`] covers.
    #[must_use]
    pub fn covered(&self) -> Duration {
        BUCKET * self.full.min(BUCKETS as u32 - 1)
    }

    fn turn(&mut self, now: Time) {
        let Some(since) = self.since else {
            return;
        };
        let turns = (now.since(since).as_nanos() / BUCKET.as_nanos()) as u32;
        for _ in 0..turns.min(BUCKETS as u32) {
            self.filling = (self.filling + 1) % BUCKETS;
            self.buckets[self.filling] = 0;
        }
        self.full = self.full.saturating_add(turns);
        self.since = Some(since + BUCKET * turns);
        if self.buckets == [0; BUCKETS] {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_a_steady_stream() {
        let mut meter = Meter::<6>::default();
        for ms in 0..5_000 {
            meter.add(Time::from_millis(ms), 125);
        }
        let bps = meter.bps(Time::from_millis(5_000));
        assert!((990_000..=1_010_000).contains(&bps), "{bps}");
    }

    #[test]
    fn a_new_stream_is_measured_from_its_first_packet() {
        for silence_ms in [0, 100, 10_000] {
            let mut meter = Meter::<6>::default();
            meter.add(Time::ZERO, 100);
            meter.bps(Time::from_millis(5_000));
            let first = 5_000 + silence_ms;
            for ms in first..first + 250 {
                assert_eq!(meter.bps(Time::from_millis(ms)), 0);
                meter.add(Time::from_millis(ms), 125);
            }
            let bps = meter.bps(Time::from_millis(first + 250));
            assert_eq!(bps, 1_000_000, "after {silence_ms} ms");
        }
    }

    #[test]
    fn a_silent_stream_falls_to_zero() {
        let mut meter = Meter::<6>::default();
        meter.add(Time::ZERO, 100_000);
        assert!(meter.bps(Time::from_millis(300)) > 0);
        assert_eq!(meter.bps(Time::from_millis(10_000)), 0);
    }
}
