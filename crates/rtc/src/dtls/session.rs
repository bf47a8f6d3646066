use super::context::Context;
use super::error::{DtlsError, reason};
use super::fingerprint::{Fingerprint, matches};
use super::guard::{Guard, Screened};
use super::mailbox::Mailbox;
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

/// First wait before a flight is sent again; it doubles each time. RFC 6347 section 4.2.4.1 says one
/// second and allows less: the path was just measured by ICE, and a call is waiting.
const INITIAL_TIMEOUT_MS: u32 = 200;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// A client takes certificates on the groups that it offers, and on no others (RFC 8422 section 5.3).
/// The last two are for those alone: FFmpeg with GnuTLS signs on P-224.
const CLIENT_GROUPS: &CStr = c"X25519:P-256:P-384:P-521:P-224";
/// RFC 5764 section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Messages kept for a peer whose fingerprint is not known yet.
const MAX_HELD_EVENTS: usize = 16;

/// What an association reports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DtlsEvent {
    /// The handshake is done and the peer is the announced one.
    Connected {
        /// Keys for SRTP.
        keying: KeyingMaterial,
    },
    /// A message came (for SCTP).
    ApplicationData(Vec<u8>),
    /// It is over, and not by agreement.
    Failed(DtlsError),
    /// The peer closed.
    Closed,
}

/// One DTLS association.
pub struct Dtls {
    context: Context,
    role: Role,
    profiles: Box<[Profile]>,
    mtu: u32,
    stream: SslStream<Mailbox>,
    guard: Guard,
    phase: Phase,
    retransmit_at: Option<Time>,
    /// What the library disliked about a hello that was then forgotten.
    refused: Option<String>,
    announced: Option<Vec<Fingerprint>>,
    verified: bool,
    events: VecDeque<DtlsEvent>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// A client that did not start, or a server that heard nothing.
    Idle,
    Handshaking {
        give_up_at: Time,
        /// A flight of ours depends on what the peer said.
        committed: bool,
    },
    Established,
    Over,
}

impl Dtls {
    /// Make an association that uses the first of `profiles` that both sides have and sends
    /// datagrams of at most `mtu` bytes. A client starts at its first timeout, which is due at once.
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
            guard: Guard::default(),
            phase: Phase::Idle,
            retransmit_at: None,
            refused: None,
            announced: None,
            verified: false,
            events: VecDeque::new(),
        })
    }

    /// Play `role` from now on: the answer came, and says which end is the client.
    ///
    /// # Errors
    /// [`DtlsError::RoleFixed`] where a handshake is done in the other role.
    pub fn take_role(&mut self, role: Role) -> Result<(), DtlsError> {
        if role == self.role {
            return Ok(());
        }
        if !matches!(self.phase, Phase::Idle | Phase::Handshaking { .. }) {
            return Err(DtlsError::RoleFixed);
        }
        self.stream = open_stream(&self.context, role, &self.profiles, self.mtu)?;
        self.role = role;
        self.guard = Guard::default();
        self.phase = Phase::Idle;
        self.retransmit_at = None;
        self.refused = None;
        Ok(())
    }

    /// Take a datagram from the peer. Whatever is in it, it does not end an association unless the
    /// peer proved to be its author.
    pub fn handle_datagram(&mut self, now: Time, datagram: &[u8]) {
        if self.phase == Phase::Over {
            return;
        }
        let handshaking = self.phase != Phase::Established;
        let mut passed = Vec::with_capacity(datagram.len());
        let verdict = self
            .guard
            .screen(now, self.role, handshaking, datagram, &mut passed);
        if passed.is_empty() || (verdict == Screened::NewHello && !self.start_over()) {
            return;
        }
        let longest = passed.len();
        self.stream.get_mut().deliver(passed);
        self.begin(now);
        self.drive(now, longest);
    }

    /// Do what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.phase {
            Phase::Idle if self.role == Role::Client => {
                self.begin(now);
                self.drive(now, 0);
            }
            Phase::Handshaking { give_up_at, .. } if now >= give_up_at => {
                let refused = self.refused.take();
                self.fail(DtlsError::Timeout(refused));
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
            Phase::Handshaking { give_up_at, .. } => Some(
                self.retransmit_at
                    .map_or(give_up_at, |at| at.min(give_up_at)),
            ),
            _ => None,
        }
    }

    /// Put the next datagram to send into `out`, in place of what was there.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(datagram) = self.stream.get_mut().collect() else {
            return false;
        };
        out.clear();
        out.extend_from_slice(&datagram);
        true
    }

    /// Name the certificates that the peer's session description announces. May come after the
    /// handshake; until then no event does.
    pub fn expect_fingerprint(&mut self, announced: Vec<Fingerprint>) {
        self.announced = Some(announced);
        self.verify();
    }

    /// Take the next event.
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
        written.map_err(|error| DtlsError::Broken(words(&error)))?;
        Ok(())
    }

    /// Say goodbye (close_notify, RFC 5246 section 7.2.1) and stop.
    pub fn close(&mut self, now: Time) {
        if self.phase == Phase::Established {
            self.say_goodbye(now);
        }
        self.phase = Phase::Over;
    }

    fn begin(&mut self, now: Time) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Handshaking {
                give_up_at: now + HANDSHAKE_TIMEOUT,
                committed: self.role == Role::Client,
            };
        }
    }

    /// Let the library work on what it has; a message in it is at most `longest` bytes.
    fn drive(&mut self, now: Time, longest: usize) {
        aws_lc::set_clock(now);
        if matches!(self.phase, Phase::Handshaking { .. }) {
            self.shake_hands(now);
        }
        if self.phase == Phase::Established {
            self.read(now, longest);
        }
        self.note_timer(now);
    }

    fn note_timer(&mut self, now: Time) {
        self.retransmit_at = match self.phase {
            Phase::Handshaking { .. } => aws_lc::retransmit_at(self.stream.ssl(), now),
            _ => None,
        };
    }

    fn shake_hands(&mut self, now: Time) {
        match self.stream.do_handshake() {
            Ok(()) => self.establish(now),
            Err(error) if error.code() == ErrorCode::WANT_READ => {
                if let Phase::Handshaking { committed, .. } = &mut self.phase {
                    *committed |= self.stream.get_ref().has_outgoing();
                }
            }
            Err(error) => self.refuse(words(&error)),
        }
    }

    /// Forget a first hello that makes no sense: the next one may be the peer's. An alert in answer
    /// would end the session of a peer that never sent it. Later there is no way back.
    fn refuse(&mut self, words: String) {
        match self.phase {
            Phase::Handshaking {
                committed: false, ..
            } => {
                self.refused = Some(words);
                self.start_over();
            }
            _ => self.fail(DtlsError::Handshake(words)),
        }
    }

    fn start_over(&mut self) -> bool {
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
            return self.break_off(now, DtlsError::NoSrtpProfile);
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
            None => return self.break_off(now, DtlsError::Broken("no keying material".to_owned())),
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

    /// Compare the certificate that the peer showed with those announced, once both are known.
    fn verify(&mut self) {
        let shaken = matches!(self.events.front(), Some(DtlsEvent::Connected { .. }));
        if self.verified || !shaken {
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
                Ok(len) => self.hold(DtlsEvent::ApplicationData(message[..len].to_vec())),
                Err(error) if error.code() == ErrorCode::WANT_READ => break,
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.say_goodbye(now);
                    self.phase = Phase::Over;
                    self.events.push_back(DtlsEvent::Closed);
                }
                Err(error) => self.fail(DtlsError::Broken(words(&error))),
            }
        }
    }

    /// Keep a message for the application. SCTP sends again what finds no room here.
    fn hold(&mut self, event: DtlsEvent) {
        if self.verified || self.events.len() < MAX_HELD_EVENTS {
            self.events.push_back(event);
        }
    }

    fn retransmit(&mut self, now: Time) {
        if let Some(alert) = self.guard.alert(now) {
            return self.fail(DtlsError::PeerAlert(alert));
        }
        aws_lc::set_clock(now);
        if !aws_lc::retransmit(&mut self.stream) {
            return self.fail(DtlsError::Handshake(reason(&ErrorStack::get())));
        }
        self.note_timer(now);
    }

    fn say_goodbye(&mut self, now: Time) {
        aws_lc::set_clock(now);
        // Nothing can be done about a close_notify that does not leave.
        let _ = self.stream.shutdown();
    }

    fn break_off(&mut self, now: Time, error: DtlsError) {
        self.say_goodbye(now);
        self.fail(error);
    }

    fn fail(&mut self, error: DtlsError) {
        self.phase = Phase::Over;
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
) -> Result<SslStream<Mailbox>, DtlsError> {
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
    Ok(SslStream::new(ssl, Mailbox::default())?)
}

/// List `profiles` under the names that the library knows. As a server it takes the first of them
/// that the client offers, wherever the client put it.
fn use_srtp(profiles: &[Profile]) -> String {
    let names = profiles.iter().map(|profile| match profile {
        Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        Profile::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
    });
    names.collect::<Vec<_>>().join(":")
}

fn words(error: &ssl::Error) -> String {
    error.ssl_error().map_or_else(|| error.to_string(), reason)
}
