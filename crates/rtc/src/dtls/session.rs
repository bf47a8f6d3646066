use super::context::Context;
use super::datagram_bio::DatagramBio;
use super::error::{DtlsError, reason};
use super::fingerprint::{Fingerprint, matches};
use super::record_filter::{FilterResult, RecordFilter};
use super::role::Role;
use crate::aws_lc;
use crate::srtp::{KeyingMaterial, Profile};
use core::time::Duration;
use openssl::error::ErrorStack;
use openssl::srtp::SrtpProfileId;
use openssl::ssl::{self, ErrorCode, SslStream};
use std::collections::VecDeque;
use std::ffi::CStr;
use wire::time::Time;

/// Initial retransmission timeout of a flight; it doubles each time. RFC 6347 section 4.2.4.1
/// recommends one second and allows less.
const INITIAL_TIMEOUT_MS: u32 = 200;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// A client accepts certificates on the groups that it offers alone (RFC 8422 section 5.3). The
/// last two are listed for certificates only: FFmpeg with GnuTLS signs on P-224.
const CLIENT_GROUPS: &CStr = c"X25519:P-256:P-384:P-521:P-224";
/// RFC 5764 section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Events kept while the fingerprint of the peer is not set.
const MAX_PENDING_EVENTS: usize = 16;

/// Events of an association.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DtlsEvent {
    /// The handshake is done and the peer's certificate matches its fingerprint.
    Connected {
        /// Keys for SRTP.
        keying: KeyingMaterial,
    },
    /// An application data message was received (for SCTP).
    ApplicationData(Vec<u8>),
    /// The association failed.
    Failed(DtlsError),
    /// The peer sent close_notify.
    Closed,
}

/// One DTLS association.
pub struct Dtls {
    context: Context,
    role: Role,
    profiles: Box<[Profile]>,
    mtu: u32,
    stream: SslStream<DatagramBio>,
    filter: RecordFilter,
    phase: Phase,
    retransmit_at: Option<Time>,
    /// Error text of the last rejected ClientHello.
    last_refusal: Option<String>,
    announced: Option<Vec<Fingerprint>>,
    verified: bool,
    events: VecDeque<DtlsEvent>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// A client that did not start, or a server that received nothing.
    Idle,
    Handshaking {
        deadline: Time,
        /// A local flight was sent in response to the peer.
        committed: bool,
    },
    Established,
    Closed,
}

impl Dtls {
    /// Create an association that uses the first of `profiles` that both sides have and sends
    /// datagrams of at most `mtu` bytes. A client starts at its first timeout, which is due at
    /// once.
    pub fn new(
        context: &Context,
        role: Role,
        profiles: &[Profile],
        mtu: usize,
    ) -> Result<Dtls, DtlsError> {
        let mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
        Ok(Dtls {
            context: context.clone(),
            role,
            profiles: profiles.into(),
            mtu,
            stream: open_stream(context, role, profiles, mtu)?,
            filter: RecordFilter::default(),
            phase: Phase::Idle,
            retransmit_at: None,
            last_refusal: None,
            announced: None,
            verified: false,
            events: VecDeque::new(),
        })
    }

    /// Set the DTLS role, once the answer decides which side is the client.
    ///
    /// # Errors
    /// [`DtlsError::RoleFixed`] where a handshake is done in the other role.
    pub fn set_role(&mut self, role: Role) -> Result<(), DtlsError> {
        if role == self.role {
            return Ok(());
        }
        if !matches!(self.phase, Phase::Idle | Phase::Handshaking { .. }) {
            return Err(DtlsError::RoleFixed);
        }
        self.stream = open_stream(&self.context, role, &self.profiles, self.mtu)?;
        self.role = role;
        self.filter = RecordFilter::default();
        self.phase = Phase::Idle;
        self.retransmit_at = None;
        self.last_refusal = None;
        Ok(())
    }

    /// Handle a datagram from the peer. An unauthenticated datagram does not end an association.
    pub fn handle_datagram(&mut self, now: Time, datagram: &[u8]) {
        if self.phase == Phase::Closed {
            return;
        }
        let handshaking = self.phase != Phase::Established;
        let mut accepted = Vec::with_capacity(datagram.len());
        let verdict = self
            .filter
            .filter(now, self.role, handshaking, datagram, &mut accepted);
        if accepted.is_empty() || (verdict == FilterResult::NewClientHello && !self.restart()) {
            return;
        }
        let longest = accepted.len();
        self.stream.get_mut().set_incoming(accepted);
        self.start_handshake(now);
        self.advance(now, longest);
    }

    /// Do what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.phase {
            Phase::Idle if self.role == Role::Client => {
                self.start_handshake(now);
                self.advance(now, 0);
            }
            Phase::Handshaking { deadline, .. } if now >= deadline => {
                let last_refusal = self.last_refusal.take();
                self.fail(DtlsError::Timeout(last_refusal));
            }
            Phase::Handshaking { .. } if self.retransmit_at.is_some_and(|at| now >= at) => {
                self.retransmit(now);
            }
            _ => {}
        }
    }

    /// Return when [`Dtls::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Idle if self.role == Role::Client => Some(Time::ZERO),
            Phase::Handshaking { deadline, .. } => {
                Some(self.retransmit_at.map_or(deadline, |at| at.min(deadline)))
            }
            _ => None,
        }
    }

    /// Write the next datagram to send to `out`, replacing its contents; false where there is none.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(datagram) = self.stream.get_mut().take_outgoing() else {
            return false;
        };
        out.clear();
        out.extend_from_slice(&datagram);
        true
    }

    /// Set the fingerprints of the peer's session description. May be called after the handshake;
    /// no event is reported before.
    pub fn expect_fingerprint(&mut self, announced: Vec<Fingerprint>) {
        self.announced = Some(announced);
        self.verify();
    }

    /// Return the next event.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        let failed = matches!(self.events.front(), Some(DtlsEvent::Failed(_)));
        if !self.verified && !failed {
            return None;
        }
        self.events.pop_front()
    }

    /// Send `message` to the peer, in one datagram.
    pub fn send(&mut self, now: Time, message: &[u8]) -> Result<(), DtlsError> {
        if self.phase != Phase::Established || !self.verified {
            return Err(DtlsError::Broken("not connected".to_owned()));
        }
        aws_lc::set_clock(now);
        let written = self.stream.ssl_write(message);
        written.map_err(|error| DtlsError::Broken(reason_text(&error)))?;
        Ok(())
    }

    /// Send close_notify (RFC 5246 section 7.2.1) and close.
    pub fn close(&mut self, now: Time) {
        if self.phase == Phase::Established {
            self.send_close_notify(now);
        }
        self.phase = Phase::Closed;
    }

    fn start_handshake(&mut self, now: Time) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Handshaking {
                deadline: now + HANDSHAKE_TIMEOUT,
                committed: self.role == Role::Client,
            };
        }
    }

    /// Process the incoming datagram in the library; a message in it is at most `longest` bytes.
    fn advance(&mut self, now: Time, longest: usize) {
        aws_lc::set_clock(now);
        if matches!(self.phase, Phase::Handshaking { .. }) {
            self.do_handshake(now);
        }
        if self.phase == Phase::Established {
            self.read(now, longest);
        }
        self.update_timer(now);
    }

    fn update_timer(&mut self, now: Time) {
        self.retransmit_at = match self.phase {
            Phase::Handshaking { .. } => aws_lc::retransmit_at(self.stream.ssl(), now),
            _ => None,
        };
    }

    fn do_handshake(&mut self, now: Time) {
        match self.stream.do_handshake() {
            Ok(()) => self.establish(now),
            Err(error) if error.code() == ErrorCode::WANT_READ => {
                if let Phase::Handshaking { committed, .. } = &mut self.phase {
                    *committed |= self.stream.get_ref().has_outgoing();
                }
            }
            Err(error) => self.handle_handshake_error(reason_text(&error)),
        }
    }

    /// Discard a first ClientHello that the library rejects: the next one may be the peer's, and an
    /// alert would end the session of a peer that never sent it. Later the handshake fails.
    fn handle_handshake_error(&mut self, reason: String) {
        match self.phase {
            Phase::Handshaking {
                committed: false, ..
            } => {
                self.last_refusal = Some(reason);
                self.restart();
            }
            _ => self.fail(DtlsError::Handshake(reason)),
        }
    }

    fn restart(&mut self) -> bool {
        match open_stream(&self.context, self.role, &self.profiles, self.mtu) {
            Ok(stream) => self.stream = stream,
            Err(error) => {
                self.fail(error);
                return false;
            }
        }
        if let Phase::Handshaking { committed, .. } = &mut self.phase {
            *committed = false;
        }
        true
    }

    fn establish(&mut self, now: Time) {
        self.phase = Phase::Established;
        let Some(profile) = self.selected_profile() else {
            return self.abort(now, DtlsError::NoSrtpProfile);
        };
        let mut exported = vec![0; profile.keying_len()];
        let export = self
            .stream
            .ssl()
            .export_keying_material(&mut exported, EXPORTER_LABEL, None);
        let keying = export
            .ok()
            .and_then(|()| KeyingMaterial::split(profile, &exported));
        aws_lc::zero(&mut exported);
        match keying {
            Some(keying) => self.events.push_back(DtlsEvent::Connected { keying }),
            None => return self.abort(now, DtlsError::Broken("no keying material".to_owned())),
        }
        self.verify();
    }

    fn selected_profile(&self) -> Option<Profile> {
        match self.stream.ssl().selected_srtp_profile()?.id() {
            SrtpProfileId::SRTP_AEAD_AES_128_GCM => Some(Profile::AeadAes128Gcm),
            SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Some(Profile::Aes128CmSha1_80),
            _ => None,
        }
    }

    /// Compare the peer's certificate with the announced fingerprints, once both are set.
    fn verify(&mut self) {
        let is_handshake_done = matches!(self.events.front(), Some(DtlsEvent::Connected { .. }));
        if self.verified || !is_handshake_done {
            return;
        }
        let Some(announced) = &self.announced else {
            return;
        };
        let shown = aws_lc::peer_certificate(self.stream.ssl());
        if shown.is_some_and(|shown| matches(announced, shown)) {
            self.verified = true;
            self.announced = None;
        } else {
            aws_lc::send_bad_certificate(&mut self.stream);
            self.fail(DtlsError::CertificateMismatch);
        }
    }

    fn read(&mut self, now: Time, longest: usize) {
        let mut message = vec![0; longest];
        while self.phase == Phase::Established {
            match self.stream.ssl_read(&mut message) {
                Ok(len) => self.queue_event(DtlsEvent::ApplicationData(message[..len].to_vec())),
                Err(error) if error.code() == ErrorCode::WANT_READ => break,
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.send_close_notify(now);
                    self.phase = Phase::Closed;
                    self.events.push_back(DtlsEvent::Closed);
                }
                Err(error) => self.fail(DtlsError::Broken(reason_text(&error))),
            }
        }
    }

    /// Queue an event. SCTP retransmits messages that are dropped here.
    fn queue_event(&mut self, event: DtlsEvent) {
        if self.verified || self.events.len() < MAX_PENDING_EVENTS {
            self.events.push_back(event);
        }
    }

    fn retransmit(&mut self, now: Time) {
        if let Some(alert) = self.filter.alert(now) {
            return self.fail(DtlsError::PeerAlert(alert));
        }
        aws_lc::set_clock(now);
        if !aws_lc::retransmit(&mut self.stream) {
            return self.fail(DtlsError::Handshake(reason(&ErrorStack::get())));
        }
        self.update_timer(now);
    }

    fn send_close_notify(&mut self, now: Time) {
        aws_lc::set_clock(now);
        // A close_notify that cannot be sent is ignored.
        let _ = self.stream.shutdown();
    }

    fn abort(&mut self, now: Time, error: DtlsError) {
        self.send_close_notify(now);
        self.fail(error);
    }

    fn fail(&mut self, error: DtlsError) {
        self.phase = Phase::Closed;
        if !self.verified {
            self.events.clear();
        }
        self.events.push_back(DtlsEvent::Failed(error));
    }
}

fn open_stream(
    context: &Context,
    role: Role,
    profiles: &[Profile],
    mtu: u32,
) -> Result<SslStream<DatagramBio>, DtlsError> {
    let mut ssl = context.ssl()?;
    ssl.set_mtu(mtu)?;
    ssl.set_tlsext_use_srtp(&use_srtp(profiles))?;
    match role {
        Role::Client => {
            ssl.set_connect_state();
            aws_lc::offer_groups(&mut ssl, CLIENT_GROUPS)?;
        }
        Role::Server => ssl.set_accept_state(),
    }
    aws_lc::prepare(&mut ssl, INITIAL_TIMEOUT_MS);
    Ok(SslStream::new(ssl, DatagramBio::default())?)
}

/// List `profiles` under their names in the library. As a server it selects the first of them that
/// the client offers, in whatever order.
fn use_srtp(profiles: &[Profile]) -> String {
    let names = profiles.iter().map(|profile| match profile {
        Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        Profile::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
    });
    names.collect::<Vec<_>>().join(":")
}

fn reason_text(error: &ssl::Error) -> String {
    error.ssl_error().map_or_else(|| error.to_string(), reason)
}
