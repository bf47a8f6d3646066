//! Pacer of a transport: a token bucket whose rate is that of a [`RateSource`].
//!
//! A large frame is sent over several quanta instead of as one burst that a bottleneck queue would
//! drop. Congestion control is another [`RateSource`].

use std::time::Duration;

use wire::time::Time;

/// Time between two rounds of sending while packets are queued.
pub const QUANTUM: Duration = Duration::from_millis(5);
/// Burst after a pause, in time at the usual rate: most frames fit and stay one run.
///
/// Browsers send 40 ms at once, and their measured bitrate may be below their pacing rate; one
/// packet above the burst costs every subscriber another round of sending.
const BURST: Duration = Duration::from_millis(50);
/// A few full packets always fit the bucket, however low the rate.
const MIN_BURST_BYTES: f64 = 6.0 * 1250.0;
/// Longest wait of a frame of any size.
const DRAIN_MS: u64 = 30;

/// Media bitrate and queue of a transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Bitrate of the selected encodings of all subscriptions, bit/s.
    pub media_bps: u64,
    /// Bytes queued.
    pub queued_bytes: usize,
}

/// Pacing rate of a transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Most bytes at once after a pause.
    pub burst_bytes: u64,
    /// Current rate, bit/s.
    pub now_bps: u64,
}

/// Source of the pacing rate of a transport.
pub trait RateSource {
    /// Return the rate for a load.
    fn rate(&self, load: Load) -> Rate;
}

/// Rate without congestion control: 2.5 times the media bitrate, and a queue is sent within 30 ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct DrainRate;

impl RateSource for DrainRate {
    fn rate(&self, load: Load) -> Rate {
        let usual_bps = load.media_bps * 5 / 2;
        let drain_bps = load.queued_bytes as u64 * 8 * 1000 / DRAIN_MS;
        let burst_bytes = usual_bps / 8 * BURST.as_millis() as u64 / 1000;
        Rate {
            burst_bytes: burst_bytes.max(MIN_BURST_BYTES as u64),
            now_bps: usual_bps.max(drain_bps),
        }
    }
}

/// Rate under congestion control: 1.5 times the estimate, and a queue is sent within 250 ms.
///
/// A burst takes no longer than 20 ms at the estimate, so that a thin link does not queue more. One
/// above which more is free may take 40 ms, as a browser's: a usual frame stays one run then.
#[derive(Clone, Copy, Debug)]
pub struct EstimateRate {
    /// Estimate of the transport, bit/s.
    pub estimate_bps: u64,
    /// The estimate is more than what the subscriptions want.
    pub is_free: bool,
}

impl EstimateRate {
    const BURST_MS: u64 = 20;
    const FREE_BURST_MS: u64 = 40;
    const MIN_BURST_BYTES: u64 = 2_500;
    const DRAIN_MS: u64 = 250;
}

impl RateSource for EstimateRate {
    fn rate(&self, load: Load) -> Rate {
        let drain_bps = load.queued_bytes as u64 * 8 * 1000 / Self::DRAIN_MS;
        let burst_ms = match self.is_free {
            true => Self::FREE_BURST_MS,
            false => Self::BURST_MS,
        };
        let burst_bytes = self.estimate_bps / 8 * burst_ms / 1000;
        Rate {
            burst_bytes: burst_bytes.max(Self::MIN_BURST_BYTES),
            now_bps: (self.estimate_bps / 2 * 3).max(drain_bps),
        }
    }
}

/// Token bucket of one transport.
#[derive(Debug)]
pub struct Pacer {
    tokens: f64,
    /// Rate of the current backlog: not reduced while the queue shrinks.
    backlog_bps: u64,
    refilled: Time,
}

impl Pacer {
    /// Start with room for a small burst.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            tokens: MIN_BURST_BYTES,
            backlog_bps: 0,
            refilled: now,
        }
    }

    /// Start a round of sending with this load.
    pub fn open(&mut self, now: Time, source: &impl RateSource, load: Load) {
        let rate = source.rate(load);
        let bytes_per_second = rate.now_bps.max(self.backlog_bps) as f64 / 8.0;
        let depth = (rate.burst_bytes as f64).max(bytes_per_second * QUANTUM.as_secs_f64());
        let elapsed = now.since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.tokens = (self.tokens + elapsed * bytes_per_second).min(depth);
        self.backlog_bps = self.backlog_bps.max(rate.now_bps);
    }

    /// Return whether another packet may be sent in this round.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.tokens > 0.0
    }

    /// Record a sent packet; the last one of a round may exceed the tokens.
    pub fn sent(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }

    /// End a round in which every packet was sent.
    pub fn drained(&mut self) {
        self.backlog_bps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(pacer: &mut Pacer, start: Time, media_bps: u64, packets: usize) -> Vec<usize> {
        rounds_of(pacer, &DrainRate, start, media_bps, packets)
    }

    /// Send in rounds of one quantum until nothing waits; return the packets of each round.
    fn rounds_of(
        pacer: &mut Pacer,
        source: &impl RateSource,
        start: Time,
        media_bps: u64,
        packets: usize,
    ) -> Vec<usize> {
        let (mut waiting, mut now, mut rounds) = (packets, start, Vec::new());
        while waiting > 0 {
            let queued_bytes = waiting * 1200;
            pacer.open(
                now,
                source,
                Load {
                    media_bps,
                    queued_bytes,
                },
            );
            let before = waiting;
            while pacer.may_send() && waiting > 0 {
                pacer.sent(1200);
                waiting -= 1;
            }
            rounds.push(before - waiting);
            now = now + QUANTUM;
        }
        pacer.drained();
        rounds
    }

    #[test]
    fn a_usual_frame_leaves_at_once() {
        let mut pacer = Pacer::new(Time::ZERO);
        let start = Time::from_millis(33);
        assert_eq!(rounds(&mut pacer, start, 1_700_000, 6), [6]);
    }

    #[test]
    fn a_keyframe_is_spread_and_gone_within_30_ms() {
        for packets in [20, 40, 400] {
            let mut pacer = Pacer::new(Time::ZERO);
            let rounds = rounds(&mut pacer, Time::from_millis(40), 500_000, packets);
            assert!(rounds[0] <= packets.div_ceil(6) + 7, "{rounds:?}");
            assert!(rounds.len() <= 7, "{rounds:?}");
        }
    }

    #[test]
    fn the_burst_of_a_browser_leaves_at_once_though_its_bitrate_is_measured_too_low() {
        let mut pacer = Pacer::new(Time::ZERO);
        // 2.5 times 1.7 Mb/s for 40 ms are 21 kB.
        assert_eq!(rounds(&mut pacer, Time::from_secs(1), 1_500_000, 18), [18]);
    }

    #[test]
    fn a_thin_link_gets_small_bursts_and_a_keyframe_within_250_ms() {
        let mut pacer = Pacer::new(Time::ZERO);
        let thin = EstimateRate {
            estimate_bps: 600_000,
            is_free: false,
        };
        let frame = rounds_of(&mut pacer, &thin, Time::from_secs(1), 500_000, 2);
        assert_eq!(frame, [2]);
        let keyframe = rounds_of(&mut pacer, &thin, Time::from_secs(2), 500_000, 40);
        assert!(keyframe.iter().all(|packets| *packets <= 3), "{keyframe:?}");
        assert!((30..=50).contains(&keyframe.len()), "{keyframe:?}");
    }

    #[test]
    fn a_usual_frame_leaves_at_once_where_more_than_it_needs_is_free() {
        let frames = |is_free| {
            let estimate_bps = 2_150_000;
            let source = EstimateRate {
                estimate_bps,
                is_free,
            };
            let mut pacer = Pacer::new(Time::ZERO);
            rounds_of(&mut pacer, &source, Time::from_secs(1), 1_700_000, 8)
        };
        assert_eq!(frames(true), [8]);
        assert_eq!(frames(false), [5, 2, 1]);
    }

    #[test]
    fn a_pause_saves_up_no_more_than_a_burst() {
        let mut pacer = Pacer::new(Time::ZERO);
        let rounds = rounds(&mut pacer, Time::from_secs(60), 1_000_000, 200);
        // 2.5 Mb/s for 50 ms are 15.6 kB; a sixth of the 240 kB that wait is more.
        assert!(rounds[0] <= 35, "{rounds:?}");
    }
}
