//! Acknowledged bitrate: what arrives at the receiver, by its own clock.
//!
//! Bytes of the last 300 ms, or the last packets of a slow stream, between two arrivals; the
//! longest gap counts no more than the second longest, so that one pause is not a low rate. This is
//! libwebrtc's robust throughput estimator with a shorter window. The Bayesian estimator before it
//! took a second to follow a drop from 1,830 to 600 kb/s, this one takes as long as its window.

/// Span of the packets that count.
const WINDOW_US: i64 = 300_000;
/// The same while a queue grows.
const QUEUEING_WINDOW_US: i64 = 120_000;
/// So many count whatever their span.
const MIN_PACKETS: usize = 10;
/// The same while a queue grows: they arrive at the rate of the bottleneck, one by one.
const QUEUEING_MIN_PACKETS: usize = 5;
/// Packets kept: 300 ms of 5 Mb/s.
const KEPT: usize = 128;
/// Arrivals further apart belong to different talks of the sender.
const PAUSE_US: i64 = 2_000_000;

#[derive(Clone, Copy, Debug)]
struct Arrived {
    at_us: i64,
    len_bytes: u16,
}

/// Bitrate that the receiver acknowledges.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// The last packets in a ring, allocated with the first.
    ring: Vec<Arrived>,
    newest: usize,
}

impl Acknowledged {
    /// Add a received packet.
    pub fn add(&mut self, at_us: i64, len_bytes: u16) {
        let arrived = Arrived { at_us, len_bytes };
        let newest = self.ring.get(self.newest);
        if newest.is_some_and(|it| at_us.saturating_sub(it.at_us).saturating_abs() > PAUSE_US) {
            self.ring.clear();
        }
        if self.ring.len() < KEPT {
            self.ring.reserve_exact(KEPT - self.ring.len());
            self.ring.push(arrived);
            self.newest = self.ring.len() - 1;
            return;
        }
        self.newest = (self.newest + 1) % KEPT;
        self.ring[self.newest] = arrived;
    }

    /// Return the rate in bit/s, once enough has arrived.
    #[must_use]
    pub fn bps(&self) -> Option<f64> {
        self.bps_within(WINDOW_US, MIN_PACKETS)
    }

    /// Return the rate of the last moment in bit/s: while a queue grows, that of the bottleneck.
    ///
    /// A keyframe fills the queue for a moment, with a mean rate far below the capacity before it.
    #[must_use]
    pub fn queueing_bps(&self) -> Option<f64> {
        self.bps_within(QUEUEING_WINDOW_US, QUEUEING_MIN_PACKETS)
    }

    fn bps_within(&self, window_us: i64, min_packets: usize) -> Option<f64> {
        let newest_us = self.ring.get(self.newest)?.at_us;
        let (mut packets, mut bytes, mut at_us) = (0, 0, newest_us);
        let (mut longest_us, mut second_us) = (0, 0);
        let mut first_bytes = 0;
        for arrived in self.newest_first() {
            if packets > min_packets && newest_us - arrived.at_us > window_us {
                break;
            }
            let gap_us = at_us - arrived.at_us;
            if gap_us > longest_us {
                (longest_us, second_us) = (gap_us, longest_us);
            } else {
                second_us = second_us.max(gap_us);
            }
            at_us = at_us.min(arrived.at_us);
            first_bytes = u64::from(arrived.len_bytes);
            bytes += first_bytes;
            packets += 1;
        }
        let span_us = newest_us - at_us - longest_us + second_us;
        let is_long = span_us >= window_us / 2 || (packets == KEPT && span_us > 0);
        (packets >= min_packets && is_long)
            .then(|| (bytes - first_bytes) as f64 * 8e6 / span_us as f64)
    }

    /// Forget the packets before a path change.
    pub fn reset(&mut self) {
        self.ring.clear();
    }

    fn newest_first(&self) -> impl Iterator<Item = Arrived> {
        let (older, newer) = self.ring.split_at(self.newest + 1);
        older.iter().rev().chain(newer.iter().rev()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receive packets of 1000 bytes at this rate for a while.
    fn receive(acknowledged: &mut Acknowledged, at_us: &mut i64, kbps: i64, ms: i64) {
        let end = *at_us + ms * 1_000;
        while *at_us < end {
            acknowledged.add(*at_us, 1_000);
            *at_us += 8_000_000 / kbps;
        }
    }

    fn kbps(acknowledged: &Acknowledged) -> i64 {
        (acknowledged.bps().expect("known") / 1_000.0).round() as i64
    }

    #[test]
    fn the_rate_is_known_soon_and_followed_within_the_window() {
        let (mut acknowledged, mut at_us) = (Acknowledged::default(), 7_000);
        assert_eq!(acknowledged.bps(), None);
        receive(&mut acknowledged, &mut at_us, 1_800, 20);
        assert_eq!(acknowledged.bps(), None);
        receive(&mut acknowledged, &mut at_us, 1_800, 300);
        assert!((1_780..1_820).contains(&kbps(&acknowledged)));
        receive(&mut acknowledged, &mut at_us, 600, 330);
        assert!(
            (590..640).contains(&kbps(&acknowledged)),
            "{}",
            kbps(&acknowledged)
        );
    }

    #[test]
    fn frames_and_fast_streams() {
        let (mut acknowledged, mut at_us) = (Acknowledged::default(), 0);
        for _ in 0..40 {
            // Three packets each 33 ms: 727 kb/s.
            for _ in 0..3 {
                acknowledged.add(at_us, 1_000);
                at_us += 1_000;
            }
            at_us += 30_000;
        }
        assert!(
            (680..830).contains(&kbps(&acknowledged)),
            "{}",
            kbps(&acknowledged)
        );
        receive(&mut acknowledged, &mut at_us, 20_000, 1_000);
        assert!(
            (19_000..21_000).contains(&kbps(&acknowledged)),
            "{}",
            kbps(&acknowledged)
        );
    }

    #[test]
    fn a_pause_is_not_a_low_rate() {
        let (mut acknowledged, mut at_us) = (Acknowledged::default(), 0);
        for pause_us in [120_000, 20_000_000] {
            receive(&mut acknowledged, &mut at_us, 1_000, 1_500);
            at_us += pause_us;
            receive(&mut acknowledged, &mut at_us, 1_000, 250);
            assert!(
                (950..1_050).contains(&kbps(&acknowledged)),
                "{}",
                kbps(&acknowledged)
            );
        }
    }

    #[test]
    fn absurd_arrivals_are_no_rate() {
        let mut acknowledged = Acknowledged::default();
        for nth in 0..500 {
            acknowledged.add([0, i64::MAX / 2, i64::MIN / 2, 5][nth % 4], 1_000);
        }
        assert_eq!(acknowledged.bps(), None);
    }
}
