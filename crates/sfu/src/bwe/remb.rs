//! The receiver's own estimate (REMB, draft-alvestrand-rmcat-remb-03) as an upper bound.
//!
//! A receiver estimates 1.5 times what arrives at most. So an estimate above the bitrate sent says
//! nothing about the next step, and one below it says that the link is full: the rate goes there,
//! and is retried after a hold that doubles with each further failure. Receiver reports count as
//! well ([`LossRtt`]).

use std::time::Duration;

use wire::time::Time;

use super::Report;
use super::loss_rtt::LossRtt;

const FLOOR_BPS: f64 = 30_000.0;
/// A receiver repeats its estimate each second.
const STALE_AFTER: Duration = Duration::from_secs(5);
const FIRST_HOLD: Duration = Duration::from_secs(10);
const LONGEST_HOLD: Duration = Duration::from_secs(160);
/// Growth of the bound after its hold, per second.
const RISE_PER_SECOND: f64 = 1.1;

/// Budget of one subscriber by its estimates and receiver reports.
#[derive(Debug)]
pub struct Remb {
    reports: LossRtt,
    cap_bps: f64,
    sent_bps: f64,
    bound: Option<Bound>,
    next_hold: Duration,
    received: Option<(Time, f64)>,
}

#[derive(Clone, Copy, Debug)]
struct Bound {
    bps: f64,
    held_until: Time,
    risen: Time,
}

impl Remb {
    /// Start at the cap, in bit/s.
    #[must_use]
    pub fn new(now: Time, cap_bps: u64) -> Self {
        Self {
            reports: LossRtt::new(now, cap_bps),
            cap_bps: cap_bps as f64,
            sent_bps: 0.0,
            bound: None,
            next_hold: FIRST_HOLD,
            received: None,
        }
    }

    /// Set the bitrate that the subscriptions could use and the one that they send, in bit/s.
    pub fn set_load_bps(&mut self, now: Time, cap_bps: u64, sent_bps: u64) {
        self.reports.set_load_bps(now, cap_bps, sent_bps);
        self.cap_bps = cap_bps as f64;
        self.sent_bps = sent_bps as f64;
    }

    /// Process a receiver report.
    pub fn report(&mut self, now: Time, report: Report) {
        self.reports.report(now, report);
    }

    /// Process an estimate of the receiver, in bit/s.
    pub fn estimate(&mut self, now: Time, bitrate_bps: u64) {
        let bps = (bitrate_bps as f64).max(FLOOR_BPS);
        self.received = Some((now, bps));
        if bps >= self.sent_bps {
            return;
        }
        let is_held = self.bound.is_some_and(|bound| now < bound.held_until);
        if !is_held {
            let is_again = self.bound.is_some();
            self.next_hold = match is_again {
                true => (self.next_hold * 2).min(LONGEST_HOLD),
                false => FIRST_HOLD,
            };
        }
        self.bound = Some(Bound {
            bps,
            held_until: now + self.next_hold,
            risen: now,
        });
    }

    /// Return the last estimate of the receiver, unless it is stale.
    #[must_use]
    pub fn received_bps(&self, now: Time) -> Option<u64> {
        let fresh = self.received.filter(|(at, _)| now.since(*at) < STALE_AFTER);
        fresh.map(|(_, bps)| bps as u64)
    }

    /// Return the budget in bit/s.
    pub fn budget_bps(&mut self, now: Time) -> u64 {
        let reports_bps = self.reports.budget_bps(now);
        if let Some(bound) = self.bound.as_mut() {
            if now >= bound.held_until {
                let seconds = now.since(bound.risen.max(bound.held_until)).as_secs_f64();
                bound.bps *= RISE_PER_SECOND.powf(seconds.min(1.0));
            }
            bound.risen = now;
        }
        self.bound = self.bound.filter(|bound| bound.bps < self.cap_bps);
        let bound_bps = self.bound.map_or(u64::MAX, |bound| bound.bps as u64);
        reports_bps.min(bound_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_below_what_is_sent_bounds_the_budget_until_its_hold_ends() {
        let mut remb = Remb::new(Time::ZERO, 2_000_000);
        remb.set_load_bps(Time::ZERO, 2_000_000, 1_830_000);
        remb.estimate(Time::from_secs(1), 900_000);
        assert_eq!(remb.budget_bps(Time::from_secs(1)), 900_000);
        remb.set_load_bps(Time::ZERO, 2_000_000, 585_000);
        // 1.5 times what arrives: no evidence against more.
        remb.estimate(Time::from_secs(2), 877_000);
        assert_eq!(remb.budget_bps(Time::from_secs(10)), 900_000);
        let mut freed = None;
        for second in 11..60 {
            if remb.budget_bps(Time::from_secs(second)) == 2_000_000 {
                freed = freed.or(Some(second));
            }
        }
        assert!(
            freed.is_some_and(|second| (19..=21).contains(&second)),
            "{freed:?}"
        );
    }

    #[test]
    fn a_failed_retry_is_held_for_longer() {
        let mut remb = Remb::new(Time::ZERO, 2_000_000);
        let mut failures = Vec::new();
        for second in 1..200 {
            let now = Time::from_secs(second);
            let is_wide = remb.budget_bps(now) >= 1_830_000;
            remb.set_load_bps(
                Time::ZERO,
                2_000_000,
                if is_wide { 1_830_000 } else { 585_000 },
            );
            if is_wide {
                remb.estimate(now, 900_000);
                failures.push(second);
            }
        }
        let gaps: Vec<_> = failures.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.is_sorted() && gaps.len() <= 5, "{gaps:?}");
    }
}
