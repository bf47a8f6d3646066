//! The only clock: all other crates are passed the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::time::{Time, WallClock};

/// A monotonic clock with a known offset to wall time.
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
            // Without a real-time clock the wall time may be before 1970; media does not need it.
            unix_at_origin: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// Return the time since the start.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_nanos(self.origin.elapsed().as_nanos() as u64)
    }

    /// Return the offset to wall time, for sender reports.
    #[must_use]
    pub fn wall(&self) -> WallClock {
        WallClock {
            unix_at_zero: self.unix_at_origin,
        }
    }
}
