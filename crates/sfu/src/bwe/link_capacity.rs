//! Link capacity estimate: the rates at which the bottleneck was full (libwebrtc's
//! `LinkCapacityEstimator`).

const WEIGHT_OF_OVERUSE: f64 = 0.05;
const WEIGHT_OF_PROBE: f64 = 0.5;
/// Bounds of the deviation, of the mean in kb/s.
const DEVIATION: (f64, f64) = (0.4, 2.5);

/// Mean and deviation of the rates at which the link was full.
#[derive(Clone, Copy, Debug)]
pub struct LinkCapacity {
    mean_kbps: Option<f64>,
    deviation: f64,
}

impl Default for LinkCapacity {
    fn default() -> Self {
        Self {
            mean_kbps: None,
            deviation: DEVIATION.0,
        }
    }
}

impl LinkCapacity {
    /// Return the estimate, bit/s.
    #[must_use]
    pub fn bps(&self) -> Option<f64> {
        self.mean_kbps.map(|it| it * 1_000.0)
    }

    /// Return the rate from which on the link has become wider, bit/s.
    #[must_use]
    pub fn upper_bps(&self) -> f64 {
        let bound = |mean: f64| (mean + 3.0 * self.spread_kbps(mean)) * 1_000.0;
        self.mean_kbps.map_or(f64::INFINITY, bound)
    }

    /// Return the rate below which the link has become narrower, bit/s.
    #[must_use]
    pub fn lower_bps(&self) -> f64 {
        let bound = |mean: f64| (mean - 3.0 * self.spread_kbps(mean)).max(0.0) * 1_000.0;
        self.mean_kbps.map_or(0.0, bound)
    }

    /// Forget the link.
    pub fn reset(&mut self) {
        self.mean_kbps = None;
    }

    /// Use the acknowledged bitrate at an overuse.
    pub fn on_overuse(&mut self, acknowledged_bps: f64) {
        self.update(acknowledged_bps, WEIGHT_OF_OVERUSE);
    }

    /// Use the rate that a probe found.
    pub fn on_probe(&mut self, probe_bps: f64) {
        self.update(probe_bps, WEIGHT_OF_PROBE);
    }

    fn spread_kbps(&self, mean: f64) -> f64 {
        (self.deviation * mean).sqrt()
    }

    fn update(&mut self, sample_bps: f64, weight: f64) {
        let sample = sample_bps / 1_000.0;
        let before = self.mean_kbps.unwrap_or(sample);
        let mean = before + weight * (sample - before);
        let error = mean - sample;
        let deviation = self.deviation * (1.0 - weight) + weight * error * error / mean.max(1.0);
        self.mean_kbps = Some(mean);
        self.deviation = deviation.clamp(DEVIATION.0, DEVIATION.1);
    }
}
