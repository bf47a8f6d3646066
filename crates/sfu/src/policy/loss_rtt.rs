//! The policy by loss and round-trip time.
//!
//! Every 500 ms the rate moves by the first row that holds, with the loss smoothed by an
//! exponential average of weight 0.5:
//!
//! | loss | RTT | rate |
//! |---|---|---|
//! | > 10 % | or > 300 ms | x 0.85 |
//! | >= 5 % | or >= 200 ms | x 0.95 |
//! | else | | x 1.05, up to the cap |
//!
//! The articles this policy comes from print a code sample that differs from their own table: it
//! answers an RTT above 300 ms with x 0.95. The table is followed here.
//!
//! Two things are added, since the table alone swings: a step is taken only on a report that no
//! step has used yet, and after a step down the rate may not grow past the rate that failed
//! until a hold time is over, which doubles each time the same rate fails again.

use std::time::Duration;

use wire::time::Time;

use super::{Policy, Report};

const STEP: Duration = Duration::from_millis(500);
const FLOOR_BPS: f64 = 50_000.0;
const FIRST_HOLD: Duration = Duration::from_secs(12);
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// A held rate stays this far below the one that failed.
const HELD_BELOW: f64 = 0.98;

/// Budget of one subscriber by its receiver reports.
#[derive(Debug)]
pub struct LossRtt {
    cap_bps: f64,
    rate_bps: f64,
    loss: Option<f64>,
    rtt: Duration,
    unused_report: bool,
    stepped: Time,
    hold: Option<Hold>,
    next_hold: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    below_bps: f64,
    until: Time,
}

impl LossRtt {
    /// Start at the cap, in bit/s.
    #[must_use]
    pub fn new(now: Time, cap_bps: u64) -> Self {
        Self {
            cap_bps: cap_bps as f64,
            rate_bps: cap_bps as f64,
            loss: None,
            rtt: Duration::ZERO,
            unused_report: false,
            stepped: now,
            hold: None,
            next_hold: FIRST_HOLD,
        }
    }

    /// Follow what the subscriptions could use at most, in bit/s.
    pub fn set_cap_bps(&mut self, cap_bps: u64) {
        let at_cap = self.rate_bps >= self.cap_bps;
        self.cap_bps = cap_bps as f64;
        if at_cap && self.hold.is_none() {
            self.rate_bps = self.cap_bps;
        }
        self.rate_bps = self.rate_bps.min(self.cap_bps);
    }

    fn step(&mut self, now: Time) {
        let factor = factor(self.loss.unwrap_or(0.0), self.rtt);
        if factor < 1.0 {
            self.hold_below(now, self.rate_bps);
        }
        let ceiling = match self.hold {
            Some(hold) if now < hold.until => hold.below_bps.min(self.cap_bps),
            _ => self.cap_bps,
        };
        self.rate_bps = (self.rate_bps * factor).min(ceiling).max(FLOOR_BPS);
    }

    /// The first of several steps down names the rate that failed; a rate that fails again after
    /// its hold is held for longer.
    fn hold_below(&mut self, now: Time, failed_bps: f64) {
        match self.hold {
            Some(hold) if now < hold.until => {
                self.hold = Some(Hold {
                    below_bps: hold.below_bps.min(failed_bps * HELD_BELOW),
                    ..hold
                });
            }
            _ => {
                self.hold = Some(Hold {
                    below_bps: failed_bps * HELD_BELOW,
                    until: now + self.next_hold,
                });
                self.next_hold = (self.next_hold * 2).min(LONGEST_HOLD);
            }
        }
    }
}

/// Return the factor of the table's row for a loss ratio and a round-trip time.
fn factor(loss: f64, rtt: Duration) -> f64 {
    let rtt_ms = rtt.as_millis();
    if loss > 0.10 || rtt_ms > 300 {
        0.85
    } else if loss >= 0.05 || rtt_ms >= 200 {
        0.95
    } else {
        1.05
    }
}

impl Policy for LossRtt {
    fn report(&mut self, _now: Time, report: Report) {
        let fresh = f64::from(report.fraction_lost) / 256.0;
        self.loss = Some(self.loss.map_or(fresh, |loss| 0.5 * loss + 0.5 * fresh));
        if let Some(rtt) = report.rtt {
            self.rtt = rtt;
        }
        self.unused_report = true;
    }

    fn budget_bps(&mut self, now: Time) -> Option<u64> {
        if self.unused_report && now.since(self.stepped) >= STEP {
            self.unused_report = false;
            self.stepped = now;
            self.step(now);
        }
        Some(self.rate_bps as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(loss: f64, rtt_ms: u64) -> f64 {
        let mut policy = LossRtt::new(Time::default(), 2_000_000);
        policy.rate_bps = 1_000_000.0;
        let report = Report {
            fraction_lost: (loss * 256.0).round() as u8,
            rtt: Some(Duration::from_millis(rtt_ms)),
        };
        policy.report(Time::default(), report);
        policy.budget_bps(Time::from_millis(500)).expect("limited") as f64 / 1_000_000.0
    }

    #[test]
    fn every_row_of_the_table() {
        assert_eq!(after(0.11, 50), 0.85);
        assert_eq!(after(0.0, 301), 0.85);
        assert_eq!(after(0.06, 50), 0.95);
        assert_eq!(after(0.0, 200), 0.95);
        assert_eq!(after(0.0, 300), 0.95);
        assert_eq!(after(0.04, 199), 1.05);
    }

    #[test]
    fn a_report_is_used_once() {
        let mut policy = LossRtt::new(Time::default(), 1_000_000);
        policy.report(
            Time::default(),
            Report {
                fraction_lost: 64,
                rtt: None,
            },
        );
        let first = policy.budget_bps(Time::from_millis(500));
        assert_eq!(first, Some(850_000));
        assert_eq!(policy.budget_bps(Time::from_millis(5_000)), first);
    }

    #[test]
    fn steps_are_500_ms_apart() {
        let mut policy = LossRtt::new(Time::default(), 1_000_000);
        for ms in (0..=1_000).step_by(100) {
            policy.report(
                Time::from_millis(ms),
                Report {
                    fraction_lost: 64,
                    rtt: None,
                },
            );
            policy.budget_bps(Time::from_millis(ms));
        }
        assert_eq!(policy.budget_bps(Time::from_millis(1_001)), Some(722_500));
    }

    #[test]
    fn growth_ends_at_the_cap() {
        let mut policy = LossRtt::new(Time::default(), 1_000_000);
        for second in 1..10 {
            policy.report(
                Time::from_millis(second * 1000),
                Report {
                    fraction_lost: 0,
                    rtt: None,
                },
            );
            assert_eq!(
                policy.budget_bps(Time::from_millis(second * 1000)),
                Some(1_000_000)
            );
        }
    }

    /// A link of 1 Mb/s: above it half is lost, below it nothing.
    #[test]
    fn a_narrow_link_is_not_retried_within_ten_seconds() {
        let mut policy = LossRtt::new(Time::default(), 1_700_000);
        let (mut above, mut crossings) = (true, Vec::new());
        for second in 1..120 {
            let now = Time::from_millis(second * 1000);
            let rate = policy.budget_bps(now).expect("limited");
            // 1.7 Mb/s is the only encoding that does not fit.
            let lost = if rate >= 1_700_000 { 100 } else { 0 };
            policy.report(
                now,
                Report {
                    fraction_lost: lost,
                    rtt: None,
                },
            );
            if above != (rate >= 1_700_000) {
                above = !above;
                crossings.push(second);
            }
        }
        let ups: Vec<_> = crossings.iter().skip(1).step_by(2).collect();
        assert!(crossings[0] <= 3, "{crossings:?}");
        assert!(
            ups.windows(2).all(|pair| pair[1] - pair[0] >= 10),
            "{crossings:?}"
        );
    }
}
