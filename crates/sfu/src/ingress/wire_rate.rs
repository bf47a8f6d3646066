//! The bitrate of an encoding on the wire of a subscriber, for allocation.
//!
//! Keyframes of 30 kB each second, in a window of a second or two, would let the bitrate vary by
//! more than the margin of an allocation. Delta frames are measured over three seconds, and
//! keyframes over the intervals between the last four, at least three seconds.

use std::collections::VecDeque;
use std::time::Duration;

use wire::time::Time;

use super::meter::Meter;

/// Headers of a packet beside its payload: IPv4 and UDP 28 bytes, RTP 12, the header extensions
/// that subscribers get 16, the authentication tag 16.
pub const OVERHEAD: usize = 72;
/// Three seconds of full buckets, and the one being filled.
const BUCKETS: usize = 13;
const SHORTEST: Duration = Duration::from_secs(3);
/// After silence of this length nothing is measured.
const SILENCE: Duration = Duration::from_millis(500);
/// A measurement replaces an earlier one, from before a silence, once it covers this.
const RELIABLE: Duration = Duration::from_secs(1);
/// Keyframes before a gap of this length do not count.
const LONGEST_INTERVAL: Duration = Duration::from_secs(20);
/// Three intervals.
const KEYFRAMES: usize = 4;

/// Measures one encoding; the result is kept while it is inactive.
#[derive(Clone, Debug, Default)]
pub struct WireRate {
    deltas: Meter<BUCKETS>,
    keyframes: VecDeque<Keyframe>,
    last_packet: Time,
    bps: u64,
}

#[derive(Clone, Copy, Debug)]
struct Keyframe {
    timestamp: u32,
    started: Time,
    bytes: u64,
}

impl WireRate {
    /// Count a packet by its RTP timestamp and the length of its payload.
    pub fn add(&mut self, now: Time, timestamp: u32, starts_keyframe: bool, len: usize) {
        let bytes = len + OVERHEAD;
        self.last_packet = now;
        match self.keyframes.back_mut() {
            Some(last) if last.timestamp == timestamp => last.bytes += bytes as u64,
            _ if starts_keyframe => self.start_keyframe(now, timestamp, bytes as u64),
            _ => self.deltas.add(now, bytes),
        }
    }

    fn start_keyframe(&mut self, started: Time, timestamp: u32, bytes: u64) {
        let is_stale = |last: &Keyframe| started.since(last.started) > LONGEST_INTERVAL;
        if self.keyframes.back().is_some_and(is_stale) {
            self.keyframes.clear();
        }
        if self.keyframes.len() == KEYFRAMES {
            self.keyframes.pop_front();
        }
        self.keyframes.push_back(Keyframe {
            timestamp,
            started,
            bytes,
        });
    }

    /// Measure, while packets arrive.
    pub fn update(&mut self, now: Time) {
        let deltas = self.deltas.bps(now);
        let is_reliable = self.bps == 0 || self.deltas.covered() >= RELIABLE;
        if deltas > 0 && is_reliable && now.since(self.last_packet) < SILENCE {
            self.bps = deltas + self.keyframe_bps(now);
        }
    }

    /// Return the bitrate measured last, bit/s; 0 before the first measurement.
    #[must_use]
    pub fn bps(&self) -> u64 {
        self.bps
    }

    fn keyframe_bps(&self, now: Time) -> u64 {
        let (Some(first), Some(last)) = (self.keyframes.front(), self.keyframes.back()) else {
            return 0;
        };
        // The last one counts for an interval as long as those before it.
        let intervals = (self.keyframes.len() as u32 - 1).max(1);
        let before = last.started.since(first.started);
        let span = (before + before / intervals)
            .max(now.since(first.started))
            .max(SHORTEST);
        let bytes: u64 = self.keyframes.iter().map(|it| it.bytes).sum();
        (u128::from(bytes) * 8_000 / span.as_millis()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 1,000 bytes 30 times a second, 247 kb/s on the wire without the keyframes.
    fn feed(rate: &mut WireRate, from_ms: u64, to_ms: u64, keyframe_every: u64) {
        for frame in (from_ms * 30 / 1000)..(to_ms * 30 / 1000) {
            let is_key = frame % keyframe_every == 0;
            for packet in 0..if is_key { 30 } else { 1 } {
                let now = Time::from_micros(frame * 1_000_000 / 30);
                rate.add(now, frame as u32, is_key && packet == 0, 1_000 - OVERHEAD);
            }
        }
    }

    fn at(rate: &mut WireRate, ms: u64) -> u64 {
        rate.update(Time::from_millis(ms));
        rate.bps()
    }

    #[test]
    fn keyframes_do_not_let_it_vary_by_the_margin_of_an_allocation() {
        for seconds in [1, 2, 4] {
            let mut rate = WireRate::default();
            let mut seen = Vec::new();
            for ms in (0..40_000).step_by(250) {
                feed(&mut rate, ms, ms + 250, 30 * seconds);
                seen.push(at(&mut rate, ms + 250));
            }
            // 30 kB for each keyframe.
            let expected = 240_000 - 8_000 / seconds + 240_000 / seconds;
            for bps in &seen[60..] {
                let error = bps.abs_diff(expected) * 100 / expected;
                assert!(error <= 5, "{seconds} s: {bps}, not {expected}");
            }
        }
    }

    #[test]
    fn the_first_keyframe_is_spread_over_three_seconds() {
        let mut rate = WireRate::default();
        feed(&mut rate, 0, 1_000, 1_000);
        let bps = at(&mut rate, 1_000);
        assert!((300_000..345_000).contains(&bps), "{bps}");
    }

    #[test]
    fn the_rate_of_an_inactive_encoding_is_remembered() {
        let mut rate = WireRate::default();
        feed(&mut rate, 0, 5_000, 30);
        let before = at(&mut rate, 5_000);
        assert!(before > 300_000);
        for ms in [5_250, 5_500, 6_000, 7_000, 60_000] {
            let after = at(&mut rate, ms);
            assert!(
                before * 8 / 10 <= after && after <= before,
                "{after} after {ms} ms"
            );
        }
        feed(&mut rate, 60_000, 60_500, 30);
        assert!(at(&mut rate, 60_500) >= before * 8 / 10);
    }
}
