//! The bandwidth budget of a subscriber, from its receiver reports.

use std::time::Duration;

use super::{PeerConnection, Room};
use crate::bwe::Report;
use crate::bwe::loss_rtt::LossRtt;
use crate::config::Bwe;
use crate::context::{Context, Timer};

const BUDGET_EVERY: Duration = Duration::from_millis(500);
/// Budgets are due at multiples of this, so that one wakeup serves many subscribers.
const BUDGET_GRID: Duration = Duration::from_millis(50);
/// Packets are larger than their payloads.
const CAP_MARGIN_PERCENT: u64 = 110;

impl Room {
    /// Start bandwidth estimation for a subscriber, where it is configured.
    pub(super) fn start_bandwidth_estimation(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        if context.config.bwe == Bwe::None || peer.policy.is_some() {
            return;
        }
        let cap_bps = context.config.max_subscription_bitrate_bps.unwrap_or(0);
        peer.policy = Some(LossRtt::new(context.now, cap_bps));
        schedule_budget(context, peer, key);
    }

    /// Pass a receiver report to the bandwidth estimator.
    pub(super) fn on_receiver_report(&mut self, context: &Context<'_>, key: usize, report: Report) {
        if let Some(policy) = self.peers[key].policy.as_mut() {
            policy.report(context.now, report);
        }
    }

    /// Update the estimate and select encodings within it.
    pub(super) fn apply_budget(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !peer.budget.expired(context.now) {
            return;
        }
        schedule_budget(context, peer, key);
        let cap_bps = match context.config.max_subscription_bitrate_bps {
            Some(cap) => cap,
            None => self.desired_bps(key) * CAP_MARGIN_PERCENT / 100,
        };
        let sent_bps = self.sent_bps(key);
        let peer = &mut self.peers[key];
        let Some(policy) = peer.policy.as_mut() else {
            return;
        };
        policy.set_load_bps(cap_bps, sent_bps);
        // A cap that is only the bitrate of the target encodings does not limit them.
        let is_set = context.config.max_subscription_bitrate_bps.is_some();
        let estimate = policy.budget_bps(context.now);
        let budget = (is_set || estimate < cap_bps).then_some(estimate);
        // Bitrates rise and subscriptions are added: the same budget may be exceeded.
        let exceeded = budget.is_some_and(|budget| sent_bps > budget);
        if peer.budget_bps != budget || exceeded {
            peer.budget_bps = budget;
            self.distribute_budget(context, key);
        }
    }

    /// Distribute the budget among the video subscriptions, in proportion to their target bitrates.
    fn distribute_budget(&mut self, context: &mut Context<'_>, key: usize) {
        let budget = self.peers[key].budget_bps;
        let desired: u64 = self.desired_bps(key).max(1);
        for subscription in self.peers[key].subscriptions.clone() {
            let target = self.target_bps(subscription);
            let subscriber = &mut self.subscriptions[subscription];
            if subscriber.audio {
                continue;
            }
            subscriber.budget_bps = budget.map(|budget| {
                (u128::from(budget) * u128::from(target) / u128::from(desired)) as u64
            });
            self.update_selection(context, subscription);
        }
    }

    /// Return the bitrate that all subscriptions of a peer send, audio included.
    fn sent_bps(&self, key: usize) -> u64 {
        let size = |key: &usize| {
            let subscription = &self.subscriptions[*key];
            let encodings = &self.publications[subscription.publication].encodings;
            subscription.current.map(|nth| encodings[nth].size_bps)
        };
        self.peers[key].subscriptions.iter().filter_map(size).sum()
    }

    /// Return the target bitrate of all subscriptions of a peer, audio included.
    fn desired_bps(&self, key: usize) -> u64 {
        let Some(peer) = self.peers.get(key) else {
            return 0;
        };
        let targets = peer
            .subscriptions
            .iter()
            .map(|subscription| self.target_bps(*subscription));
        targets.sum()
    }

    /// Return the target bitrate of one subscription: that of the encoding that it requests.
    fn target_bps(&self, key: usize) -> u64 {
        let subscription = &self.subscriptions[key];
        let candidates = self.publications[subscription.publication].candidates();
        let choice =
            crate::allocate::select::select_encoding(&candidates, &subscription.target, None, None);
        choice.encoding.map_or(0, |nth| candidates[nth].bitrate_bps)
    }
}

fn schedule_budget(context: &mut Context<'_>, peer: &mut PeerConnection, key: usize) {
    let at = (context.now + BUDGET_EVERY).floor_to(BUDGET_GRID);
    peer.budget.set(at);
    context.set_timer(at, Timer::Budget(key));
}
