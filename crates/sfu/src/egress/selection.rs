//! The selected encoding of each subscription: an allocation grants one, and a switch to it starts
//! here.

use std::time::Duration;

use wire::id::Rid;

use super::subscriber::Subscriber;
use super::subscription::PendingSwitch;
use super::{Demand, Egress};
use crate::context::{Context, Timer};
use crate::ingress::Ingress;
use crate::ingress::publication::Publication;
use crate::keys::{EncodingKey, PublicationKey, SubscriberKey, SubscriptionKey};
use crate::message::{Event, Preference, Target};
use crate::reasons::ENCODING_INACTIVE;

/// A keyframe up to this age is used: less than a request for a new one would take.
pub(super) const FRESH_KEYFRAME: Duration = Duration::from_millis(100);
/// A switch that takes longer is reported.
const SWITCH_DEADLINE: Duration = Duration::from_secs(3);

impl Egress {
    /// Update the selection of every subscription of a publication.
    pub fn update_selections(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        publication: PublicationKey,
    ) {
        for key in self.subscriptions_of(publication) {
            self.update_selection(context, ingress, key);
        }
    }

    /// Select the encoding that a subscription should receive, and start a switch if it is another.
    pub fn update_selection(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
    ) {
        let Some(subscription) = self.subscriptions.get(key) else {
            return;
        };
        let Some(publication) = ingress.publications.get(subscription.publication) else {
            return;
        };
        if publication.muted {
            let subscriber = subscription.subscriber;
            self.stop(ingress, key);
            return self.refill_last_n(context, ingress, subscriber);
        }
        // The selection is made when the transport connects.
        let subscriber = self.subscribers.get(subscription.subscriber);
        if !subscriber.is_some_and(|subscriber| subscriber.connected) {
            return;
        }
        let is_limited = subscriber.is_some_and(Subscriber::is_allocated);
        match is_limited && !subscription.audio {
            true => self.allocate_estimate(context, ingress, subscription.subscriber),
            false => self.allocate_unlimited(context, ingress, key),
        }
    }

    /// Select an encoding by its rank, the lowest 0, and start a switch if it is another.
    pub(super) fn select(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
        rank: usize,
        reason: &'static str,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        let Some(publication) = ingress.publications.get(subscription.publication) else {
            return;
        };
        subscription.selection.is_paused = false;
        let encoding = publication.order[rank];
        let pending = subscription.position.pending_switch;
        if pending.is_some_and(|switch| switch.encoding == encoding) {
            return;
        }
        let is_current = subscription.position.current == Some(encoding);
        self.cancel_switch(key);
        match is_current {
            true => self.keep_current(context, publication, key, reason),
            false => self.start_switch(context, ingress, key, encoding, reason),
        }
    }

    /// Set which encoding a subscriber requests, and how it shows it.
    pub fn set_target(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
        target: Target,
        preference: Preference,
    ) {
        if let Some(subscription) = self.subscriptions.get_mut(key) {
            subscription.selection.target = target;
            subscription.selection.preference = preference;
            self.update_selection(context, ingress, key);
        }
    }

    /// Keep the current encoding; report once where the requested encoding is inactive.
    fn keep_current(
        &mut self,
        context: &mut Context<'_>,
        publication: &Publication,
        key: SubscriptionKey,
        reason: &'static str,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        let selection = &mut subscription.selection;
        let is_missed = reason == ENCODING_INACTIVE && selection.target != Target::Auto;
        let was_missed = selection.last_reason == ENCODING_INACTIVE;
        if is_missed == was_missed {
            return;
        }
        selection.last_reason = reason;
        if is_missed {
            let rid_of = |nth: usize| publication.encodings[nth].rid.as_ref().map(Rid::to_string);
            let current = subscription.position.current.and_then(rid_of);
            context.events.push(Event::LayerSwitch {
                subscription: subscription.id,
                from: current.clone(),
                to: current,
                reason,
                wait_ms: None,
                layers: selection.layers,
            });
        }
    }

    /// Stop sending until an encoding is selected again.
    pub fn stop(&mut self, ingress: &Ingress, key: SubscriptionKey) {
        self.cancel_switch(key);
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        if let Some(encoding) = subscription.position.current.take() {
            let (publication, subscriber) = (subscription.publication, subscription.subscriber);
            let left = EncodingKey {
                publication,
                encoding,
            };
            self.leave(left, key);
            self.update_media_rate(ingress, subscriber);
        }
    }

    fn start_switch(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
        encoding: usize,
        reason: &'static str,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        let joined = EncodingKey {
            publication: subscription.publication,
            encoding,
        };
        let Some(stream) = ingress.encoding(joined) else {
            return;
        };
        let fresh = stream
            .keyframes
            .last
            .filter(|start| context.now.since(start.arrived) <= FRESH_KEYFRAME)
            .filter(|start| stream.history.slot(start.position).is_some());
        subscription.position.pending_switch = Some(PendingSwitch {
            encoding,
            since: context.now,
            from: fresh.map_or(stream.history.end(), |start| start.position),
            reason,
        });
        let audio = subscription.audio;
        self.join(joined, key);
        if audio {
            return;
        }
        context.set_timer(context.now + SWITCH_DEADLINE, Timer::SwitchDeadline(key));
        if fresh.is_some() {
            self.make_ready(joined);
        } else {
            self.demands.push(Demand::Keyframe(joined));
        }
    }

    fn cancel_switch(&mut self, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        if let Some(switch) = subscription.position.pending_switch.take() {
            let left = EncodingKey {
                publication: subscription.publication,
                encoding: switch.encoding,
            };
            self.leave(left, key);
        }
    }

    /// Add a subscription to those that send an encoding or wait for it.
    fn join(&mut self, encoding: EncodingKey, key: SubscriptionKey) {
        if let Some(subscribers) = self.subscribers_of_mut(encoding) {
            subscribers.keys.push(key);
            self.demands.push(Demand::Watched(encoding));
        }
    }

    /// Remove a subscription from those that send an encoding or wait for it.
    pub(super) fn leave(&mut self, encoding: EncodingKey, key: SubscriptionKey) {
        let Some(subscribers) = self.subscribers_of_mut(encoding) else {
            return;
        };
        subscribers.keys.retain(|subscriber| *subscriber != key);
        if subscribers.keys.is_empty() {
            self.demands.push(Demand::Unwatched(encoding));
        }
    }

    /// Mark a switch as late and demand a keyframe again; the switch stays pending.
    pub fn report_late_switch(&mut self, context: &Context<'_>, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        let Some(pending) = subscription.position.pending_switch.as_mut() else {
            return;
        };
        if context.now.since(pending.since) < SWITCH_DEADLINE {
            return;
        }
        pending.reason = "keyframe_timeout";
        self.demands.push(Demand::Keyframe(EncodingKey {
            publication: subscription.publication,
            encoding: pending.encoding,
        }));
    }

    /// Demand a keyframe of an encoding that has become active, if a switch waits for one: while it
    /// was inactive no request was sent.
    pub fn demand_awaited_keyframe(&mut self, key: EncodingKey) {
        let waits = |subscription: &SubscriptionKey| {
            let subscription = self.subscriptions.get(*subscription);
            subscription.is_some_and(|subscription| {
                let pending = subscription.position.pending_switch;
                !subscription.audio && pending.is_some_and(|it| it.encoding == key.encoding)
            })
        };
        if self.subscribers_of(key).iter().any(waits) {
            self.demands.push(Demand::Keyframe(key));
        }
    }

    /// Restart the subscriptions of an encoding whose stream has restarted.
    pub fn restart_encoding(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: EncodingKey,
    ) {
        for subscription in self.subscribers_of(key).to_vec() {
            self.stop(ingress, subscription);
            self.update_selection(context, ingress, subscription);
        }
    }

    /// Restart every subscription of a subscriber at a keyframe: the packets that it received
    /// before, if any, are too old to continue from.
    pub fn restart_subscriber(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        for subscription in self.subscriptions_to(key) {
            self.stop(ingress, subscription);
            self.update_selection(context, ingress, subscription);
        }
    }
}
