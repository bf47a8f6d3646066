//! A timer that its owner remembers.

use wire::time::Time;

/// The one timer that counts among those that the wheel holds for its owner.
///
/// Timers cannot be cancelled and name their owner by a key that may serve another owner later, so
/// one that rings is checked against what was set last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarm(Option<Time>);

impl Alarm {
    /// Remember a timer.
    pub fn set(&mut self, at: Time) {
        self.0 = Some(at);
    }

    /// Say whether a timer is on its way.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Say whether the timer that rings now is the one remembered; it is forgotten then.
    #[must_use]
    pub fn rings(&mut self, now: Time) -> bool {
        self.0.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_timer_does_not_count() {
        let mut alarm = Alarm::default();
        assert!(!alarm.rings(Time::from_secs(1)));
        alarm.set(Time::from_secs(3));
        assert!(!alarm.rings(Time::from_secs(2)));
        assert!(alarm.is_set());
        assert!(alarm.rings(Time::from_secs(3)));
        assert!(!alarm.rings(Time::from_secs(4)));
    }
}
