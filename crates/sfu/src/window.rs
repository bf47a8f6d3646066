//! How long the first packet of a room waits for others: longer where the worker is busy.
//!
//! A send call and a turn of a subscriber cost several times what one more packet in them costs.
//! So a few milliseconds of latency buy capacity, when it is needed and not before.

use std::time::Duration;

/// Below this share of its time a worker has nothing to save.
const CALM: f64 = 0.6;
/// From this share on it saves what it can.
const STRAINED: f64 = 0.75;
/// The window of a strained worker.
pub const LONGEST: Duration = Duration::from_millis(20);

/// Return the window of a worker that is busy for this share of its time, `calm` being the one of
/// a worker that is not; zero stays zero.
#[must_use]
pub fn window(calm: Duration, busy: f64) -> Duration {
    if calm.is_zero() {
        return calm;
    }
    let strain = ((busy - CALM) / (STRAINED - CALM)).clamp(0.0, 1.0);
    calm + LONGEST.saturating_sub(calm).mul_f64(strain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM_WINDOW: Duration = Duration::from_millis(5);

    #[test]
    fn grows_from_the_calm_window_to_the_longest() {
        let windows = [0.0, 0.6, 0.675, 0.75, 1.0].map(|busy| window(CALM_WINDOW, busy));
        let millis = [5.0, 5.0, 12.5, 20.0, 20.0];
        for (window, expected) in windows.iter().zip(millis) {
            assert!(
                (window.as_secs_f64() * 1e3 - expected).abs() < 1e-3,
                "{windows:?}"
            );
        }
    }

    #[test]
    fn who_wants_no_window_has_none() {
        assert_eq!(window(Duration::ZERO, 1.0), Duration::ZERO);
    }

    #[test]
    fn a_long_window_stays_as_long_as_it_is() {
        let long = LONGEST * 2;
        assert_eq!(window(long, 1.0), long);
    }
}
