//! A link that loses, delays, reorders, duplicates and queues datagrams by its seed.

use std::time::Duration;

use wire::time::Time;

/// Network conditions; probabilities are ratios.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub loss: f64,
    pub duplication: f64,
    pub delay: Duration,
    /// Added to the delay, evenly spread: more than the gap between datagrams reorders them.
    pub jitter: Duration,
    /// Bottleneck, bit/s.
    pub rate_bps: Option<u64>,
    /// Longest wait before the bottleneck; what would wait longer is lost.
    pub queue: Duration,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplication: 0.0,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            rate_bps: None,
            queue: Duration::from_secs(10),
        }
    }
}

pub struct Link {
    pub conditions: Conditions,
    /// When the bottleneck has sent all that waits.
    free_at: Time,
    random: u64,
}

impl Link {
    pub fn new(seed: u64) -> Self {
        Self {
            conditions: Conditions::default(),
            free_at: Time::ZERO,
            random: seed,
        }
    }

    /// Return when a datagram of `len` bytes arrives: never, once, or twice.
    pub fn arrivals(&mut self, now: Time, len: usize) -> [Option<Time>; 2] {
        let Some(sent) = self.through_bottleneck(now, len) else {
            return [None, None];
        };
        if self.chance(self.conditions.loss) {
            return [None, None];
        }
        let first = self.arrival(sent);
        let twice = self.chance(self.conditions.duplication);
        [Some(first), twice.then(|| self.arrival(sent))]
    }

    fn through_bottleneck(&mut self, now: Time, len: usize) -> Option<Time> {
        let Some(rate_bps) = self.conditions.rate_bps else {
            return Some(now);
        };
        let start = self.free_at.max(now);
        if start.since(now) > self.conditions.queue {
            return None;
        }
        self.free_at = start + Duration::from_nanos(len as u64 * 8_000_000_000 / rate_bps);
        Some(self.free_at)
    }

    fn arrival(&mut self, sent: Time) -> Time {
        let jitter = self.conditions.jitter.mul_f64(self.ratio());
        sent + self.conditions.delay + jitter
    }

    fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.ratio() < probability
    }

    /// SplitMix64, 0..1.
    fn ratio(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
