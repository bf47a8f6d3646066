//! Rate control by the state of the bottleneck: additive and multiplicative increase,
//! multiplicative decrease (draft-ietf-rmcat-gcc-02 section 4.4, libwebrtc's `AimdRateControl`).

use std::time::Duration;

use wire::time::Time;

use super::link_capacity::LinkCapacity;
use super::trendline::Usage;

const DECREASE: f64 = 0.85;
/// The same where a long queue has to drain.
const DECREASE_TO_DRAIN: f64 = 0.7;
const LONG_QUEUE: Duration = Duration::from_millis(100);
const INCREASE_PER_SECOND: f64 = 1.08;
/// Least growth near the last converged rate, bit/s in a second.
const MIN_ADDITIVE_BPS: f64 = 4_000.0;
/// An increase goes no further than this times the acknowledged bitrate.
const MAX_OF_ACKNOWLEDGED: f64 = 1.5;
const ABOVE_ACKNOWLEDGED_BPS: f64 = 10_000.0;
/// Time between reaction and effect, beside the round trip.
const RESPONSE: Duration = Duration::from_millis(100);
const FRAMES_PER_SECOND: f64 = 30.0;
const PACKET_BITS: f64 = 1_200.0 * 8.0;
/// Between two decreases, the round trip within these bounds.
const REDUCE_AFTER: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// A second overuse so soon after a decrease says that the remembered capacity is gone.
const CONFIRMED_WITHIN: Duration = Duration::from_millis(1_000);

/// What the rate control needs to know beside the state of the bottleneck.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Acknowledged bitrate, bit/s.
    pub acknowledged_bps: Option<f64>,
    /// The same of the last moment, bit/s.
    pub queueing_bps: Option<f64>,
    /// Mean bitrate of what the subscriptions send, bit/s.
    pub sent_bps: Option<f64>,
    /// Longest wait in the queue of the bottleneck since the last feedback.
    pub waited: Duration,
    /// A shorter wait is no reason to send less than before: a keyframe queues for so long on a link
    /// that carries it.
    pub tolerated: Duration,
    /// Round-trip time.
    pub rtt: Duration,
    /// Whether less is sent than the estimate allows.
    pub is_limited: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Hold,
    Increase,
}

/// Rate control of one transport.
#[derive(Debug)]
pub struct Aimd {
    rate_bps: f64,
    state: State,
    link: LinkCapacity,
    changed: Option<Time>,
    decreased: Option<Time>,
}

impl Aimd {
    /// Start at this rate.
    #[must_use]
    pub fn new(rate_bps: f64) -> Self {
        Self {
            rate_bps,
            state: State::Hold,
            link: LinkCapacity::default(),
            changed: None,
            decreased: None,
        }
    }

    /// Return the rate, bit/s.
    #[must_use]
    pub fn rate_bps(&self) -> f64 {
        self.rate_bps
    }

    /// Return the estimate of the link's capacity, bit/s.
    #[must_use]
    pub fn link_capacity_bps(&self) -> Option<f64> {
        self.link.bps()
    }

    /// Return when the rate was last decreased.
    #[must_use]
    pub fn decreased(&self) -> Option<Time> {
        self.decreased
    }

    /// Follow the state of the bottleneck.
    pub fn update(&mut self, now: Time, usage: Usage, observed: Observed) {
        match usage {
            Usage::Overuse => {
                if self.may_decrease(now, observed) {
                    self.decrease(now, observed);
                }
                self.state = State::Hold;
            }
            Usage::Underuse => self.state = State::Hold,
            Usage::Normal if self.state == State::Hold => {
                self.state = State::Increase;
                self.changed = Some(now);
            }
            Usage::Normal => self.increase(now, observed),
        }
    }

    /// Take over the rate that a probe found.
    pub fn on_probe(&mut self, now: Time, probe_bps: f64, is_saturated: bool) {
        if is_saturated {
            self.link.on_probe(probe_bps);
        } else if probe_bps > self.link.upper_bps() {
            self.link.reset();
        }
        self.rate_bps = probe_bps;
        self.changed = Some(now);
    }

    /// Set the rate from outside: a bound, or silence of the receiver.
    pub fn set_rate_bps(&mut self, rate_bps: f64) {
        self.rate_bps = rate_bps;
    }

    fn may_decrease(&self, now: Time, observed: Observed) -> bool {
        let (least, most) = REDUCE_AFTER;
        let is_settled = |at: Time| now.since(at) >= observed.rtt.clamp(least, most);
        let is_far_above = |bps: f64| bps < 0.5 * self.rate_bps;
        self.decreased.is_none_or(is_settled)
            || (!observed.is_limited && observed.acknowledged_bps.is_some_and(is_far_above))
    }

    fn decrease(&mut self, now: Time, observed: Observed) {
        let before = self.decreased.replace(now);
        self.changed = Some(now);
        let Some(acknowledged_bps) = observed.queueing_bps.or(observed.acknowledged_bps) else {
            self.rate_bps /= 2.0;
            return;
        };
        let is_short = observed.waited < observed.tolerated;
        let is_confirmed = !is_short && before.is_some_and(|at| now.since(at) < CONFIRMED_WITHIN);
        let is_evidence = !observed.is_limited || is_confirmed;
        if is_evidence && acknowledged_bps < self.link.lower_bps() {
            self.link.reset();
        }
        let full_bps = match is_evidence {
            true => acknowledged_bps,
            false => acknowledged_bps.max(self.link.bps().unwrap_or(0.0)),
        };
        // A keyframe queues for a moment, though what is sent in the mean fits.
        let kept_bps = observed
            .sent_bps
            .filter(|sent| is_short || !is_confirmed && *sent <= full_bps);
        let factor = match observed.waited < LONG_QUEUE {
            true => DECREASE,
            false => DECREASE_TO_DRAIN,
        };
        let decreased_bps = (factor * full_bps).max(kept_bps.unwrap_or(0.0));
        if decreased_bps < self.rate_bps {
            self.rate_bps = decreased_bps;
        } else if let Some(link_bps) = self.link.bps() {
            self.rate_bps = self.rate_bps.min(DECREASE * link_bps);
        }
        self.link.on_overuse(full_bps);
    }

    fn increase(&mut self, now: Time, observed: Observed) {
        let elapsed = self.changed.map_or(Duration::ZERO, |at| now.since(at));
        let seconds = elapsed.as_secs_f64().min(1.0);
        self.changed = Some(now);
        let Some(acknowledged_bps) = observed.acknowledged_bps.filter(|_| !observed.is_limited)
        else {
            return;
        };
        if acknowledged_bps > self.link.upper_bps() {
            self.link.reset();
        }
        let limit_bps = MAX_OF_ACKNOWLEDGED * acknowledged_bps + ABOVE_ACKNOWLEDGED_BPS;
        if self.rate_bps >= limit_bps {
            return;
        }
        let increased_bps = match self.link.bps() {
            Some(_) => self.rate_bps + self.additive_bps(observed.rtt) * seconds,
            None => self.rate_bps * INCREASE_PER_SECOND.powf(seconds),
        };
        self.rate_bps = increased_bps.min(limit_bps);
    }

    /// Return the growth in a second near the last converged rate: about a packet per response.
    fn additive_bps(&self, rtt: Duration) -> f64 {
        let frame_bits = self.rate_bps / FRAMES_PER_SECOND;
        let packet_bits = frame_bits / (frame_bits / PACKET_BITS).ceil().max(1.0);
        let response_s = 2.0 * (rtt + RESPONSE).as_secs_f64();
        (packet_bits / response_s).max(MIN_ADDITIVE_BPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(acknowledged_bps: f64, is_limited: bool) -> Observed {
        Observed {
            acknowledged_bps: Some(acknowledged_bps),
            queueing_bps: None,
            sent_bps: None,
            waited: Duration::from_millis(90),
            tolerated: Duration::from_millis(40),
            rtt: Duration::from_millis(100),
            is_limited,
        }
    }

    #[test]
    fn growth_is_8_percent_in_a_second_and_ends_above_the_acknowledged_bitrate() {
        let mut aimd = Aimd::new(1e6);
        for tenth in 0..=11 {
            aimd.update(
                Time::from_millis(tenth * 100),
                Usage::Normal,
                observed(1e6, false),
            );
        }
        assert!(
            (aimd.rate_bps() - 1.088e6).abs() < 5e3,
            "{}",
            aimd.rate_bps()
        );
        for tenth in 12..1_000 {
            aimd.update(
                Time::from_millis(tenth * 100),
                Usage::Normal,
                observed(1e6, false),
            );
        }
        assert_eq!(aimd.rate_bps(), 1.51e6);
    }

    #[test]
    fn a_probe_stands_above_the_bound_of_increases() {
        let mut aimd = Aimd::new(3e5);
        aimd.on_probe(Time::from_millis(100), 2e6, false);
        for tenth in 2..50 {
            aimd.update(
                Time::from_millis(tenth * 100),
                Usage::Normal,
                observed(5e5, true),
            );
        }
        assert_eq!(aimd.rate_bps(), 2e6);
    }

    #[test]
    fn overuse_goes_below_the_acknowledged_bitrate_once_per_round_trip() {
        let mut aimd = Aimd::new(2e6);
        let at = Time::from_millis;
        aimd.update(at(1_000), Usage::Overuse, observed(1e6, false));
        assert_eq!(aimd.rate_bps(), 8.5e5);
        aimd.update(at(1_050), Usage::Overuse, observed(6e5, false));
        assert_eq!(aimd.rate_bps(), 8.5e5);
        aimd.update(at(1_100), Usage::Overuse, observed(6e5, false));
        assert_eq!(aimd.rate_bps(), 5.1e5);
    }

    #[test]
    fn one_overuse_of_a_limited_sender_keeps_the_remembered_capacity() {
        let mut aimd = Aimd::new(3e5);
        let at = Time::from_millis;
        aimd.on_probe(at(500), 1e6, true);
        aimd.update(at(5_000), Usage::Overuse, observed(5e5, true));
        assert_eq!(aimd.rate_bps(), 8.5e5);
        // A second one says that the capacity is gone.
        aimd.update(at(5_500), Usage::Overuse, observed(5e5, true));
        assert_eq!(aimd.rate_bps(), 4.25e5);
    }
}
