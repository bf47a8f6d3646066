//! The bots' half of ICE: check the peer's candidates, nominate, keep consent (RFC 8445).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use wire::stun::{Class, IntegrityKey, Message, Method, TransactionId};
use wire::time::Time;

use super::binding::{self, Local, Role};
use super::check::{Check, INITIAL_RTO};
use super::consent::Consent;
use super::paths::Paths;
use super::random::Random;
use super::{
    CONSENT_EXPIRY, Credentials, IceEvent, REASON_CONSENT_EXPIRED, REASON_ROLE_CONFLICT,
    REASON_TIMEOUT, REASON_UNAUTHORIZED, Rejected,
};
use crate::outbox::Outbox;
use crate::path::PathId;

/// The pace of new checks, Ta (RFC 8445 section 14.2).
const PACE: Duration = Duration::from_millis(50);
/// Pairs beyond these are not checked: the candidate list is the peer's word.
const MAX_PAIRS: usize = 32;
/// How long a pair rests after its check failed.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// One local socket that checks may leave from.
///
/// Datagrams handed in must name this same local address, the wildcard where it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Index of the socket.
    pub socket: u8,
    /// Its local address.
    pub local: IpAddr,
}

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
    pairs: Vec<Pair>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Remote {
    /// What our checks carry: the peer's ufrag, a colon, ours.
    username: String,
    key: IntegrityKey,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Checking {
        next_start: Time,
        /// Not set after an outage: then the caller decides how long to go on.
        give_up: Option<Time>,
        /// What to report if it comes to that.
        reason: &'static str,
    },
    Selected(Consent),
    Failed,
}

#[derive(Debug)]
struct Pair {
    path: PathId,
    state: PairState,
}

#[derive(Debug)]
enum PairState {
    /// To be checked, not before then.
    Waiting(Time),
    InProgress(Check),
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
            pairs: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Start to check `candidates` with every base of their address family.
    pub fn set_remote(&mut self, now: Time, remote: &Credentials, candidates: &[SocketAddr]) {
        self.remote = Some(Remote {
            username: format!("{}:{}", remote.ufrag, self.local.ufrag),
            key: IntegrityKey::new(remote.pwd.as_bytes()),
        });
        self.pairs = pair_up(now, &self.bases, candidates);
        self.start_checks(now, Some(now + CONSENT_EXPIRY));
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

    /// Give a path up.
    pub fn retire(&mut self, path: &PathId) {
        self.paths.retire(path);
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
            Phase::Checking {
                next_start,
                give_up,
                ..
            } => {
                let due = self.pairs.iter().map(|pair| match &pair.state {
                    PairState::Waiting(from) => *next_start.max(from),
                    PairState::InProgress(check) => check.due(),
                });
                due.chain(*give_up).min()
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
        self.trigger_check(now, path);
        Ok(())
    }

    /// RFC 8445 section 7.3.1.4: where the peer reaches us from, it can likely be reached.
    fn trigger_check(&mut self, now: Time, path: PathId) {
        let Phase::Checking { next_start, .. } = &mut self.phase else {
            return;
        };
        let known = self.pairs.iter().position(|pair| pair.path == path);
        match known {
            Some(index) if matches!(self.pairs[index].state, PairState::InProgress(_)) => return,
            Some(index) => drop(self.pairs.remove(index)),
            None if self.pairs.len() >= MAX_PAIRS => return,
            None => {}
        }
        self.pairs.insert(0, Pair::waiting(path, now));
        *next_start = now;
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
        let pair = self.asked(response.transaction)?;
        // RFC 8445 section 7.2.5.2.1.
        if pair.path != path {
            pair.rest(now);
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
        self.asked(response.transaction)?;
        if let Err(rejected) = self.authenticate(response) {
            // RFC 8489 section 9.1.4: anybody could have written it, so it ends nothing. It may
            // still be the best explanation if no other answer ever comes.
            if let (Phase::Checking { reason, .. }, Some(400 | 401)) = (&mut self.phase, code) {
                *reason = REASON_UNAUTHORIZED;
            }
            return Err(rejected);
        }
        self.asked(response.transaction)?.rest(now);
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

    fn asked(&mut self, transaction: TransactionId) -> Result<&mut Pair, Rejected> {
        let mut pairs = self.pairs.iter_mut();
        pairs
            .find(|pair| pair.awaits(transaction))
            .ok_or(Rejected::Unexpected)
    }

    fn start_checks(&mut self, now: Time, give_up: Option<Time>) {
        for pair in &mut self.pairs {
            pair.state = PairState::Waiting(now);
        }
        self.phase = Phase::Checking {
            next_start: now,
            give_up,
            reason: REASON_TIMEOUT,
        };
    }

    fn continue_checks(&mut self, now: Time, out: &mut Outbox) {
        self.repeat_checks(now, out);
        self.start_next_check(now, out);
    }

    fn repeat_checks(&mut self, now: Time, out: &mut Outbox) {
        for index in 0..self.pairs.len() {
            let pair = &mut self.pairs[index];
            let PairState::InProgress(check) = &mut pair.state else {
                continue;
            };
            if check.due() > now {
                continue;
            }
            match check.resend() {
                Some(()) => {
                    let (path, transaction) = (pair.path, check.transaction);
                    self.send_check(path, transaction, false, out);
                }
                None => pair.rest(now),
            }
        }
    }

    fn start_next_check(&mut self, now: Time, out: &mut Outbox) {
        let Phase::Checking { next_start, .. } = &mut self.phase else {
            return;
        };
        let waiting = self.pairs.iter().position(|pair| pair.may_start(now));
        let Some(index) = waiting.filter(|_| *next_start <= now) else {
            return;
        };
        *next_start = now + PACE;
        // RFC 8445 section 14.3.
        let rto = INITIAL_RTO.max(PACE * self.pairs.len() as u32);
        let transaction = self.random.transaction();
        self.pairs[index].state = PairState::InProgress(Check::sent(now, transaction, rto));
        self.send_check(self.pairs[index].path, transaction, false, out);
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
        self.start_checks(now, None);
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
            &remote.username,
            &remote.key,
            self.tie_breaker,
            nominates,
        );
        out.push(path, &self.scratch);
    }
}

impl Pair {
    fn waiting(path: PathId, from: Time) -> Self {
        let state = PairState::Waiting(from);
        Self { path, state }
    }

    fn rest(&mut self, now: Time) {
        self.state = PairState::Waiting(now + RETRY_PAUSE);
    }

    fn may_start(&self, now: Time) -> bool {
        matches!(self.state, PairState::Waiting(from) if from <= now)
    }

    fn awaits(&self, transaction: TransactionId) -> bool {
        matches!(&self.state, PairState::InProgress(check) if check.transaction == transaction)
    }
}

/// Pair every base with every candidate of its family, in the peer's order (RFC 8445 section 6.1.2).
fn pair_up(now: Time, bases: &[Base], candidates: &[SocketAddr]) -> Vec<Pair> {
    let pairs = candidates.iter().flat_map(|remote| {
        let bases = bases.iter();
        let paths = bases.map(|base| PathId::udp(base.socket, base.local, *remote));
        paths.filter(|path| path.local.is_ipv4() == path.remote.is_ipv4())
    });
    pairs
        .take(MAX_PAIRS)
        .map(|path| Pair::waiting(path, now))
        .collect()
}
