//! The bitrate of a stream over the last second or so.

use std::time::Duration;

use wire::time::Time;

const BUCKET: Duration = Duration::from_millis(250);
const BUCKETS: usize = 6;

/// Bytes counted in a few buckets of time; the one being filled does not count yet.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    buckets: [u64; BUCKETS],
    filling: usize,
    since: Time,
    started: Time,
}

impl Meter {
    /// Start to count.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            buckets: [0; BUCKETS],
            filling: 0,
            since: now,
            started: now,
        }
    }

    /// Count bytes.
    #[inline]
    pub fn add(&mut self, now: Time, bytes: usize) {
        if now.since(self.since) >= BUCKET {
            self.turn(now);
        }
        self.buckets[self.filling] += bytes as u64;
    }

    /// Return bit/s over the full buckets.
    pub fn bps(&mut self, now: Time) -> u64 {
        self.turn(now);
        let full: u64 = self.buckets.iter().sum::<u64>() - self.buckets[self.filling];
        let over = self
            .since
            .since(self.started)
            .min(BUCKET * (BUCKETS as u32 - 1));
        match over.as_millis() as u64 {
            0 => 0,
            ms => full * 8 * 1000 / ms,
        }
    }

    fn turn(&mut self, now: Time) {
        let turns = (now.since(self.since).as_nanos() / BUCKET.as_nanos()) as u32;
        if turns > BUCKETS as u32 {
            *self = Self::new(now);
            return;
        }
        for _ in 0..turns {
            self.filling = (self.filling + 1) % BUCKETS;
            self.buckets[self.filling] = 0;
        }
        self.since = self.since + BUCKET * turns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_a_steady_stream() {
        let mut meter = Meter::new(Time::ZERO);
        for ms in 0..5_000 {
            meter.add(Time::from_millis(ms), 125);
        }
        let bps = meter.bps(Time::from_millis(5_000));
        assert!((990_000..=1_010_000).contains(&bps), "{bps}");
    }

    #[test]
    fn a_silent_stream_falls_to_zero() {
        let mut meter = Meter::new(Time::ZERO);
        meter.add(Time::ZERO, 100_000);
        assert!(meter.bps(Time::from_millis(300)) > 0);
        assert_eq!(meter.bps(Time::from_millis(10_000)), 0);
    }
}
