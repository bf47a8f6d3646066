//! The fastest frame of the last one to two seconds.

use std::time::Duration;
use wire::time::Time;

/// Two halves are kept, as a window that slides by its halves.
const HALF: Duration = Duration::from_secs(1);

/// The smallest transit times of the current and of the previous half of the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fastest {
    current_us: i64,
    previous_us: i64,
    ends: Time,
}

impl Default for Fastest {
    fn default() -> Self {
        Self {
            current_us: i64::MAX,
            previous_us: i64::MAX,
            ends: Time::ZERO,
        }
    }
}

impl Fastest {
    /// Record a frame and return its delay relative to the fastest.
    pub(super) fn relative_delay(&mut self, now: Time, transit_us: i64) -> Duration {
        if now >= self.ends {
            let adjacent = now < self.ends + HALF;
            self.previous_us = if adjacent { self.current_us } else { i64::MAX };
            self.current_us = i64::MAX;
            self.ends = now + HALF;
        }
        self.current_us = self.current_us.min(transit_us);
        let fastest_us = self.current_us.min(self.previous_us);
        Duration::from_micros(transit_us.abs_diff(fastest_us))
    }
}
