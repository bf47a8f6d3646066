//! Where the flights of a handshake went: nobody can finish one without having received them.

use crate::path::PathId;

/// Remember the path of all flights while it is one alone.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// A datagram of a flight stands in the transport's scratch buffer.
    pub is_waiting: bool,
    path: Option<PathId>,
    are_scattered: bool,
}

impl Flights {
    pub fn sent_to(&mut self, path: PathId) {
        self.are_scattered |= *self.path.get_or_insert(path) != path;
    }

    /// Return the path that all of them went to.
    pub fn only_path(&self) -> Option<PathId> {
        self.path.filter(|_| !self.are_scattered)
    }
}
