//! The only clock: everything below this crate is told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::time::{Time, WallClock};

/// A monotonic clock with a known place in wall time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    unix_at_origin: Duration,
}

impl Clock {
    /// Start a clock at zero.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
            // A wall clock before 1970 is a machine without one; media does not need it.
            unix_at_origin: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// Tell the time since the start.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_nanos(self.origin.elapsed().as_nanos() as u64)
    }

    /// Place the clock in wall time, for sender reports.
    #[must_use]
    pub fn wall(&self) -> WallClock {
        WallClock {
            unix_at_zero: self.unix_at_origin,
        }
    }
}
