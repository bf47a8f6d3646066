//! Loss-based bound: more than 10 % of loss lowers it, less than 2 % lets it rise, between them it
//! holds (draft-ietf-rmcat-gcc-02 section 6).
//!
//! The ratio is taken over two seconds, so that bursts of a wireless link, a few percent in the
//! mean, are not taken for congestion; a queue that overflows passes 10 % within half a second.

use std::time::Duration;

use wire::time::Time;

const LOWERS_ABOVE: f64 = 0.10;
const RISES_BELOW: f64 = 0.02;
const RISE_PER_SECOND: f64 = 1.08;
const RISE_BPS_PER_SECOND: f64 = 1_000.0;
/// Time constant of the ratio.
const MEMORY_S: f64 = 2.0;
/// A ratio of fewer packets is noise.
const MIN_PACKETS: f64 = 20.0;
/// A burst of eight of them is not more than 10 %.
const SURE_PACKETS: f64 = 80.0;
/// Between two decreases, beside the round trip.
const BETWEEN: Duration = Duration::from_millis(300);
/// So much loss is a queue that overflows: what arrives is what the link carries.
const OVERFLOW_ABOVE: f64 = 0.25;
const OF_ACKNOWLEDGED: f64 = 0.95;

/// Loss of one transport, and the bound that it sets.
#[derive(Debug, Default)]
pub struct LossBound {
    /// Packets of the last seconds, the older ones with less weight.
    recent: Count,
    /// The same since the last decrease: what was lost before says nothing about the rate after it.
    fresh: Count,
    counted: Option<Time>,
    decreased: Option<Time>,
    updated: Option<Time>,
    bound_bps: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    expected: f64,
    lost: f64,
}

impl Count {
    fn add(&mut self, kept: f64, expected: f64, lost: f64) {
        self.expected = (self.expected * kept + expected).max(0.0);
        self.lost = (self.lost * kept + lost).clamp(0.0, self.expected);
    }

    fn ratio(&self) -> Option<f64> {
        (self.expected >= MIN_PACKETS).then(|| self.lost / self.expected)
    }

    /// Return the ratio to act on: one burst among few packets is not congestion.
    fn sure_ratio(&self) -> f64 {
        self.lost / self.expected.max(SURE_PACKETS)
    }
}

impl LossBound {
    /// Add what a feedback reports; `lost` is negative where late packets outnumber lost ones.
    pub fn add(&mut self, now: Time, received: u32, lost: i64) {
        let elapsed = self
            .counted
            .replace(now)
            .map_or(Duration::ZERO, |at| now.since(at));
        let kept = (-elapsed.as_secs_f64() / MEMORY_S).exp();
        let (expected, lost) = (f64::from(received) + lost as f64, lost as f64);
        self.recent.add(kept, expected, lost);
        self.fresh.add(kept, expected, lost);
    }

    /// Return the share of lost packets, 0 to 1; `None` while too few are known.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.recent.ratio()
    }

    /// Return the bound on an estimate, bit/s.
    pub fn bound(
        &mut self,
        now: Time,
        estimate_bps: f64,
        acknowledged_bps: Option<f64>,
        rtt: Duration,
    ) -> f64 {
        let elapsed = self
            .updated
            .replace(now)
            .map_or(Duration::ZERO, |at| now.since(at));
        let ratio = self.recent.sure_ratio();
        let is_lowered = ratio > LOWERS_ABOVE
            && self.fresh.sure_ratio() > LOWERS_ABOVE
            && (self.decreased).is_none_or(|at| now.since(at) >= BETWEEN + rtt);
        if is_lowered {
            self.decrease(now, ratio, estimate_bps, acknowledged_bps);
        } else if ratio < RISES_BELOW
            && let Some(bound_bps) = self.bound_bps
        {
            let seconds = elapsed.as_secs_f64().min(1.0);
            let risen_bps =
                bound_bps * RISE_PER_SECOND.powf(seconds) + RISE_BPS_PER_SECOND * seconds;
            self.bound_bps = Some(risen_bps).filter(|it| *it < estimate_bps);
        }
        self.bound_bps
            .map_or(estimate_bps, |it| it.min(estimate_bps))
    }

    /// Lift the bound to the rate that a probe found, unless there is much loss.
    pub fn on_probe(&mut self, probe_bps: f64) {
        if self.ratio().is_none_or(|ratio| ratio <= LOWERS_ABOVE) {
            self.bound_bps = self.bound_bps.map(|it| it.max(probe_bps));
        }
    }

    /// Forget the path.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn decrease(
        &mut self,
        now: Time,
        ratio: f64,
        estimate_bps: f64,
        acknowledged_bps: Option<f64>,
    ) {
        self.decreased = Some(now);
        let before_bps = self
            .bound_bps
            .map_or(estimate_bps, |it| it.min(estimate_bps));
        let mut after_bps = before_bps * (1.0 - ratio / 2.0);
        if ratio > OVERFLOW_ABOVE
            && let Some(acknowledged_bps) = acknowledged_bps
        {
            after_bps = after_bps.min(OF_ACKNOWLEDGED * acknowledged_bps);
        }
        self.bound_bps = Some(after_bps);
        self.fresh = Count::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    /// Feedback on 20 packets every 100 ms, `lost` of them lost.
    fn bound_after(bound: &mut LossBound, start_ms: u64, feedbacks: u64, lost: i64) -> f64 {
        let mut last = 0.0;
        for nth in 0..feedbacks {
            let now = Time::from_millis(start_ms + nth * 100);
            bound.add(now, (20 - lost) as u32, lost);
            last = bound.bound(now, 2e6, Some(1e6), RTT);
        }
        last
    }

    #[test]
    fn the_three_zones() {
        assert_eq!(bound_after(&mut LossBound::default(), 0, 100, 0), 2e6);
        assert_eq!(bound_after(&mut LossBound::default(), 0, 100, 1), 2e6);
        let mut bound = LossBound::default();
        let lowered = bound_after(&mut bound, 0, 30, 3);
        assert!(lowered < 1.9e6, "{lowered}");
        let held = bound_after(&mut bound, 3_000, 1, 1);
        assert!(held <= lowered);
        let risen = bound_after(&mut bound, 3_100, 200, 0);
        assert_eq!(risen, 2e6);
    }

    #[test]
    fn an_overflowing_queue_is_seen_within_half_a_second() {
        let mut bound = LossBound::default();
        bound_after(&mut bound, 0, 50, 0);
        let bound = bound_after(&mut bound, 5_000, 5, 12);
        assert!(bound < 1.9e6, "{bound}");
    }

    #[test]
    fn packets_that_arrive_late_were_not_lost() {
        let mut bound = LossBound::default();
        for nth in 0..50 {
            let now = Time::from_millis(nth * 100);
            bound.add(now, 15, 5);
            bound.add(now, 5, -5);
            assert_eq!(bound.bound(now, 2e6, Some(1e6), RTT), 2e6);
        }
    }
}
