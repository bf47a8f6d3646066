//! A timer that its owner remembers.

use wire::time::Time;

/// The one timer that counts among those that the wheel holds for its owner.
///
/// Timers cannot be cancelled and name their owner by a key that may be reused for another owner,
/// so a timer that fires is checked against the deadline that was set last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline(Option<Time>);

impl Deadline {
    /// Remember the instant of a timer.
    pub fn set(&mut self, at: Time) {
        self.0 = Some(at);
    }

    /// Return whether a timer is pending.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Return whether a timer is pending that fires no later than this.
    #[must_use]
    pub fn is_set_by(&self, at: Time) -> bool {
        self.0.is_some_and(|set| set <= at)
    }

    /// Return whether the deadline has passed, and clear it if so.
    #[must_use]
    pub fn expired(&mut self, now: Time) -> bool {
        self.0.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_timer_does_not_count() {
        let mut deadline = Deadline::default();
        assert!(!deadline.expired(Time::from_secs(1)));
        deadline.set(Time::from_secs(3));
        assert!(!deadline.expired(Time::from_secs(2)));
        assert!(deadline.is_set());
        assert!(deadline.expired(Time::from_secs(3)));
        assert!(!deadline.expired(Time::from_secs(4)));
    }
}
