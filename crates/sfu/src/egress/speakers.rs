//! What subscribers get of the active speakers.

use super::{Egress, SubscriptionKey};
use crate::context::Context;
use crate::ingress::Ingress;
use crate::keys::{PublicationKey, SubscriberKey};

impl Egress {
    /// Allocate again to every subscriber with an estimate: other participants speak.
    pub fn follow_speakers(&mut self, context: &mut Context<'_>, ingress: &Ingress) {
        let subscribers = self.subscribers.iter();
        let limited = subscribers.filter(|(_, it)| it.budget.bps.is_some());
        let limited: Vec<SubscriberKey> = limited.map(|(key, _)| key).collect();
        for key in limited {
            self.allocate_estimate(context, ingress, key);
        }
    }

    /// Return the rank of the participant that spoke last among those that these subscriptions
    /// show: a subscriber that speaks itself sees the one before.
    pub(super) fn speaker_among(
        &self,
        ingress: &Ingress,
        subscriptions: impl Iterator<Item = SubscriptionKey>,
    ) -> Option<usize> {
        let publication = |key| Some(self.subscriptions.get(key)?.publication);
        let rank = |key: PublicationKey| ingress.speaker_rank(key);
        subscriptions.filter_map(publication).filter_map(rank).min()
    }
}
