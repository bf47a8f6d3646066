//! Probes: packets sent for a moment at a rate that is not known to fit.

mod cluster;
mod controller;

pub use cluster::{Clusters, Found};
pub use controller::{Complete, Controller, Wants};

/// Identifies the packets of one probe cluster; 0 is no cluster.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClusterId(pub u8);

impl ClusterId {
    /// The packets outside of clusters.
    pub const NONE: ClusterId = ClusterId(0);

    /// Return the identifier of the next cluster.
    #[must_use]
    pub fn next(self) -> ClusterId {
        ClusterId(self.0 % u8::MAX + 1)
    }
}
