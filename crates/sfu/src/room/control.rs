//! Requests of the control plane to a room.

use rtc::dtls::{Fingerprint, Role};
use rtc::ice::Credentials;
use rtc::srtp::Profile;
use rtc::transport::{IceRole, RemoteParameters, Transport, TransportConfig};
use serde_json::Value;
use wire::id::Ssrc;

use super::Room;
use super::active_encodings::schedule_update;
use super::peer_connection::{Incoming, PeerConnection};
use crate::context::{Context, EntityId, Route};
use crate::egress::subscription::Subscription;
use crate::extensions::add_extensions;
use crate::ingress::publication::Publication;
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
        match request {
            Request::OpenTransport {
                transport,
                local,
                remote,
                ..
            } => self.open_transport(context, transport, local, remote),
            Request::SetRemote { transport, remote } => {
                self.set_remote(context, transport, &remote)
            }
            Request::RestartIce {
                transport,
                local,
                remote,
            } => self.restart_ice(context, transport, local, &remote),
            Request::CloseTransport { transport } => {
                let key = self.peer_key(transport)?;
                self.close_peer_connection(context, key);
                Ok(None)
            }
            Request::Publish(publish) => self.publish(context, &publish),
            Request::Unpublish { publication } => {
                let key = self.publication_key(publication)?;
                self.unpublish(context, key);
                Ok(None)
            }
            Request::Subscribe(subscribe) => self.subscribe(context, subscribe),
            Request::ReplaceSource {
                subscription,
                publication,
            } => self.replace_source(context, subscription, publication),
            Request::Unsubscribe { subscription } => {
                let key = self.subscription_key(subscription)?;
                self.unsubscribe(context, key);
                Ok(None)
            }
            Request::SetTarget {
                subscription,
                target,
            } => {
                let key = self.subscription_key(subscription)?;
                self.subscriptions[key].target = target;
                self.update_selection(context, key);
                Ok(None)
            }
            Request::SetMuted { publication, muted } => {
                let key = self.publication_key(publication)?;
                self.publications[key].muted = muted;
                self.update_selections(context, key);
                Ok(None)
            }
            Request::RoomStats { .. } => Ok(Some(self.stats(context.now))),
            Request::OpenRoom { .. } | Request::CloseRoom { .. } => {
                Err(invalid("a room cannot open rooms"))
            }
        }
    }

    /// Close all peer connections; the peers are notified.
    pub fn close(&mut self, context: &mut Context<'_>) {
        #[cfg(feature = "fault-injection")]
        self.panic_if(super::Fault::Close);
        let peers: Vec<usize> = self.peers.iter().map(|(key, _)| key).collect();
        for key in peers {
            self.close_peer_connection(context, key);
        }
    }

    fn open_transport(
        &mut self,
        context: &mut Context<'_>,
        id: TransportId,
        local: LocalParameters,
        remote: Option<crate::message::RemoteParameters>,
    ) -> Outcome {
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
        let transport =
            Transport::new(config, context.now).map_err(|error| invalid(error.to_string()))?;
        let key = self.peers.insert(PeerConnection::new(
            context.now,
            id,
            transport,
            ufrag.clone(),
        ));
        context.routes.push(Route::AddUfrag(ufrag, key));
        self.register(context, EntityId::Transport(id), key);
        if let Some(remote) = remote {
            self.peers[key]
                .egress
                .transport
                .set_remote(context.now, remote);
        }
        self.drive_transport(context, key);
        Ok(None)
    }

    fn set_remote(
        &mut self,
        context: &mut Context<'_>,
        id: TransportId,
        remote: &crate::message::RemoteParameters,
    ) -> Outcome {
        let key = self.peer_key(id)?;
        let dtls_role = dtls_role(remote);
        let remote = parse_remote(remote)?;
        let transport = &mut self.peers[key].egress.transport;
        set_dtls_role(transport, dtls_role)?;
        transport.set_remote(context.now, remote);
        self.drive_transport(context, key);
        Ok(None)
    }

    fn restart_ice(
        &mut self,
        context: &mut Context<'_>,
        id: TransportId,
        local: LocalParameters,
        remote: &crate::message::RemoteParameters,
    ) -> Outcome {
        let key = self.peer_key(id)?;
        let dtls_role = dtls_role(remote);
        let remote = parse_remote(remote)?;
        let peer = &mut self.peers[key];
        set_dtls_role(&mut peer.egress.transport, dtls_role)?;
        context
            .routes
            .push(Route::AddUfrag(local.ufrag.clone(), key));
        peer.ufrags.push(local.ufrag.clone());
        // The previous credentials are valid until a path is selected with the new ones.
        while peer.ufrags.len() > 2 {
            context
                .routes
                .push(Route::RemoveUfrag(peer.ufrags.remove(0)));
        }
        let local = credentials(local.ufrag, local.pwd);
        peer.egress
            .transport
            .restart_ice(context.now, &local, &remote);
        self.drive_transport(context, key);
        Ok(None)
    }

    /// Close a peer connection with its publications and subscriptions.
    pub(super) fn close_peer_connection(&mut self, context: &mut Context<'_>, key: usize) {
        for publication in self.peers[key].publications.clone() {
            self.unpublish(context, publication);
        }
        for subscription in self.peers[key].subscriptions.clone() {
            self.unsubscribe(context, subscription);
        }
        let mut peer = self.peers.remove(key);
        peer.egress.transport.close(context.now, context.out);
        for path in peer.paths {
            context.routes.push(Route::RemovePath(path, key));
        }
        for ufrag in peer.ufrags {
            context.routes.push(Route::RemoveUfrag(ufrag));
        }
        self.unregister(context, EntityId::Transport(peer.id));
    }

    fn publish(&mut self, context: &mut Context<'_>, request: &PublishRequest) -> Outcome {
        let peer_key = self.peer_key(request.transport)?;
        let mut publication = Publication::new(context, peer_key, request)?;
        let mut extensions = self.peers[peer_key].extensions;
        add_extensions(&mut extensions, &request.extensions)?;
        let entry = self.publications.vacant_entry();
        let key = entry.key();
        let peer = &mut self.peers[peer_key];
        peer.expect(key, &publication, request);
        peer.extensions = extensions;
        peer.supports_twcc |= request
            .feedback
            .iter()
            .any(|feedback| feedback == "transport-cc");
        peer.publications.push(key);
        schedule_update(context, &mut publication, key);
        entry.insert(publication);
        self.register(context, EntityId::Publication(request.publication), key);
        Ok(None)
    }

    fn unpublish(&mut self, context: &mut Context<'_>, key: usize) {
        for subscription in self.publications[key].subscriptions.clone() {
            self.unsubscribe(context, subscription);
        }
        let mut publication = self.publications.remove(key);
        for encoding in &mut publication.encodings {
            encoding.history.clear(context.pool);
        }
        if let Some(peer) = self.peers.get_mut(publication.peer) {
            peer.publications.retain(|other| *other != key);
            for encoding in 0..publication.encodings.len() {
                peer.binder.forget(Incoming {
                    publication: key,
                    encoding,
                });
            }
        }
        self.ready.retain(|(other, _)| *other != key);
        self.waiting.retain(|(other, _)| *other != key);
        self.unregister(context, EntityId::Publication(publication.id));
    }

    fn subscribe(&mut self, context: &mut Context<'_>, request: SubscribeRequest) -> Outcome {
        let peer_key = self.peer_key(request.transport)?;
        let publication_key = self.publication_key(request.publication)?;
        let publication = &self.publications[publication_key];
        let (ssrc, rtx_ssrc) = (request.ssrc, request.rtx_ssrc);
        let mut subscription =
            Subscription::new(context, peer_key, publication_key, publication, request)?;
        let peer = &mut self.peers[peer_key];
        peer.reserve_ssrcs(ssrc, rtx_ssrc)
            .map_err(|used| CommandError::new(ErrorCode::SsrcReused, format!("SSRC {used}")))?;
        if peer.connected {
            subscription.attach(&mut peer.egress.transport);
        }
        let id = subscription.id;
        let key = self.subscriptions.insert(subscription);
        self.publications[publication_key].subscriptions.push(key);
        self.peers[peer_key].subscriptions.push(key);
        self.register(context, EntityId::Subscription(id), key);
        self.start_reports(context, peer_key);
        self.start_bandwidth_estimation(context, peer_key);
        self.update_selection(context, key);
        Ok(None)
    }

    /// Replace the publication of a subscription; its outgoing stream continues.
    fn replace_source(
        &mut self,
        context: &mut Context<'_>,
        subscription: SubscriptionId,
        publication: PublicationId,
    ) -> Outcome {
        let key = self.subscription_key(subscription)?;
        let to = self.publication_key(publication)?;
        if self.subscriptions[key].codec != self.publications[to].codec {
            let codec = self.publications[to].codec.name();
            return Err(CommandError::new(ErrorCode::CodecUnsupported, codec));
        }
        self.stop(key);
        let from = std::mem::replace(&mut self.subscriptions[key].publication, to);
        self.publications[from]
            .subscriptions
            .retain(|other| *other != key);
        self.publications[to].subscriptions.push(key);
        self.update_selection(context, key);
        Ok(None)
    }

    fn unsubscribe(&mut self, context: &mut Context<'_>, key: usize) {
        self.stop(key);
        let subscription = self.subscriptions.remove(key);
        if let Some(publication) = self.publications.get_mut(subscription.publication) {
            publication.subscriptions.retain(|other| *other != key);
            for encoding in &mut publication.encodings {
                if encoding.subscribers.is_empty() {
                    encoding.history.clear(context.pool);
                }
            }
        }
        let repair = subscription.repair.as_ref().map(|repair| repair.ssrc);
        let ssrcs: Vec<Ssrc> = [subscription.ssrc].into_iter().chain(repair).collect();
        self.peers[subscription.peer].remove_subscription(key);
        self.send_bye(context, subscription.peer, &ssrcs);
        self.unregister(context, EntityId::Subscription(subscription.id));
    }

    fn peer_key(&self, id: TransportId) -> Result<usize, CommandError> {
        self.key(EntityId::Transport(id))
    }

    fn publication_key(&self, id: PublicationId) -> Result<usize, CommandError> {
        self.key(EntityId::Publication(id))
    }

    fn subscription_key(&self, id: SubscriptionId) -> Result<usize, CommandError> {
        self.key(EntityId::Subscription(id))
    }

    fn key(&self, name: EntityId) -> Result<usize, CommandError> {
        let missing = || CommandError::new(ErrorCode::NotFound, format!("{name} does not exist"));
        self.keys.get(&name).copied().ok_or_else(missing)
    }

    fn register(&mut self, context: &mut Context<'_>, name: EntityId, key: usize) {
        self.keys.insert(name, key);
        context.routes.push(Route::AddEntity(name));
    }

    fn unregister(&mut self, context: &mut Context<'_>, name: EntityId) {
        self.keys.remove(&name);
        context.routes.push(Route::RemoveEntity(name));
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

pub(super) fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::Invalid, message)
}
