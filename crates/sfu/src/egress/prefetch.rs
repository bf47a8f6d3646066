//! Prefetch of the state of subscribers and subscriptions before they are served.

use rtc::prefetch::prefetch;

use super::Egress;
use super::sink::Transports;
use super::subscriber::Subscriber;
use crate::keys::{SubscriberKey, SubscriptionKey};

/// Bytes of a subscription that a packet uses.
const HOT_SUBSCRIPTION_BYTES: usize = 512;
/// Bytes of a subscriber that a round of sending uses.
const HOT_SUBSCRIBER_BYTES: usize = 256;
/// So many stay in the cache until they are served.
const SUBSCRIBERS_AHEAD: usize = 8;

impl Egress {
    /// Load the subscriptions that are about to be queued.
    pub(super) fn prefetch_subscriptions(&self, keys: &[SubscriptionKey]) {
        for key in keys {
            if let Some(subscription) = self.subscriptions.get(*key) {
                prefetch(subscription, HOT_SUBSCRIPTION_BYTES);
            }
        }
    }

    /// Load a subscriber whose feedback has arrived.
    pub fn prefetch_subscriber(&self, key: SubscriberKey) {
        if let Some(subscriber) = self.subscribers.get(key) {
            prefetch(subscriber, size_of::<Subscriber>());
        }
    }

    /// Load its estimator, and the part of its ledger that the feedback reports.
    pub fn prefetch_estimator(&self, key: SubscriberKey) {
        if let Some(subscriber) = self.subscribers.get(key) {
            subscriber.control.ledger.prefetch_sent();
            if let Some(estimator) = &subscriber.budget.estimator {
                estimator.prefetch();
            }
        }
    }

    /// Load the arrivals that its estimator compares with.
    pub fn prefetch_arrivals(&self, key: SubscriberKey) {
        let subscriber = self.subscribers.get(key);
        if let Some(estimator) = subscriber.and_then(|it| it.budget.estimator.as_ref()) {
            estimator.prefetch_arrivals();
        }
    }

    /// Load the subscribers that are served next, their transports and SRTP keys; return how many.
    pub(super) fn prefetch_queued(&self, transports: &impl Transports) -> usize {
        let mut next = [None; SUBSCRIBERS_AHEAD];
        let queued = self.schedule.queue.iter().take(SUBSCRIBERS_AHEAD);
        for (place, key) in next.iter_mut().zip(queued) {
            *place = self.subscribers.get(*key);
            if let Some(subscriber) = place {
                prefetch(*subscriber, HOT_SUBSCRIBER_BYTES);
            }
        }
        for subscriber in next.iter().flatten() {
            subscriber.control.ledger.prefetch_next();
        }
        // The transport of a subscriber is known once the subscriber is loaded, and so on.
        let next = next.iter().flatten();
        let next = next.filter_map(|subscriber| subscriber.transport());
        for transport in next.clone() {
            transports.prefetch(transport);
        }
        for transport in next {
            transports.prefetch_sealing(transport);
        }
        self.schedule.queue.len().min(SUBSCRIBERS_AHEAD)
    }
}
