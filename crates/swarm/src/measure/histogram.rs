//! A log-linear histogram like HdrHistogram: bounded memory, bounded relative error, mergeable.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use std::time::Duration;

/// Longer durations are clamped to this value: 71 minutes.
const MAX_US: u64 = u32::MAX as u64;

/// Counts durations in microseconds.
///
/// Values up to `2^sub_bits` are exact; above, a bucket is `2^-sub_bits` of its value wide.
#[derive(Clone, Debug)]
pub struct Histogram {
    sub_bits: u8,
    /// Grows to the highest bucket seen: `(33 - sub_bits) << sub_bits` at most.
    counts: Vec<u32>,
    count: u64,
    sum_us: u64,
    min_us: u64,
    max_us: u64,
}

impl Histogram {
    /// Create an empty histogram with an error below 0.8 %, for the whole swarm.
    #[must_use]
    pub fn fine() -> Self {
        Self::new(7)
    }

    /// Create an empty histogram with an error below 3.2 % in about 2 KB, for each stream.
    #[must_use]
    pub fn coarse() -> Self {
        Self::new(5)
    }

    fn new(sub_bits: u8) -> Self {
        Self {
            sub_bits,
            counts: Vec::new(),
            count: 0,
            sum_us: 0,
            min_us: u64::MAX,
            max_us: 0,
        }
    }

    /// Record one duration.
    pub fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros())
            .unwrap_or(MAX_US)
            .min(MAX_US);
        let bucket = self.bucket(us);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.count += 1;
        self.sum_us += us;
        self.min_us = self.min_us.min(us);
        self.max_us = self.max_us.max(us);
    }

    /// Add the counts of another histogram of the same resolution.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.sub_bits, other.sub_bits, "buckets of different width");
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count += other.count;
        self.sum_us += other.sum_us;
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Reset all counts and keep the memory.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        (self.count, self.sum_us) = (0, 0);
        (self.min_us, self.max_us) = (u64::MAX, 0);
    }

    /// Return the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Return the largest value in ms; none where the histogram is empty.
    #[must_use]
    pub fn max_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| ms(self.max_us))
    }

    /// Return the mean in ms; none where the histogram is empty.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| ms(self.sum_us) / self.count as f64)
    }

    /// Return a quantile (0 to 1) in ms; none where the histogram is empty.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let rank = ((self.count as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(ms(self.highest_of(bucket).min(self.max_us)));
            }
        }
        None
    }

    fn bucket(&self, us: u64) -> usize {
        let linear = 1 << self.sub_bits;
        if us < linear {
            return us as usize;
        }
        let shift = us.ilog2() - u32::from(self.sub_bits);
        let octave = u64::from(shift + 1) << self.sub_bits;
        (octave + (us >> shift) - linear) as usize
    }

    /// Return the highest value of a bucket.
    fn highest_of(&self, bucket: usize) -> u64 {
        let (bucket, linear) = (bucket as u64, 1 << self.sub_bits);
        if bucket < linear {
            return bucket;
        }
        let shift = (bucket >> self.sub_bits) - 1;
        ((bucket % linear + linear + 1) << shift) - 1
    }

    fn filled(&self) -> Vec<(usize, u32)> {
        let counts = self.counts.iter().copied().enumerate();
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Histogram", 9)?;
        fields.serialize_field("count", &self.count)?;
        fields.serialize_field("avg_ms", &self.mean_ms())?;
        fields.serialize_field("p50_ms", &self.quantile_ms(0.50))?;
        fields.serialize_field("p95_ms", &self.quantile_ms(0.95))?;
        fields.serialize_field("p99_ms", &self.quantile_ms(0.99))?;
        fields.serialize_field("max_ms", &self.max_ms())?;
        fields.serialize_field("sum_us", &self.sum_us)?;
        fields.serialize_field("sub_bits", &self.sub_bits)?;
        fields.serialize_field("buckets", &self.filled())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values_us: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::fine();
        values_us
            .into_iter()
            .for_each(|us| histogram.record(Duration::from_micros(us)));
        histogram
    }

    #[test]
    fn small_values_are_exact_and_an_empty_histogram_has_no_figures() {
        let histogram = of(1..=99);
        assert_eq!(histogram.quantile_ms(0.5), Some(0.050));
        assert_eq!(histogram.quantile_ms(0.99), Some(0.099));
        assert_eq!(histogram.max_ms(), Some(0.099));
        assert_eq!(histogram.mean_ms(), Some(0.05));
        assert_eq!(of([]).quantile_ms(0.5), None);
        assert_eq!(of([]).mean_ms(), None);
    }

    #[test]
    fn buckets_are_written_sparse_with_their_resolution() {
        let json = serde_json::to_value(of([3, 3, 1_000])).unwrap();
        assert_eq!(json["count"], 3);
        assert_eq!(json["sub_bits"], 7);
        assert_eq!(json["buckets"][0], serde_json::json!([3, 2]));
        assert_eq!(json["max_ms"], 1.0);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_promised_error(mut values in prop::collection::vec(0..10_000_000u64, 1..300), q in 0.0..1.0f64) {
            let histogram = of(values.iter().copied());
            values.sort_unstable();
            let rank = ((values.len() as f64 * q).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64 / 1_000.0;
            let found = histogram.quantile_ms(q).unwrap();
            prop_assert!(found >= exact && found <= exact * 1.008 + 0.001, "{found} for {exact}");
        }

        #[test]
        fn merging_is_counting_together(a in prop::collection::vec(0..u64::MAX, 0..50), b in prop::collection::vec(0..10_000u64, 0..50)) {
            let mut merged = of(a.iter().copied());
            merged.merge(&of(b.iter().copied()));
            let together = of(a.into_iter().chain(b));
            prop_assert_eq!(merged.filled(), together.filled());
            prop_assert_eq!(merged.mean_ms(), together.mean_ms());
            prop_assert_eq!(merged.max_ms(), together.max_ms());
        }
    }
}
