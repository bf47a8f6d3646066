//! The bandwidth budget of a subscriber: from its estimator to its subscriptions.

use std::time::Duration;

use super::Egress;
use super::control::Budget;
use super::selection::candidates;
use super::service::sent_encoding;
use crate::allocate::select::select_encoding;
use crate::allocate::share::share;
use crate::bwe::control::{Bandwidth, Feedback, Load};
use crate::context::{Context, Timer};
use crate::ingress::Ingress;
use crate::keys::{SubscriberKey, SubscriptionKey};

const BUDGET_EVERY: Duration = Duration::from_millis(500);
/// Budgets are due at multiples of this, so that one wakeup serves many subscribers.
const BUDGET_GRID: Duration = Duration::from_millis(50);
/// The same while the start rate is left behind.
const FIRST_BUDGETS_EVERY: Duration = Duration::from_millis(100);
const SETTLING: Duration = Duration::from_secs(4);

impl Budget {
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

    /// Update the estimate and select encodings within it, at the instant that its timer is set to.
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

    /// Update the estimate and select encodings within it.
    pub(super) fn update_budget(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        let load = Load {
            wanted_bps: self.desired_bps(ingress, key),
            sent_bps: self.sent_bps(ingress, key),
            next_step_bps: self.next_step_bps(ingress, key),
            cap_bps: context.config.max_subscription_bitrate_bps,
        };
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        let Some(estimator) = subscriber.budget.estimator.as_mut() else {
            return;
        };
        let budget = estimator.update(context.now, &subscriber.control.ledger, load);
        subscriber.control.estimate_bps = estimator.estimate_bps();
        // Bitrates rise and subscriptions are added: the same budget may be exceeded.
        let exceeded = budget.is_some_and(|budget| load.sent_bps > budget);
        // Encodings have been measured that were unknown.
        let shared_bps = subscriber.budget.wanted_bps;
        let differs = load.wanted_bps.abs_diff(shared_bps) > shared_bps / 4;
        if subscriber.budget.bps != budget || exceeded || differs {
            subscriber.budget.bps = budget;
            subscriber.budget.wanted_bps = load.wanted_bps;
            self.distribute_budget(context, ingress, key, budget);
        }
    }

    /// Share the present budget again: the subscriptions have changed.
    pub(super) fn share_budget(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        if let Some(subscriber) = self.subscribers.get(key) {
            let budget = subscriber.budget.bps;
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

    /// Return the least budget with which a video subscription has its next encoding, `None` where
    /// each has the one that it requests.
    fn next_step_bps(&self, ingress: &Ingress, key: SubscriberKey) -> Option<u64> {
        let wanted = self.desired_bps(ingress, key);
        let next = |key: &SubscriptionKey| {
            let subscription = self.subscriptions.get(*key).filter(|it| !it.audio)?;
            let target_bps = self.target_bps(ingress, *key);
            let candidates = candidates(ingress.publications.get(subscription.publication)?);
            let current = subscription.position.current;
            let current_bps = current.map_or(0, |nth| candidates[nth].bitrate_bps);
            let rates = candidates.iter().map(|it| it.bitrate_bps);
            let next = rates.filter(|bps| (current_bps + 1..=target_bps).contains(bps));
            // Budgets are shared in proportion to the targets.
            Some(share(wanted, next.min()?, target_bps))
        };
        let subscriptions = &self.subscribers.get(key)?.subscriptions;
        subscriptions.iter().filter_map(next).min()
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
