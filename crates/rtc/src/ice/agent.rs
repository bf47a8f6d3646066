//! One interface over the ICE agents of both roles, for the transport.

use core::net::SocketAddr;

use wire::time::Time;

use super::{Credentials, IceControlling, IceEvent, IceLite, Rejected};
use crate::outbox::Outbox;
use crate::path::PathId;

/// A lite or a controlling ICE agent.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the lite agent is read for every packet, so it is not boxed"
)]
pub(crate) enum Agent {
    Lite(IceLite),
    Controlling(Box<IceControlling>),
}

impl Agent {
    /// Set the remote credentials; a controlling agent starts to check `candidates`.
    pub fn set_remote(&mut self, now: Time, remote: &Credentials, candidates: &[SocketAddr]) {
        match self {
            Self::Lite(agent) => agent.set_remote(now, remote),
            Self::Controlling(agent) => agent.set_remote(now, remote, candidates),
        }
    }

    /// Add a trickled remote candidate; a lite agent has no use for it.
    pub fn add_candidate(&mut self, now: Time, candidate: SocketAddr) {
        if let Self::Controlling(agent) = self {
            agent.add_candidate(now, candidate);
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

    /// Check all pairs from replaced sockets; a lite agent follows its peer instead.
    pub fn change_address(&mut self, now: Time) {
        if let Self::Controlling(agent) = self {
            agent.change_address(now);
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

    /// No effect on a controlling agent: its path is selected before DTLS starts.
    pub fn received_dtls(&mut self, now: Time, path: PathId, len: usize) {
        match self {
            Self::Lite(agent) => agent.received_dtls(now, path, len),
            Self::Controlling(_) => {}
        }
    }

    /// No effect on a controlling agent: it sends only to paths that responded.
    pub fn dtls_connected(&mut self, now: Time, path: Option<PathId>) {
        match self {
            Self::Lite(agent) => agent.dtls_connected(now, path),
            Self::Controlling(_) => {}
        }
    }

    /// Return whether the amplification limit applies; a controlling agent sends to responders only.
    #[inline]
    pub fn is_limited(&self) -> bool {
        match self {
            Self::Lite(agent) => agent.is_limited(),
            Self::Controlling(_) => false,
        }
    }

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

    /// No effect on a controlling agent: it selects its paths itself.
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
