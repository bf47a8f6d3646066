//! Trials of the next step itself, where no subscription can carry probes.

use std::time::Duration;

use wire::time::Time;

/// Between two trials of the next step without probes; doubled by each failure.
const TRIAL_EVERY: Duration = Duration::from_secs(10);
const MAX_TRIAL_FAILURES: u32 = 4;

/// Steps that are taken without a probe.
#[derive(Debug, Default)]
pub(super) struct Trial {
    begun: Option<Time>,
    /// The one that began then has ended: by a failure, or by a decrease long after it.
    has_ended: bool,
    failures: u32,
}

impl Trial {
    pub(super) fn is_due(&mut self, now: Time) -> bool {
        let hold = TRIAL_EVERY * (1 << self.failures);
        if self.begun.is_some_and(|at| now.since(at) < hold) {
            return false;
        }
        (self.begun, self.has_ended) = (Some(now), false);
        true
    }

    /// A decrease soon after a trial is its failure: the next one comes later. One failure lowers the
    /// estimate several times.
    pub(super) fn on_decrease(&mut self, now: Time) {
        let Some(begun) = self.begun.filter(|_| !self.has_ended) else {
            return;
        };
        self.has_ended = true;
        let has_failed = now.since(begun) < TRIAL_EVERY / 2;
        self.failures = match has_failed {
            true => (self.failures + 1).min(MAX_TRIAL_FAILURES),
            false => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_once_and_doubles_the_wait() {
        let at = Time::from_millis;
        let mut trial = Trial::default();
        assert!(trial.is_due(at(1_000)));
        for ms in [1_500, 1_800, 2_100, 2_400] {
            trial.on_decrease(at(ms));
        }
        assert!(!trial.is_due(at(20_999)));
        assert!(trial.is_due(at(21_000)));
        trial.on_decrease(at(22_000));
        assert!(!trial.is_due(at(60_999)) && trial.is_due(at(61_000)));
        trial.on_decrease(at(70_000));
        assert!(trial.is_due(at(71_000)), "it had lasted");
    }
}
