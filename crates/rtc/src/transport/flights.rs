//! The paths that DTLS handshake flights were sent to: a peer that completes the handshake has
//! received them.

use crate::path::PathId;

/// The path of all flights sent, as long as it is the same.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// A datagram in the transport's scratch buffer waits for the amplification limit.
    pub is_blocked: bool,
    path: Option<PathId>,
    has_several_paths: bool,
}

impl Flights {
    pub fn sent_to(&mut self, path: PathId) {
        self.has_several_paths |= *self.path.get_or_insert(path) != path;
    }

    /// Return the path that all flights were sent to, `None` where there are several.
    pub fn single_path(&self) -> Option<PathId> {
        self.path.filter(|_| !self.has_several_paths)
    }
}
