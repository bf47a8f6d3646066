//! The estimator of one send transport, whichever its receiver has feedback for.

use std::time::Duration;

use rtc::prefetch::prefetch;
use wire::rtcp::TwccFeedback;
use wire::time::Time;

use super::Report;
use super::gcc::{Gcc, START_BPS};
use super::ledger::Ledger;
use super::loss_rtt::LossRtt;
use super::probe::Wants;
use super::remb::Remb;
use crate::config::Bwe;

/// Congestion feedback that a receiver negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// Transport-wide feedback on numbered packets.
    pub transport_wide: bool,
    /// Its own estimate.
    pub remb: bool,
}

impl Feedback {
    /// Read the values of `a=rtcp-fb`.
    #[must_use]
    pub fn of(values: &[String]) -> Self {
        let has = |name: &str| values.iter().any(|value| value == name);
        Self {
            transport_wide: has("transport-cc"),
            remb: has("goog-remb"),
        }
    }
}

/// The bitrates of a transport's subscriptions on the wire, in bit/s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// What they want.
    pub wanted_bps: u64,
    /// What they send.
    pub sent_bps: u64,
    /// What all need together for the next step of one; absent where none is unmet.
    pub next_step_bps: Option<u64>,
    /// That step has failed not long ago.
    pub has_failed: bool,
    /// There is audio, and every video is paused.
    pub is_audio_only: bool,
    /// Configured bound.
    pub cap_bps: Option<u64>,
}

/// Modes without probes start at this share of what is wanted, and are not limited there.
const MET_PERCENT: u64 = 110;
/// An estimate that is above this share of what is wanted limits nothing.
const FREE_PERCENT: u64 = 125;
/// Without a configured bound no estimate is above this share of what the subscriptions want,
/// whatever the receiver reports.
const CAP_PERCENT: u64 = 250;
/// An estimate that moved by less than this share is not applied before the next regular update.
const NOTABLE: f64 = 0.05;

/// Estimator of one send transport.
#[derive(Debug)]
pub struct Bandwidth {
    estimator: Estimator,
    /// The estimate that was applied last, bit/s.
    applied_bps: u64,
}

#[derive(Debug)]
enum Estimator {
    Gcc(Box<Gcc>),
    Remb(Remb),
    LossRtt(LossRtt),
}

impl Bandwidth {
    /// Make the estimator of a configuration for a receiver; `None` for [`Bwe::None`].
    #[must_use]
    pub fn new(now: Time, bwe: Bwe, feedback: Feedback, cap_bps: u64) -> Option<Self> {
        let estimator = match bwe {
            Bwe::None => return None,
            Bwe::Gcc if feedback.transport_wide => Estimator::Gcc(Box::new(Gcc::new(now))),
            Bwe::Gcc | Bwe::Remb if feedback.remb => Estimator::Remb(Remb::new(now, cap_bps)),
            Bwe::Gcc | Bwe::Remb | Bwe::LossRtt => Estimator::LossRtt(LossRtt::new(now, cap_bps)),
        };
        Some(Self {
            estimator,
            applied_bps: 0,
        })
    }

    /// Return whether another subscription's feedback allows a better estimator.
    #[must_use]
    pub fn is_improved_by(&self, bwe: Bwe, feedback: Feedback) -> bool {
        match self.estimator {
            Estimator::Gcc(_) => false,
            Estimator::Remb(_) => bwe == Bwe::Gcc && feedback.transport_wide,
            Estimator::LossRtt(_) => {
                (bwe == Bwe::Gcc && feedback.transport_wide)
                    || (bwe != Bwe::LossRtt && feedback.remb)
            }
        }
    }

    /// Return the name of the mode, as the option has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.estimator {
            Estimator::Gcc(_) => "gcc",
            Estimator::Remb(_) => "remb",
            Estimator::LossRtt(_) => "loss-rtt",
        }
    }

    /// Load the estimator ahead of a feedback.
    pub fn prefetch(&self) {
        if let Estimator::Gcc(gcc) = &self.estimator {
            prefetch(&**gcc, size_of::<Gcc>());
        }
    }

    /// Load the arrivals that the next ones are compared with; the estimator is loaded already.
    pub fn prefetch_arrivals(&self) {
        if let Estimator::Gcc(gcc) = &self.estimator {
            gcc.prefetch_arrivals();
        }
    }

    /// Process a receiver report.
    pub fn on_report(&mut self, now: Time, report: Report) {
        match &mut self.estimator {
            Estimator::Gcc(_) => {}
            Estimator::Remb(remb) => remb.report(now, report),
            Estimator::LossRtt(policy) => policy.report(now, report),
        }
    }

    /// Process an estimate of the receiver, in bit/s.
    pub fn on_remb(&mut self, now: Time, bitrate_bps: u64) {
        if let Estimator::Remb(remb) = &mut self.estimator {
            remb.estimate(now, bitrate_bps);
        }
    }

    /// Process transport-wide feedback; return whether the estimate moved so far that it should be
    /// applied at once.
    pub fn on_feedback(
        &mut self,
        now: Time,
        ledger: &mut Ledger,
        feedback: &TwccFeedback<'_>,
    ) -> bool {
        let Estimator::Gcc(gcc) = &mut self.estimator else {
            return false;
        };
        gcc.on_feedback(now, ledger, feedback);
        let (before, after) = (self.applied_bps as f64, gcc.estimate_bps() as f64);
        (after - before).abs() > NOTABLE * before
    }

    /// Set the load and return the estimate to divide, in bit/s; `None` while nothing limits it.
    pub fn update(&mut self, now: Time, ledger: &Ledger, load: Load) -> Option<u64> {
        match &mut self.estimator {
            Estimator::Gcc(gcc) => {
                gcc.tick(now, ledger);
                let (wants, max_bps) = load.wants();
                gcc.set_wants(now, wants, max_bps);
                self.applied_bps = gcc.estimate_bps();
                let free_bps = load.wanted_bps.saturating_mul(FREE_PERCENT) / 100;
                // What is wanted may not be measured yet, and what failed needs evidence.
                let is_limiting =
                    |bps: &u64| load.wanted_bps == 0 || load.has_failed || *bps < free_bps;
                Some(self.applied_bps).filter(is_limiting)
            }
            Estimator::Remb(remb) => {
                let cap_bps = load.cap();
                remb.set_load_bps(now, cap_bps, load.sent_bps);
                load.unless_met(remb.budget_bps(now), cap_bps)
            }
            Estimator::LossRtt(policy) => {
                let cap_bps = load.cap();
                policy.set_load_bps(now, cap_bps, load.sent_bps);
                load.unless_met(policy.budget_bps(now), cap_bps)
            }
        }
    }

    /// Return the congestion controller, where the mode has one.
    pub fn gcc(&mut self) -> Option<&mut Gcc> {
        match &mut self.estimator {
            Estimator::Gcc(gcc) => Some(gcc),
            _ => None,
        }
    }

    /// Return the estimate on the wire, where the mode has one, bit/s.
    #[must_use]
    pub fn estimate_bps(&self) -> Option<u64> {
        match &self.estimator {
            Estimator::Gcc(gcc) => Some(gcc.estimate_bps()),
            _ => None,
        }
    }

    /// Return whether the estimate includes retransmissions; else it is compared with media alone.
    #[must_use]
    pub fn includes_retransmissions(&self) -> bool {
        matches!(self.estimator, Estimator::Gcc(_))
    }

    /// Return how long packets wait in the queue of the bottleneck, where the mode measures that.
    #[must_use]
    pub fn queueing(&self) -> Option<Duration> {
        match &self.estimator {
            Estimator::Gcc(gcc) => Some(gcc.queueing()),
            _ => None,
        }
    }

    /// Return whether the queue of the bottleneck is that of flows that fill it whatever is sent here.
    #[must_use]
    pub fn is_queue_foreign(&self) -> bool {
        matches!(&self.estimator, Estimator::Gcc(gcc) if gcc.is_queue_foreign())
    }

    /// Return once whether a probe has raised the estimate.
    pub fn take_passed_probe(&mut self) -> bool {
        self.gcc().is_some_and(Gcc::take_passed_probe)
    }

    /// Return once what a probe has found, bit/s.
    pub fn take_probed_bps(&mut self) -> Option<u64> {
        self.gcc().and_then(Gcc::take_probed_bps)
    }

    /// Return the last estimate of the receiver, bit/s.
    #[must_use]
    pub fn remb_bps(&self, now: Time) -> Option<u64> {
        match &self.estimator {
            Estimator::Remb(remb) => remb.received_bps(now),
            _ => None,
        }
    }

    /// Return what the receiver acknowledges, bit/s.
    #[must_use]
    pub fn acknowledged_bps(&self) -> Option<u64> {
        match &self.estimator {
            Estimator::Gcc(gcc) => gcc.acknowledged_bps(),
            _ => None,
        }
    }

    /// Return the share of packets that transport-wide feedback reports lost.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        match &self.estimator {
            Estimator::Gcc(gcc) => gcc.loss(),
            _ => None,
        }
    }
}

impl Load {
    fn wants(self) -> (Wants, f64) {
        let wants = Wants {
            next_step_bps: self.next_step_bps.map(|bps| bps as f64),
            most_bps: self.wanted_bps as f64,
            sent_bps: self.sent_bps as f64,
            has_failed: self.has_failed,
            is_audio_only: self.is_audio_only,
        };
        // Nothing is known yet of what a publisher that has just begun sends.
        let most_bps = (self.wanted_bps.saturating_mul(CAP_PERCENT) / 100).max(START_BPS as u64);
        (wants, self.cap_bps.unwrap_or(most_bps) as f64)
    }

    /// Return the bound of the modes that start at it.
    fn cap(self) -> u64 {
        let met_bps = self.wanted_bps.saturating_mul(MET_PERCENT) / 100;
        self.cap_bps.unwrap_or(met_bps)
    }

    /// A cap that is only the bitrate of the target encodings does not limit them.
    fn unless_met(self, budget_bps: u64, cap_bps: u64) -> Option<u64> {
        Some(budget_bps).filter(|budget| self.cap_bps.is_some() || *budget < cap_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_measured_yet_does_not_bound_the_start() {
        let most_bps = |wanted_bps, cap_bps| {
            let load = Load {
                wanted_bps,
                cap_bps,
                ..Load::default()
            };
            load.wants().1
        };
        assert_eq!(most_bps(0, None), 300_000.0);
        assert_eq!(most_bps(60_000, None), 300_000.0);
        assert_eq!(most_bps(1_000_000, None), 2_500_000.0);
        assert_eq!(most_bps(0, Some(200_000)), 200_000.0);
    }

    fn name(bwe: Bwe, feedback: &[&str]) -> Option<&'static str> {
        let values: Vec<_> = feedback.iter().map(ToString::to_string).collect();
        let bandwidth = Bandwidth::new(Time::ZERO, bwe, Feedback::of(&values), 0);
        bandwidth.map(|it| it.name())
    }

    #[test]
    fn the_mode_is_the_best_that_the_receiver_has_feedback_for() {
        assert_eq!(name(Bwe::Gcc, &["nack", "transport-cc"]), Some("gcc"));
        assert_eq!(name(Bwe::Gcc, &["goog-remb"]), Some("remb"));
        assert_eq!(name(Bwe::Gcc, &["nack"]), Some("loss-rtt"));
        assert_eq!(
            name(Bwe::Remb, &["transport-cc", "goog-remb"]),
            Some("remb")
        );
        assert_eq!(name(Bwe::LossRtt, &["transport-cc"]), Some("loss-rtt"));
        assert_eq!(name(Bwe::None, &["transport-cc"]), None);
    }

    #[test]
    fn without_a_configured_bound_the_cap_is_two_and_a_half_times_what_is_wanted() {
        let load = Load {
            wanted_bps: 1_000_000,
            ..Load::default()
        };
        assert_eq!(load.wants().1, 2_500_000.0);
        let capped = Load {
            cap_bps: Some(800_000),
            ..load
        };
        assert_eq!(capped.wants().1, 800_000.0);
    }
}
