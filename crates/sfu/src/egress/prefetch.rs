//! Prefetch of the state of subscribers and subscriptions before they are served.

use rtc::prefetch::prefetch;

use super::Egress;
use super::sink::Transports;
use crate::keys::SubscriptionKey;

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
