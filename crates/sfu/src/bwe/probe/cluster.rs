//! What the receiver saw of a probe cluster.
//!
//! libwebrtc's `ProbeBitrateEstimator` divides bytes by the time between the first and the last
//! arrival. Jitter, and receivers that read their socket every few milliseconds, distort just
//! these two; so here a line through all arrivals over their send times is taken: its slope is the
//! rate sent by the rate received.

use std::time::Duration;

use super::ClusterId;
use super::controller::Complete;

/// Clusters whose feedback is awaited.
const MAX_OPEN: usize = 4;
/// A cluster counts with this share of its packets and bytes.
const MIN_SHARE: f64 = 0.8;
/// Rounds with send times of their own.
const MIN_STAMPS: u32 = 5;
const MAX_INTERVAL_US: u64 = 1_000_000;
/// A cluster that seems to arrive more than twice as fast as it was sent is not believed.
const MIN_SLOPE: f64 = 0.5;
/// Below this share of the rate sent the link is full.
const SATURATED_BELOW: f64 = 0.9;
const OF_SATURATED: f64 = 0.95;
/// From this share on the probe has passed: the link carries its rate.
const PASSED_FROM: f64 = 0.95;

/// Result of a cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The rate at which it was meant to be sent, bit/s.
    pub target_bps: f64,
    /// The rate that the link carries, bit/s.
    pub rate_bps: f64,
    /// The link was full.
    pub is_saturated: bool,
    /// The link carries what was sent.
    pub is_passed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    id: ClusterId,
    target_bps: f64,
    /// What was sent, once all is.
    sent: Option<Complete>,
    warm_up_us: u64,
    packets: u32,
    /// Those of the line.
    counted: u32,
    stamps: u32,
    bytes: u64,
    first_sent_us: u64,
    last_sent_us: u64,
    first_arrived_us: i64,
    /// Sums for the line, in ms since the first packet.
    sum_x: f64,
    sum_y: f64,
    sum_xx: f64,
    sum_xy: f64,
}

/// The clusters of one transport whose feedback is awaited.
#[derive(Debug, Default)]
pub struct Clusters {
    open: [Option<Cluster>; MAX_OPEN],
}

impl Clusters {
    /// Await feedback of a cluster; the oldest one is given up where too many are awaited.
    /// What is sent in the first part of it, `warm_up`, says nothing about the rate.
    pub fn begin(&mut self, id: ClusterId, target_bps: f64, warm_up: Duration) {
        self.open.rotate_right(1);
        self.open[0] = Some(Cluster::new(id, target_bps, warm_up));
    }

    /// Note that all packets of a cluster are sent.
    pub fn complete(&mut self, complete: Complete) {
        if let Some(cluster) = self.find(complete.id) {
            cluster.sent = Some(complete);
        }
    }

    /// Add a received packet of a cluster.
    pub fn add(&mut self, id: ClusterId, sent_us: u64, arrived_us: i64, len_bytes: u16) {
        if let Some(cluster) = self.find(id) {
            cluster.add(sent_us, arrived_us, u64::from(len_bytes));
        }
    }

    /// Return the result of a cluster of which enough arrived; call until there is none.
    pub fn take(&mut self) -> Option<Found> {
        let is_ready = |slot: &&mut Option<Cluster>| slot.as_ref().is_some_and(Cluster::is_ready);
        let ready = self.open.iter_mut().rev().find(is_ready)?;
        // A cluster that counts for nothing ends as well.
        ready.take()?.found().or_else(|| self.take())
    }

    /// Forget the clusters before a path change.
    pub fn reset(&mut self) {
        self.open = [None; MAX_OPEN];
    }

    fn find(&mut self, id: ClusterId) -> Option<&mut Cluster> {
        self.open.iter_mut().flatten().find(|it| it.id == id)
    }
}

impl Cluster {
    fn new(id: ClusterId, target_bps: f64, warm_up: Duration) -> Self {
        Self {
            id,
            target_bps,
            warm_up_us: warm_up.as_micros() as u64,
            sent: None,
            packets: 0,
            counted: 0,
            stamps: 0,
            bytes: 0,
            first_sent_us: 0,
            last_sent_us: 0,
            first_arrived_us: 0,
            sum_x: 0.0,
            sum_y: 0.0,
            sum_xx: 0.0,
            sum_xy: 0.0,
        }
    }

    fn add(&mut self, sent_us: u64, arrived_us: i64, len_bytes: u64) {
        if self.packets == 0 {
            self.first_sent_us = sent_us;
            self.first_arrived_us = arrived_us;
        }
        if self.packets == 0 || sent_us > self.last_sent_us {
            self.last_sent_us = sent_us;
            self.stamps += 1;
        }
        self.packets += 1;
        self.bytes += len_bytes;
        if sent_us.saturating_sub(self.first_sent_us) < self.warm_up_us {
            return;
        }
        self.counted += 1;
        let x = (sent_us as f64 - self.first_sent_us as f64) / 1_000.0;
        let y = (arrived_us.saturating_sub(self.first_arrived_us)) as f64 / 1_000.0;
        self.sum_x += x;
        self.sum_y += y;
        self.sum_xx += x * x;
        self.sum_xy += x * y;
    }

    fn is_ready(&self) -> bool {
        self.sent.is_some_and(|sent| {
            f64::from(self.packets) >= MIN_SHARE * f64::from(sent.packets)
                && self.bytes as f64 >= MIN_SHARE * sent.bytes as f64
        })
    }

    fn found(&self) -> Option<Found> {
        let interval_us = self.last_sent_us.saturating_sub(self.first_sent_us);
        if self.stamps < MIN_STAMPS || interval_us == 0 || interval_us > MAX_INTERVAL_US {
            return None;
        }
        let sent_bps = self.sent?.rate_bps;
        let share = 1.0 / self.slope().filter(|slope| *slope >= MIN_SLOPE)?;
        let rate_bps = match share {
            share if share < SATURATED_BELOW => share * sent_bps * OF_SATURATED,
            share => share.min(1.0) * sent_bps,
        };
        Some(Found {
            target_bps: self.target_bps,
            rate_bps,
            is_saturated: share < SATURATED_BELOW,
            is_passed: share >= PASSED_FROM,
        })
    }

    fn slope(&self) -> Option<f64> {
        let packets = f64::from(self.counted);
        let variance = self.sum_xx - self.sum_x * self.sum_x / packets;
        let covariance = self.sum_xy - self.sum_x * self.sum_y / packets;
        let slope = covariance / variance;
        slope.is_finite().then_some(slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster of 3 packets each 3 ms, through a link of this many kb/s.
    fn through(kbps: f64, lost: &[usize]) -> Option<Found> {
        let mut clusters = Clusters::default();
        let id = ClusterId::NONE.next();
        clusters.begin(id, 2e6, Duration::ZERO);
        let mut free_us = 0.0_f64;
        for nth in 0..24 {
            let sent_us = nth as u64 / 3 * 3_000;
            free_us = free_us.max(sent_us as f64) + 250.0 * 8_000.0 / kbps;
            if !lost.contains(&nth) {
                clusters.add(id, sent_us, 70_000 + free_us as i64, 250);
            }
        }
        assert_eq!(clusters.take(), None, "not all is sent");
        clusters.complete(Complete {
            id,
            packets: 24,
            bytes: 6_000,
            rate_bps: 2e6,
        });
        clusters.take()
    }

    #[test]
    fn a_wide_link_passes_and_a_narrow_one_shows_its_rate() {
        let wide = through(50_000.0, &[]).expect("found");
        assert!(
            wide.is_passed && (wide.rate_bps - 2e6).abs() < 3e4,
            "{wide:?}"
        );
        let narrow = through(1_000.0, &[]).expect("found");
        assert!(narrow.is_saturated && !narrow.is_passed);
        assert!((narrow.rate_bps - 0.95e6).abs() < 3e4, "{narrow:?}");
    }

    #[test]
    fn a_fifth_may_be_lost() {
        let some = through(50_000.0, &[3, 9, 17]).expect("found");
        assert!(
            some.is_passed && (some.rate_bps - 2e6).abs() < 5e4,
            "{some:?}"
        );
        assert_eq!(through(50_000.0, &[3, 9, 17, 18, 19, 20]), None);
    }

    #[test]
    fn a_cluster_that_arrives_faster_than_it_was_sent_is_not_believed() {
        let mut clusters = Clusters::default();
        let id = ClusterId(7);
        clusters.begin(id, 2e6, Duration::ZERO);
        for nth in 0..10 {
            clusters.add(id, nth * 3_000, nth as i64 * 100, 700);
        }
        clusters.complete(Complete {
            id,
            packets: 10,
            bytes: 7_000,
            rate_bps: 1.9e6,
        });
        assert_eq!(clusters.take(), None);
    }
}
