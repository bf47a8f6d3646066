//! Subscribers and subscriptions come and go.

use rtc::transport::Transport;

use super::Egress;
use super::audience::Audience;
use super::sink::Drain;
use super::subscriber::Subscriber;
use super::subscription::Subscription;
use crate::context::Context;
use crate::ingress::Ingress;
use crate::ingress::publication::Publication;
use crate::keys::{PublicationKey, SubscriberKey, SubscriptionKey};
use crate::message::{CommandError, ErrorCode, SubscribeRequest};

impl Egress {
    /// Add a subscriber.
    pub fn add_subscriber(&mut self, context: &Context<'_>, drain: Drain) -> SubscriberKey {
        let mut subscriber = Subscriber::new(context.now, drain);
        subscriber.last_n = context.config.last_n;
        self.subscribers.insert(subscriber)
    }

    /// Remove a subscriber whose subscriptions are removed.
    pub fn remove_subscriber(&mut self, key: SubscriberKey) {
        self.subscribers.remove(key);
    }

    /// Start sending to a subscriber whose transport has got its keys.
    pub fn connect(&mut self, key: SubscriberKey, transport: &mut Transport) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        subscriber.connected = true;
        for subscription in &subscriber.subscriptions {
            if let Some(subscription) = self.subscriptions.get_mut(*subscription) {
                subscription.attach(transport);
            }
        }
    }

    /// Stop sending to a subscriber.
    pub fn disconnect(&mut self, key: SubscriberKey) {
        if let Some(subscriber) = self.subscribers.get_mut(key) {
            subscriber.connected = false;
        }
    }

    /// Note a new publication.
    pub fn add_publication(&mut self, key: PublicationKey, publication: &Publication) {
        let audience = Audience::new(publication.encodings.len());
        self.audiences.insert(key, audience);
    }

    /// Forget a publication whose subscriptions are removed.
    pub fn remove_publication(&mut self, key: PublicationKey) {
        self.audiences.remove(key);
        self.schedule.remove(key);
    }

    /// Add a subscription, which has no keys yet; nothing has changed where that fails.
    ///
    /// # Errors
    /// Where the request is invalid or one of its SSRCs was used.
    pub fn subscribe(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        subscriber_key: SubscriberKey,
        publication_key: PublicationKey,
        request: SubscribeRequest,
    ) -> Result<SubscriptionKey, CommandError> {
        let missing =
            || CommandError::new(ErrorCode::NotFound, "no such publication or subscriber");
        let publication = ingress
            .publications
            .get(publication_key)
            .ok_or_else(missing)?;
        let subscriber = self
            .subscribers
            .get_mut(subscriber_key)
            .ok_or_else(missing)?;
        let audience = self
            .audiences
            .get_mut(publication_key)
            .ok_or_else(missing)?;
        let (ssrc, rtx_ssrc) = (request.ssrc, request.rtx_ssrc);
        let subscription = Subscription::new(
            context,
            subscriber_key,
            publication_key,
            publication,
            request,
        )?;
        subscriber
            .reserve_ssrcs(ssrc, rtx_ssrc)
            .map_err(|used| CommandError::new(ErrorCode::SsrcReused, format!("SSRC {used}")))?;
        let feedback = subscription.feedback;
        let key = self.subscriptions.insert(subscription);
        audience.subscriptions.push(key);
        subscriber.subscriptions.push(key);
        self.start_bandwidth_estimation(context, subscriber_key, feedback);
        self.update_budget(context, ingress, subscriber_key);
        Ok(key)
    }

    /// Replace the publication of a subscription; its outgoing stream continues.
    ///
    /// # Errors
    /// Where the codecs differ.
    pub fn replace_source(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
        to: PublicationKey,
    ) -> Result<(), CommandError> {
        let missing =
            || CommandError::new(ErrorCode::NotFound, "no such publication or subscription");
        let codec = ingress.publications.get(to).ok_or_else(missing)?.codec;
        let subscription = self.subscriptions.get(key).ok_or_else(missing)?;
        if subscription.codec != codec {
            return Err(CommandError::new(ErrorCode::CodecUnsupported, codec.name()));
        }
        self.stop(ingress, key);
        let subscription = self.subscriptions.get_mut(key).ok_or_else(missing)?;
        let from = std::mem::replace(&mut subscription.publication, to);
        if let Some(audience) = self.audiences.get_mut(from) {
            audience.subscriptions.retain(|other| *other != key);
        }
        if let Some(audience) = self.audiences.get_mut(to) {
            audience.subscriptions.push(key);
        }
        self.update_selection(context, ingress, key);
        Ok(())
    }

    /// Remove a subscription.
    pub fn unsubscribe(&mut self, ingress: &Ingress, key: SubscriptionKey) -> Option<Subscription> {
        self.stop(ingress, key);
        let subscription = self.subscriptions.remove(key)?;
        if let Some(audience) = self.audiences.get_mut(subscription.publication) {
            audience.subscriptions.retain(|other| *other != key);
        }
        if let Some(subscriber) = self.subscribers.get_mut(subscription.subscriber) {
            subscriber.remove_subscription(key);
        }
        Some(subscription)
    }

    /// List the subscriptions to a publication.
    #[must_use]
    pub fn subscriptions_of(&self, key: PublicationKey) -> Vec<SubscriptionKey> {
        let audience = self.audiences.get(key);
        audience.map_or_else(Vec::new, |audience| audience.subscriptions.clone())
    }

    /// List the subscriptions of a subscriber.
    #[must_use]
    pub fn subscriptions_to(&self, key: SubscriberKey) -> Vec<SubscriptionKey> {
        let subscriber = self.subscribers.get(key);
        subscriber.map_or_else(Vec::new, |subscriber| subscriber.subscriptions.clone())
    }
}
