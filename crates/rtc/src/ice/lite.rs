//! The lite ICE agent of the server, which also verifies consent (RFC 8445 section 2.5, RFC 7675).

use wire::stun::{Class, Message, Method};
use wire::time::Time;

use super::address_validation::AddressValidation;
use super::binding::{self, Local, Remote, Role};
use super::paths::Paths;
use super::random::{Random, unpredictable_transaction};
use super::{
    CONSENT_EXPIRY, Credentials, IceEvent, REASON_CONSENT_EXPIRED, REASON_TIMEOUT, Rejected,
};
use crate::outbox::Outbox;
use crate::path::PathId;

/// Lite ICE agent in the controlled role.
///
/// A path is validated by an authenticated Binding request, at most eight paths at a time:
/// datagrams from a validated path are accepted. The selected path is that of the latest
/// USE-CANDIDATE; before the first one, that of the last DTLS datagram. Once DTLS is connected,
/// another path is selected only after its address is validated by the response to a check of this
/// agent (see [`super::address_validation`]), and the selected path has consent checks every five
/// seconds (RFC 7675). A peer that does not respond to checks while media flows keeps the path on
/// which the handshake was done.
///
/// The fields that every sent packet reads come first.
#[derive(Debug)]
#[repr(C)]
pub struct IceLite {
    /// The address of the selected path is not validated: the amplification limit applies.
    is_limited: bool,
    paths: Paths<AddressValidation>,
    local: Local,
    remote: Option<Remote>,
    /// The credentials from before an ICE restart, valid until the new ones validate a path.
    previous: Option<Box<Previous>>,
    /// The nominated path, to be selected once its address is validated.
    nominee: Option<PathId>,
    /// The peer nominated a path; from then on DTLS datagrams select none.
    is_nominated: bool,
    was_validated: bool,
    /// When the DTLS handshake was done: media is sent since then.
    dtls_connected: Option<Time>,
    /// The peer responded to a check sent after the handshake. Some peers respond until then only.
    responds_to_checks: bool,
    /// `Disconnected` or `Failed` was reported.
    is_disconnected: bool,
    /// When to expire paths next. Not moved by received packets, so timers need not move.
    deadline: Option<Time>,
    /// For timing and tie-breakers.
    random: Random,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Previous {
    local: Local,
    remote: Option<Remote>,
}

impl IceLite {
    /// Create an agent that responds to checks at once.
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
            dtls_connected: None,
            responds_to_checks: false,
            is_limited: false,
            is_disconnected: false,
            deadline: None,
            scratch: Vec::new(),
        }
    }

    /// Set the remote credentials and start the timeout: without a valid check the association
    /// fails after [`CONSENT_EXPIRY`].
    ///
    /// Before this call there is no timeout: a participant that joins a room alone is not sent a
    /// description before there is media to receive.
    pub fn set_remote(&mut self, now: Time, remote: &Credentials) {
        self.remote = Some(Remote::new(remote, &self.local.ufrag));
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
    }

    /// ICE restart (RFC 8445 section 9): change credentials; the validated paths stay in use.
    pub fn restart(&mut self, now: Time, local: &Credentials, remote: &Credentials) {
        let remote = Remote::new(remote, &local.ufrag);
        self.previous = Some(Box::new(Previous {
            local: std::mem::replace(&mut self.local, Local::new(local)),
            remote: self.remote.replace(remote),
        }));
        for entry in self.paths.iter_mut() {
            entry.state.is_current = false;
        }
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
    }

    /// Handle a STUN datagram; responses and checks go to `out`.
    ///
    /// # Errors
    /// The reason why it had no effect. Most requests get an error response (RFC 8489); a request
    /// with an unknown ufrag gets none, so that port scanners see no response.
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

    /// Return whether datagrams other than STUN are accepted from a path.
    #[must_use]
    pub fn accepts(&self, path: &PathId) -> bool {
        self.paths.contains(path)
    }

    /// Return whether a path is in use here, so that no check for another transport moves it away.
    #[must_use]
    pub fn holds(&self, now: Time, path: &PathId) -> bool {
        let entry = self.paths.get(path);
        entry.is_some_and(|entry| entry.state.is_in_use(now, entry.last_seen))
    }

    /// Record an authenticated packet of `len` bytes from a path: it keeps the path alive. It does
    /// not renew consent (RFC 7675): its source address may be forged.
    #[inline]
    pub fn touch(&mut self, now: Time, path: &PathId, len: usize) {
        if let Some(validation) = self.paths.touch(now, path) {
            validation.received_bytes(len);
        }
    }

    /// Record a DTLS datagram of `len` bytes from a validated path: a peer may start DTLS before
    /// it nominates.
    pub fn received_dtls(&mut self, now: Time, path: PathId, len: usize) {
        if let Some(validation) = self.paths.get_mut(&path) {
            validation.received_bytes(len);
            if !self.is_nominated {
                self.select_nominated(now, path);
            }
        }
    }

    /// Record that DTLS is connected; all local flights were sent to `path`, `None` where to
    /// several.
    pub fn dtls_connected(&mut self, now: Time, path: Option<PathId>) {
        self.dtls_connected.get_or_insert(now);
        let selected = path.filter(|path| self.paths.selected() == Some(*path));
        if let Some(validation) = selected.and_then(|path| self.paths.get_mut(&path)) {
            validation.validate_by_handshake();
        }
        self.update_limit(now);
    }

    /// Return the path to send to.
    #[must_use]
    pub fn send_path(&self) -> Option<PathId> {
        self.paths.selected()
    }

    /// Return whether the amplification limit applies to [`send_path`](Self::send_path).
    #[must_use]
    #[inline]
    pub fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Return whether a datagram of `len` bytes may be sent to [`send_path`](Self::send_path) now,
    /// and count it.
    pub fn may_send(&mut self, len: usize) -> bool {
        !self.is_limited || self.try_spend(len)
    }

    /// Retire a path, as when another transport has validated it.
    pub fn retire(&mut self, now: Time, path: &PathId) {
        self.paths.retire(path);
        self.nominee.take_if(|nominee| nominee == path);
        if self.paths.is_empty() {
            // The consent timeout counts from here, not from the last expiry.
            self.deadline = Some(now + CONSENT_EXPIRY);
        }
        self.replace_selected(now);
    }

    /// Retire the paths that expired or lost consent, and send the checks that are due.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        self.expire_consent(now);
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.paths.expire(now);
            self.deadline = self.paths.next_expiry();
            self.replace_selected(now);
            if self.paths.is_empty() {
                self.report_disconnected();
            }
        }
        self.send_checks(now, out);
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let checks = self.paths.iter().filter_map(|entry| {
            remote_of(&entry.state, &self.remote, &self.previous)?;
            entry.state.next_check()
        });
        checks
            .chain(self.deadline)
            .chain(self.consent_expiry())
            .min()
    }

    /// Return the next event.
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
        let is_current = self.respond(request, path, out)?;
        if is_current {
            self.previous = None;
        }
        let validation = self.paths.validate(now, path);
        validation.received_request(now, is_current);
        validation.received_bytes(len);
        // The response is shorter than its request: always within the amplification limit.
        validation.try_spend(out.len_bytes() - before);
        self.was_validated = true;
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
        self.is_nominated |= request.use_candidate();
        // Peers need not nominate again after an outage, and there is no selected path.
        let has_no_path = self.is_nominated && self.paths.selected().is_none();
        if request.use_candidate() || has_no_path {
            self.select_nominated(now, path);
        }
        self.send_checks(now, out);
        Ok(())
    }

    /// Handle the response to a check: from the path of the check, with the remote password.
    fn receive_success(
        &mut self,
        now: Time,
        path: PathId,
        response: &Message<'_>,
    ) -> Result<(), Rejected> {
        let is_pending =
            |validation: &AddressValidation| validation.is_pending(response.transaction);
        match self
            .paths
            .get(&path)
            .is_some_and(|entry| is_pending(&entry.state))
        {
            true => {}
            false if self.paths.iter().any(|entry| is_pending(&entry.state)) => {
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
        if let Some(validation) = self.paths.touch(now, &path) {
            let sent = validation.received_response(
                now,
                response.transaction,
                is_selected,
                &mut self.random,
            );
            let is_after_handshake = self.dtls_connected.is_some_and(|at| sent > Some(at));
            if is_after_handshake && validation.has_responded(now) {
                self.responds_to_checks = true;
                validation.require_consent();
            }
        }
        match self.nominee == Some(path) {
            true => self.select_nominated(now, path),
            false => self.update_limit(now),
        }
        Ok(())
    }

    /// Select the nominated path, once its address is validated where that is required.
    fn select_nominated(&mut self, now: Time, path: PathId) {
        let selected = self.paths.selected();
        let Some(validation) = self.paths.get_mut(&path) else {
            return;
        };
        validation.nominated(now);
        // The amplification limit applies during the handshake, and to peers that respond to no
        // check.
        let needs_validation =
            self.dtls_connected.is_some() && (selected.is_some() || self.responds_to_checks);
        if selected != Some(path) && needs_validation && !validation.is_validated(now) {
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
        if let Some(validation) = selected.and_then(|old| self.paths.get_mut(&old)) {
            validation.deselected();
        }
        self.paths.select(path);
        self.is_disconnected = false;
        if let Some(validation) = self.paths.get_mut(&path) {
            validation.selected(now, &mut self.random);
        }
        self.update_limit(now);
    }

    /// Where the selected path was retired, select the path of the last received packet, among
    /// those with a validated address first.
    fn replace_selected(&mut self, now: Time) {
        if self.paths.selected().is_some() {
            return;
        }
        let best = self
            .paths
            .iter()
            .max_by_key(|entry| (entry.state.is_validated(now), entry.last_seen));
        match best.map(|entry| entry.path) {
            Some(path) => self.select_nominated(now, path),
            None => self.update_limit(now),
        }
    }

    /// RFC 7675 section 5.1: without a response for 30 s sending stops.
    fn expire_consent(&mut self, now: Time) {
        if self.consent_expiry().is_none_or(|at| now < at) {
            return;
        }
        if let Some(path) = self.paths.selected() {
            self.paths.retire(&path);
        }
        self.replace_selected(now);
        if self.paths.selected().is_none() {
            self.report_disconnected();
        }
    }

    fn consent_expiry(&self) -> Option<Time> {
        let selected = self.paths.get(&self.paths.selected()?)?;
        selected.state.consent_expiry()
    }

    fn report_disconnected(&mut self) {
        if !self.is_disconnected {
            self.is_disconnected = true;
            self.paths.report(match self.was_validated {
                true => IceEvent::Disconnected(REASON_CONSENT_EXPIRED),
                false => IceEvent::Failed(REASON_TIMEOUT),
            });
        }
    }

    /// Send the checks that are due and within the amplification limit.
    fn send_checks(&mut self, now: Time, out: &mut Outbox) {
        let selected = self.paths.selected();
        for entry in self.paths.iter_mut() {
            let (path, validation) = (entry.path, &mut entry.state);
            if validation.next_check().is_none_or(|at| now < at) {
                continue;
            }
            let Some(remote) = remote_of(validation, &self.remote, &self.previous) else {
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
                binding::reflexive_priority(u16::MAX),
                false,
            );
            validation.sent(now, transaction, selected == Some(path), &mut self.random);
            if validation.is_validated(now) || validation.try_spend(self.scratch.len()) {
                out.push(path, &self.scratch);
            }
        }
    }

    fn remotes(&self) -> impl Iterator<Item = &Remote> {
        let previous = self.previous.iter().filter_map(|it| it.remote.as_ref());
        self.remote.iter().chain(previous)
    }

    fn update_limit(&mut self, now: Time) {
        let selected = self.paths.selected();
        let selected = selected.and_then(|path| self.paths.get(&path));
        self.is_limited = selected.is_some_and(|entry| !entry.state.is_validated(now));
    }

    #[cold]
    fn try_spend(&mut self, len: usize) -> bool {
        let selected = self.paths.selected();
        let validation = selected.and_then(|path| self.paths.get_mut(&path));
        validation.is_some_and(|validation| validation.try_spend(len))
    }

    /// Respond to a request; return whether it used the current credentials.
    fn respond(
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
        binding::respond(request, local, role, path, &mut self.scratch, out)?;
        Ok(is_current)
    }
}

/// Return the remote credentials for a path: those from before an ICE restart until the peer uses
/// the new ones.
fn remote_of<'a>(
    validation: &AddressValidation,
    remote: &'a Option<Remote>,
    previous: &'a Option<Box<Previous>>,
) -> Option<&'a Remote> {
    match validation.is_current {
        true => remote.as_ref(),
        false => previous.as_ref()?.remote.as_ref(),
    }
}
