//! What subscribers get of the active speakers.

use super::Egress;
use super::subscriber::Subscriber;
use super::subscription::Subscription;
use super::wishes::Videos;
use crate::allocate::Grant;
use crate::context::Context;
use crate::ingress::{Ingress, Place};
use crate::keys::{PublicationKey, SubscriberKey, SubscriptionKey};
use crate::reasons::LAST_N;

impl Subscription {
    /// Return whether it is paused since others have spoken later.
    #[must_use]
    pub fn is_excluded(&self) -> bool {
        self.selection.is_paused && self.selection.last_reason == LAST_N
    }
}

impl Egress {
    /// Set of how many participants a subscriber gets the video; the server's bound holds too.
    pub fn set_last_n(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
        last_n: Option<u16>,
    ) {
        if let Some(subscriber) = self.subscribers.get_mut(key) {
            let bounds = last_n.into_iter().chain(context.config.last_n);
            subscriber.last_n = bounds.min();
            self.allocate_estimate(context, ingress, key);
        }
    }

    /// Give the place of a subscription that has ended to another participant.
    pub fn refill_last_n(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        let subscriber = self.subscribers.get(key);
        if subscriber.is_some_and(|it| it.last_n.is_some()) {
            self.allocate_estimate(context, ingress, key);
        }
    }

    /// Split videos into those that a subscriber may get and those that last-N excludes: all but
    /// the ones of the participants that spoke last, pinned ones and shared screens.
    pub(super) fn split_by_last_n(
        &self,
        ingress: &Ingress,
        key: SubscriberKey,
        mut videos: Videos,
    ) -> (Videos, Vec<(SubscriptionKey, Grant)>) {
        let subscriber = self.subscribers.get(key);
        let Some(most) = subscriber.and_then(|it| it.last_n) else {
            return (videos, Vec::new());
        };
        let places: Vec<Option<Place>> = videos
            .iter()
            .map(|(key, _)| self.place(ingress, *key))
            .collect();
        let mut order: Vec<Place> = places.iter().flatten().copied().collect();
        order.sort_unstable();
        order.dedup();
        let first_excluded = order.get(usize::from(most)).copied();
        let is_excluded = |place: &Option<Place>| {
            place
                .zip(first_excluded)
                .is_some_and(|(place, first)| place >= first)
        };
        let mut excluded = Vec::new();
        let mut places = places.into_iter();
        videos.retain(|(key, _)| {
            let is_excluded = places.next().is_some_and(|place| is_excluded(&place));
            let subscription = self.subscriptions.get(*key).filter(|_| is_excluded);
            excluded.extend(subscription.map(|it| (*key, excluded_grant(it))));
            !is_excluded
        });
        (videos, excluded)
    }

    /// Return the place of the participant of a subscription; `None` where last-N does not count:
    /// it is pinned, or a shared screen.
    fn place(&self, ingress: &Ingress, key: SubscriptionKey) -> Option<Place> {
        let subscription = self.subscriptions.get(key)?;
        let publication = ingress.publications.get(subscription.publication)?;
        if publication.screen || subscription.selection.preference.pinned {
            return None;
        }
        ingress.place_of_participant(subscription.publication)
    }

    /// Allocate again to every subscriber with an estimate or with last-N: other participants speak.
    pub fn follow_speakers(&mut self, context: &mut Context<'_>, ingress: &Ingress) {
        let subscribers = self.subscribers.iter();
        let limited = subscribers.filter(|(_, it)| Subscriber::is_allocated(it));
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

fn excluded_grant(subscription: &Subscription) -> Grant {
    Grant {
        id: subscription.id,
        candidate: None,
        reason: LAST_N,
    }
}
