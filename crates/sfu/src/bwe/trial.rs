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
    failures: u32,
}

impl Trial {
    pub(super) fn is_due(&mut self, now: Time) -> bool {
        let hold = TRIAL_EVERY * (1 << self.failures);
        if self.begun.is_some_and(|at| now.since(at) < hold) {
            return false;
        }
        self.begun = Some(now);
        true
    }

    /// A decrease soon after a trial is its failure: the next one comes later.
    pub(super) fn on_decrease(&mut self, now: Time) {
        let Some(begun) = self.begun else {
            return;
        };
        let has_failed = now.since(begun) < TRIAL_EVERY / 2;
        self.failures = match has_failed {
            true => (self.failures + 1).min(MAX_TRIAL_FAILURES),
            false => 0,
        };
    }
}
