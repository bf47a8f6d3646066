//! Either half of ICE behind one face, for the transport that does not care which.

use core::net::SocketAddr;

use wire::time::Time;

use super::{Credentials, IceControlling, IceEvent, IceLite, Rejected};
use crate::outbox::Outbox;
use crate::path::PathId;

/// An ICE agent of either kind.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the server's kind stays in place: it is asked about every packet"
)]
pub(crate) enum Agent {
    Lite(IceLite),
    Controlling(Box<IceControlling>),
}

impl Agent {
    /// Tell a controlling agent what to check; a lite one waits to be checked from now on.
    pub fn set_remote(&mut self, now: Time, remote: &Credentials, candidates: &[SocketAddr]) {
        match self {
            Self::Lite(agent) => agent.set_remote(now, remote),
            Self::Controlling(agent) => agent.set_remote(now, remote, candidates),
        }
    }

    pub fn restart(
        &mut self,
        now: Time,
        local: &Credentials,
        remote: &Credentials,
        candidates: &[SocketAddr],
    ) {
        match self {
            Self::Lite(agent) => agent.restart(now, local, remote),
            Self::Controlling(agent) => agent.restart(now, local, remote, candidates),
        }
    }

    pub fn receive(
        &mut self,
        now: Time,
        path: PathId,
        datagram: &[u8],
        out: &mut Outbox,
    ) -> Result<(), Rejected> {
        match self {
            Self::Lite(agent) => agent.receive(now, path, datagram, out),
            Self::Controlling(agent) => agent.receive(now, path, datagram, out),
        }
    }

    pub fn accepts(&self, path: &PathId) -> bool {
        match self {
            Self::Lite(agent) => agent.accepts(path),
            Self::Controlling(agent) => agent.accepts(path),
        }
    }

    pub fn holds(&self, now: Time, path: &PathId) -> bool {
        match self {
            Self::Lite(agent) => agent.holds(now, path),
            Self::Controlling(agent) => agent.accepts(path),
        }
    }

    #[inline]
    pub fn touch(&mut self, now: Time, path: &PathId, len: usize) {
        match self {
            Self::Lite(agent) => agent.touch(now, path, len),
            Self::Controlling(agent) => agent.touch(now, path),
        }
    }

    /// A controlling agent has selected its path before it hears any DTLS.
    pub fn heard_dtls(&mut self, now: Time, path: PathId, len: usize) {
        match self {
            Self::Lite(agent) => agent.heard_dtls(now, path, len),
            Self::Controlling(_) => {}
        }
    }

    /// A controlling agent sends only where an answer came from.
    pub fn establish(&mut self, now: Time, path: Option<PathId>) {
        match self {
            Self::Lite(agent) => agent.establish(now, path),
            Self::Controlling(_) => {}
        }
    }

    #[inline]
    pub fn may_send(&mut self, len: usize) -> bool {
        match self {
            Self::Lite(agent) => agent.may_send(len),
            Self::Controlling(_) => true,
        }
    }

    pub fn send_path(&self) -> Option<PathId> {
        match self {
            Self::Lite(agent) => agent.send_path(),
            Self::Controlling(agent) => agent.send_path(),
        }
    }

    /// A controlling agent has chosen its paths itself.
    pub fn retire(&mut self, now: Time, path: &PathId) {
        match self {
            Self::Lite(agent) => agent.retire(now, path),
            Self::Controlling(_) => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time, out: &mut Outbox) {
        match self {
            Self::Lite(agent) => agent.handle_timeout(now, out),
            Self::Controlling(agent) => agent.handle_timeout(now, out),
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Lite(agent) => agent.poll_timeout(),
            Self::Controlling(agent) => agent.poll_timeout(),
        }
    }

    pub fn poll_event(&mut self) -> Option<IceEvent> {
        match self {
            Self::Lite(agent) => agent.poll_event(),
            Self::Controlling(agent) => agent.poll_event(),
        }
    }
}
