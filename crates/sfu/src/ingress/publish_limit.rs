//! The bitrate limit of the publications of one transport.

use std::time::Duration;

use wire::time::Time;

/// Accepted share of the bitrate signaled to publishers, percent: encoders overshoot.
const ACCEPTED_PERCENT: u64 = 150;
/// Accepted burst: a keyframe, or packets delayed by the network.
const BURST: Duration = Duration::from_millis(500);
/// A keyframe of the smallest encodings.
const MIN_BURST_BYTES: u64 = 16_000;
/// The last part of the burst, one in so many, is reserved for audio.
const AUDIO_SHARE: u64 = 8;

/// A token bucket. Its last part is reserved for audio, which therefore is never dropped on account
/// of video, yet counts towards the same limit.
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

    /// Return whether `len` bytes of a publisher with a limit of `allowed_bps` are accepted.
    pub fn accept(&mut self, now: Time, allowed_bps: u64, len: usize, is_audio: bool) -> bool {
        const BYTE: u128 = 8_000_000_000;
        let bps = u128::from(allowed_bps) * u128::from(ACCEPTED_PERCENT) / 100;
        let burst = ((bps * BURST.as_nanos() / BYTE) as u64).max(MIN_BURST_BYTES);
        let elapsed = now.since(self.filled).min(Duration::from_secs(60));
        let gained = bps * elapsed.as_nanos() + u128::from(self.remainder);
        self.filled = now;
        self.remainder = (gained % BYTE) as u64;
        self.bytes = self.bytes.saturating_add((gained / BYTE) as u64).min(burst);
        let reserved = if is_audio { 0 } else { burst / AUDIO_SHARE };
        let is_within = self.bytes >= reserved + len as u64;
        if is_within {
            self.bytes -= len as u64;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes accepted of packets of `len` bytes that arrive every `every_us` for ten seconds.
    fn accepted(limit: &mut PublishLimit, allowed_bps: u64, len: usize, every_us: u64) -> usize {
        let instants = (0..10_000_000).step_by(every_us as usize);
        let is_accepted = |at: &u64| limit.accept(Time::from_micros(*at), allowed_bps, len, false);
        instants.filter(is_accepted).count() * len
    }

    #[test]
    fn one_and_a_half_times_the_bitrate_in_the_long_run() {
        let mut limit = PublishLimit::new(Time::ZERO);
        // A limit of 1 Mb/s, 8 Mb/s arrive: 1.5 Mb/s in ten seconds and seven eighths of the burst.
        let bytes = accepted(&mut limit, 1_000_000, 1_000, 1_000);
        let expected = 1_875_000 + 93_750 * 7 / 8;
        assert!((expected - 2_000..=expected).contains(&bytes), "{bytes}");
    }

    #[test]
    fn packets_within_the_limit_are_not_dropped() {
        let mut limit = PublishLimit::new(Time::ZERO);
        assert_eq!(accepted(&mut limit, 1_000_000, 1_000, 6_000), 1_667_000);
    }

    #[test]
    fn part_of_the_burst_is_reserved_for_audio() {
        let mut limit = PublishLimit::new(Time::ZERO);
        for ms in 0..10_000 {
            let now = Time::from_millis(ms);
            limit.accept(now, 300_000, 1_200, false);
            assert!(
                ms % 20 != 0 || limit.accept(now, 300_000, 160, true),
                "{ms}"
            );
        }
        // Audio alone is limited as well.
        let now = Time::from_secs(20);
        let accepted = (0..1_000).filter(|_| limit.accept(now, 300_000, 160, true));
        assert_eq!(accepted.count(), 28_125 / 160);
    }
}
