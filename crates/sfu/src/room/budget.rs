//! The bandwidth budget of a subscriber, from its feedback.

use std::time::Duration;

use wire::rtcp::TwccFeedback;
use wire::time::Time;

use super::{PeerConnection, Room};
use crate::bwe::Report;
use crate::bwe::control::{Bandwidth, Feedback, Load};
use crate::context::{Context, Timer};

const BUDGET_EVERY: Duration = Duration::from_millis(500);
/// The same while the start rate is left behind.
const FIRST_BUDGETS_EVERY: Duration = Duration::from_millis(100);
const SETTLING: Duration = Duration::from_secs(4);
/// Budgets are due at multiples of this, so that one wakeup serves many subscribers.
const BUDGET_GRID: Duration = Duration::from_millis(50);

impl Room {
    /// Start bandwidth estimation for a subscriber, where it is configured, by the best feedback
    /// that its subscriptions have negotiated.
    pub(super) fn start_bandwidth_estimation(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        feedback: Feedback,
    ) {
        let peer = &mut self.peers[key];
        let bwe = context.config.bwe;
        let is_used = |it: &Bandwidth| !it.is_improved_by(bwe, feedback);
        if !peer.bandwidth.as_ref().is_some_and(is_used) {
            let cap_bps = context.config.max_subscription_bitrate_bps.unwrap_or(0);
            peer.bandwidth = Bandwidth::new(context.now, bwe, feedback, cap_bps);
            peer.settled = context.now + SETTLING;
        }
        if peer.bandwidth.is_some() && !peer.budget.is_set() {
            schedule_budget(context, peer, key);
        }
    }

    /// Pass a receiver report to the bandwidth estimator.
    pub(super) fn on_receiver_report(&mut self, context: &Context<'_>, key: usize, report: Report) {
        if let Some(bandwidth) = self.peers[key].bandwidth.as_mut() {
            bandwidth.on_report(context.now, report);
        }
    }

    /// Pass the receiver's own estimate to the bandwidth estimator.
    pub(super) fn on_remb(&mut self, now: Time, key: usize, bitrate_bps: u64) {
        if let Some(bandwidth) = self.peers[key].bandwidth.as_mut() {
            bandwidth.on_remb(now, bitrate_bps);
        }
    }

    /// Process transport-wide feedback; the estimate is applied at once where it moved.
    pub(super) fn on_transport_feedback(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        feedback: &TwccFeedback<'_>,
    ) {
        let peer = &mut self.peers[key];
        let Some(bandwidth) = peer.bandwidth.as_mut() else {
            return;
        };
        let ledger = &mut peer.egress.transport_wide;
        if bandwidth.on_feedback(context.now, ledger, feedback) {
            self.update_budget(context, key);
        }
        self.start_probe(context, key);
    }

    /// Forget what is known about the path of a subscriber: it has another one.
    pub(super) fn change_estimated_path(&mut self, context: &Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        peer.egress.transport_wide.change_path();
        if let Some(gcc) = peer.bandwidth.as_mut().and_then(Bandwidth::gcc) {
            gcc.change_path(context.now);
        }
        peer.settled = context.now + SETTLING;
    }

    /// Update the estimate and select encodings within it, at the instant that the timer is set to.
    pub(super) fn apply_budget(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !peer.budget.expired(context.now) {
            return;
        }
        schedule_budget(context, peer, key);
        self.update_budget(context, key);
        self.start_probe(context, key);
    }

    pub(super) fn update_budget(&mut self, context: &mut Context<'_>, key: usize) {
        let load = Load {
            wanted_bps: self.desired_bps(key),
            sent_bps: self.sent_bps(key),
            next_step_bps: self.next_step_bps(key),
            cap_bps: context.config.max_subscription_bitrate_bps,
        };
        let peer = &mut self.peers[key];
        let Some(bandwidth) = peer.bandwidth.as_mut() else {
            return;
        };
        let budget = bandwidth.update(context.now, &peer.egress.transport_wide, load);
        peer.egress.estimate_bps = bandwidth.estimate_bps();
        // Bitrates rise and subscriptions are added: the same budget may be exceeded.
        let exceeded = budget.is_some_and(|budget| load.sent_bps > budget);
        if peer.budget_bps != budget || exceeded {
            peer.budget_bps = budget;
            self.distribute_budget(context, key);
        }
    }

    /// Distribute the budget among the video subscriptions, in proportion to their target bitrates.
    pub(super) fn distribute_budget(&mut self, context: &mut Context<'_>, key: usize) {
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

    /// Return the least budget with which a video subscription has its next encoding, `None` where
    /// each has the one that it requests.
    fn next_step_bps(&self, key: usize) -> Option<u64> {
        let wanted = u128::from(self.desired_bps(key));
        let next = |key: &usize| {
            let subscription = &self.subscriptions[*key];
            let target_bps = self.target_bps(*key);
            let candidates = self.publications[subscription.publication].candidates();
            let current = subscription
                .current
                .map_or(0, |nth| candidates[nth].bitrate_bps);
            let wider = candidates.iter().map(|it| it.bitrate_bps);
            let next_bps = wider
                .filter(|bps| (current + 1..=target_bps).contains(bps))
                .min()?;
            // Budgets are shared in proportion to the targets.
            Some((u128::from(next_bps) * wanted / u128::from(target_bps)) as u64)
        };
        let video = self.peers[key].subscriptions.iter();
        video
            .filter(|key| !self.subscriptions[**key].audio)
            .filter_map(next)
            .min()
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
    let every = match context.now < peer.settled {
        true => FIRST_BUDGETS_EVERY,
        false => BUDGET_EVERY,
    };
    let at = (context.now + every).floor_to(BUDGET_GRID);
    peer.budget.set(at);
    context.set_timer(at, Timer::Budget(key));
}
