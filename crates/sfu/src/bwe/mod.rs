//! Bandwidth estimation: how much a subscriber's transport may receive.

pub mod loss_rtt;

use std::time::Duration;

/// A report block of a receiver report about one outgoing stream.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// RFC 3550 fraction lost, in 256ths.
    pub fraction_lost: u8,
    /// Round-trip time, where the block refers to a sender report.
    pub rtt: Option<Duration>,
}
