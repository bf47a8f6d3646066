//! The bandwidth budget of a subscriber: from its estimator to its subscriptions.

use std::time::Duration;

use super::Egress;
use super::control::Budget;
use crate::bwe::loss_rtt::LossRtt;
use crate::config::Bwe;
use crate::context::{Context, Timer};
use crate::ingress::Ingress;
use crate::keys::SubscriberKey;

const BUDGET_EVERY: Duration = Duration::from_millis(500);
/// Budgets are due at multiples of this, so that one wakeup serves many subscribers.
const BUDGET_GRID: Duration = Duration::from_millis(50);
/// What an added layer leaves to spare.
const CAP_MARGIN_PERCENT: u64 = 110;

/// Retransmissions are taken off first, up to this part of the estimate: those that a full link
/// causes end with the layers that filled it.
const RESENT_SHARE: u64 = 8;

impl Budget {
    /// Return the part of the estimate that retransmissions of this bitrate take.
    pub(super) fn reserved_for(&self, resent_bps: u64) -> u64 {
        let includes = |estimator: &LossRtt| estimator.includes_retransmissions();
        match self.estimator.as_ref().is_some_and(includes) {
            true => resent_bps.min(self.bps.unwrap_or(0) / RESENT_SHARE),
            false => 0,
        }
    }

    fn schedule(&mut self, context: &mut Context<'_>, key: SubscriberKey) {
        let at = (context.now + BUDGET_EVERY).floor_to(BUDGET_GRID);
        self.timer.set(at);
        context.set_timer(at, Timer::Budget(key));
    }
}

impl Egress {
    /// Start bandwidth estimation for a subscriber, where it is configured.
    pub(super) fn start_bandwidth_estimation(
        &mut self,
        context: &mut Context<'_>,
        key: SubscriberKey,
    ) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        // Only a transport reports what arrived.
        let is_estimated = context.config.bwe != Bwe::None && subscriber.transport().is_some();
        let budget = &mut subscriber.budget;
        if !is_estimated || budget.estimator.is_some() {
            return;
        }
        let cap_bps = context.config.max_subscription_bitrate_bps.unwrap_or(0);
        budget.estimator = Some(LossRtt::new(context.now, cap_bps));
        budget.bps = context.config.max_subscription_bitrate_bps;
        budget.schedule(context, key);
    }

    /// Update the estimate and select encodings within it.
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
        let load = self.wire_load(ingress, key);
        let cap_bps = match context.config.max_subscription_bitrate_bps {
            Some(cap) => cap,
            None => load.wanted_bps * CAP_MARGIN_PERCENT / 100,
        };
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        let budget = &mut subscriber.budget;
        let Some(estimator) = budget.estimator.as_mut() else {
            return;
        };
        estimator.set_load_bps(context.now, cap_bps, load.sent_bps);
        // A cap that is only the bitrate of what is wanted does not limit that.
        let is_set = context.config.max_subscription_bitrate_bps.is_some();
        let estimate = estimator.budget_bps(context.now);
        let bps = (is_set || estimate < cap_bps).then_some(estimate);
        let was_limited = std::mem::replace(&mut budget.bps, bps).is_some();
        if was_limited || bps.is_some() {
            self.allocate_estimate(context, ingress, key);
        }
    }
}
