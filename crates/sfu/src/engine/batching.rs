//! Egress batching: how long the first packet of a room waits for others, longer under load.
//!
//! A send call and the service of a subscriber cost several times what one more packet in them
//! costs. So a few milliseconds of latency buy capacity, when it is needed and not before.

use std::time::Duration;

/// Below this load, the share of time for which a worker is busy, the window is the base window.
const LOW_LOAD: f64 = 0.6;
/// From this load on the window is [`MAX_WINDOW`].
const HIGH_LOAD: f64 = 0.75;
/// The window under high load.
pub const MAX_WINDOW: Duration = Duration::from_millis(20);

/// Return the batching window at a load between 0 and 1; `base` is the window under low load.
///
/// A base window of zero disables batching at any load.
#[must_use]
pub fn batching_window(base: Duration, load: f64) -> Duration {
    if base.is_zero() {
        return base;
    }
    let excess = ((load - LOW_LOAD) / (HIGH_LOAD - LOW_LOAD)).clamp(0.0, 1.0);
    base + MAX_WINDOW.saturating_sub(base).mul_f64(excess)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(5);

    #[test]
    fn grows_from_the_base_window_to_the_longest() {
        let windows = [0.0, 0.6, 0.675, 0.75, 1.0].map(|load| batching_window(BASE, load));
        let millis = [5.0, 5.0, 12.5, 20.0, 20.0];
        for (window, expected) in windows.iter().zip(millis) {
            assert!(
                (window.as_secs_f64() * 1e3 - expected).abs() < 1e-3,
                "{windows:?}"
            );
        }
    }

    #[test]
    fn a_base_window_of_zero_disables_batching() {
        assert_eq!(batching_window(Duration::ZERO, 1.0), Duration::ZERO);
    }

    #[test]
    fn a_base_window_above_the_maximum_stays() {
        let long = MAX_WINDOW * 2;
        assert_eq!(batching_window(long, 1.0), long);
    }
}
