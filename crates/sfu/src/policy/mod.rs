//! How much a subscriber's transport may receive. Later policies stand beside the first one.

pub mod loss_rtt;

use std::time::Duration;

use wire::time::Time;

/// What a receiver report said of one of our streams.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// RFC 3550 fraction lost, in 256ths.
    pub fraction_lost: u8,
    /// Round trip derived from it, where it answered a sender report.
    pub rtt: Option<Duration>,
}

/// Turn feedback into a budget.
pub trait Policy {
    /// Take a receiver report in.
    fn report(&mut self, now: Time, report: Report);
    /// Return the budget in bit/s, `None` while nothing limits it.
    fn budget_bps(&mut self, now: Time) -> Option<u64>;
}
