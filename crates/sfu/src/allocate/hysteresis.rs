//! When an estimate leads to fewer or to more layers. Pure, on virtual time.
//!
//! Layers are removed when the estimate has been below their bitrate for 300 ms (for 2 s where it is
//! by less than 15 %), or at once where
//! queueing or loss show that the link is full. They are added with 10 % to spare, or after a
//! probe has passed. What had to be removed is not added again by an estimate that merely varies:
//! only after it has risen by a quarter, or after a probe.

use std::time::Duration;

use wire::time::Time;

/// The estimate may be below the need for this long,
pub const GRACE: Duration = Duration::from_millis(300);
/// or for this long where it is so by a little: estimates and bitrates vary by as much, and where
/// they do not, the queue grows and ends the wait.
pub const LONG_GRACE: Duration = Duration::from_secs(2);
const A_LITTLE_PERCENT: u64 = 115;
/// Queueing delay above which layers are removed at once.
pub const FULL_QUEUE: Duration = Duration::from_millis(100);
/// Ratio of packets lost above which layers are removed at once.
pub const FULL_LOSS: f32 = 0.10;
/// What an added layer leaves to spare.
const SPARE_PERCENT: u32 = 10;
/// How far an estimate rises before removed layers are added again. An estimate that varies by 10 %
/// in either direction varies by 22 % in all.
const RECOVERED_PERCENT: u64 = 125;

/// What a transport reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals {
    /// The estimate, bit/s; `None`: unlimited.
    pub estimate_bps: Option<u64>,
    /// Bitrate of all that is sent, audio included, bit/s.
    pub need_bps: u64,
    /// Delay of packets by queueing.
    pub queueing: Duration,
    /// Ratio of packets lost.
    pub loss: f32,
    /// Whether the estimate is the result of a probe that passed since the last update.
    pub probe_passed: bool,
}

/// Which steps above the present layers may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rise {
    /// What they leave to spare.
    pub spare_percent: u32,
    /// The bitrate of all video that they must not exceed, bit/s.
    pub ceiling_bps: u64,
}

impl Rise {
    /// Any that fit.
    pub const ANY: Self = Self {
        spare_percent: 0,
        ceiling_bps: u64::MAX,
    };
    /// None.
    pub const NONE: Self = Self {
        spare_percent: 0,
        ceiling_bps: 0,
    };

    /// The same with nothing to spare.
    #[must_use]
    pub fn without_spare(self) -> Self {
        Self {
            spare_percent: 0,
            ..self
        }
    }

    /// Return whether a step may be added that makes the sum this high.
    #[must_use]
    pub fn allows(&self, sum_bps: u64, available_bps: u64) -> bool {
        let with_spare = u128::from(sum_bps) * u128::from(100 + self.spare_percent);
        sum_bps <= self.ceiling_bps && with_spare <= u128::from(available_bps) * 100
    }
}

/// What to allocate by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The estimate that counts, bit/s; `None`: unlimited.
    pub estimate_bps: Option<u64>,
    /// Which steps may be added.
    pub rise: Rise,
}

/// The state over time of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hysteresis {
    /// Since when the estimate is below the need.
    below_since: Option<Time>,
    /// When layers are removed if it stays there.
    due: Option<Time>,
    /// The estimate at which layers were removed, until it has recovered, bit/s.
    removed_at_bps: Option<u64>,
}

impl Hysteresis {
    /// Decide by what to allocate now.
    pub fn update(&mut self, now: Time, signals: &Signals) -> Decision {
        let Some(estimate_bps) = signals.estimate_bps else {
            *self = Self::default();
            return Decision {
                estimate_bps: None,
                rise: Rise::ANY,
            };
        };
        let is_full = signals.queueing > FULL_QUEUE || signals.loss > FULL_LOSS;
        if signals.need_bps <= estimate_bps {
            self.below_since = None;
            return Decision {
                estimate_bps: Some(estimate_bps),
                rise: self.rise(estimate_bps, signals, is_full),
            };
        }
        let most_bps = u128::from(estimate_bps) * u128::from(A_LITTLE_PERCENT) / 100;
        let grace = match u128::from(signals.need_bps) <= most_bps {
            true => LONG_GRACE,
            false => GRACE,
        };
        let since = *self.below_since.get_or_insert(now);
        self.due = Some(since + grace);
        if is_full || now.since(since) >= grace {
            self.below_since = None;
            self.removed_at_bps = Some(estimate_bps);
            return Decision {
                estimate_bps: Some(estimate_bps),
                rise: Rise::NONE,
            };
        }
        Decision {
            estimate_bps: Some(signals.need_bps),
            rise: Rise::NONE,
        }
    }

    /// Return when an update is due though nothing has been reported.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.below_since.and(self.due)
    }

    fn rise(&mut self, estimate_bps: u64, signals: &Signals, is_full: bool) -> Rise {
        if is_full {
            return Rise::NONE;
        }
        let has_recovered = |removed: u64| {
            u128::from(estimate_bps) * 100 >= u128::from(removed) * u128::from(RECOVERED_PERCENT)
        };
        self.removed_at_bps = self
            .removed_at_bps
            .filter(|removed| !signals.probe_passed && !has_recovered(*removed));
        Rise {
            spare_percent: if signals.probe_passed {
                0
            } else {
                SPARE_PERCENT
            },
            ceiling_bps: self.removed_at_bps.unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(estimate_bps: u64, need_bps: u64) -> Signals {
        Signals {
            estimate_bps: Some(estimate_bps),
            need_bps,
            ..Signals::default()
        }
    }

    const START: Time = Time::from_millis(1_000);

    #[test]
    fn a_short_dip_of_the_estimate_removes_nothing() {
        let mut state = Hysteresis::default();
        let held = state.update(START, &signals(800, 1_000));
        assert_eq!((held.estimate_bps, held.rise), (Some(1_000), Rise::NONE));
        assert_eq!(state.due(), Some(START + GRACE));
        state.update(START + GRACE / 2, &signals(1_100, 1_000));
        assert_eq!(state.due(), None);
        let again = state.update(START + GRACE, &signals(800, 1_000));
        assert_eq!(again.estimate_bps, Some(1_000));
    }

    #[test]
    fn an_estimate_a_little_below_the_need_is_waited_for_longer() {
        let mut state = Hysteresis::default();
        state.update(START, &signals(900, 1_000));
        assert_eq!(state.due(), Some(START + LONG_GRACE));
        let held = state.update(START + GRACE, &signals(900, 1_000));
        assert_eq!(held.estimate_bps, Some(1_000));
        let after = state.update(START + LONG_GRACE, &signals(900, 1_000));
        assert_eq!(after.estimate_bps, Some(900));
    }

    #[test]
    fn layers_are_removed_after_300_ms_below_the_need() {
        let mut state = Hysteresis::default();
        state.update(START, &signals(800, 1_000));
        let before = state.update(
            START + GRACE - Duration::from_millis(1),
            &signals(800, 1_000),
        );
        assert_eq!(before.estimate_bps, Some(1_000));
        let after = state.update(START + GRACE, &signals(800, 1_000));
        assert_eq!((after.estimate_bps, after.rise), (Some(800), Rise::NONE));
    }

    #[test]
    fn a_full_link_removes_layers_at_once_and_adds_none() {
        for full in [
            Signals {
                queueing: FULL_QUEUE + Duration::from_millis(1),
                ..signals(900, 1_000)
            },
            Signals {
                loss: FULL_LOSS + 0.01,
                ..signals(900, 1_000)
            },
        ] {
            let mut state = Hysteresis::default();
            assert_eq!(state.update(START, &full).estimate_bps, Some(900));
            let fits = Signals {
                need_bps: 500,
                ..full
            };
            assert_eq!(state.update(START, &fits).rise, Rise::NONE);
        }
    }

    #[test]
    fn removed_layers_return_after_a_recovery_or_a_probe() {
        let mut state = Hysteresis::default();
        let full = Signals {
            loss: 0.5,
            ..signals(1_000, 1_100)
        };
        state.update(START, &full);
        let rise = |state: &mut Hysteresis, estimate, probe_passed| {
            let signals = Signals {
                probe_passed,
                ..signals(estimate, 400)
            };
            state.update(START, &signals).rise
        };
        assert_eq!(rise(&mut state, 1_249, false).ceiling_bps, 1_000);
        let mut probed = state;
        assert_eq!(rise(&mut probed, 1_249, true), Rise::ANY);
        assert_eq!(rise(&mut probed, 1_249, false).ceiling_bps, u64::MAX);
        assert_eq!(rise(&mut state, 1_250, false).ceiling_bps, u64::MAX);
        assert_eq!(rise(&mut state, 1_000, false).ceiling_bps, u64::MAX);
    }

    #[test]
    fn added_layers_leave_ten_percent_to_spare() {
        let rise = Hysteresis::default()
            .update(START, &signals(1_100, 400))
            .rise;
        assert!(rise.allows(1_000, 1_100));
        assert!(!rise.allows(1_001, 1_100));
        assert!(Rise::ANY.allows(1_100, 1_100));
        assert!(!Rise::NONE.allows(1, u64::MAX));
    }
}
