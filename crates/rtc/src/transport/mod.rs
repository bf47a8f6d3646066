//! One transport: ICE, DTLS and SRTP of one peer, without streams.
//!
//! All datagrams of a peer are handed to [`Transport::receive`]. STUN validates paths; DTLS and
//! SRTP are accepted from validated paths only. Datagrams are sent by the outbox of the caller.

mod counters;
mod flights;
mod protection;
mod types;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use wire::id::Ssrc;
use wire::rtp::{Kind, demux};
use wire::time::Time;

pub use counters::{DropReason, Drops};
pub use protection::SendError;
pub use types::{IceRole, Received, RemoteParameters, TransportConfig, TransportEvent};

use crate::dtls::{self, Dtls, DtlsError, DtlsEvent};
use crate::ice::{Agent, Credentials, IceControlling, IceEvent, IceLite};
use crate::outbox::Outbox;
use crate::path::PathId;
use crate::srtp::{Profile, SealStream};
use flights::Flights;
use protection::{Protection, whole_packets};

/// Timeout from the first validated path to the connected transport. Longer than the timeout of the
/// handshake: what remains is a peer that sends no ClientHello, or whose fingerprint is never set.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(40);

/// Reason: a path was validated, but DTLS did not connect.
pub const REASON_CONNECT_TIMEOUT: &str = "connect_timeout";
/// Reason: the peer sent close_notify.
pub const REASON_CLOSED_BY_PEER: &str = "closed_by_peer";

/// ICE, DTLS and SRTP of one peer.
#[repr(C)]
pub struct Transport {
    protection: Option<Protection>,
    ice: Agent,
    dtls: Dtls,
    dtls_role: dtls::Role,
    mtu: usize,
    started: Time,
    first_path: Option<Time>,
    is_interrupted: bool,
    flights: Flights,
    /// Remote parameters were set and take effect at the next timeout.
    has_pending_input: bool,
    is_closed: bool,
    events: VecDeque<TransportEvent>,
    drops: Drops,
    scratch: Vec<u8>,
}

impl Transport {
    /// Create a transport; a lite one responds to checks at once.
    ///
    /// # Errors
    /// The TLS library rejected the settings.
    pub fn new(config: TransportConfig, now: Time) -> Result<Self, DtlsError> {
        let ice = match config.ice {
            IceRole::Lite => Agent::Lite(IceLite::new(&config.local)),
            IceRole::Controlling { tie_breaker, bases } => {
                let agent = IceControlling::new(&config.local, tie_breaker, bases);
                Agent::Controlling(Box::new(agent))
            }
        };
        let dtls = Dtls::new(&config.dtls, config.dtls_role, &config.profiles, config.mtu)?;
        Ok(Self {
            ice,
            dtls,
            dtls_role: config.dtls_role,
            protection: None,
            mtu: config.mtu,
            started: now,
            first_path: None,
            is_interrupted: false,
            flights: Flights::default(),
            has_pending_input: false,
            is_closed: false,
            events: VecDeque::new(),
            drops: Drops::default(),
            scratch: Vec::new(),
        })
    }

    /// Set the remote parameters; a controlling transport starts its checks. May be called after
    /// the first datagrams of the peer.
    ///
    /// Takes effect at the next timeout, which is due at once.
    pub fn set_remote(&mut self, now: Time, remote: RemoteParameters) {
        if self.first_path.is_none() {
            self.started = now;
        }
        self.ice
            .set_remote(now, &remote.credentials, &remote.candidates);
        // May connect a completed handshake; a mismatch sends an alert.
        self.dtls.expect_fingerprint(remote.fingerprints);
        self.has_pending_input = true;
    }

    /// Add a remote candidate that was trickled (RFC 8838); a controlling transport checks it.
    ///
    /// Takes effect at the next timeout, which is due at once.
    pub fn add_candidate(&mut self, now: Time, candidate: SocketAddr) {
        self.ice.add_candidate(now, candidate);
        self.has_pending_input = true;
    }

    /// Set the DTLS role, which follows from `a=setup` of the remote description.
    ///
    /// A client sends its ClientHello to the selected path only.
    ///
    /// # Errors
    /// A handshake is done in the other role: that association has to be closed first.
    pub fn set_dtls_role(&mut self, role: dtls::Role) -> Result<(), DtlsError> {
        self.dtls.set_role(role)?;
        self.dtls_role = role;
        self.flights = Flights::default();
        Ok(())
    }

    /// ICE restart: change the credentials of both sides (RFC 8445 section 9). DTLS and SRTP stay.
    pub fn restart_ice(&mut self, now: Time, local: &Credentials, remote: &RemoteParameters) {
        self.ice
            .restart(now, local, &remote.credentials, &remote.candidates);
    }

    /// Check all candidate pairs again after the sockets of a controlling transport were replaced;
    /// credentials, DTLS and SRTP stay. Nothing is sent but checks until one is answered, which
    /// [`TransportEvent::PathSelected`] reports.
    ///
    /// Takes effect at the next timeout, which is due at once.
    pub fn change_address(&mut self, now: Time) {
        self.ice.change_address(now);
        self.has_pending_input = true;
    }

    /// Handle a datagram of this peer; media is decrypted in place.
    #[inline]
    pub fn receive(
        &mut self,
        now: Time,
        path: PathId,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) -> Received {
        let received = match demux(datagram) {
            _ if self.is_closed => Err(DropReason::Closed),
            Kind::Rtp => self.receive_rtp(now, &path, datagram),
            Kind::Rtcp => self.receive_rtcp(now, &path, datagram),
            Kind::Stun => self.receive_stun(now, path, datagram, out),
            Kind::Dtls => self.receive_dtls(now, path, datagram, out),
            Kind::Unknown => Err(DropReason::UnknownKind),
        };
        received.unwrap_or_else(|reason| {
            self.drops.count(reason);
            Received::Nothing
        })
    }

    /// Do what is due.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        if self.is_closed {
            return;
        }
        self.ice.handle_timeout(now, out);
        self.make_progress(now, out);
        if self.connect_deadline().is_some_and(|at| at <= now) {
            self.fail(REASON_CONNECT_TIMEOUT);
        }
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout). Cheap, and unmoved by media.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.is_closed {
            return None;
        }
        if self.has_pending_input {
            return Some(self.started);
        }
        // Without a selected path no flight can be sent.
        let reachable = self.ice.send_path();
        let dtls = reachable.and_then(|_| self.dtls.poll_timeout());
        [self.ice.poll_timeout(), dtls, self.connect_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Return the next event.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// Return the selected path, which datagrams are sent to.
    #[must_use]
    pub fn send_path(&self) -> Option<PathId> {
        self.ice.send_path()
    }

    /// Return whether DTLS is connected and media may be sent.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.protection.is_some()
    }

    /// Return the negotiated SRTP profile.
    #[must_use]
    pub fn srtp_profile(&self) -> Option<Profile> {
        self.protection.as_ref().map(Protection::profile)
    }

    /// Return how many datagrams were dropped, by reason.
    #[must_use]
    pub fn drops(&self) -> &Drops {
        &self.drops
    }

    /// Retire a path that another transport has validated.
    pub fn retire_path(&mut self, now: Time, path: &PathId) {
        self.ice.retire(now, path);
        self.handle_ice_events();
    }

    /// Return whether a path is in use here, so that no check for another transport moves it away.
    #[must_use]
    pub fn holds_path(&self, now: Time, path: &PathId) -> bool {
        !self.is_closed && self.ice.holds(now, path)
    }

    /// Prefetch the keys of outgoing packets.
    #[inline]
    pub fn prefetch_sealing(&self) {
        if let Some(protection) = &self.protection {
            protection.prefetch_sealing();
        }
    }

    /// Prefetch the keys of received packets.
    #[inline]
    pub fn prefetch_opening(&self) {
        if let Some(protection) = &self.protection {
            protection.prefetch_opening();
        }
    }

    /// Allocate the SRTP stream of an SSRC, once in the life of the transport.
    ///
    /// # Errors
    /// Not connected, or the SSRC was allocated before.
    pub fn seal_stream(&mut self, ssrc: Ssrc) -> Result<SealStream, SendError> {
        let protection = self.protection.as_mut().ok_or(SendError::NotConnected)?;
        Ok(protection.stream(ssrc)?)
    }

    /// Seal the RTP packet of `len` bytes at the start of `packet` in place; return its sealed
    /// length.
    ///
    /// `packet` has room for [`Profile::rtp_overhead`] more bytes. `index` is rollover counter and
    /// sequence number, `header_len` counts CSRCs and extensions.
    ///
    /// # Errors
    /// Not connected, amplification limit of an address that is not validated, index sealed before,
    /// or sizes that do not fit.
    #[inline]
    pub fn seal_rtp(
        &mut self,
        stream: &mut SealStream,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
        len: usize,
    ) -> Result<usize, SendError> {
        let protection = self.protection.as_mut().ok_or(SendError::NotConnected)?;
        if self.ice.is_limited() && !self.ice.may_send(len + protection.profile().rtp_overhead()) {
            return Err(SendError::AddressNotValidated);
        }
        Ok(protection.seal_rtp(stream, index, packet, header_len, len)?)
    }

    /// Seal consecutive RTCP packets and send them, in as many datagrams as the MTU requires.
    ///
    /// # Errors
    /// Not connected, no selected path, amplification limit of an address that is not validated, or
    /// a packet shorter than its header.
    pub fn send_rtcp(&mut self, compound: &[u8], out: &mut Outbox) -> Result<(), SendError> {
        let protection = self.protection.as_mut().ok_or(SendError::NotConnected)?;
        let path = self.ice.send_path().ok_or(SendError::NoPath)?;
        let overhead = protection.profile().rtcp_overhead();
        let mut rest = compound;
        while !rest.is_empty() {
            let len = whole_packets(rest, self.mtu.saturating_sub(overhead));
            if !self.ice.may_send(len + overhead) {
                return Err(SendError::AddressNotValidated);
            }
            let (now, later) = rest.split_at(len);
            let sealed_len = protection.seal_rtcp(now, out.reserve(len + overhead))?;
            out.commit(path, sealed_len);
            rest = later;
        }
        Ok(())
    }

    /// Send a message of data channels, in one datagram; see [`crate::sctp`].
    ///
    /// # Errors
    /// Not connected, or no selected path.
    pub fn send_data(
        &mut self,
        now: Time,
        message: &[u8],
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        if self.protection.is_none() {
            return Err(SendError::NotConnected);
        }
        if self.ice.send_path().is_none() {
            return Err(SendError::NoPath);
        }
        let sent = self.dtls.send(now, message);
        sent.map_err(|_| SendError::NotConnected)?;
        self.transmit_dtls(out);
        Ok(())
    }

    /// Return the DTLS role of this side.
    #[must_use]
    pub fn dtls_role(&self) -> dtls::Role {
        self.dtls_role
    }

    /// Send close_notify and close: no datagram has an effect afterwards.
    pub fn close(&mut self, now: Time, out: &mut Outbox) {
        if !self.is_closed {
            self.dtls.close(now);
            self.transmit_dtls(out);
            self.stop();
        }
    }

    #[inline]
    fn receive_rtp(
        &mut self,
        now: Time,
        path: &PathId,
        packet: &mut [u8],
    ) -> Result<Received, DropReason> {
        let (header, opened) = self.protection_for(path)?.open_rtp(packet)?;
        self.ice.touch(now, path, packet.len());
        Ok(Received::Rtp {
            header,
            index: opened.index,
            len: opened.len,
        })
    }

    fn receive_rtcp(
        &mut self,
        now: Time,
        path: &PathId,
        packet: &mut [u8],
    ) -> Result<Received, DropReason> {
        let len = self.protection_for(path)?.open_rtcp(packet)?;
        self.ice.touch(now, path, packet.len());
        Ok(Received::Rtcp { len })
    }

    #[inline]
    fn protection_for(&mut self, path: &PathId) -> Result<&mut Protection, DropReason> {
        if !self.ice.accepts(path) {
            return Err(DropReason::SrtpUnvalidatedPath);
        }
        self.protection.as_mut().ok_or(DropReason::SrtpBeforeKeys)
    }

    fn receive_stun(
        &mut self,
        now: Time,
        path: PathId,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<Received, DropReason> {
        let received = self.ice.receive(now, path, datagram, out);
        if self.first_path.is_none() && self.ice.accepts(&path) {
            self.first_path = Some(now);
        }
        // Even a rejected message may have changed state, as a role conflict does.
        self.make_progress(now, out);
        received?;
        Ok(Received::Nothing)
    }

    fn receive_dtls(
        &mut self,
        now: Time,
        path: PathId,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<Received, DropReason> {
        if !self.ice.accepts(&path) {
            return Err(DropReason::DtlsUnvalidatedPath);
        }
        self.ice.received_dtls(now, path, datagram.len());
        self.dtls.handle_datagram(now, datagram);
        self.make_progress(now, out);
        Ok(Received::Nothing)
    }

    /// Handle the events of ICE and DTLS, and send their datagrams.
    fn make_progress(&mut self, now: Time, out: &mut Outbox) {
        self.has_pending_input = false;
        self.handle_ice_events();
        if self.ice.send_path().is_some() {
            if self.dtls.poll_timeout().is_some_and(|at| at <= now) {
                self.dtls.handle_timeout(now);
            }
            self.transmit_dtls(out);
        }
        self.handle_dtls_events(now);
    }

    fn transmit_dtls(&mut self, out: &mut Outbox) {
        let Some(path) = self.ice.send_path() else {
            return;
        };
        // A datagram above the amplification limit waits for more bytes from that address.
        while self.flights.is_blocked || self.dtls.poll_transmit(&mut self.scratch) {
            self.flights.is_blocked = !self.ice.may_send(self.scratch.len());
            if self.flights.is_blocked {
                return;
            }
            self.flights.sent_to(path);
            out.push(path, &self.scratch);
        }
    }

    fn handle_ice_events(&mut self) {
        while let Some(event) = self.ice.poll_event() {
            let event = match event {
                IceEvent::PathValidated(path) => TransportEvent::PathValidated(path),
                IceEvent::PathRetired(path) => TransportEvent::PathRetired(path),
                IceEvent::Failed(reason) => TransportEvent::Failed(reason),
                IceEvent::Disconnected(reason) => {
                    self.is_interrupted = true;
                    TransportEvent::Disconnected(reason)
                }
                IceEvent::PathSelected(path) => TransportEvent::PathSelected(path),
            };
            let is_resumed =
                matches!(event, TransportEvent::PathSelected(_)) && self.is_interrupted;
            self.events.push_back(event);
            if is_resumed {
                self.is_interrupted = false;
                self.events.push_back(TransportEvent::Resumed);
            }
        }
    }

    fn handle_dtls_events(&mut self, now: Time) {
        while let Some(event) = self.dtls.poll_event() {
            match event {
                DtlsEvent::Connected { keying } => {
                    self.protection = Some(Protection::new(self.dtls_role, &keying));
                    self.ice.dtls_connected(now, self.flights.single_path());
                    let first_path = self.first_path.unwrap_or(now);
                    self.events.push_back(TransportEvent::Connected {
                        profile: keying.profile,
                        ice: first_path.since(self.started),
                        dtls: now.since(first_path),
                    });
                }
                DtlsEvent::ApplicationData(message) => {
                    let event = TransportEvent::ApplicationData(message);
                    self.events.push_back(event);
                }
                DtlsEvent::Failed(error) => self.fail(reason(&error)),
                DtlsEvent::Closed => {
                    let event = TransportEvent::Closed(REASON_CLOSED_BY_PEER);
                    self.events.push_back(event);
                    self.stop();
                }
            }
        }
    }

    fn connect_deadline(&self) -> Option<Time> {
        match (self.first_path, &self.protection) {
            (Some(first_path), None) => Some(first_path + CONNECT_TIMEOUT),
            _ => None,
        }
    }

    fn fail(&mut self, reason: &'static str) {
        self.events.push_back(TransportEvent::Failed(reason));
        self.stop();
    }

    fn stop(&mut self) {
        self.is_closed = true;
        self.protection = None;
    }
}

/// Return the reason code of a DTLS error.
fn reason(error: &DtlsError) -> &'static str {
    match error {
        DtlsError::Setup(_) => "dtls_setup",
        DtlsError::Handshake(_) => "dtls_handshake",
        DtlsError::Timeout(_) => "dtls_timeout",
        DtlsError::PeerAlert(_) => "dtls_peer_alert",
        DtlsError::CertificateMismatch => "fingerprint_mismatch",
        DtlsError::RoleFixed => "dtls_role",
        DtlsError::NoSrtpProfile => "no_srtp_profile",
        DtlsError::Broken(_) => "dtls_broken",
    }
}
