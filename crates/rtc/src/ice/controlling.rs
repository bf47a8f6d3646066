//! The controlling ICE agent of bots: checks, nomination, consent (RFC 8445, RFC 7675).

use core::net::SocketAddr;

use wire::stun::{Class, Message, Method, TransactionId};
use wire::time::Time;

use super::binding::{self, Local, Remote, Role};
use super::checklist::{Base, Checklist};
use super::consent::Consent;
use super::paths::Paths;
use super::random::Random;
use super::{
    CONSENT_EXPIRY, Credentials, IceEvent, REASON_CONSENT_EXPIRED, REASON_ROLE_CONFLICT,
    REASON_TIMEOUT, REASON_UNAUTHORIZED, Rejected,
};
use crate::outbox::Outbox;
use crate::path::PathId;

/// Full ICE agent in the controlling role; the peer is lite or full.
///
/// Nomination is regular (RFC 8445 section 8.1.1): the first valid candidate pair is nominated by a
/// second check. Every consent check repeats USE-CANDIDATE, so that a lite peer follows when a NAT
/// assigns another address. When consent expires, all pairs are checked again, without a timeout.
/// The local address may change: its socket is replaced, the credentials stay.
#[derive(Debug)]
pub struct IceControlling {
    local: Local,
    remote: Option<Remote>,
    tie_breaker: u64,
    bases: Vec<Base>,
    random: Random,
    paths: Paths,
    phase: Phase,
    checklist: Checklist,
    /// Local preference of the current address.
    preference: u16,
    scratch: Vec<u8>,
}

/// Local preference of the first address. Each later one is preferred to those before it, since a
/// full peer selects the nominated pair of the highest priority (RFC 8445 section 8.1.2).
const FIRST_PREFERENCE: u16 = 1 << 15;

#[derive(Debug)]
enum Phase {
    Idle,
    Checking {
        /// When the checks time out; not set after expired consent: then the caller decides.
        deadline: Option<Time>,
        /// Reason to report at the deadline.
        reason: &'static str,
    },
    Selected(Consent),
    Failed,
}

impl IceControlling {
    /// Create an idle agent. `tie_breaker` also seeds its transaction ids and its timing.
    #[must_use]
    pub fn new(local: &Credentials, tie_breaker: u64, bases: Vec<Base>) -> Self {
        Self {
            local: Local::new(local),
            remote: None,
            tie_breaker,
            bases,
            random: Random::new(tie_breaker),
            paths: Paths::default(),
            phase: Phase::Idle,
            checklist: Checklist::default(),
            preference: FIRST_PREFERENCE,
            scratch: Vec::new(),
        }
    }

    /// Set the remote credentials and start to check `candidates` from every base.
    pub fn set_remote(&mut self, now: Time, remote: &Credentials, candidates: &[SocketAddr]) {
        self.remote = Some(Remote::new(remote, &self.local.ufrag));
        self.checklist = Checklist::new(now, &self.bases, candidates);
        self.start_checking(Some(now + CONSENT_EXPIRY));
    }

    /// Check a remote candidate that was trickled (RFC 8838).
    pub fn add_candidate(&mut self, now: Time, candidate: SocketAddr) {
        self.checklist.add(now, &self.bases, candidate);
    }

    /// ICE restart with new credentials (RFC 8445 section 9); the selected path stays in use.
    pub fn restart(
        &mut self,
        now: Time,
        local: &Credentials,
        remote: &Credentials,
        candidates: &[SocketAddr],
    ) {
        self.local = Local::new(local);
        self.set_remote(now, remote, candidates);
    }

    /// Check all pairs again, that of the selected path first: the sockets of the bases were
    /// replaced, so the peer sees another address. The credentials stay, as with the continual
    /// gathering of libwebrtc. Without a response within [`CONSENT_EXPIRY`] the agent fails.
    pub fn change_address(&mut self, now: Time) {
        if matches!(self.phase, Phase::Idle | Phase::Failed) {
            return;
        }
        self.preference = self.preference.saturating_add(1);
        let selected = self.paths.selected();
        self.paths.retire_all();
        self.checklist.restart(now);
        if let Some(path) = selected {
            self.checklist.trigger(now, path);
        }
        self.start_checking(Some(now + CONSENT_EXPIRY));
    }

    /// Handle a STUN datagram; responses and triggered checks go to `out`.
    ///
    /// # Errors
    /// The reason why it had no effect.
    pub fn receive(
        &mut self,
        now: Time,
        path: PathId,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<(), Rejected> {
        let message = binding::parse(datagram)?;
        match (message.class, message.method) {
            (Class::Request, Method::BINDING) => self.receive_request(now, path, &message, out),
            (Class::Success, Method::BINDING) => self.receive_success(now, path, &message, out),
            (Class::Error, Method::BINDING) => self.receive_error(now, &message),
            _ => Err(Rejected::Unexpected),
        }
    }

    /// Return whether datagrams other than STUN are accepted from a path.
    #[must_use]
    pub fn accepts(&self, path: &PathId) -> bool {
        self.paths.contains(path)
    }

    /// Record an authenticated packet from a path. It does not renew consent (RFC 7675).
    pub fn touch(&mut self, now: Time, path: &PathId) {
        self.paths.touch(now, path);
    }

    /// Return the path to send to.
    #[must_use]
    pub fn send_path(&self) -> Option<PathId> {
        self.paths.selected()
    }

    /// Send the checks that are due and expire consent and checks.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        match &self.phase {
            Phase::Checking {
                deadline, reason, ..
            } => match deadline.is_some_and(|deadline| deadline <= now) {
                true => self.fail(reason),
                false => self.continue_checks(now, out),
            },
            Phase::Selected(consent) if consent.has_expired(now) => self.lose_consent(now, out),
            Phase::Selected(_) => self.continue_consent(now, out),
            Phase::Idle | Phase::Failed => {}
        }
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.phase {
            Phase::Checking { deadline, .. } => {
                let checks = self.checklist.next_timeout();
                checks.into_iter().chain(*deadline).min()
            }
            Phase::Selected(consent) => Some(consent.next_timeout()),
            Phase::Idle | Phase::Failed => None,
        }
    }

    /// Return the next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.paths.poll_event()
    }

    /// RFC 8445 section 7.3: a full peer sends checks as well.
    fn receive_request(
        &mut self,
        now: Time,
        path: PathId,
        request: &Message<'_>,
        out: &mut Outbox,
    ) -> Result<(), Rejected> {
        if binding::local_ufrag(request) != Some(&self.local.ufrag) {
            return Err(Rejected::UnknownUfrag);
        }
        // RFC 8445 section 7.3.1.1 lets the tie-breaker decide; a bot always stays controlling.
        let role = Role::Controlling;
        binding::respond(request, &self.local, role, path, &mut self.scratch, out)?;
        if matches!(self.phase, Phase::Checking { .. }) {
            self.checklist.trigger(now, path);
        }
        Ok(())
    }

    /// RFC 8445 section 7.2.5.3.
    fn receive_success(
        &mut self,
        now: Time,
        path: PathId,
        response: &Message<'_>,
        out: &mut Outbox,
    ) -> Result<(), Rejected> {
        self.authenticate(response)?;
        if let Phase::Selected(consent) = &mut self.phase {
            if !consent.has_sent(response.transaction) {
                return Err(Rejected::Unexpected);
            }
            if consent.path != path {
                return Err(Rejected::Asymmetric);
            }
            consent.confirm(now, &mut self.random);
            self.paths.touch(now, &path);
            return Ok(());
        }
        // RFC 8445 section 7.2.5.2.1.
        if self.requested_path(response)? != path {
            self.checklist.check_failed(now, response.transaction);
            return Err(Rejected::Asymmetric);
        }
        self.paths.validate(now, path);
        self.paths.select(path);
        self.phase = Phase::Selected(Consent::new(now, path));
        self.continue_consent(now, out);
        Ok(())
    }

    fn receive_error(&mut self, now: Time, response: &Message<'_>) -> Result<(), Rejected> {
        let code = response.error_code().map(|(code, _)| code);
        self.requested_path(response)?;
        if let Err(rejected) = self.authenticate(response) {
            // RFC 8489 section 9.1.4: an unauthenticated response does not end the check. Its code
            // is still the reason to report if no other response is received.
            if let (Phase::Checking { reason, .. }, Some(400 | 401)) = (&mut self.phase, code) {
                *reason = REASON_UNAUTHORIZED;
            }
            return Err(rejected);
        }
        self.checklist.check_failed(now, response.transaction);
        if code == Some(487) {
            self.fail(REASON_ROLE_CONFLICT);
        }
        Ok(())
    }

    /// RFC 8489 section 9.1.4.
    fn authenticate(&self, response: &Message<'_>) -> Result<(), Rejected> {
        let remote = self.remote.as_ref().ok_or(Rejected::Unexpected)?;
        if !binding::has_integrity(response) {
            return Err(Rejected::NoIntegrity);
        }
        if !response.check_integrity(&remote.key) {
            return Err(Rejected::BadIntegrity);
        }
        Ok(())
    }

    /// Return the path of the check that a response belongs to, while checks are in progress.
    fn requested_path(&self, response: &Message<'_>) -> Result<PathId, Rejected> {
        if !matches!(self.phase, Phase::Checking { .. }) {
            return Err(Rejected::Unexpected);
        }
        let path = self.checklist.path_of(response.transaction);
        path.ok_or(Rejected::Unexpected)
    }

    fn start_checking(&mut self, deadline: Option<Time>) {
        let reason = REASON_TIMEOUT;
        self.phase = Phase::Checking { deadline, reason };
    }

    fn continue_checks(&mut self, now: Time, out: &mut Outbox) {
        while let Some((path, transaction)) = self.checklist.poll_check(now, &mut self.random) {
            self.send_check(path, transaction, false, out);
        }
    }

    fn continue_consent(&mut self, now: Time, out: &mut Outbox) {
        let Phase::Selected(consent) = &mut self.phase else {
            return;
        };
        if consent.is_due(now) {
            let path = consent.path;
            let transaction = consent.send(now, &mut self.random);
            self.send_check(path, transaction, true, out);
            // Expires the paths from before an ICE restart.
            self.paths.expire(now);
        }
    }

    fn lose_consent(&mut self, now: Time, out: &mut Outbox) {
        self.paths.retire_all();
        self.paths
            .report(IceEvent::Disconnected(REASON_CONSENT_EXPIRED));
        self.checklist.restart(now);
        self.start_checking(None);
        self.continue_checks(now, out);
    }

    fn fail(&mut self, reason: &'static str) {
        self.phase = Phase::Failed;
        self.paths.retire_all();
        self.paths.report(IceEvent::Failed(reason));
    }

    fn send_check(
        &mut self,
        path: PathId,
        transaction: TransactionId,
        nominates: bool,
        out: &mut Outbox,
    ) {
        let Some(remote) = &self.remote else {
            return;
        };
        binding::write_check(
            &mut self.scratch,
            transaction,
            remote,
            Role::Controlling,
            self.tie_breaker,
            binding::reflexive_priority(self.preference),
            nominates,
        );
        out.push(path, &self.scratch);
    }
}
