//! What passed a link over time: a series of bounded length.

use crate::bottleneck::Passed;
use serde::Serialize;
use std::time::Duration;
use wire::time::Time;

/// First length of an interval.
const INTERVAL: Duration = Duration::from_millis(100);
/// Intervals kept; where they are full, pairs are merged, so that each is twice as long.
const MAX_INTERVALS: usize = 600;

/// What passed a link in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Interval {
    capacity_bps: Option<u64>,
    datagrams: u32,
    queue_drops: u32,
    losses: u32,
    /// Bytes that left the bottleneck, headers included.
    bytes: u64,
    waited_us: u64,
    longest_wait_us: u64,
}

/// The intervals of a link, from its first datagram on.
#[derive(Clone, Debug)]
pub struct Trace {
    start: Option<Time>,
    interval: Duration,
    intervals: Vec<Interval>,
}

/// The series of a link: one value per interval in each list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceFigures {
    /// Start of the first interval.
    pub start_ns: u64,
    /// Length of each interval.
    pub interval_ns: u64,
    /// Capacity at the last datagram of the interval; none without datagrams or without a limit.
    pub capacity_bps: Vec<Option<u64>>,
    /// Bytes that left the bottleneck, IP and UDP headers included.
    pub bytes: Vec<u64>,
    /// Datagrams sent into the link.
    pub datagrams: Vec<u32>,
    /// Datagrams dropped at the full queue.
    pub queue_drops: Vec<u32>,
    /// Datagrams lost after the bottleneck.
    pub losses: Vec<u32>,
    /// Mean time waited in the queue; none where no datagram entered it.
    pub queue_ms: Vec<Option<f64>>,
    /// Longest time waited in the queue.
    pub queue_max_ms: Vec<Option<f64>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            start: None,
            interval: INTERVAL,
            intervals: Vec::new(),
        }
    }
}

impl Trace {
    /// Record a datagram of `bytes`, headers included; the full queue dropped what did not pass.
    pub fn record(
        &mut self,
        now: Time,
        capacity_bps: Option<u64>,
        passed: Option<Passed>,
        bytes: usize,
    ) {
        let interval = self.at(now);
        interval.capacity_bps = capacity_bps;
        interval.datagrams += 1;
        let Some(passed) = passed else {
            interval.queue_drops += 1;
            return;
        };
        let waited_us = u64::try_from(passed.waited.as_micros()).unwrap_or(u64::MAX);
        interval.waited_us += waited_us;
        interval.longest_wait_us = interval.longest_wait_us.max(waited_us);
        self.at(passed.departure).bytes += bytes as u64;
    }

    /// Record that a datagram was lost after the bottleneck.
    pub fn lost(&mut self, now: Time) {
        self.at(now).losses += 1;
    }

    /// Return the series; none before the first datagram.
    #[must_use]
    pub fn figures(&self) -> Option<TraceFigures> {
        let intervals = || self.intervals.iter();
        let entered = |one: &Interval| u64::from(one.datagrams - one.queue_drops);
        Some(TraceFigures {
            start_ns: self.start?.as_nanos(),
            interval_ns: u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX),
            capacity_bps: intervals().map(|one| one.capacity_bps).collect(),
            bytes: intervals().map(|one| one.bytes).collect(),
            datagrams: intervals().map(|one| one.datagrams).collect(),
            queue_drops: intervals().map(|one| one.queue_drops).collect(),
            losses: intervals().map(|one| one.losses).collect(),
            queue_ms: intervals()
                .map(|one| (entered(one) > 0).then(|| ms(one.waited_us) / entered(one) as f64))
                .collect(),
            queue_max_ms: intervals()
                .map(|one| (entered(one) > 0).then(|| ms(one.longest_wait_us)))
                .collect(),
        })
    }

    /// Return the interval of a time; times before the first datagram are in the first one.
    fn at(&mut self, time: Time) -> &mut Interval {
        let since = time.since(*self.start.get_or_insert(time));
        let mut index = self.index(since);
        while index >= MAX_INTERVALS {
            self.merge_pairs();
            index = self.index(since);
        }
        if index >= self.intervals.len() {
            self.intervals.resize(index + 1, Interval::default());
        }
        &mut self.intervals[index]
    }

    fn index(&self, since: Duration) -> usize {
        usize::try_from(since.as_nanos() / self.interval.as_nanos()).unwrap_or(usize::MAX)
    }

    fn merge_pairs(&mut self) {
        let merged = self.intervals.chunks(2).map(|pair| {
            pair.iter()
                .copied()
                .reduce(|earlier, later| earlier.merged(&later))
                .unwrap_or_default()
        });
        self.intervals = merged.collect();
        self.interval *= 2;
    }
}

impl Interval {
    fn merged(&self, later: &Self) -> Self {
        Self {
            capacity_bps: later.capacity_bps.or(self.capacity_bps),
            datagrams: self.datagrams + later.datagrams,
            queue_drops: self.queue_drops + later.queue_drops,
            losses: self.losses + later.losses,
            bytes: self.bytes + later.bytes,
            waited_us: self.waited_us + later.waited_us,
            longest_wait_us: self.longest_wait_us.max(later.longest_wait_us),
        }
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(departure_ms: u64, waited_ms: u64) -> Passed {
        Passed {
            departure: Time::from_millis(departure_ms),
            waited: Duration::from_millis(waited_ms),
        }
    }

    #[test]
    fn a_datagram_counts_where_it_came_and_its_bytes_where_it_left() {
        let mut trace = Trace::default();
        assert_eq!(trace.figures(), None);
        let start = Time::from_millis(5_000);
        trace.record(start, Some(1_000), Some(passed(5_010, 4)), 100);
        trace.record(start, Some(1_000), Some(passed(5_150, 8)), 200);
        trace.record(Time::from_millis(5_120), Some(2_000), None, 100);
        trace.lost(Time::from_millis(5_130));
        let figures = trace.figures().expect("datagrams");
        assert_eq!(figures.start_ns, 5_000_000_000);
        assert_eq!(figures.interval_ns, 100_000_000);
        assert_eq!(figures.bytes, [100, 200]);
        assert_eq!(figures.datagrams, [2, 1]);
        assert_eq!(figures.queue_drops, [0, 1]);
        assert_eq!(figures.losses, [0, 1]);
        assert_eq!(figures.capacity_bps, [Some(1_000), Some(2_000)]);
        assert_eq!(figures.queue_ms, [Some(6.0), None]);
        assert_eq!(figures.queue_max_ms, [Some(8.0), None]);
    }

    #[test]
    fn a_long_series_has_longer_intervals_and_loses_nothing() {
        let mut trace = Trace::default();
        for second in 0..1_000 {
            let now = Time::from_secs(second);
            trace.record(
                now,
                Some(second),
                Some(passed(second * 1_000 + 10, second)),
                10,
            );
        }
        let figures = trace.figures().expect("datagrams");
        assert!(figures.bytes.len() <= MAX_INTERVALS);
        assert_eq!(figures.interval_ns, 3_200_000_000);
        assert_eq!(figures.bytes.iter().sum::<u64>(), 10_000);
        assert_eq!(figures.datagrams.iter().sum::<u32>(), 1_000);
        assert_eq!(figures.capacity_bps.last(), Some(&Some(999)));
        assert_eq!(figures.queue_max_ms.last(), Some(&Some(999.0)));
    }

    #[test]
    fn a_far_time_costs_no_memory() {
        let mut trace = Trace::default();
        trace.record(Time::ZERO, None, None, 100);
        trace.record(Time::from_nanos(u64::MAX / 2), None, None, 100);
        let figures = trace.figures().expect("datagrams");
        assert!(figures.bytes.len() <= MAX_INTERVALS);
        assert_eq!(figures.queue_drops.iter().sum::<u32>(), 2);
    }
}
