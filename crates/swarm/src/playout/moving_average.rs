//! A target that follows the delay variation between successive frames.

use std::time::Duration;

const LEAST_TARGET: Duration = Duration::from_millis(10);

/// The moving average j = (3 j + d) / 4 of the delay variation d between successive frames; the
/// target is 2 j, and at least 10 ms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MovingAverage {
    average_us: u64,
}

impl MovingAverage {
    /// Return the target delay.
    pub(super) fn target(&self) -> Duration {
        Duration::from_micros(2 * self.average_us).max(LEAST_TARGET)
    }

    /// Record the delay variation of one frame.
    pub(super) fn record(&mut self, variation_us: u64) {
        self.average_us = (3 * self.average_us + variation_us) / 4;
    }
}
