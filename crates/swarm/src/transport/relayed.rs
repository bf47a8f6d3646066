//! A transport behind a TURN server: what it sends is wrapped, what it receives is unwrapped.

use super::{BotTransport, Shared};
use crate::message::{Event, TransportState};
use crate::relay::Relay;
use rtc::outbox::Outbox;
use rtc::transport::RemoteParameters;
use rtc::turn::{
    Alternate, REASON_ALTERNATE, REASON_LOOP, REASON_NOT_ALLOWED, TurnClient, TurnConfig,
    TurnEvent, Unwrapped,
};
use std::net::SocketAddr;
use wire::time::Time;

/// The allocation of a transport.
pub(super) struct Relayed {
    pub relay: Relay,
    pub client: TurnClient,
    /// Remote parameters, until the first permission is granted.
    waiting: Option<RemoteParameters>,
    started: Time,
    /// Servers that named another one, since the allocation was requested first.
    tried: Vec<SocketAddr>,
    /// The connection to the server has to be opened.
    connects: bool,
}

/// Most servers in a row that name another one.
const MAX_ALTERNATES: usize = 3;

impl Relayed {
    pub fn new(mut relay: Relay, is_ipv6: bool) -> Self {
        // Other servers may name the first one's address again, at another port.
        relay.alternates.push(relay.ip);
        let config = TurnConfig {
            server: relay.server(),
            is_stream: relay.is_stream(),
            is_ipv6,
            username: relay.username.clone(),
            password: relay.password.clone(),
        };
        Self {
            relay,
            client: TurnClient::new(config),
            waiting: None,
            started: Time::ZERO,
            tried: Vec::new(),
            connects: false,
        }
    }

    /// Return why another server is not used, with the reason code first.
    fn refusal(&self, server: SocketAddr) -> Option<String> {
        let ip = server.ip();
        let is_usable = server.port() != 0 && !ip.is_unspecified() && !ip.is_multicast();
        // The socket has the address family of the first server.
        if !is_usable || ip.is_ipv4() != self.relay.ip.is_ipv4() {
            return Some(format!("{REASON_ALTERNATE}: {server}"));
        }
        if !self.relay.allows(ip) {
            return Some(format!("{REASON_NOT_ALLOWED}: {ip}"));
        }
        // RFC 8489 section 10: a server that got the request already is no alternate.
        let is_tried = server == self.relay.server() || self.tried.contains(&server);
        (is_tried || self.tried.len() >= MAX_ALTERNATES).then(|| format!("{REASON_LOOP}: {server}"))
    }
}

impl BotTransport {
    /// Return the TURN server, where the transport uses one.
    #[must_use]
    pub fn relay(&self) -> Option<&Relay> {
        self.relayed.as_ref().map(|relayed| &relayed.relay)
    }

    /// Start ICE; behind a TURN server once a candidate of the peer is permitted.
    pub fn set_remote(&mut self, now: Time, remote: RemoteParameters, shared: &mut Shared) {
        self.timeout_stale = true;
        let Some(relayed) = &mut self.relayed else {
            return self.transport.set_remote(now, remote);
        };
        relayed.started = now;
        relayed.client.start(now, &mut shared.relayed);
        for candidate in &remote.candidates {
            let ip = candidate.ip();
            relayed.client.permit(now, ip, &mut shared.relayed);
        }
        relayed.waiting = Some(remote);
    }

    /// Check a remote candidate that was trickled.
    pub fn add_candidate(&mut self, now: Time, candidate: SocketAddr, shared: &mut Shared) {
        self.timeout_stale = true;
        if let Some(relayed) = &mut self.relayed {
            let ip = candidate.ip();
            relayed.client.permit(now, ip, &mut shared.relayed);
            if let Some(waiting) = &mut relayed.waiting {
                return waiting.candidates.push(candidate);
            }
        }
        self.transport.add_candidate(now, candidate);
    }

    /// Continue from a new socket: by a new allocation, where there is a TURN server.
    pub(super) fn validate_again(&mut self, now: Time, shared: &mut Shared) {
        match &mut self.relayed {
            Some(relayed) => {
                relayed.started = now;
                relayed.tried.clear();
                relayed.client.start(now, &mut shared.relayed);
            }
            None => self.transport.change_address(now),
        }
    }

    /// Wrap the datagrams of the outbox for the TURN server, behind its own requests.
    pub fn wrap(&mut self, now: Time, shared: &mut Shared) {
        let Some(relayed) = &mut self.relayed else {
            return;
        };
        for (path, datagram) in shared.outbox.datagrams() {
            let out = &mut shared.relayed;
            relayed.client.send(now, path.remote, datagram, out);
        }
        std::mem::swap(&mut shared.outbox, &mut shared.relayed);
        shared.relayed.clear();
    }

    /// Delete the allocation, after what is in the outbox.
    pub(super) fn close_relay(&mut self, now: Time, shared: &mut Shared) {
        self.wrap(now, shared);
        if let Some(relayed) = &mut self.relayed {
            relayed.client.close(&mut shared.outbox);
        }
    }

    /// Return the datagram of the peer in a received one, which without TURN is that itself.
    #[inline]
    pub(super) fn unwrap<'a>(
        &mut self,
        now: Time,
        remote: SocketAddr,
        datagram: &'a mut [u8],
        shared: &mut Shared,
    ) -> Option<(SocketAddr, &'a mut [u8])> {
        let Some(relayed) = &mut self.relayed else {
            return Some((remote, datagram));
        };
        if remote != relayed.relay.server() {
            return None;
        }
        match relayed.client.receive(now, datagram, &mut shared.relayed) {
            Unwrapped::Datagram(peer, range) => Some((peer, &mut datagram[range])),
            Unwrapped::Nothing => {
                self.timeout_stale = true;
                self.take_relay_events(now, shared);
                None
            }
        }
    }

    pub(super) fn relay_timeout(&mut self, now: Time, shared: &mut Shared) {
        if let Some(relayed) = &mut self.relayed {
            relayed.client.handle_timeout(now, &mut shared.relayed);
            self.take_relay_events(now, shared);
        }
    }

    pub(super) fn relay_due(&self) -> Time {
        let relayed = self.relayed.as_ref();
        relayed.map_or(Time::FAR, |relayed| relayed.client.poll_timeout())
    }

    /// Fail because the connection to the TURN server ended.
    pub fn relay_lost(&mut self, now: Time, reason: &str, shared: &mut Shared) {
        self.timeout_stale = true;
        if let Some(relayed) = &mut self.relayed {
            relayed.client.close(&mut Outbox::new());
        }
        self.fail_relay(now, reason, shared);
    }

    fn take_relay_events(&mut self, now: Time, shared: &mut Shared) {
        while let Some(relayed) = &mut self.relayed
            && let Some(event) = relayed.client.poll_event()
        {
            match event {
                TurnEvent::Allocated(address) => {
                    let elapsed = now.since(relayed.started);
                    shared.recorder.events.push(Event::Allocated {
                        transport: self.id,
                        ip: address.ip(),
                        port: address.port(),
                        allocate_ms: elapsed.as_secs_f64() * 1_000.0,
                        at_ns: now.as_nanos(),
                    });
                }
                TurnEvent::TryAlternate(alternate) => self.try_alternate(now, alternate, shared),
                TurnEvent::Ready => match relayed.waiting.take() {
                    Some(remote) => self.transport.set_remote(now, remote),
                    None => self.transport.change_address(now),
                },
                TurnEvent::Failed(reason) => self.fail_relay(now, reason, shared),
            }
        }
    }

    /// Continue with another server that the TURN server names, where that is allowed.
    fn try_alternate(&mut self, now: Time, alternate: Alternate, shared: &mut Shared) {
        let Some(relayed) = &mut self.relayed else {
            return;
        };
        if let Some(reason) = relayed.refusal(alternate.server) {
            return self.fail_relay(now, &reason, shared);
        }
        relayed.tried.push(relayed.relay.server());
        relayed.relay.ip = alternate.server.ip();
        relayed.relay.port = alternate.server.port();
        if let Some(domain) = alternate.domain {
            relayed.relay.server_name = domain;
        }
        relayed.connects = relayed.relay.is_stream();
        let out = &mut shared.relayed;
        relayed.client.redirect(now, alternate.server, out);
    }

    /// Return the TURN server to connect to, where it is another one than before.
    pub fn poll_connect(&mut self) -> Option<&Relay> {
        let relayed = self.relayed.as_mut()?;
        std::mem::take(&mut relayed.connects).then_some(&relayed.relay)
    }

    fn fail_relay(&mut self, now: Time, reason: &str, shared: &mut Shared) {
        if self.is_relay_lost {
            return;
        }
        self.is_relay_lost = true;
        self.connected = false;
        self.transport.close(now, &mut shared.outbox);
        self.fail_handover(now, "relay_lost", &mut shared.recorder);
        self.report_state(now, TransportState::Failed, reason, None, shared);
    }
}
