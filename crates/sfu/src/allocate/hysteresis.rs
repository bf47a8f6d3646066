//! When an estimate leads to fewer or to more layers. Pure, on virtual time.
//!
//! Layers are removed when the estimate has been below their bitrate for 300 ms (for 2 s where it is
//! by less than 15 %), or at once where
//! queueing or loss show that the link is full. They are added with 10 % to spare, or after a
//! probe has passed. What had to be removed is not added again by an estimate that merely varies:
//! only after it has risen by a quarter, or after a probe.

use std::time::Duration;

use wire::time::Time;

use super::failures::Failures;

/// The estimate may be below the need for this long,
pub const GRACE: Duration = Duration::from_millis(300);
/// or for this long where it is so by a little: estimates and bitrates vary by as much, and where
/// they do not, the queue grows and ends the wait.
pub const LONG_GRACE: Duration = Duration::from_secs(2);
const A_LITTLE_PERCENT: u64 = 115;
const HARMLESS_QUEUE: Duration = Duration::from_millis(40);
/// Queueing delay above which layers are removed at once.
pub const FULL_QUEUE: Duration = Duration::from_millis(100);
/// Ratio of packets lost above which layers are removed at once.
pub const FULL_LOSS: f32 = 0.10;
/// What an added layer leaves to spare.
const SPARE_PERCENT: u32 = 10;
/// The same while anything more has failed not long ago.
const FAILED_SPARE_PERCENT: u32 = 25;
/// How far an estimate rises before removed layers are added again. An estimate that varies by 10 %
/// in either direction varies by 22 % in all.
const RECOVERED_PERCENT: u64 = 125;

/// An estimate that became lower before that did so for another reason.
const FALLEN_FOR: Duration = Duration::from_secs(5);
/// What was sent for so long counts as sent: one tile becomes small and then another one large.
const SENT_FOR: Duration = Duration::from_millis(1_000);

/// What a transport reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals {
    /// The estimate, bit/s; `None`: unlimited.
    pub estimate_bps: Option<u64>,
    /// Bitrate of all that is sent, audio included, bit/s.
    pub need_bps: u64,
    /// Bitrate of the video in it, bit/s.
    pub video_bps: u64,
    /// Delay of packets by queueing, where that is measured.
    pub queueing: Option<Duration>,
    /// Whether others fill that queue whatever is sent here.
    pub is_queue_foreign: bool,
    /// Ratio of packets lost.
    pub loss: f32,
    /// Whether the estimate is the result of a probe that passed since the last update.
    pub probe_passed: bool,
    /// What a probe has measured since the last update, bit/s.
    pub probed_bps: Option<u64>,
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
    /// Bitrate of all video that was sent a moment ago, bit/s.
    pub sent_bps: u64,
    /// Which steps may be added.
    pub rise: Rise,
}

/// The state over time of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hysteresis {
    /// Since when the estimate is below the need.
    below_since: Option<Time>,
    /// When the estimate has become lower.
    fallen: Option<Time>,
    /// The last estimate, bit/s.
    estimate_bps: u64,
    /// When layers are removed if it stays there.
    due: Option<Time>,
    /// The estimate at which layers were removed, until it has recovered, bit/s.
    removed_at_bps: Option<u64>,
    /// The highest bitrate of all video in the last moment, bit/s, and the end of that.
    sent: (u64, Time),
    /// Additions that had to be removed.
    failures: Failures,
}

impl Hysteresis {
    /// Decide by what to allocate now.
    pub fn update(&mut self, now: Time, signals: &Signals) -> Decision {
        self.note_signals(now, signals);
        let Some(estimate_bps) = signals.estimate_bps else {
            (self.below_since, self.due, self.removed_at_bps) = (None, None, None);
            return Decision {
                estimate_bps: None,
                sent_bps: signals.video_bps,
                rise: Rise::ANY,
            };
        };
        // What is lost while nothing waits is not lost to a full link.
        let is_empty = signals.queueing.is_some_and(|it| it < HARMLESS_QUEUE);
        let is_full = signals.queueing.is_some_and(|it| it > FULL_QUEUE)
            || (signals.loss > FULL_LOSS && !is_empty);
        if estimate_bps < self.estimate_bps {
            self.fallen = Some(now);
        }
        self.estimate_bps = estimate_bps;
        if signals.need_bps <= estimate_bps {
            self.below_since = None;
            return Decision {
                estimate_bps: Some(estimate_bps),
                sent_bps: self.sent.0,
                rise: self.rise(now, estimate_bps, signals, is_full),
            };
        }
        let most_bps = u128::from(estimate_bps) * u128::from(A_LITTLE_PERCENT) / 100;
        let is_new = self.failures.is_new(now);
        let is_little = u128::from(signals.need_bps) <= most_bps;
        let grace = match is_little && !is_new {
            true => LONG_GRACE,
            false => GRACE,
        };
        let since = *self.below_since.get_or_insert(now);
        // The estimate may be too low by a little where nothing waits in the queue.
        let is_harmless = is_little && is_empty;
        if is_full || now.since(since) >= grace && !is_harmless {
            self.below_since = None;
            self.sent = (0, now);
            self.removed_at_bps = Some(estimate_bps);
            // An estimate that was never there shows nothing about the link, and without probes nothing
            // would show that it has become wider.
            let has_fallen = self.fallen.is_some_and(|at| now.since(at) < FALLEN_FOR);
            if has_fallen && signals.queueing.is_some() {
                self.failures.note_removal(now);
            }
            return Decision {
                estimate_bps: Some(estimate_bps),
                sent_bps: 0,
                rise: Rise::NONE,
            };
        }
        self.due = Some((since + grace).max(now + GRACE / 3));
        Decision {
            estimate_bps: Some(signals.need_bps),
            sent_bps: 0,
            rise: Rise::NONE,
        }
    }

    /// Return when an update is due though nothing has been reported.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.below_since.and(self.due)
    }

    /// Return whether an addition has failed that is not tried again yet.
    #[must_use]
    pub fn is_held(&self, now: Time) -> bool {
        self.failures.is_held(now)
    }

    fn note_signals(&mut self, now: Time, signals: &Signals) {
        let video_bps = signals.video_bps;
        if video_bps >= self.sent.0 || now >= self.sent.1 {
            self.sent = (video_bps, now + SENT_FOR);
        }
        self.failures.note_video(now, video_bps);
        if signals.is_queue_foreign {
            self.failures.forget();
        }
        if let Some(probed_bps) = signals.probed_bps {
            self.failures.note_probe(probed_bps);
        }
    }

    fn rise(&mut self, now: Time, estimate_bps: u64, signals: &Signals, is_full: bool) -> Rise {
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
            spare_percent: match self.failures.is_held(now) {
                true => FAILED_SPARE_PERCENT,
                false => SPARE_PERCENT,
            },
            ceiling_bps: self
                .removed_at_bps
                .unwrap_or(u64::MAX)
                .min(self.failures.ceiling_bps(now)),
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
            video_bps: need_bps,
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
    fn a_little_too_much_stays_as_long_as_nothing_waits_in_the_queue() {
        let waiting = |ms| Signals {
            queueing: Some(Duration::from_millis(ms)),
            ..signals(900, 1_000)
        };
        let mut state = Hysteresis::default();
        for seconds in 0..60 {
            let now = START + Duration::from_secs(seconds);
            assert_eq!(state.update(now, &waiting(5)).estimate_bps, Some(1_000));
            assert!(state.due().is_some_and(|due| due > now));
        }
        let after = state.update(START + Duration::from_secs(60), &waiting(50));
        assert_eq!(after.estimate_bps, Some(900));
    }

    #[test]
    fn a_removal_is_a_failure_where_the_estimate_has_fallen() {
        for (estimate, is_failure) in [(1_000, false), (900, true)] {
            let mut state = Hysteresis::default();
            let mut at = |ms, estimate, need| {
                let signals = Signals {
                    queueing: Some(Duration::ZERO),
                    ..signals(estimate, need)
                };
                state.update(START + Duration::from_millis(ms), &signals);
            };
            at(0, 1_000, 500);
            at(100, estimate, 1_500);
            at(100 + GRACE.as_millis() as u64, estimate, 1_500);
            assert_eq!(state.is_held(START + GRACE * 2), is_failure);
        }
    }

    #[test]
    fn what_was_sent_a_moment_ago_is_known() {
        let mut state = Hysteresis::default();
        state.update(START, &signals(2_000, 1_500));
        let at = |ms| START + Duration::from_millis(ms);
        assert_eq!(state.update(at(10), &signals(2_000, 500)).sent_bps, 1_500);
        assert_eq!(state.update(at(999), &signals(2_000, 500)).sent_bps, 1_500);
        assert_eq!(state.update(at(1_000), &signals(2_000, 500)).sent_bps, 500);
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
                queueing: Some(FULL_QUEUE + Duration::from_millis(1)),
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
        assert_eq!(rise(&mut probed, 1_249, true).ceiling_bps, u64::MAX);
        assert_eq!(rise(&mut probed, 1_249, false).ceiling_bps, u64::MAX);
        assert_eq!(rise(&mut state, 1_250, false).ceiling_bps, u64::MAX);
        assert_eq!(rise(&mut state, 1_000, false).ceiling_bps, u64::MAX);
    }

    #[test]
    fn added_layers_leave_ten_percent_to_spare_and_more_after_a_failure() {
        let mut state = Hysteresis::default();
        let rise = state.update(START, &signals(1_100, 400)).rise;
        assert!(rise.allows(1_000, 1_100));
        assert!(!rise.allows(1_001, 1_100));
        state.update(START, &signals(1_100, 1_000));
        let full = Signals {
            queueing: Some(2 * FULL_QUEUE),
            ..signals(800, 1_000)
        };
        state.update(START, &full);
        let rise = state.update(START, &signals(1_100, 400)).rise;
        assert!(rise.allows(600, 750));
        assert!(!rise.allows(601, 750));
        assert!(Rise::ANY.allows(1_100, 1_100));
        assert!(!Rise::NONE.allows(1, u64::MAX));
    }
}
