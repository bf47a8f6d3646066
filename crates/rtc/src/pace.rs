//! When a transport may send: a token bucket whose rate somebody else decides.
//!
//! A large frame leaves over several quanta instead of as one burst that a bottleneck queue would
//! drop. The rate comes from a [`RateSource`]; congestion control replaces that and nothing else.

use std::time::Duration;

use wire::time::Time;

/// Time between two rounds of sending while something waits.
pub const QUANTUM: Duration = Duration::from_millis(5);
/// What may leave at once after a pause: most frames fit and stay one run of segments.
const BURST: Duration = Duration::from_millis(40);
/// A few full packets always fit the bucket, however low the rate.
const MIN_BURST_BYTES: f64 = 6.0 * 1250.0;

/// What a transport carries and what waits in it now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Bit/s of the media that its subscriptions select.
    pub media_bps: u64,
    /// Bytes that wait to be sent.
    pub queued_bytes: usize,
}

/// Decide how fast a transport may send.
pub trait RateSource {
    /// Return bit/s for the load.
    fn pacing_bps(&self, load: Load) -> u64;
}

/// Pace without congestion control: 2.5 times the media, and no frame waits above 30 ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct DrainRate;

impl RateSource for DrainRate {
    fn pacing_bps(&self, load: Load) -> u64 {
        let keep_up = load.media_bps * 5 / 2;
        let drain = load.queued_bytes as u64 * 8 * 1000 / 30;
        keep_up.max(drain)
    }
}

/// Token bucket of one transport.
#[derive(Debug)]
pub struct Pacer {
    tokens: f64,
    bytes_per_second: f64,
    refilled: Time,
}

impl Pacer {
    /// Start full.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            tokens: MIN_BURST_BYTES,
            bytes_per_second: 0.0,
            refilled: now,
        }
    }

    /// Refill at the rate for this load and say whether anything may leave now.
    pub fn open(&mut self, now: Time, source: &impl RateSource, load: Load) -> bool {
        self.bytes_per_second = source.pacing_bps(load) as f64 / 8.0;
        let elapsed = now.since(self.refilled).as_secs_f64();
        self.refilled = now;
        let depth = (self.bytes_per_second * BURST.as_secs_f64()).max(MIN_BURST_BYTES);
        self.tokens = (self.tokens + elapsed * self.bytes_per_second).min(depth);
        self.tokens > 0.0
    }

    /// Say whether another packet may leave in this round.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.tokens > 0.0
    }

    /// Account for a packet that left; the last one of a round may overdraw.
    pub fn sent(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(pacer: &mut Pacer, now: Time, load: &mut Load) -> usize {
        let mut packets = 0;
        if pacer.open(now, &DrainRate, *load) {
            while pacer.may_send() && load.queued_bytes > 0 {
                pacer.sent(1200);
                load.queued_bytes = load.queued_bytes.saturating_sub(1200);
                packets += 1;
            }
        }
        packets
    }

    #[test]
    fn a_usual_frame_leaves_at_once() {
        let mut pacer = Pacer::new(Time::default());
        let mut load = Load {
            media_bps: 1_700_000,
            queued_bytes: 6 * 1200,
        };
        assert_eq!(drain(&mut pacer, Time::from_millis(33), &mut load), 6);
    }

    #[test]
    fn a_keyframe_is_spread_and_drained_within_35_ms() {
        let mut pacer = Pacer::new(Time::default());
        let mut load = Load {
            media_bps: 500_000,
            queued_bytes: 40 * 1200,
        };
        let mut rounds = Vec::new();
        let mut now = Time::from_millis(1);
        while load.queued_bytes > 0 {
            rounds.push(drain(&mut pacer, now, &mut load));
            now = now + QUANTUM;
        }
        assert!(rounds[0] < 20, "{rounds:?}");
        assert!(
            now.since(Time::from_millis(1)) <= Duration::from_millis(60),
            "{rounds:?}"
        );
    }

    #[test]
    fn nothing_accumulates_beyond_the_burst() {
        let mut pacer = Pacer::new(Time::default());
        let mut load = Load {
            media_bps: 1_000_000,
            queued_bytes: 1_000_000,
        };
        let first = drain(&mut pacer, Time::from_millis(60_000), &mut load);
        assert!(
            first * 1200 <= 200_000_000 / 30 * 40 / 1000 / 8 * 8 + 2400,
            "{first}"
        );
    }
}
