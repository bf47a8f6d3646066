//! Sources and sinks beside the transports of the room: a relay, a recorder.

use super::Room;
use crate::context::Context;
use crate::egress::sink::{Drain, Sink};
use crate::ingress::publisher::Feed;
use crate::ingress::source::Source;
use crate::keys::{PublicationKey, PublisherKey, SubscriberKey, SubscriptionKey};
use crate::message::{CommandError, PublishRequest, SubscribeRequest};

impl Room {
    /// Add a source of packets; it publishes by [`publish_from`](Self::publish_from).
    pub fn attach_source(
        &mut self,
        context: &mut Context<'_>,
        source: Box<dyn Source>,
    ) -> PublisherKey {
        self.ingress.add_publisher(context, Feed::Source(source))
    }

    /// Add a publication of a source; its packets arrive by
    /// [`receive_packet`](Self::receive_packet).
    ///
    /// # Errors
    /// Where the request is invalid. The identifier of its transport does not matter.
    pub fn publish_from(
        &mut self,
        context: &mut Context<'_>,
        publisher: PublisherKey,
        request: &PublishRequest,
    ) -> Result<PublicationKey, CommandError> {
        self.publish(context, publisher, request)
    }

    /// Remove a source with its publications.
    pub fn detach_source(&mut self, context: &mut Context<'_>, publisher: PublisherKey) {
        self.remove_publisher(context, publisher);
        self.pass_on_demands(context);
    }

    /// Add a sink; it receives publications by [`subscribe_to`](Self::subscribe_to).
    pub fn attach_sink(&mut self, context: &mut Context<'_>, sink: Box<dyn Sink>) -> SubscriberKey {
        self.egress.add_subscriber(context, Drain::Sink(sink))
    }

    /// Send a publication to a sink.
    ///
    /// # Errors
    /// Where the request is invalid. The identifier of its transport does not matter.
    pub fn subscribe_to(
        &mut self,
        context: &mut Context<'_>,
        subscriber: SubscriberKey,
        request: SubscribeRequest,
    ) -> Result<SubscriptionKey, CommandError> {
        let subscription = self.subscribe(context, subscriber, request);
        self.pass_on_demands(context);
        subscription
    }

    /// Remove a sink with its subscriptions.
    pub fn detach_sink(&mut self, context: &mut Context<'_>, subscriber: SubscriberKey) {
        self.remove_subscriber(context, subscriber);
        self.pass_on_demands(context);
    }
}
