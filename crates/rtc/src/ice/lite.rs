//! The server's half of ICE: answer checks, follow the peer's nomination (RFC 8445 section 2.5).

use wire::stun::{Class, Message, Method};
use wire::time::Time;

use super::binding::{self, Local, Role};
use super::paths::Paths;
use super::{
    CONSENT_EXPIRY, Credentials, IceEvent, REASON_CONSENT_EXPIRED, REASON_TIMEOUT, Rejected,
};
use crate::outbox::Outbox;
use crate::path::PathId;

/// Answer checks of a controlling peer and keep the paths that they validate.
///
/// A path is validated by a Binding request made with our password, at most eight at a time. What
/// we send goes to the path of the latest USE-CANDIDATE; before there was one, to the path of the
/// last DTLS datagram. Peers move their nomination without notice and are followed, not second-guessed.
#[derive(Debug)]
pub struct IceLite {
    local: Local,
    /// The credentials from before a restart, valid until the new ones validate a path.
    previous: Option<Box<Local>>,
    paths: Paths,
    /// The peer nominated once; from then on DTLS decides nothing.
    is_nominated: bool,
    was_validated: bool,
    /// When to look for silence. It lies still while packets arrive, so timers need not move.
    deadline: Option<Time>,
    scratch: Vec<u8>,
}

impl IceLite {
    /// Start to listen.
    #[must_use]
    pub fn new(local: &Credentials) -> Self {
        Self {
            local: Local::new(local),
            previous: None,
            paths: Paths::default(),
            is_nominated: false,
            was_validated: false,
            deadline: None,
            scratch: Vec::new(),
        }
    }

    /// The peer knows of us: without a valid check the association fails after [`CONSENT_EXPIRY`].
    ///
    /// Until then nobody is late: who joins a room alone is not called before there is something to
    /// receive.
    pub fn expect_peer(&mut self, now: Time) {
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
    }

    /// Change credentials (RFC 8445 section 9) while the validated paths stay in use.
    pub fn restart(&mut self, now: Time, local: &Credentials) {
        let old = std::mem::replace(&mut self.local, Local::new(local));
        self.previous = Some(Box::new(old));
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
    }

    /// Take a STUN datagram; answers go to `out`.
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
        if (message.class, message.method) != (Class::Request, Method::BINDING) {
            return Err(Rejected::Unexpected);
        }
        let is_current = self.serve(&message, path, out)?;
        if is_current {
            self.previous = None;
        }
        self.paths.validate(now, path);
        self.was_validated = true;
        self.deadline.get_or_insert(now + CONSENT_EXPIRY);
        self.is_nominated |= message.use_candidate();
        // Peers need not nominate again after an outage, and there is no other path to send to.
        let nothing_else = self.is_nominated && self.paths.selected().is_none();
        if message.use_candidate() || nothing_else {
            self.paths.select(path);
        }
        Ok(())
    }

    /// Say whether datagrams other than STUN are accepted from a path.
    #[must_use]
    pub fn accepts(&self, path: &PathId) -> bool {
        self.paths.contains(path)
    }

    /// Note an authenticated packet from a path: it keeps the path alive.
    pub fn touch(&mut self, now: Time, path: &PathId) {
        self.paths.touch(now, path);
    }

    /// Note a DTLS datagram from a validated path: a peer may start before it nominates.
    pub fn heard_dtls(&mut self, path: PathId) {
        if !self.is_nominated {
            self.paths.select(path);
        }
    }

    /// Return the path to send to.
    #[must_use]
    pub fn send_path(&self) -> Option<PathId> {
        self.paths.selected()
    }

    /// Give a path up, as when its address turned up at another transport.
    pub fn retire(&mut self, path: &PathId) {
        self.paths.retire(path);
    }

    /// Give up the paths that fell silent.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.paths.expire(now);
        self.deadline = self.paths.next_expiry();
        if self.paths.is_empty() {
            self.paths.report(match self.was_validated {
                true => IceEvent::Disconnected(REASON_CONSENT_EXPIRED),
                false => IceEvent::Failed(REASON_TIMEOUT),
            });
        }
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadline
    }

    /// Take the next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.paths.poll_event()
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
            Some(previous) if ufrag == previous.ufrag => previous,
            _ => return Err(Rejected::UnknownUfrag),
        };
        // RFC 8445 section 6.1.1: facing a lite agent, a full one is controlling.
        let role = Role::Controlled;
        binding::serve(request, local, role, path, &mut self.scratch, out)?;
        Ok(is_current)
    }
}
