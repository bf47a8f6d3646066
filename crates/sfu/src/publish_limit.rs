//! The bitrate that the publications of one transport are held to.

use std::time::Duration;

use wire::time::Time;

/// What is accepted of the bitrate that publishers are told, percent: encoders overshoot.
const ACCEPTED_PERCENT: u64 = 150;
/// What may come at once: a keyframe, and a publisher that was held up on its way.
const BURST: Duration = Duration::from_millis(500);
/// A keyframe of the smallest encodings.
const LEAST_BURST_BYTES: u64 = 16_000;
/// The last part of the burst, one in so many, is taken by audio alone.
const AUDIO_SHARE: u64 = 8;

/// A token bucket. Video leaves the last part of it to audio, which therefore is never dropped on
/// account of video, yet counts towards the same limit.
#[derive(Debug)]
pub struct PublishLimit {
    bytes: u64,
    filled: Time,
    /// Fractions of a byte left over, so that frequent packets lose nothing: bits x nanoseconds.
    remainder: u64,
}

impl PublishLimit {
    /// Make a limit whose burst is unused.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            bytes: u64::MAX,
            filled: now,
            remainder: 0,
        }
    }

    /// Take `len` bytes of a publisher that was told `told_bps` in all; false: too many have come.
    pub fn take(&mut self, now: Time, told_bps: u64, len: usize, is_audio: bool) -> bool {
        const BYTE: u128 = 8_000_000_000;
        let bps = u128::from(told_bps) * u128::from(ACCEPTED_PERCENT) / 100;
        let burst = ((bps * BURST.as_nanos() / BYTE) as u64).max(LEAST_BURST_BYTES);
        let elapsed = now.since(self.filled).min(Duration::from_secs(60));
        let gained = bps * elapsed.as_nanos() + u128::from(self.remainder);
        self.filled = now;
        self.remainder = (gained % BYTE) as u64;
        self.bytes = self.bytes.saturating_add((gained / BYTE) as u64).min(burst);
        let kept = if is_audio { 0 } else { burst / AUDIO_SHARE };
        let is_within = self.bytes >= kept + len as u64;
        if is_within {
            self.bytes -= len as u64;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes taken of packets of `len` bytes that come every `every_us` for ten seconds.
    fn taken(limit: &mut PublishLimit, told_bps: u64, len: usize, every_us: u64) -> usize {
        let instants = (0..10_000_000).step_by(every_us as usize);
        let is_taken = |at: &u64| limit.take(Time::from_micros(*at), told_bps, len, false);
        instants.filter(is_taken).count() * len
    }

    #[test]
    fn one_and_a_half_times_the_bitrate_in_the_long_run() {
        let mut limit = PublishLimit::new(Time::ZERO);
        // 1 Mb/s was told, 8 Mb/s come: 1.5 Mb/s in ten seconds and seven eighths of the burst.
        let bytes = taken(&mut limit, 1_000_000, 1_000, 1_000);
        let expected = 1_875_000 + 93_750 * 7 / 8;
        assert!((expected - 2_000..=expected).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_stays_within_the_limit_is_not_dropped() {
        let mut limit = PublishLimit::new(Time::ZERO);
        assert_eq!(taken(&mut limit, 1_000_000, 1_000, 6_000), 1_667_000);
    }

    #[test]
    fn video_leaves_room_for_audio() {
        let mut limit = PublishLimit::new(Time::ZERO);
        for ms in 0..10_000 {
            let now = Time::from_millis(ms);
            limit.take(now, 300_000, 1_200, false);
            assert!(ms % 20 != 0 || limit.take(now, 300_000, 160, true), "{ms}");
        }
        // Alone it is held to the limit as well.
        let now = Time::from_secs(20);
        let taken = (0..1_000).filter(|_| limit.take(now, 300_000, 160, true));
        assert_eq!(taken.count(), 28_125 / 160);
    }
}
