//! The server's half of ICE: it is checked, checks back, and follows (RFC 8445 section 2.5).

use wire::stun::{Class, Message, Method};
use wire::time::Time;

use super::binding::{self, Local, Remote, Role};
use super::paths::Paths;
use super::proof::Proof;
use super::random::{Random, unpredictable_transaction};
use super::{
    CONSENT_EXPIRY, Credentials, IceEvent, REASON_CONSENT_EXPIRED, REASON_TIMEOUT, Rejected,
};
use crate::outbox::Outbox;
use crate::path::PathId;

/// Answer checks of a controlling peer, keep the paths that they validate, and send to one of them.
///
/// A path is validated by a Binding request made with our password, at most eight at a time: what
/// comes from there is accepted. What we send goes to the path of the latest USE-CANDIDATE; before
/// there was one, to the path of the last DTLS datagram. Once the peer is verified another path is
/// taken only after it answered a check of ours (see [`super::proof`]), and the selected one is
/// checked every five seconds for as long as it lasts (RFC 7675). Peers that do not answer while media
/// flows keep the path on which the handshake was done.
#[derive(Debug)]
pub struct IceLite {
    local: Local,
    remote: Option<Remote>,
    /// The credentials from before a restart, valid until the new ones validate a path.
    previous: Option<Box<Previous>>,
    paths: Paths<Proof>,
    /// Where the peer wants to be sent to, once that path has answered.
    nominee: Option<PathId>,
    /// The peer nominated once; from then on DTLS decides nothing.
    is_nominated: bool,
    was_validated: bool,
    /// When the handshake was done: what is sent since then is media.
    established: Option<Time>,
    /// The peer answered a check of ours that left after the handshake. Some answer until then only.
    answers_checks: bool,
    /// The selected path has no proof: what is sent there is bounded.
    is_limited: bool,
    /// It was reported that the peer cannot be reached.
    is_lost: bool,
    /// When to look for silence. It lies still while packets arrive, so timers need not move.
    deadline: Option<Time>,
    /// For timing alone.
    random: Random,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Previous {
    local: Local,
    remote: Option<Remote>,
}

impl IceLite {
    /// Start to listen.
    #[must_use]
    pub fn new(local: &Credentials) -> Self {
        Self {
            random: Random::seeded_by(&local.ufrag),
            local: Local::new(local),
            remote: None,
            previous: None,
            paths: Paths::default(),
            nominee: None,
            is_nominated: false,
            was_validated: false,
            established: None,
            answers_checks: false,
            is_limited: false,
            is_lost: false,
            deadline: None,
            scratch: Vec::new(),
        }
    }

    /// Learn the peer's credentials. It knows of us too: without a valid check the association fails
    /// after [`CONSENT_EXPIRY`].
    ///
    /// Until then nobody is late: who joins a room alone is not called before there is something to
    /// receive.
    pub fn set_remote(&mut self, now: Time, remote: &Credentials) {
        self.remote = Some(Remote::new(remote, &self.local.ufrag));
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
    }

    /// Change credentials (RFC 8445 section 9) while the validated paths stay in use.
    pub fn restart(&mut self, now: Time, local: &Credentials, remote: &Credentials) {
        let remote = Remote::new(remote, &local.ufrag);
        self.previous = Some(Box::new(Previous {
            local: std::mem::replace(&mut self.local, Local::new(local)),
            remote: self.remote.replace(remote),
        }));
        for entry in self.paths.iter_mut() {
            entry.known.is_current = false;
        }
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
    }

    /// Take a STUN datagram; answers and checks go to `out`.
    ///
    /// # Errors
    /// Says why it changed nothing. Some of these are answered with an error response, as RFC 8489
    /// wants it; what names an unknown ufrag is not, so that the socket shows no life to strangers.
    pub fn receive(
        &mut self,
        now: Time,
        path: PathId,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<(), Rejected> {
        let message = binding::parse(datagram)?;
        match (message.class, message.method) {
            (Class::Request, Method::BINDING) => {
                self.receive_request(now, path, &message, datagram.len(), out)
            }
            (Class::Success, Method::BINDING) => self.receive_success(now, path, &message),
            _ => Err(Rejected::Unexpected),
        }
    }

    /// Say whether datagrams other than STUN are accepted from a path.
    #[must_use]
    pub fn accepts(&self, path: &PathId) -> bool {
        self.paths.contains(path)
    }

    /// Say whether a path is in use here, so that nobody else's check takes it away.
    #[must_use]
    pub fn holds(&self, now: Time, path: &PathId) -> bool {
        let entry = self.paths.get(path);
        entry.is_some_and(|entry| entry.known.is_held(now, entry.last_seen))
    }

    /// Note an authenticated packet of `len` bytes from a path: it keeps the path alive. It does not
    /// stand for consent (RFC 7675): its source address may be forged.
    #[inline]
    pub fn touch(&mut self, now: Time, path: &PathId, len: usize) {
        if let Some(proof) = self.paths.touch(now, path) {
            proof.received(len);
        }
    }

    /// Note a DTLS datagram of `len` bytes from a validated path: a peer may start before it
    /// nominates.
    pub fn heard_dtls(&mut self, now: Time, path: PathId, len: usize) {
        if let Some(proof) = self.paths.get_mut(&path) {
            proof.received(len);
            if !self.is_nominated {
                self.follow(now, path);
            }
        }
    }

    /// Note that the handshake is done and all flights of ours went to `path`, if it was one alone.
    pub fn establish(&mut self, now: Time, path: Option<PathId>) {
        self.established.get_or_insert(now);
        let selected = path.filter(|path| self.paths.selected() == Some(*path));
        if let Some(proof) = selected.and_then(|path| self.paths.get_mut(&path)) {
            proof.prove_by_handshake();
        }
        self.set_limit(now);
    }

    /// Return the path to send to.
    #[must_use]
    pub fn send_path(&self) -> Option<PathId> {
        self.paths.selected()
    }

    /// Say whether a datagram of `len` bytes may leave for [`send_path`](Self::send_path) now, and
    /// count it.
    #[inline]
    pub fn may_send(&mut self, len: usize) -> bool {
        !self.is_limited || self.spend(len)
    }

    /// Give a path up, as when its address turned up at another transport.
    pub fn retire(&mut self, now: Time, path: &PathId) {
        self.paths.retire(path);
        self.nominee.take_if(|nominee| nominee == path);
        if self.paths.is_empty() {
            // The time to come back counts from here, not from when silence was last looked for.
            self.deadline = Some(now + CONSENT_EXPIRY);
        }
        self.replace_selected(now);
    }

    /// Give up the paths that fell silent or lost consent, and send the checks that are due.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        self.end_consent(now);
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.paths.expire(now);
            self.deadline = self.paths.next_expiry();
            self.replace_selected(now);
            if self.paths.is_empty() {
                self.report_loss();
            }
        }
        self.send_checks(now, out);
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let checks = self.paths.iter().filter_map(|entry| {
            remote_of(&entry.known, &self.remote, &self.previous)?;
            entry.known.due()
        });
        checks
            .chain(self.deadline)
            .chain(self.consent_expiry())
            .min()
    }

    /// Take the next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.paths.poll_event()
    }

    fn receive_request(
        &mut self,
        now: Time,
        path: PathId,
        request: &Message<'_>,
        len: usize,
        out: &mut Outbox,
    ) -> Result<(), Rejected> {
        let before = out.len_bytes();
        let is_current = self.serve(request, path, out)?;
        if is_current {
            self.previous = None;
        }
        let proof = self.paths.validate(now, path);
        proof.checked(now, is_current);
        proof.received(len);
        // Shorter than the request it answers: always within the bound.
        proof.spend(out.len_bytes() - before);
        self.was_validated = true;
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
        self.is_nominated |= request.use_candidate();
        // Peers need not nominate again after an outage, and there is no other path to send to.
        let nothing_else = self.is_nominated && self.paths.selected().is_none();
        if request.use_candidate() || nothing_else {
            self.follow(now, path);
        }
        self.send_checks(now, out);
        Ok(())
    }

    /// Take the answer to a check of ours: from where the check went, made with the peer's password.
    fn receive_success(
        &mut self,
        now: Time,
        path: PathId,
        response: &Message<'_>,
    ) -> Result<(), Rejected> {
        let asked = |proof: &Proof| proof.awaits(response.transaction);
        match self
            .paths
            .get(&path)
            .is_some_and(|entry| asked(&entry.known))
        {
            true => {}
            false if self.paths.iter().any(|entry| asked(&entry.known)) => {
                return Err(Rejected::Asymmetric);
            }
            false => return Err(Rejected::Unexpected),
        }
        if !binding::has_integrity(response) {
            return Err(Rejected::NoIntegrity);
        }
        if !self
            .remotes()
            .any(|remote| response.check_integrity(&remote.key))
        {
            return Err(Rejected::BadIntegrity);
        }
        let is_selected = self.paths.selected() == Some(path);
        if let Some(proof) = self.paths.touch(now, &path) {
            let sent = proof.answered(now, response.transaction, is_selected, &mut self.random);
            let is_since = self.established.is_some_and(|at| sent > Some(at));
            if is_since && proof.has_answered(now) {
                self.answers_checks = true;
                proof.consented();
            }
        }
        match self.nominee == Some(path) {
            true => self.follow(now, path),
            false => self.set_limit(now),
        }
        Ok(())
    }

    /// Send to the path that the peer nominated, as soon as that is right.
    fn follow(&mut self, now: Time, path: PathId) {
        let selected = self.paths.selected();
        let Some(proof) = self.paths.get_mut(&path) else {
            return;
        };
        proof.nominated(now);
        // A handshake is bounded instead, and so are peers of which no answer can be hoped for.
        let needs_proof = self.established.is_some() && (selected.is_some() || self.answers_checks);
        if selected != Some(path) && needs_proof && !proof.holds(now) {
            self.nominee = Some(path);
            return;
        }
        self.nominee = None;
        self.select(now, path);
    }

    fn select(&mut self, now: Time, path: PathId) {
        let selected = self.paths.selected();
        if selected == Some(path) {
            return;
        }
        if let Some(proof) = selected.and_then(|old| self.paths.get_mut(&old)) {
            proof.deselected();
        }
        self.paths.select(path);
        self.is_lost = false;
        if let Some(proof) = self.paths.get_mut(&path) {
            proof.selected(now, &mut self.random);
        }
        self.set_limit(now);
    }

    /// Where the selected path is gone, take the one heard last: the peer talks to us there and
    /// nowhere else. One that the peer is known to receive at comes first.
    fn replace_selected(&mut self, now: Time) {
        if self.paths.selected().is_some() {
            return;
        }
        let best = self
            .paths
            .iter()
            .max_by_key(|entry| (entry.known.holds(now), entry.last_seen));
        match best.map(|entry| entry.path) {
            Some(path) => self.follow(now, path),
            None => self.set_limit(now),
        }
    }

    /// RFC 7675 section 5.1: without an answer for 30 s nothing more is sent.
    fn end_consent(&mut self, now: Time) {
        if self.consent_expiry().is_none_or(|at| now < at) {
            return;
        }
        if let Some(path) = self.paths.selected() {
            self.paths.retire(&path);
        }
        self.replace_selected(now);
        if self.paths.selected().is_none() {
            self.report_loss();
        }
    }

    fn consent_expiry(&self) -> Option<Time> {
        let selected = self.paths.get(&self.paths.selected()?)?;
        selected.known.expiry()
    }

    fn report_loss(&mut self) {
        if !self.is_lost {
            self.is_lost = true;
            self.paths.report(match self.was_validated {
                true => IceEvent::Disconnected(REASON_CONSENT_EXPIRED),
                false => IceEvent::Failed(REASON_TIMEOUT),
            });
        }
    }

    /// Send the checks that are due; what an address may not be sent yet is left out.
    fn send_checks(&mut self, now: Time, out: &mut Outbox) {
        let selected = self.paths.selected();
        for entry in self.paths.iter_mut() {
            let (path, proof) = (entry.path, &mut entry.known);
            if proof.due().is_none_or(|due| now < due) {
                continue;
            }
            let Some(remote) = remote_of(proof, &self.remote, &self.previous) else {
                continue;
            };
            let transaction = unpredictable_transaction();
            let tie_breaker = self.random.next();
            let role = Role::Controlled;
            binding::write_check(
                &mut self.scratch,
                transaction,
                remote,
                role,
                tie_breaker,
                false,
            );
            proof.sent(now, transaction, selected == Some(path), &mut self.random);
            if proof.holds(now) || proof.spend(self.scratch.len()) {
                out.push(path, &self.scratch);
            }
        }
    }

    fn remotes(&self) -> impl Iterator<Item = &Remote> {
        let previous = self.previous.iter().filter_map(|it| it.remote.as_ref());
        self.remote.iter().chain(previous)
    }

    fn set_limit(&mut self, now: Time) {
        let selected = self.paths.selected();
        let selected = selected.and_then(|path| self.paths.get(&path));
        self.is_limited = selected.is_some_and(|entry| !entry.known.holds(now));
    }

    #[cold]
    fn spend(&mut self, len: usize) -> bool {
        let selected = self.paths.selected();
        let proof = selected.and_then(|path| self.paths.get_mut(&path));
        proof.is_some_and(|proof| proof.spend(len))
    }

    /// Answer a request; return whether it used the current credentials.
    fn serve(
        &mut self,
        request: &Message<'_>,
        path: PathId,
        out: &mut Outbox,
    ) -> Result<bool, Rejected> {
        let ufrag = binding::local_ufrag(request).ok_or(Rejected::UnknownUfrag)?;
        let is_current = ufrag == self.local.ufrag;
        let local = match &self.previous {
            _ if is_current => &self.local,
            Some(previous) if ufrag == previous.local.ufrag => &previous.local,
            _ => return Err(Rejected::UnknownUfrag),
        };
        // RFC 8445 section 6.1.1: facing a lite agent, a full one is controlling.
        let role = Role::Controlled;
        binding::serve(request, local, role, path, &mut self.scratch, out)?;
        Ok(is_current)
    }
}

/// Return the peer's credentials for a path: those from before a restart until it shows the new ones.
fn remote_of<'a>(
    proof: &Proof,
    remote: &'a Option<Remote>,
    previous: &'a Option<Box<Previous>>,
) -> Option<&'a Remote> {
    match proof.is_current {
        true => remote.as_ref(),
        false => previous.as_ref()?.remote.as_ref(),
    }
}
