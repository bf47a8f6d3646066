//! The bots' half of ICE: check the peer's candidates, nominate, keep consent (RFC 8445).

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

/// Check the candidates of a peer, lite or full, in the controlling role.
///
/// Nomination is regular (RFC 8445 section 8.1.1): the first pair that answers is nominated by a
/// second check, and repeated with every consent check, so that a lite peer follows when a NAT gives
/// us another address. When consent expires, all pairs are checked again for as long as it takes.
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
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Checking {
        /// Not set after an outage: then the caller decides how long to go on.
        give_up: Option<Time>,
        /// What to report if it comes to that.
        reason: &'static str,
    },
    Selected(Consent),
    Failed,
}

impl IceControlling {
    /// Make an idle agent. `tie_breaker` also seeds its transaction ids and its timing.
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
            scratch: Vec::new(),
        }
    }

    /// Start to check `candidates` with every base of their address family.
    pub fn set_remote(&mut self, now: Time, remote: &Credentials, candidates: &[SocketAddr]) {
        self.remote = Some(Remote::new(remote, &self.local.ufrag));
        self.checklist = Checklist::new(now, &self.bases, candidates);
        self.start_checks(Some(now + CONSENT_EXPIRY));
    }

    /// Start over with new credentials (RFC 8445 section 9); the old path stays in use meanwhile.
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

    /// Take a STUN datagram; answers and follow-up checks go to `out`.
    ///
    /// # Errors
    /// Says why it changed nothing.
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

    /// Say whether datagrams other than STUN are accepted from a path.
    #[must_use]
    pub fn accepts(&self, path: &PathId) -> bool {
        self.paths.contains(path)
    }

    /// Note an authenticated packet from a path. It does not stand for consent (RFC 7675).
    pub fn touch(&mut self, now: Time, path: &PathId) {
        self.paths.touch(now, path);
    }

    /// Return the path to send to.
    #[must_use]
    pub fn send_path(&self) -> Option<PathId> {
        self.paths.selected()
    }

    /// Send the checks that are due and notice what has expired.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        match &self.phase {
            Phase::Checking {
                give_up, reason, ..
            } => match give_up.is_some_and(|give_up| give_up <= now) {
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
            Phase::Checking { give_up, .. } => {
                let checks = self.checklist.next_timeout();
                checks.into_iter().chain(*give_up).min()
            }
            Phase::Selected(consent) => Some(consent.next_timeout()),
            Phase::Idle | Phase::Failed => None,
        }
    }

    /// Take the next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.paths.poll_event()
    }

    /// RFC 8445 section 7.3: a full peer checks us too.
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
        // RFC 8445 section 7.3.1.1 lets the tie-breaker decide; a bot always keeps its role.
        let role = Role::Controlling;
        binding::serve(request, &self.local, role, path, &mut self.scratch, out)?;
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
        if self.asked(response)? != path {
            self.checklist.refused(now, response.transaction);
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
        self.asked(response)?;
        if let Err(rejected) = self.authenticate(response) {
            // RFC 8489 section 9.1.4: anybody could have written it, so it ends nothing. It may
            // still be the best explanation if no other answer ever comes.
            if let (Phase::Checking { reason, .. }, Some(400 | 401)) = (&mut self.phase, code) {
                *reason = REASON_UNAUTHORIZED;
            }
            return Err(rejected);
        }
        self.checklist.refused(now, response.transaction);
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

    /// Return the path whose check a response answers. Once there is a verdict, answers come too late.
    fn asked(&self, response: &Message<'_>) -> Result<PathId, Rejected> {
        if !matches!(self.phase, Phase::Checking { .. }) {
            return Err(Rejected::Unexpected);
        }
        let path = self.checklist.path_of(response.transaction);
        path.ok_or(Rejected::Unexpected)
    }

    fn start_checks(&mut self, give_up: Option<Time>) {
        let reason = REASON_TIMEOUT;
        self.phase = Phase::Checking { give_up, reason };
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
            // Paths from before a restart fade out here.
            self.paths.expire(now);
        }
    }

    fn lose_consent(&mut self, now: Time, out: &mut Outbox) {
        self.paths.retire_all();
        self.paths
            .report(IceEvent::Disconnected(REASON_CONSENT_EXPIRED));
        self.checklist.restart(now);
        self.start_checks(None);
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
            nominates,
        );
        out.push(path, &self.scratch);
    }
}
