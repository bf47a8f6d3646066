//! The bandwidth budget of a subscriber: from its estimator to its subscriptions.

use std::time::Duration;

use super::Egress;
use super::control::Budget;
use super::selection::candidates;
use super::service::sent_encoding;
use crate::allocate::select::select_encoding;
use crate::allocate::share::share;
use crate::bwe::loss_rtt::LossRtt;
use crate::config::Bwe;
use crate::context::{Context, Timer};
use crate::ingress::Ingress;
use crate::keys::{SubscriberKey, SubscriptionKey};

const BUDGET_EVERY: Duration = Duration::from_millis(500);
/// Budgets are due at multiples of this, so that one wakeup serves many subscribers.
const BUDGET_GRID: Duration = Duration::from_millis(50);
/// Packets are larger than their payloads.
const CAP_MARGIN_PERCENT: u64 = 110;

impl Budget {
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
        let cap_bps = match context.config.max_subscription_bitrate_bps {
            Some(cap) => cap,
            None => self.desired_bps(ingress, key) * CAP_MARGIN_PERCENT / 100,
        };
        let sent_bps = self.sent_bps(ingress, key);
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        let Some(estimator) = subscriber.budget.estimator.as_mut() else {
            return;
        };
        estimator.set_load_bps(cap_bps, sent_bps);
        // A cap that is only the bitrate of the target encodings does not limit them.
        let is_set = context.config.max_subscription_bitrate_bps.is_some();
        let estimate = estimator.budget_bps(context.now);
        let budget = (is_set || estimate < cap_bps).then_some(estimate);
        // Bitrates rise and subscriptions are added: the same budget may be exceeded.
        let exceeded = budget.is_some_and(|budget| sent_bps > budget);
        if subscriber.budget.bps != budget || exceeded {
            subscriber.budget.bps = budget;
            self.distribute_budget(context, ingress, key, budget);
        }
    }

    /// Distribute the budget among the video subscriptions, in proportion to their target bitrates.
    fn distribute_budget(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
        budget: Option<u64>,
    ) {
        let desired = self.desired_bps(ingress, key);
        for key in self.subscriptions_to(key) {
            let target = self.target_bps(ingress, key);
            let Some(subscription) = self.subscriptions.get_mut(key) else {
                continue;
            };
            if subscription.audio {
                continue;
            }
            subscription.selection.budget_bps = budget.map(|budget| share(budget, target, desired));
            self.update_selection(context, ingress, key);
        }
    }

    /// Return the bitrate that all subscriptions of a subscriber send, audio included.
    fn sent_bps(&self, ingress: &Ingress, key: SubscriberKey) -> u64 {
        let Some(subscriber) = self.subscribers.get(key) else {
            return 0;
        };
        let size = |key: &SubscriptionKey| {
            let subscription = self.subscriptions.get(*key)?;
            Some(sent_encoding(ingress, subscription)?.rates.size_bps)
        };
        subscriber.subscriptions.iter().filter_map(size).sum()
    }

    /// Return the target bitrate of all subscriptions of a subscriber, audio included.
    fn desired_bps(&self, ingress: &Ingress, key: SubscriberKey) -> u64 {
        let Some(subscriber) = self.subscribers.get(key) else {
            return 0;
        };
        let targets = subscriber.subscriptions.iter();
        targets.map(|key| self.target_bps(ingress, *key)).sum()
    }

    /// Return the target bitrate of one subscription: that of the encoding that it requests.
    fn target_bps(&self, ingress: &Ingress, key: SubscriptionKey) -> u64 {
        let Some(subscription) = self.subscriptions.get(key) else {
            return 0;
        };
        let Some(publication) = ingress.publications.get(subscription.publication) else {
            return 0;
        };
        let candidates = candidates(publication);
        let choice = select_encoding(&candidates, &subscription.selection.target, None, None);
        choice.encoding.map_or(0, |nth| candidates[nth].bitrate_bps)
    }
}
