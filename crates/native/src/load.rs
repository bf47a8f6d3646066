//! The load of a thread: the share of time in which it is busy.

use std::time::Duration;

use wire::time::Time;

/// Weight of the latest interval: with intervals of 50 ms the time constant is a quarter second.
const LATEST: f64 = 0.2;

/// All time not asleep is busy: work, or run queue wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    since: Time,
    slept: Duration,
    busy: f64,
}

impl Load {
    /// Count time asleep.
    pub fn slept(&mut self, time: Duration) {
        self.slept += time;
    }

    /// End an interval and return the smoothed share, 0 to 1.
    pub fn busy(&mut self, now: Time) -> f64 {
        let interval = now.since(self.since).as_secs_f64();
        if interval > 0.0 {
            let busy = 1.0 - (self.slept.as_secs_f64() / interval).min(1.0);
            self.busy += LATEST * (busy - self.busy);
        }
        (self.since, self.slept) = (now, Duration::ZERO);
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sleep for this much of each 50 ms, for this long.
    fn busy(load: &mut Load, from_ms: u64, slept_ms: u64, intervals: u64) -> f64 {
        let interval = |nth| {
            load.slept(Duration::from_millis(slept_ms));
            load.busy(Time::from_millis(from_ms + nth * 50))
        };
        (1..=intervals).map(interval).last().expect("one")
    }

    #[test]
    fn follows_within_a_second_and_not_at_once() {
        let mut load = Load::default();
        assert!(busy(&mut load, 0, 50, 20) < 0.01);
        assert!(busy(&mut load, 1_000, 10, 1) < 0.2);
        let later = busy(&mut load, 1_050, 10, 20);
        assert!((later - 0.8).abs() < 0.02, "{later}");
    }

    #[test]
    fn a_sleep_longer_than_the_interval_is_no_negative_load() {
        let mut load = Load::default();
        assert_eq!(busy(&mut load, 0, 80, 1), 0.0);
    }
}
