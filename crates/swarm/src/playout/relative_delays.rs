//! The target delay of libwebrtc's NetEq, from a histogram of relative delays.
//!
//! By the behaviour of `modules/audio_coding/neteq` (`delay_manager.cc`, `underrun_optimizer.cc`,
//! `histogram.cc`): of each 500 ms the largest relative delay is counted in buckets of 20 ms. At
//! each addition older weights are multiplied by 0.983, and by less at the start (1 - 2 / (n + 1)
//! at the n-th). The target is the upper bound of the bucket that holds the 95th percentile, and
//! 80 ms before the first addition.

use std::time::Duration;
use wire::time::Time;

const BUCKETS: usize = 100;
const BUCKET_MS: u64 = 20;
const INTERVAL: Duration = Duration::from_millis(500);
const PERCENTILE: f32 = 0.95;
const FORGET: f32 = 0.983;
const START_FORGET_WEIGHT: f32 = 2.0;
const START_TARGET: Duration = Duration::from_millis(80);

/// A histogram of relative delays that forgets.
#[derive(Clone, Debug)]
pub(super) struct RelativeDelays {
    /// Their sum is 1 after the first addition.
    weights: [f32; BUCKETS],
    additions: u32,
    largest: Duration,
    interval_ends: Option<Time>,
    target: Duration,
}

impl Default for RelativeDelays {
    fn default() -> Self {
        Self {
            weights: [0.0; BUCKETS],
            additions: 0,
            largest: Duration::ZERO,
            interval_ends: None,
            target: START_TARGET,
        }
    }
}

impl RelativeDelays {
    /// Return the target delay.
    pub(super) fn target(&self) -> Duration {
        self.target
    }

    /// Record the relative delay of one frame.
    pub(super) fn record(&mut self, now: Time, delay: Duration) {
        let ends = *self.interval_ends.get_or_insert(now + INTERVAL);
        if now >= ends {
            self.add(self.largest);
            self.largest = Duration::ZERO;
            self.interval_ends = Some(now + INTERVAL);
        }
        self.largest = self.largest.max(delay);
    }

    fn add(&mut self, delay: Duration) {
        let bucket = (delay.as_millis() as u64 / BUCKET_MS).min(BUCKETS as u64 - 1) as usize;
        self.additions = self.additions.saturating_add(1);
        let start = 1.0 - START_FORGET_WEIGHT / (self.additions as f32 + 1.0);
        let forget = start.clamp(0.0, FORGET);
        for weight in &mut self.weights {
            *weight *= forget;
        }
        self.weights[bucket] += 1.0 - forget;
        self.target = Duration::from_millis((self.percentile_bucket() as u64 + 1) * BUCKET_MS);
    }

    fn percentile_bucket(&self) -> usize {
        let mut sum = 0.0;
        let reached = self.weights.iter().position(|weight| {
            sum += weight;
            sum >= PERCENTILE
        });
        reached.unwrap_or(BUCKETS - 1)
    }
}
