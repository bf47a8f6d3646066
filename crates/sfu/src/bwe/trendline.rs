//! Trendline filter and overuse detector with adaptive threshold.
//!
//! draft-ietf-rmcat-gcc-02 sections 4.3 and 4.4 with libwebrtc's trendline in place of the Kalman
//! filter: a line is fitted through the smoothed queueing delay of the last groups, and a slope
//! above the threshold is overuse. The threshold follows the slope, so that flows that fill the
//! queue do not starve ours.

use super::groups::Variation;

/// Groups in the line.
const WINDOW: usize = 20;
/// Weight of what was before in the smoothed delay.
const SMOOTHING: f64 = 0.9;
const MAX_DELTAS: u32 = 60;
const GAIN: f64 = 4.0;
const FIRST_THRESHOLD_MS: f64 = 12.5;
const THRESHOLD_MS: (f64, f64) = (6.0, 600.0);
const K_UP: f64 = 0.0087;
const K_DOWN: f64 = 0.039;
/// A slope so far above the threshold is a sudden change, which the threshold does not follow.
const MAX_ADAPTED_MS: f64 = 15.0;
const MAX_STEP_MS: f64 = 100.0;
const OVERUSE_MS: f64 = 10.0;
/// The lowest delay is forgotten at 1 ms a second: clocks drift, and paths become longer.
const BASE_DRIFT: f64 = 1e-3;

/// What the delay says about the bottleneck.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Usage {
    /// The queue neither grows nor drains.
    #[default]
    Normal,
    /// The queue grows.
    Overuse,
    /// The queue drains.
    Underuse,
}

/// Trendline and detector of one transport.
#[derive(Debug)]
pub struct Trendline {
    /// Arrival and smoothed delay of the last groups, ms; oldest first behind `head`.
    points: [(f64, f64); WINDOW],
    head: usize,
    deltas: u32,
    first_at_ms: f64,
    delay_ms: f64,
    smoothed_ms: f64,
    slope: f64,
    threshold_ms: f64,
    updated_ms: Option<f64>,
    /// For how long the slope has been above the threshold, ms, and in how many groups.
    over_ms: Option<f64>,
    over_groups: u32,
    usage: Usage,
    jitter_ms: f64,
    /// Delay of an empty queue, ms, on the scale of `delay_ms`.
    base_ms: f64,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            head: 0,
            deltas: 0,
            first_at_ms: 0.0,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            slope: 0.0,
            threshold_ms: FIRST_THRESHOLD_MS,
            updated_ms: None,
            over_ms: None,
            over_groups: 0,
            usage: Usage::Normal,
            jitter_ms: 0.0,
            base_ms: 0.0,
        }
    }
}

impl Trendline {
    /// Return the last state.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Forget the last state: nothing was sent since.
    pub fn forget_usage(&mut self) {
        self.usage = Usage::Normal;
    }

    /// Return the mean delay variation between groups, ms.
    #[must_use]
    pub fn jitter_ms(&self) -> f64 {
        self.jitter_ms
    }

    /// Return by how much the last group waited longer than in an empty queue, ms.
    #[must_use]
    pub fn waited_ms(&self) -> f64 {
        self.delay_ms - self.base_ms
    }

    /// Add the delay variation of a group.
    pub fn add(&mut self, variation: Variation) {
        let delta_ms = variation.arrived_ms - variation.sent_ms;
        self.jitter_ms += (delta_ms.abs() - self.jitter_ms) / 16.0;
        if self.deltas == 0 {
            self.first_at_ms = variation.at_ms;
        }
        self.deltas = self.deltas.saturating_add(1);
        self.delay_ms += delta_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        let base_ms = self.base_ms + variation.arrived_ms.clamp(0.0, MAX_STEP_MS) * BASE_DRIFT;
        self.base_ms = base_ms.min(self.smoothed_ms);
        self.points[self.head] = (variation.at_ms - self.first_at_ms, self.smoothed_ms);
        self.head = (self.head + 1) % WINDOW;
        let before = self.slope;
        if self.deltas as usize >= WINDOW
            && let Some(slope) = slope(&self.points)
        {
            self.slope = slope;
        }
        self.detect(variation, before);
    }

    fn detect(&mut self, variation: Variation, slope_before: f64) {
        if self.deltas < 2 {
            return;
        }
        let trend_ms = f64::from(self.deltas.min(MAX_DELTAS)) * self.slope * GAIN;
        if trend_ms > self.threshold_ms {
            let over_ms = match self.over_ms {
                // The growth began about in the middle of the group.
                None => variation.sent_ms / 2.0,
                Some(over_ms) => over_ms + variation.sent_ms,
            };
            self.over_ms = Some(over_ms);
            self.over_groups += 1;
            if over_ms > OVERUSE_MS && self.over_groups > 1 && self.slope >= slope_before {
                self.enter(Usage::Overuse);
            }
        } else if trend_ms < -self.threshold_ms {
            self.enter(Usage::Underuse);
        } else {
            self.enter(Usage::Normal);
        }
        self.adapt(trend_ms, variation.at_ms);
    }

    fn enter(&mut self, usage: Usage) {
        self.usage = usage;
        self.over_ms = (usage == Usage::Overuse).then_some(0.0);
        self.over_groups = 0;
    }

    fn adapt(&mut self, trend_ms: f64, at_ms: f64) {
        let elapsed_ms = (at_ms - self.updated_ms.unwrap_or(at_ms)).clamp(0.0, MAX_STEP_MS);
        self.updated_ms = Some(at_ms);
        let above_ms = trend_ms.abs() - self.threshold_ms;
        if above_ms > MAX_ADAPTED_MS {
            return;
        }
        let k = if above_ms < 0.0 { K_DOWN } else { K_UP };
        let (least, most) = THRESHOLD_MS;
        self.threshold_ms = (self.threshold_ms + k * above_ms * elapsed_ms).clamp(least, most);
    }
}

/// Return the slope of the line of least squares, `None` where all points have the same time.
fn slope(points: &[(f64, f64); WINDOW]) -> Option<f64> {
    let (sum_x, sum_y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / WINDOW as f64, sum_y / WINDOW as f64);
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, y) in points {
        covariance += (x - mean_x) * (y - mean_y);
        variance += (x - mean_x) * (x - mean_x);
    }
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups sent every 20 ms, each this much later than the one before.
    fn usages(
        trendline: &mut Trendline,
        start: &mut f64,
        groups: usize,
        later_ms: f64,
    ) -> Vec<Usage> {
        let add = |_| {
            *start += 20.0 + later_ms;
            trendline.add(Variation {
                sent_ms: 20.0,
                arrived_ms: 20.0 + later_ms,
                at_ms: *start,
            });
            trendline.usage()
        };
        (0..groups).map(add).collect()
    }

    #[test]
    fn a_growing_queue_is_overuse_and_a_draining_one_underuse() {
        let (mut trendline, mut at) = (Trendline::default(), 0.0);
        let steady = usages(&mut trendline, &mut at, 100, 0.0);
        assert!(steady.iter().all(|it| *it == Usage::Normal));
        let growing = usages(&mut trendline, &mut at, 10, 4.0);
        assert!(growing.contains(&Usage::Overuse), "{growing:?}");
        usages(&mut trendline, &mut at, 30, 0.0);
        let draining = usages(&mut trendline, &mut at, 20, -4.0);
        assert!(draining.contains(&Usage::Underuse), "{draining:?}");
    }

    #[test]
    fn jitter_is_normal() {
        let (mut trendline, mut at) = (Trendline::default(), 0.0);
        for nth in 0..400 {
            let later = [8.0, -8.0, 3.0, -3.0][nth % 4];
            assert_eq!(usages(&mut trendline, &mut at, 1, later), [Usage::Normal]);
        }
    }

    #[test]
    fn the_threshold_stays_within_its_bounds() {
        let (mut trendline, mut at) = (Trendline::default(), 0.0);
        usages(&mut trendline, &mut at, 1_000, 0.0);
        assert_eq!(trendline.threshold_ms, 6.0);
        for nth in 0..2_000 {
            let later = if nth % 80 < 40 { 1.0 } else { -1.0 };
            usages(&mut trendline, &mut at, 1, later);
        }
        assert!((6.0..=600.0).contains(&trendline.threshold_ms));
        assert!(trendline.threshold_ms > 6.0, "{trendline:?}");
    }
}
