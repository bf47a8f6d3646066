//! The bandwidth budget of a subscriber: from its estimator to its subscriptions.

use std::time::Duration;

use rtc::pace::EstimateRate;

use super::Egress;
use super::control::Budget;
use crate::bwe::control::{Bandwidth, Feedback, Load};
use crate::context::{Context, Timer};
use crate::ingress::Ingress;
use crate::keys::SubscriberKey;

const BUDGET_EVERY: Duration = Duration::from_millis(500);
/// Budgets are due at multiples of this, so that one wakeup serves many subscribers.
const BUDGET_GRID: Duration = Duration::from_millis(50);
/// The same while the start rate is left behind.
const FIRST_BUDGETS_EVERY: Duration = Duration::from_millis(100);
const SETTLING: Duration = Duration::from_secs(4);

/// A link that loses more is sent short bursts, though nothing limits: a loss is seen by the packets
/// after it.
const LOSSY_ABOVE: f64 = 0.01;

/// Retransmissions are taken off first, up to this part of the estimate: those that a full link
/// causes end with the layers that filled it.
const RESENT_SHARE: u64 = 8;

impl Budget {
    /// Return the part of the estimate that retransmissions of this bitrate take.
    pub(super) fn reserved_for(&self, resent_bps: u64) -> u64 {
        let estimator = self.estimator.as_ref();
        match estimator.is_some_and(Bandwidth::includes_retransmissions) {
            true => resent_bps.min(self.bps.unwrap_or(0) / RESENT_SHARE),
            false => 0,
        }
    }

    fn schedule(&mut self, context: &mut Context<'_>, key: SubscriberKey) {
        let every = match context.now < self.settled {
            true => FIRST_BUDGETS_EVERY,
            false => BUDGET_EVERY,
        };
        let at = (context.now + every).floor_to(BUDGET_GRID);
        self.timer.set(at);
        context.set_timer(at, Timer::Budget(key));
    }
}

impl Egress {
    /// Start bandwidth estimation for a subscriber, where it is configured, by the best feedback
    /// that its subscriptions have negotiated.
    pub(super) fn start_bandwidth_estimation(
        &mut self,
        context: &mut Context<'_>,
        key: SubscriberKey,
        feedback: Feedback,
    ) {
        let subscriber = self.subscribers.get_mut(key);
        // Only a transport reports what arrived.
        let Some(subscriber) = subscriber.filter(|it| it.transport().is_some()) else {
            return;
        };
        let budget = &mut subscriber.budget;
        let bwe = context.config.bwe;
        let is_kept = |it: &Bandwidth| !it.is_improved_by(bwe, feedback);
        if !budget.estimator.as_ref().is_some_and(is_kept) {
            let cap_bps = context.config.max_subscription_bitrate_bps.unwrap_or(0);
            budget.estimator = Bandwidth::new(context.now, bwe, feedback, cap_bps);
            budget.settled = context.now + SETTLING;
        }
        if budget.estimator.is_some() && !budget.timer.is_set() {
            budget.schedule(context, key);
        }
    }

    /// Update the estimate and divide it, at the instant that its timer is set to.
    pub fn apply_budget(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        if !subscriber.budget.timer.expired(context.now) {
            return;
        }
        subscriber.budget.schedule(context, key);
        self.update_budget(context, ingress, key);
        self.start_probe(context, key);
    }

    /// Update the estimate and divide it.
    pub(super) fn update_budget(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        let Some(subscriber) = self.subscribers.get(key) else {
            return;
        };
        let allocator = &subscriber.budget.allocator;
        let (next, has_failed) = (allocator.next, allocator.has_failed(context.now));
        let wire = self.wire_load(ingress, key);
        let load = Load {
            wanted_bps: wire.wanted_bps,
            sent_bps: wire.sent_bps,
            next_step_bps: next.map(|next| next.estimate_bps),
            has_failed,
            is_audio_only: wire.is_audio_only,
            cap_bps: context.config.max_subscription_bitrate_bps,
        };
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        let budget = &mut subscriber.budget;
        let Some(estimator) = budget.estimator.as_mut() else {
            return;
        };
        let bps = estimator.update(context.now, &subscriber.control.ledger, load);
        let is_lossy = estimator.loss().is_some_and(|loss| loss > LOSSY_ABOVE);
        let is_free = bps.is_none() && !is_lossy;
        let rate = |estimate_bps| EstimateRate {
            estimate_bps,
            is_free,
        };
        subscriber.control.rate = estimator.estimate_bps().map(rate);
        let was_limited = std::mem::replace(&mut budget.bps, bps).is_some();
        if was_limited || bps.is_some() {
            self.allocate_estimate(context, ingress, key);
        }
    }
}
