//! Requests of the control plane to a room.

use rtc::dtls::{Fingerprint, Role};
use rtc::ice::Credentials;
use rtc::srtp::Profile;
use rtc::transport::{IceRole, RemoteParameters, Transport, TransportConfig};
use serde_json::Value;

use super::Room;
use super::connection::Connection;
use super::names::missing;
use crate::context::{Context, EntityId, Route};
use crate::egress::sink::Drain;
use crate::ingress::publisher::Feed;
use crate::keys::{PublicationKey, PublisherKey, SubscriberKey, SubscriptionKey, TransportKey};
use crate::message::{
    CommandError, ErrorCode, LocalParameters, PublicationId, PublishRequest, Request, Setup,
    SrtpChoice, SubscribeRequest, SubscriptionId, TransportId,
};

/// Longest DTLS or RTCP payload: fits every path that media fits.
const MTU: usize = 1200;

type Outcome = Result<Option<Value>, CommandError>;

impl Room {
    /// Execute a request about an entity of this room.
    ///
    /// # Errors
    /// Where the entity does not exist or the request is invalid; nothing has changed then.
    pub fn execute(&mut self, context: &mut Context<'_>, request: Request) -> Outcome {
        #[cfg(feature = "fault-injection")]
        self.panic_if(super::Fault::Command);
        let outcome = self.dispatch(context, request);
        self.pass_on_demands(context);
        outcome
    }

    fn dispatch(&mut self, context: &mut Context<'_>, request: Request) -> Outcome {
        match request {
            Request::OpenTransport {
                transport,
                local,
                remote,
                data,
                ..
            } => {
                self.open_transport(context, transport, local, remote)?;
                if let Some(parameters) = data {
                    self.set_data(context, transport, parameters)?;
                }
            }
            Request::SendMessages {
                transports, text, ..
            } => self.send_messages(context, &transports, text),
            Request::SetData { transport, data } => self.set_data(context, transport, data)?,
            Request::SetRemote { transport, remote } => {
                self.set_remote(context, transport, &remote)?;
            }
            Request::RestartIce {
                transport,
                local,
                remote,
            } => self.restart_ice(context, transport, local, &remote)?,
            Request::CloseTransport { transport } => {
                let key = self.names.transport(transport)?;
                self.close_transport(context, key);
            }
            Request::Publish(publish) => {
                let publisher = self.publisher_of(publish.transport)?;
                self.publish(context, publisher, &publish)?;
            }
            Request::Unpublish { publication } => {
                let key = self.names.publication(publication)?;
                self.unpublish(context, key);
            }
            Request::Subscribe(subscribe) => {
                let subscriber = self.subscriber_of(subscribe.transport)?;
                self.subscribe(context, subscriber, subscribe)?;
            }
            Request::ReplaceSource {
                subscription,
                publication,
            } => self.replace_source(context, subscription, publication)?,
            Request::Unsubscribe { subscription } => {
                let key = self.names.subscription(subscription)?;
                self.unsubscribe(context, key);
            }
            Request::SetTarget {
                subscription,
                target,
                preference,
            } => {
                let key = self.names.subscription(subscription)?;
                let (egress, ingress) = (&mut self.egress, &self.ingress);
                egress.set_target(context, ingress, key, target, preference);
            }
            Request::SetLastN { transport, last_n } => {
                let subscriber = self.subscriber_of(transport)?;
                let (egress, ingress) = (&mut self.egress, &self.ingress);
                egress.set_last_n(context, ingress, subscriber, last_n);
            }
            Request::SetMuted { publication, muted } => {
                let key = self.names.publication(publication)?;
                self.ingress.set_muted(key, muted);
                self.egress.update_selections(context, &self.ingress, key);
            }
            Request::RoomStats { .. } => return Ok(Some(self.stats(context.now))),
            Request::OpenRoom { .. } | Request::CloseRoom { .. } => {
                return Err(invalid("a room cannot open rooms"));
            }
        }
        Ok(None)
    }

    /// Close all transports, whose peers are notified, and remove all other sources and sinks.
    pub fn close(&mut self, context: &mut Context<'_>) {
        #[cfg(feature = "fault-injection")]
        self.panic_if(super::Fault::Close);
        let transports: Vec<TransportKey> = self.connections.iter().map(|(key, _)| key).collect();
        for key in transports {
            self.close_transport(context, key);
        }
        let publishers: Vec<_> = self.ingress.publishers.iter().map(|(key, _)| key).collect();
        for key in publishers {
            self.remove_publisher(context, key);
        }
        let subscribers: Vec<_> = self.egress.subscribers.iter().map(|(key, _)| key).collect();
        for key in subscribers {
            self.remove_subscriber(context, key);
        }
    }

    fn open_transport(
        &mut self,
        context: &mut Context<'_>,
        id: TransportId,
        local: LocalParameters,
        remote: Option<crate::message::RemoteParameters>,
    ) -> Result<(), CommandError> {
        let dtls_role = remote.as_ref().map_or(Role::Server, dtls_role);
        let remote = remote.as_ref().map(parse_remote).transpose()?;
        let ufrag = local.ufrag.clone();
        let config = TransportConfig {
            ice: IceRole::Lite,
            local: credentials(local.ufrag, local.pwd),
            dtls: context.dtls.clone(),
            dtls_role,
            profiles: profiles(context.config.srtp),
            mtu: MTU,
        };
        let mut transport =
            Transport::new(config, context.now).map_err(|error| invalid(error.to_string()))?;
        if let Some(remote) = remote {
            transport.set_remote(context.now, remote);
        }
        let (ingress, egress) = (&mut self.ingress, &mut self.egress);
        let key = self.connections.insert_with(|key| {
            let publisher = ingress.add_publisher(context, Feed::Transport(key, id));
            let subscriber = egress.add_subscriber(context, Drain::Transport(key));
            Connection::new(id, transport, ufrag.clone(), publisher, subscriber)
        });
        self.names.transports.insert(id, key);
        context.routes.push(Route::AddUfrag(ufrag, key));
        context.add_entity(EntityId::Transport(id));
        self.drive_transport(context, key);
        Ok(())
    }

    fn set_remote(
        &mut self,
        context: &mut Context<'_>,
        id: TransportId,
        remote: &crate::message::RemoteParameters,
    ) -> Result<(), CommandError> {
        let (key, connection) = self.connection_mut(id)?;
        let dtls_role = dtls_role(remote);
        let remote = parse_remote(remote)?;
        set_dtls_role(&mut connection.transport, dtls_role)?;
        connection.transport.set_remote(context.now, remote);
        self.drive_transport(context, key);
        Ok(())
    }

    fn restart_ice(
        &mut self,
        context: &mut Context<'_>,
        id: TransportId,
        local: LocalParameters,
        remote: &crate::message::RemoteParameters,
    ) -> Result<(), CommandError> {
        let (key, connection) = self.connection_mut(id)?;
        let dtls_role = dtls_role(remote);
        let remote = parse_remote(remote)?;
        set_dtls_role(&mut connection.transport, dtls_role)?;
        context
            .routes
            .push(Route::AddUfrag(local.ufrag.clone(), key));
        connection.ufrags.push(local.ufrag.clone());
        // The previous credentials are valid until a path is selected with the new ones.
        while connection.ufrags.len() > 2 {
            context
                .routes
                .push(Route::RemoveUfrag(connection.ufrags.remove(0)));
        }
        let local = credentials(local.ufrag, local.pwd);
        connection
            .transport
            .restart_ice(context.now, &local, &remote);
        self.drive_transport(context, key);
        Ok(())
    }

    /// Close a transport with its publications and subscriptions.
    fn close_transport(&mut self, context: &mut Context<'_>, key: TransportKey) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let (publisher, subscriber) = (connection.publisher, connection.subscriber);
        self.remove_data(context, key);
        self.remove_publisher(context, publisher);
        self.remove_subscriber(context, subscriber);
        let Some(mut connection) = self.connections.remove(key) else {
            return;
        };
        connection.transport.close(context.now, context.out);
        for path in connection.paths {
            context.routes.push(Route::RemovePath(path, key));
        }
        for ufrag in connection.ufrags {
            context.routes.push(Route::RemoveUfrag(ufrag));
        }
        self.names.transports.remove(&connection.id);
        context.remove_entity(EntityId::Transport(connection.id));
    }

    /// Remove a publisher with its publications.
    pub(super) fn remove_publisher(&mut self, context: &mut Context<'_>, key: PublisherKey) {
        let publisher = self.ingress.publishers.get(key);
        let publications = publisher.map(|publisher| publisher.publications.clone());
        for publication in publications.unwrap_or_default() {
            self.unpublish(context, publication);
        }
        self.ingress.publishers.remove(key);
    }

    /// Remove a subscriber with its subscriptions.
    pub(super) fn remove_subscriber(&mut self, context: &mut Context<'_>, key: SubscriberKey) {
        for subscription in self.egress.subscriptions_to(key) {
            self.unsubscribe(context, subscription);
        }
        self.egress.remove_subscriber(key);
    }

    pub(super) fn publish(
        &mut self,
        context: &mut Context<'_>,
        publisher: PublisherKey,
        request: &PublishRequest,
    ) -> Result<PublicationKey, CommandError> {
        let key = self.ingress.publish(context, publisher, request)?;
        if let Some(publication) = self.ingress.publications.get(key) {
            self.egress.add_publication(key, publication);
        }
        self.names.publications.insert(request.publication, key);
        context.add_entity(EntityId::Publication(request.publication));
        Ok(key)
    }

    fn unpublish(&mut self, context: &mut Context<'_>, key: PublicationKey) {
        for subscription in self.egress.subscriptions_of(key) {
            self.unsubscribe(context, subscription);
        }
        self.egress.remove_publication(key);
        if let Some(publication) = self.ingress.unpublish(context, key) {
            self.names.publications.remove(&publication.id);
            context.remove_entity(EntityId::Publication(publication.id));
        }
    }

    pub(super) fn subscribe(
        &mut self,
        context: &mut Context<'_>,
        subscriber: SubscriberKey,
        request: SubscribeRequest,
    ) -> Result<SubscriptionKey, CommandError> {
        let publication = self.names.publication(request.publication)?;
        let (id, transport) = (request.subscription, self.transport_of(subscriber));
        let (ingress, egress) = (&self.ingress, &mut self.egress);
        let key = egress.subscribe(context, ingress, subscriber, publication, request)?;
        self.names.subscriptions.insert(id, key);
        context.add_entity(EntityId::Subscription(id));
        if let Some(transport) = transport {
            if let Some(connection) = self.connections.get_mut(transport)
                && connection.connected
            {
                egress.connect(subscriber, &mut connection.transport);
            }
            self.start_reports(context, transport);
        }
        self.egress.update_selection(context, &self.ingress, key);
        Ok(key)
    }

    /// Replace the publication of a subscription; its outgoing stream continues.
    fn replace_source(
        &mut self,
        context: &mut Context<'_>,
        subscription: SubscriptionId,
        publication: PublicationId,
    ) -> Result<(), CommandError> {
        let key = self.names.subscription(subscription)?;
        let to = self.names.publication(publication)?;
        self.egress.replace_source(context, &self.ingress, key, to)
    }

    fn unsubscribe(&mut self, context: &mut Context<'_>, key: SubscriptionKey) {
        let Some(subscription) = self.egress.unsubscribe(&self.ingress, key) else {
            return;
        };
        self.pass_on_demands(context);
        self.ingress
            .release_unwatched(context, subscription.publication);
        if let Some(transport) = self.transport_of(subscription.subscriber) {
            self.send_bye(context, transport, subscription.ssrcs());
        }
        self.names.subscriptions.remove(&subscription.id);
        context.remove_entity(EntityId::Subscription(subscription.id));
        self.egress
            .refill_last_n(context, &self.ingress, subscription.subscriber);
    }

    fn connection_mut(
        &mut self,
        id: TransportId,
    ) -> Result<(TransportKey, &mut Connection), CommandError> {
        let key = self.names.transport(id)?;
        let connection = self.connections.get_mut(key);
        let connection = connection.ok_or_else(|| missing(EntityId::Transport(id)))?;
        Ok((key, connection))
    }

    fn publisher_of(&mut self, id: TransportId) -> Result<PublisherKey, CommandError> {
        Ok(self.connection_mut(id)?.1.publisher)
    }

    fn subscriber_of(&mut self, id: TransportId) -> Result<SubscriberKey, CommandError> {
        Ok(self.connection_mut(id)?.1.subscriber)
    }

    fn transport_of(&self, key: SubscriberKey) -> Option<TransportKey> {
        self.egress.subscribers.get(key)?.transport()
    }
}

fn parse_remote(
    remote: &crate::message::RemoteParameters,
) -> Result<RemoteParameters, CommandError> {
    let lines = remote.fingerprints.iter().map(String::as_str);
    let fingerprints = Fingerprint::parse_all(lines).map_err(|error| invalid(error.to_string()))?;
    if fingerprints.is_empty() {
        return Err(invalid("a remote description without a fingerprint"));
    }
    Ok(RemoteParameters {
        credentials: credentials(remote.ufrag.clone(), remote.pwd.clone()),
        fingerprints,
        // An ICE-lite agent sends checks only to the source addresses of checks.
        candidates: Vec::new(),
    })
}

/// Return the server's DTLS role.
fn dtls_role(remote: &crate::message::RemoteParameters) -> Role {
    match remote.setup {
        Setup::Active => Role::Server,
        Setup::Passive => Role::Client,
    }
}

fn set_dtls_role(transport: &mut Transport, role: Role) -> Result<(), CommandError> {
    let taken = transport.set_dtls_role(role);
    taken.map_err(|error| invalid(error.to_string()))
}

fn credentials(ufrag: String, pwd: String) -> Credentials {
    Credentials { ufrag, pwd }
}

fn profiles(choice: SrtpChoice) -> Vec<Profile> {
    match choice {
        SrtpChoice::Auto => Profile::ALL.to_vec(),
        SrtpChoice::Gcm128 => vec![Profile::AeadAes128Gcm],
        SrtpChoice::Cm80 => vec![Profile::Aes128CmSha1_80],
    }
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::Invalid, message)
}
