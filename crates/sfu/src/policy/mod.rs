//! Bandwidth estimation: how much a subscriber's transport may receive.

pub mod loss_rtt;

use std::time::Duration;

use wire::time::Time;

/// A report block of a receiver report about one outgoing stream.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// RFC 3550 fraction lost, in 256ths.
    pub fraction_lost: u8,
    /// Round-trip time, where the block refers to a sender report.
    pub rtt: Option<Duration>,
}

/// A bandwidth estimator: feedback in, budget out.
pub trait Policy {
    /// Process a receiver report.
    fn report(&mut self, now: Time, report: Report);
    /// Return the budget in bit/s, `None` while nothing limits it.
    fn budget_bps(&mut self, now: Time) -> Option<u64>;
}
