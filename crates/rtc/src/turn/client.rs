//! The state of one allocation: allocate, permissions, channels, refresh.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use std::collections::VecDeque;

use openssl::hash::{MessageDigest, hash};
use wire::rtp::{Kind as Payload, demux};
use wire::stun::{Builder, Class, IntegrityKey, Message, Method, turn};
use wire::time::Time;

use super::peers::{Grant, Peers};
use super::reasons::{REASON_MALFORMED, REASON_STALE_NONCE, REASON_TIMEOUT, of_code};
use super::requests::{Kind, MAX_STALE, Request};
use crate::ice::unpredictable_transaction;
use crate::outbox::Outbox;
use crate::path::PathId;

/// Lifetime where the server states none (RFC 8656 section 3.2).
const LIFETIME_S: u32 = 600;
/// Longest realm and nonce that are kept (RFC 8489 sections 14.9 and 14.10).
const MAX_TEXT: usize = 763;

/// The server, the account, and what to allocate.
#[derive(Clone)]
pub struct TurnConfig {
    /// Address of the server.
    pub server: SocketAddr,
    /// The connection to it is TCP or TLS.
    pub is_stream: bool,
    /// Allocate an IPv6 address.
    pub is_ipv6: bool,
    /// User name of the long-term credential (RFC 8489 section 9.2).
    pub username: String,
    /// Its password.
    pub password: String,
}

/// Another server that a server names (RFC 8489 section 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternate {
    /// Its address.
    pub server: SocketAddr,
    /// The name that its certificate has to be valid for, where that is another one.
    pub domain: Option<String>,
}

/// A change of the allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// The server relays from this address.
    Allocated(SocketAddr),
    /// The server allocates nothing and names another one: the client has ended, until
    /// [`redirect`](TurnClient::redirect).
    TryAlternate(Alternate),
    /// A peer may send and be sent to.
    Ready,
    /// There is no allocation, or no permission for any peer; with the reason code.
    Failed(&'static str),
}

/// What a message of the server holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwrapped {
    /// Nothing for the transport.
    Nothing,
    /// A datagram of a peer, at this place of the message.
    Datagram(SocketAddr, Range<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Allocating,
    /// Allocated; to be refreshed then.
    Allocated(Time),
    Ended,
}

/// A long-term credential with the realm and nonce of the server.
struct Login {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: IntegrityKey,
}

/// One allocation on a TURN server.
pub struct TurnClient {
    config: TurnConfig,
    path: PathId,
    state: State,
    is_ready: bool,
    login: Option<Login>,
    peers: Peers,
    requests: Vec<Request>,
    events: VecDeque<TurnEvent>,
    scratch: Vec<u8>,
}

impl TurnClient {
    /// Create a client that has sent nothing.
    #[must_use]
    pub fn new(config: TurnConfig) -> Self {
        Self {
            path: PathId::udp(0, wildcard(config.server), config.server),
            config,
            state: State::Idle,
            is_ready: false,
            login: None,
            peers: Peers::default(),
            requests: Vec::new(),
            events: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Request an allocation; after a change of the local address a new one.
    pub fn start(&mut self, now: Time, out: &mut Outbox) {
        self.state = State::Allocating;
        self.is_ready = false;
        self.login = None;
        self.requests.clear();
        self.peers.reset();
        self.request(now, Kind::Allocate, 0, out);
    }

    /// Request the allocation of another server, with the same credential and protocol.
    ///
    /// The caller decides whether the server may be used, and after how many others.
    pub fn redirect(&mut self, now: Time, server: SocketAddr, out: &mut Outbox) {
        self.config.server = server;
        self.path = PathId::udp(0, wildcard(server), server);
        self.start(now, out);
    }

    /// Permit a peer to send, as soon as there is an allocation.
    pub fn permit(&mut self, now: Time, peer: IpAddr, out: &mut Outbox) {
        if self.peers.permit(peer) && matches!(self.state, State::Allocated(_)) {
            self.request_permissions(now, out);
        }
    }

    /// Handle a message of the server.
    pub fn receive(&mut self, now: Time, message: &[u8], out: &mut Outbox) -> Unwrapped {
        if let Some((number, payload)) = turn::channel_data(message) {
            let peer = self.peers.of_channel(number);
            return peer.map_or(Unwrapped::Nothing, |it| Unwrapped::Datagram(it, payload));
        }
        let Ok(message) = Message::parse(message) else {
            return Unwrapped::Nothing;
        };
        match (message.class, message.method) {
            (Class::Indication, turn::DATA) => return self.unwrap_indication(&message),
            (Class::Success, _) => self.receive_success(now, &message, out),
            (Class::Error, _) => self.receive_error(now, &message, out),
            _ => {}
        }
        Unwrapped::Nothing
    }

    /// Send a datagram to a peer: by its channel once that is bound, which media requests, else by
    /// a Send indication. Without a permission it is dropped.
    pub fn send(&mut self, now: Time, peer: SocketAddr, payload: &[u8], out: &mut Outbox) {
        if !self.is_ready || !self.peers.is_permitted(peer.ip()) {
            return;
        }
        let Some(index) = self.peers.index_of(peer) else {
            return;
        };
        let channel = self.peers.channel(index);
        let Some((_, number)) = self.peers.binding(index).filter(|_| channel.is_granted()) else {
            let message = Builder::new(
                &mut self.scratch,
                Class::Indication,
                turn::SEND,
                unpredictable_transaction(),
            );
            let _ = message.xor_peer_address(peer).data(payload);
            out.push(self.path, &self.scratch);
            if channel == Grant::None && demux(payload) != Payload::Stun {
                self.peers.bind_requested(index);
                self.request(now, Kind::Bind(index), 0, out);
            }
            return;
        };
        let Ok(len) = u16::try_from(payload.len()) else {
            return;
        };
        let unpadded = turn::CHANNEL_HEADER_LEN + payload.len();
        let padded = match self.config.is_stream {
            true => unpadded.next_multiple_of(4),
            false => unpadded,
        };
        let datagram = out.reserve(padded);
        datagram[..turn::CHANNEL_HEADER_LEN].copy_from_slice(&turn::channel_header(number, len));
        datagram[turn::CHANNEL_HEADER_LEN..unpadded].copy_from_slice(payload);
        datagram[unpadded..].fill(0);
        out.commit(self.path, padded);
    }

    /// Repeat requests, and renew what is about to expire.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        for request in &mut self.requests {
            if !request.has_failed(now) && request.poll_resend(now) {
                out.push(self.path, &request.bytes);
            }
        }
        while let Some(at) = self.requests.iter().position(|it| it.has_failed(now)) {
            let request = self.requests.swap_remove(at);
            self.refused(request.kind, REASON_TIMEOUT);
        }
        if let State::Allocated(refresh_at) = self.state {
            let is_pending = self.requests.iter().any(|it| it.kind == Kind::Refresh);
            if refresh_at <= now && !is_pending {
                self.request(now, Kind::Refresh, 0, out);
            }
            self.request_permissions(now, out);
            while let Some(index) = self.peers.poll_channel(now) {
                self.request(now, Kind::Bind(index), 0, out);
            }
        }
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        let requests = self
            .requests
            .iter()
            .map(Request::due)
            .fold(Time::FAR, Time::min);
        let State::Allocated(refresh_at) = self.state else {
            return requests;
        };
        let is_pending = self.requests.iter().any(|it| it.kind == Kind::Refresh);
        let refresh = if is_pending { Time::FAR } else { refresh_at };
        requests.min(refresh).min(self.peers.next_renewal())
    }

    /// Return the next event.
    pub fn poll_event(&mut self) -> Option<TurnEvent> {
        self.events.pop_front()
    }

    /// Fail because the connection to the server ended.
    pub fn disconnected(&mut self, reason: &'static str) {
        self.fail(reason);
    }

    /// Delete the allocation (RFC 8656 section 8: a lifetime of 0).
    pub fn close(&mut self, out: &mut Outbox) {
        if matches!(self.state, State::Allocated(_)) {
            let transaction = unpredictable_transaction();
            let message = Builder::new(
                &mut self.scratch,
                Class::Request,
                turn::REFRESH,
                transaction,
            );
            finish(message.lifetime_s(0), self.login.as_ref(), &self.config);
            out.push(self.path, &self.scratch);
        }
        self.state = State::Ended;
        self.is_ready = false;
        self.requests.clear();
    }

    fn request_permissions(&mut self, now: Time, out: &mut Outbox) {
        while let Some(ip) = self.peers.poll_permission(now) {
            self.request(now, Kind::Permit(ip), 0, out);
        }
    }

    fn request(&mut self, now: Time, kind: Kind, stale: u8, out: &mut Outbox) {
        let transaction = unpredictable_transaction();
        let mut request = Request::sent(now, kind, transaction, self.config.is_stream);
        request.stale = stale;
        request.is_authenticated = self.login.is_some();
        let start =
            |method: Method, bytes| Builder::new(bytes, Class::Request, method, transaction);
        let bytes = &mut request.bytes;
        let message = match kind {
            Kind::Allocate => start(turn::ALLOCATE, bytes).requested_transport(self.config.is_ipv6),
            Kind::Refresh => start(turn::REFRESH, bytes).lifetime_s(LIFETIME_S),
            Kind::Permit(ip) => {
                start(turn::CREATE_PERMISSION, bytes).xor_peer_address(SocketAddr::new(ip, 0))
            }
            Kind::Bind(index) => {
                let Some((peer, number)) = self.peers.binding(index) else {
                    return;
                };
                let message = start(turn::CHANNEL_BIND, bytes).channel_number(number);
                message.xor_peer_address(peer)
            }
        };
        finish(message, self.login.as_ref(), &self.config);
        out.push(self.path, &request.bytes);
        self.requests.push(request);
    }

    fn unwrap_indication(&self, message: &Message<'_>) -> Unwrapped {
        let peer = message.xor_peer_address();
        let peer = peer.filter(|peer| self.peers.is_permitted(peer.ip()));
        let datagram = peer.zip(message.data());
        datagram.map_or(Unwrapped::Nothing, |(peer, data)| {
            Unwrapped::Datagram(peer, data)
        })
    }

    fn receive_success(&mut self, now: Time, response: &Message<'_>, out: &mut Outbox) {
        let Some(at) = self.position(response) else {
            return;
        };
        // RFC 8489 section 9.2.5: a response without valid integrity is ignored.
        let is_signed = |login: &Login| response.check_integrity(&login.key);
        if self.requests[at].is_authenticated && !self.login.as_ref().is_some_and(is_signed) {
            return;
        }
        match self.requests.swap_remove(at).kind {
            Kind::Allocate => match response.xor_relayed_address() {
                Some(relayed) => {
                    self.renew(now, response);
                    self.events.push_back(TurnEvent::Allocated(relayed));
                    self.request_permissions(now, out);
                }
                None => self.fail(REASON_MALFORMED),
            },
            Kind::Refresh => self.renew(now, response),
            Kind::Permit(ip) => {
                self.peers.permission_granted(now, ip);
                self.report_ready();
            }
            Kind::Bind(index) => self.peers.channel_bound(now, index),
        }
    }

    fn receive_error(&mut self, now: Time, response: &Message<'_>, out: &mut Outbox) {
        let Some(at) = self.position(response) else {
            return;
        };
        let code = response.error_code().map_or(0, |(code, _)| code);
        let Request {
            kind,
            is_authenticated,
            stale,
            ..
        } = self.requests.swap_remove(at);
        let alternate = response.alternate_server();
        if let (300, Kind::Allocate, Some(server)) = (code, kind, alternate) {
            return self.name_alternate(server, response);
        }
        let wants_login = code == 401 && !is_authenticated;
        if !wants_login && code != 438 {
            return self.refused(kind, of_code(code));
        }
        if code == 438 && stale >= MAX_STALE {
            return self.refused(kind, REASON_STALE_NONCE);
        }
        match self.log_in(response) {
            true => self.request(now, kind, stale + u8::from(code == 438), out),
            false => self.fail(REASON_MALFORMED),
        }
    }

    /// RFC 8489 section 10: the transaction has failed.
    fn name_alternate(&mut self, server: SocketAddr, response: &Message<'_>) {
        self.state = State::Ended;
        self.requests.clear();
        let domain = response.alternate_domain().map(str::to_owned);
        let alternate = Alternate { server, domain };
        self.events.push_back(TurnEvent::TryAlternate(alternate));
    }

    fn position(&self, response: &Message<'_>) -> Option<usize> {
        let mut requests = self.requests.iter();
        requests.position(|it| it.transaction == response.transaction)
    }

    /// Take realm and nonce of an error response; return whether it has them.
    fn log_in(&mut self, response: &Message<'_>) -> bool {
        let known = self.login.take();
        let realm = response.realm().map(<[u8]>::to_vec);
        let realm = realm.or_else(|| known.map(|login| login.realm));
        let (Some(realm), Some(nonce)) = (realm, response.nonce()) else {
            return false;
        };
        if realm.len() > MAX_TEXT || nonce.len() > MAX_TEXT {
            return false;
        }
        let Some(key) = key(&self.config, &realm) else {
            return false;
        };
        self.login = Some(Login {
            realm,
            nonce: nonce.to_vec(),
            key,
        });
        true
    }

    /// RFC 8656 section 8: refresh about a minute before the end.
    fn renew(&mut self, now: Time, response: &Message<'_>) {
        let lifetime = Duration::from_secs(response.lifetime_s().unwrap_or(LIFETIME_S).into());
        let lead = Duration::from_secs(60).min(lifetime / 2);
        // A lifetime of 0 would be refreshed without end.
        let wait = (lifetime - lead).max(Duration::from_secs(1));
        self.state = State::Allocated(now + wait);
    }

    fn refused(&mut self, kind: Kind, reason: &'static str) {
        match kind {
            Kind::Allocate | Kind::Refresh => self.fail(reason),
            Kind::Permit(ip) => {
                self.peers.permission_refused(ip);
                if self.peers.are_all_refused() {
                    self.fail(reason);
                }
            }
            Kind::Bind(index) => self.peers.channel_refused(index),
        }
    }

    fn report_ready(&mut self) {
        if !self.is_ready {
            self.is_ready = true;
            self.events.push_back(TurnEvent::Ready);
        }
    }

    fn fail(&mut self, reason: &'static str) {
        if self.state != State::Ended {
            self.state = State::Ended;
            self.is_ready = false;
            self.requests.clear();
            self.events.push_back(TurnEvent::Failed(reason));
        }
    }
}

/// The system selects the local address.
fn wildcard(server: SocketAddr) -> IpAddr {
    match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Append the credential, where there is one, and FINGERPRINT.
fn finish(message: Builder<'_>, login: Option<&Login>, config: &TurnConfig) {
    let Some(login) = login else {
        return message.fingerprint();
    };
    let message = message.username(&config.username).realm(&login.realm);
    let message = message.nonce(&login.nonce).integrity(&login.key);
    message.fingerprint();
}

/// Return the key of a long-term credential (RFC 8489 section 9.2.2).
fn key(config: &TurnConfig, realm: &[u8]) -> Option<IntegrityKey> {
    let text = [
        config.username.as_bytes(),
        b":",
        realm,
        b":",
        config.password.as_bytes(),
    ];
    let digest = hash(MessageDigest::md5(), &text.concat()).ok()?;
    Some(IntegrityKey::new(&digest))
}
