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
//! Four things are added, since the table alone swings:
//! - a step is taken only on reports that no step has used yet and whose interval begins after the
//!   last step down took effect;
//! - a step down starts from the bitrate that was sent, so that it always reduces it;
//! - after it the rate stays below the one that failed until a hold time is over, which doubles
//!   with each further failure;
//! - several reports at once, one for each stream, are one report of their mean.

use std::time::Duration;

use wire::time::Time;

use super::Report;

const STEP: Duration = Duration::from_millis(500);
const FLOOR_BPS: f64 = 50_000.0;
/// Between a step down and its effect at the receiver, beyond the round trip.
const SETTLING: Duration = Duration::from_millis(900);
const FIRST_HOLD: Duration = Duration::from_secs(60);
const LONGEST_HOLD: Duration = Duration::from_secs(480);
/// A load below this part of the last one was reduced on purpose: bitrates vary less.
const REDUCED: f64 = 0.7;
/// A smoothed loss ratio below this is no sign of a full link.
const NO_LOSS: f64 = 0.02;
/// A held rate stays this far below the one that failed: bitrates waver.
const HELD_BELOW: f64 = 0.75;

/// Budget of one subscriber by its receiver reports.
#[derive(Debug)]
pub struct LossRtt {
    cap_bps: f64,
    sent_bps: f64,
    rate_bps: f64,
    /// Smoothed, a ratio; of the present rate only.
    loss: Option<f64>,
    rtt: Duration,
    unused: Unused,
    /// When the last report arrived, and the start of the interval that it covers.
    reported: Time,
    interval_start: Time,
    stepped: Time,
    /// When the last step down has taken effect at the receiver.
    settled: Time,
    hold: Option<Hold>,
    next_hold: Duration,
}

/// Reports that no step has used yet.
#[derive(Clone, Copy, Debug, Default)]
struct Unused {
    sum: f64,
    count: u32,
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
            sent_bps: f64::INFINITY,
            rate_bps: cap_bps as f64,
            loss: None,
            rtt: Duration::ZERO,
            unused: Unused::default(),
            reported: now,
            interval_start: now,
            stepped: now,
            settled: now,
            hold: None,
            next_hold: FIRST_HOLD,
        }
    }

    /// Set the bitrate that the subscriptions could use and the one that they send, in bit/s.
    ///
    /// Reports about a load that was reduced since say nothing about the present one. A load without
    /// loss is carried, whatever the rate was before.
    pub fn set_load_bps(&mut self, now: Time, cap_bps: u64, sent_bps: u64) {
        let at_cap = self.rate_bps >= self.cap_bps;
        self.cap_bps = cap_bps as f64;
        let sent_bps = sent_bps as f64;
        if self.sent_bps.is_finite() && sent_bps < self.sent_bps * REDUCED {
            self.unused = Unused::default();
            self.loss = None;
            self.settled = now + self.rtt + SETTLING;
        } else if self.unused.sum == 0.0 && self.loss.is_none_or(|loss| loss < NO_LOSS) {
            self.rate_bps = self.rate_bps.max(sent_bps);
        }
        self.sent_bps = sent_bps;
        if at_cap && self.hold.is_none() {
            self.rate_bps = self.cap_bps;
        }
        self.rate_bps = self.rate_bps.min(self.cap_bps);
    }

    /// Process a receiver report.
    pub fn report(&mut self, now: Time, report: Report) {
        if now > self.reported {
            self.interval_start = self.reported;
            self.reported = now;
        }
        if let Some(rtt) = report.rtt {
            self.rtt = rtt;
        }
        if self.interval_start >= self.settled {
            self.unused.sum += f64::from(report.fraction_lost) / 256.0;
            self.unused.count += 1;
        }
    }

    /// Return the budget in bit/s.
    pub fn budget_bps(&mut self, now: Time) -> u64 {
        if self.unused.count > 0 && now.since(self.stepped) >= STEP {
            self.stepped = now;
            self.step(now);
        }
        self.rate_bps as u64
    }

    fn step(&mut self, now: Time) {
        let fresh = self.unused.sum / f64::from(self.unused.count);
        self.unused = Unused::default();
        let loss = self.loss.map_or(fresh, |loss| 0.5 * loss + 0.5 * fresh);
        self.loss = Some(loss);
        let factor = factor(loss, self.rtt);
        match factor < 1.0 {
            true => self.step_down(now, factor),
            false => self.step_up(now, factor),
        }
    }

    fn step_down(&mut self, now: Time, factor: f64) {
        self.rate_bps = self.rate_bps.min(self.sent_bps);
        self.hold_below(now);
        self.rate_bps = (self.rate_bps * factor).max(FLOOR_BPS);
        self.loss = None;
        self.settled = now + self.rtt + SETTLING;
    }

    fn step_up(&mut self, now: Time, factor: f64) {
        let ceiling = match self.hold {
            Some(hold) if now < hold.until => hold.below_bps.min(self.cap_bps),
            _ => self.cap_bps,
        };
        self.rate_bps = (self.rate_bps * factor).min(ceiling).max(FLOOR_BPS);
    }

    /// Keep below the present rate, which failed: for longer where the last hold ended recently.
    fn hold_below(&mut self, now: Time) {
        let below_bps = self.rate_bps * HELD_BELOW;
        let until = match self.hold {
            Some(hold) if now < hold.until => hold.until,
            Some(hold) if now < hold.until + self.next_hold => {
                self.next_hold = (self.next_hold * 2).min(LONGEST_HOLD);
                now + self.next_hold
            }
            _ => {
                self.next_hold = FIRST_HOLD;
                now + FIRST_HOLD
            }
        };
        self.hold = Some(Hold { below_bps, until });
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
        policy.budget_bps(Time::from_millis(500)) as f64 / 1_000_000.0
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
        assert_eq!(first, 850_000);
        assert_eq!(policy.budget_bps(Time::from_millis(5_000)), first);
    }

    #[test]
    fn steps_down_wait_for_the_effect_of_the_last_one() {
        let mut policy = LossRtt::new(Time::default(), 1_000_000);
        let mut rates = Vec::new();
        for ms in (0..=2_000).step_by(100) {
            policy.report(
                Time::from_millis(ms),
                Report {
                    fraction_lost: 64,
                    rtt: None,
                },
            );
            rates.push((ms, policy.budget_bps(Time::from_millis(ms))));
        }
        rates.dedup_by_key(|(_, rate)| *rate);
        // The second step needs a report whose interval begins after the effect of the first.
        assert_eq!(rates, [(0, 1_000_000), (500, 850_000), (1_500, 722_500)]);
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
                1_000_000
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
            let rate = policy.budget_bps(now);
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
