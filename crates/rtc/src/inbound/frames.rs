//! Mean frame interval of a source, to tell a stopped source from one of a low frame rate.

use core::time::Duration;

/// One interval weighs an eighth of the mean.
const WEIGHT: u32 = 8;
/// Intervals above this are pauses of the source.
const MAX_INTERVAL: Duration = Duration::from_secs(5);

/// Mean interval between frames on the sender's RTP clock.
#[derive(Clone, Copy, Debug)]
pub struct FrameInterval {
    clock_rate: u32,
    newest: Option<u32>,
    mean: Option<Duration>,
}

impl FrameInterval {
    /// Start without an interval; `clock_rate` is in Hz.
    pub fn new(clock_rate: u32) -> FrameInterval {
        FrameInterval {
            clock_rate: clock_rate.max(1),
            newest: None,
            mean: None,
        }
    }

    /// Update with the timestamp of a packet; packets of one frame share it.
    #[inline]
    pub fn receive(&mut self, timestamp: u32) {
        let newest = *self.newest.get_or_insert(timestamp);
        let ahead = timestamp.wrapping_sub(newest);
        if ahead == 0 || ahead > u32::MAX / 2 {
            return;
        }
        self.newest = Some(timestamp);
        let nanos = u64::from(ahead) * 1_000_000_000 / u64::from(self.clock_rate);
        let interval = Duration::from_nanos(nanos);
        if interval > MAX_INTERVAL {
            return;
        }
        self.mean = Some(match self.mean {
            None => interval,
            Some(mean) => mean + interval / WEIGHT - mean / WEIGHT,
        });
    }

    /// Return the mean interval, zero before the second frame.
    pub fn mean(&self) -> Duration {
        self.mean.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_one_frame_count_once() {
        let mut frames = FrameInterval::new(90_000);
        for nth in 0..20 {
            for _ in 0..4 {
                frames.receive((u32::MAX - 5_000).wrapping_add(nth * 3_000));
            }
        }
        assert!(frames.mean().abs_diff(Duration::from_micros(33_333)) < Duration::from_micros(2));
    }

    #[test]
    fn the_mean_follows_a_slower_source() {
        let mut frames = FrameInterval::new(90_000);
        assert_eq!(frames.mean(), Duration::ZERO);
        let mut timestamp = 0_u32;
        for _ in 0..60 {
            timestamp = timestamp.wrapping_add(18_000);
            frames.receive(timestamp);
        }
        assert!(frames.mean().abs_diff(Duration::from_millis(200)) < Duration::from_millis(1));
    }

    #[test]
    fn old_packets_and_pauses_do_not_count() {
        let mut frames = FrameInterval::new(90_000);
        for timestamp in [0, 3_000, 0, 6_000, 3_000, 906_000, 909_000] {
            frames.receive(timestamp);
        }
        assert!(frames.mean().abs_diff(Duration::from_micros(33_333)) < Duration::from_micros(2));
    }
}
