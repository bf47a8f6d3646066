//! How much a subscriber may receive, from its receiver reports.

use std::time::Duration;

use super::{Peer, Room};
use crate::config::Bwe;
use crate::context::{Context, Timer};
use crate::policy::loss_rtt::LossRtt;
use crate::policy::{Policy, Report};

const BUDGET_EVERY: Duration = Duration::from_millis(500);
/// Packets are larger than their payloads.
const CAP_MARGIN_PERCENT: u64 = 110;

impl Room {
    /// Begin to estimate a subscriber's bandwidth, where the server is told to.
    pub(super) fn start_policy(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        if context.config.bwe == Bwe::None || peer.policy.is_some() {
            return;
        }
        let cap_bps = context.config.max_subscription_bitrate_bps.unwrap_or(0);
        peer.policy = Some(LossRtt::new(context.now, cap_bps));
        set_step(context, peer, key);
    }

    /// Let a receiver report speak to the estimate of its subscriber.
    pub(super) fn note_report(&mut self, context: &Context<'_>, key: usize, report: Report) {
        if let Some(policy) = self.peers[key].policy.as_mut() {
            policy.report(context.now, report);
        }
    }

    /// Take the next step of the estimate and choose encodings by it.
    pub(super) fn apply_budget(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !peer.budget.rings(context.now) {
            return;
        }
        set_step(context, peer, key);
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
        // At a cap that is only what they could use, nothing limits them.
        let is_set = context.config.max_subscription_bitrate_bps.is_some();
        let budget = policy
            .budget_bps(context.now)
            .filter(|budget| is_set || *budget < cap_bps);
        // Pictures grow, and subscriptions come: the same budget may be exceeded.
        let exceeded = budget.is_some_and(|budget| sent_bps > budget);
        if peer.budget_bps != budget || exceeded {
            peer.budget_bps = budget;
            self.share_out(context, key);
        }
    }

    /// Give each video subscription its share of the budget, by what it would like.
    fn share_out(&mut self, context: &mut Context<'_>, key: usize) {
        let budget = self.peers[key].budget_bps;
        let desired: u64 = self.desired_bps(key).max(1);
        for subscription in self.peers[key].subscriptions.clone() {
            let wish = self.wish_bps(subscription);
            let of = &mut self.subscriptions[subscription];
            if of.audio {
                continue;
            }
            of.budget_bps = budget
                .map(|budget| (u128::from(budget) * u128::from(wish) / u128::from(desired)) as u64);
            self.choose_for(context, subscription);
        }
    }

    /// What all subscriptions of a peer send together, audio included.
    fn sent_bps(&self, key: usize) -> u64 {
        let size = |key: &usize| {
            let subscription = &self.subscriptions[*key];
            let encodings = &self.publications[subscription.publication].encodings;
            subscription.current.map(|nth| encodings[nth].size_bps)
        };
        self.peers[key].subscriptions.iter().filter_map(size).sum()
    }

    /// What all subscriptions of a peer would like together, audio included.
    fn desired_bps(&self, key: usize) -> u64 {
        let Some(peer) = self.peers.get(key) else {
            return 0;
        };
        let wishes = peer.subscriptions.iter().map(|of| self.wish_bps(*of));
        wishes.sum()
    }

    /// What one subscription would like: the encoding that its target means.
    fn wish_bps(&self, key: usize) -> u64 {
        let subscription = &self.subscriptions[key];
        let candidates = self.publications[subscription.publication].candidates();
        let choice = crate::select::choose(&candidates, &subscription.target, None, None);
        choice.encoding.map_or(0, |nth| candidates[nth].bitrate_bps)
    }
}

fn set_step(context: &mut Context<'_>, peer: &mut Peer, key: usize) {
    let at = context.now + BUDGET_EVERY;
    peer.budget.set(at);
    context.set_timer(at, Timer::Budget(key));
}
