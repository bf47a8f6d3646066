//! RTCP of subscribers: report blocks, keyframe requests, transport-wide feedback.

use std::time::Duration;

use wire::id::Ssrc;
use wire::rtcp::{ReportBlock, TwccFeedback};
use wire::time::Time;

use super::{Demand, Egress};
use crate::bwe::Report;
use crate::bwe::control::Bandwidth;
use crate::context::Context;
use crate::ingress::Ingress;
use crate::keys::{EncodingKey, PublicationKey, SubscriberKey, SubscriptionKey};

impl Egress {
    /// Process a report block about an outgoing stream; return the round-trip time that it shows,
    /// and the publication.
    pub fn on_report_block(
        &mut self,
        context: &Context<'_>,
        key: SubscriberKey,
        block: &ReportBlock,
    ) -> Option<(PublicationKey, Duration)> {
        let subscription = self.subscription_by_ssrc(key, block.ssrc)?;
        let subscription = self.subscriptions.get_mut(subscription)?;
        let rtt = subscription
            .reports
            .sender
            .on_report_block(context.now, block);
        subscription.counters.fraction_lost = block.fraction_lost;
        // Audio has a low bitrate: its losses say little about the available bandwidth.
        if !subscription.audio {
            let fraction_lost = block.fraction_lost;
            let report = Report { fraction_lost, rtt };
            let budget = &mut self.subscribers.get_mut(key)?.budget;
            if let Some(estimator) = budget.estimator.as_mut() {
                estimator.on_report(context.now, report);
            }
        }
        Some((subscription.publication, rtt?))
    }

    /// Process transport-wide feedback; the estimate is applied at once where it moved.
    pub fn on_transport_feedback(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
        feedback: &TwccFeedback<'_>,
    ) {
        context.counters.transport_feedback_received += 1;
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        let Some(estimator) = subscriber.budget.estimator.as_mut() else {
            return;
        };
        let ledger = &mut subscriber.control.ledger;
        let has_moved = estimator.on_feedback(context.now, ledger, feedback);
        let copies = &mut subscriber.pending.copies;
        let queueing = estimator
            .queueing()
            .filter(|_| !estimator.is_queue_foreign());
        copies.set_conditions(estimator.loss(), queueing);
        if has_moved {
            self.update_budget(context, ingress, key);
        }
        self.start_probe(context, key);
    }

    /// Note that the packets of a round left late by this.
    pub fn sent_late(&mut self, key: SubscriberKey, round: Time, late: Duration) {
        if let Some(subscriber) = self.subscribers.get_mut(key) {
            subscriber.control.ledger.shift(round, late);
        }
    }

    /// Process the receiver's own estimate.
    pub fn on_remb(&mut self, now: Time, key: SubscriberKey, bitrate_bps: u64) {
        let subscriber = self.subscribers.get_mut(key);
        let estimator = subscriber.and_then(|it| it.budget.estimator.as_mut());
        if let Some(estimator) = estimator {
            estimator.on_remb(now, bitrate_bps);
        }
    }

    /// Forget what is known about the path of a subscriber: it has another one.
    pub fn change_path(&mut self, now: Time, key: SubscriberKey) {
        if let Some(subscriber) = self.subscribers.get_mut(key) {
            subscriber.control.ledger.change_path();
            let estimator = subscriber.budget.estimator.as_mut();
            if let Some(gcc) = estimator.and_then(Bandwidth::gcc) {
                gcc.change_path(now);
            }
        }
    }

    /// Process a keyframe request, which is passed on within limits.
    pub fn on_keyframe_request(
        &mut self,
        context: &mut Context<'_>,
        key: SubscriberKey,
        media: Ssrc,
    ) {
        let subscription = self.subscription_by_ssrc(key, media);
        let subscription = subscription.and_then(|key| self.subscriptions.get_mut(key));
        let Some(subscription) = subscription else {
            return;
        };
        context.counters.keyframe_requests_received += 1;
        subscription.counters.keyframe_requests += 1;
        let audio = subscription.audio;
        let Some(encoding) = subscription.position.current.filter(|_| !audio) else {
            return;
        };
        if !subscription.reports.keyframes.allow(context.now) {
            subscription.counters.keyframe_requests_rate_limited += 1;
            context.counters.keyframe_requests_rate_limited += 1;
            return;
        }
        self.demands.push(Demand::Keyframe(EncodingKey {
            publication: subscription.publication,
            encoding,
        }));
    }

    /// Demand keyframes for the video of a subscriber whose selected path has changed: packets were
    /// lost meanwhile.
    pub fn demand_keyframes(&mut self, key: SubscriberKey) {
        let subscriber = self.subscribers.get(key);
        let Some(subscriber) = subscriber.filter(|subscriber| subscriber.connected) else {
            return;
        };
        for subscription in &subscriber.subscriptions {
            let Some(subscription) = self.subscriptions.get(*subscription) else {
                continue;
            };
            let publication = subscription.publication;
            if let Some(encoding) = subscription
                .position
                .current
                .filter(|_| !subscription.audio)
            {
                self.demands.push(Demand::Keyframe(EncodingKey {
                    publication,
                    encoding,
                }));
            }
        }
    }

    /// Return the subscription that sends a subscriber this SSRC.
    pub(super) fn subscription_by_ssrc(
        &self,
        key: SubscriberKey,
        ssrc: Ssrc,
    ) -> Option<SubscriptionKey> {
        let mut subscriptions = self.subscribers.get(key)?.subscriptions.iter();
        let sends = |key: &&SubscriptionKey| {
            let subscription = self.subscriptions.get(**key);
            subscription.is_some_and(|subscription| subscription.stream.ssrc == ssrc)
        };
        subscriptions.find(sends).copied()
    }
}
