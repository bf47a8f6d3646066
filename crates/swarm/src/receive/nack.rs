//! NACK of a receiving client, as libwebrtc's `NackRequester` generates it.
//!
//! A missing packet is requested at once, unless packets of the stream were reordered lately, then
//! once per round trip at ticks of 20 ms, ten times in all. The server's own NACK towards publishers
//! (`rtc::inbound::nack`) follows other rules: it waits for reordering, and has a budget.

use std::collections::VecDeque;
use std::time::Duration;
use wire::time::Time;

/// Interval at which requests are repeated.
const TICK: Duration = Duration::from_millis(20);
/// Round trip while none is measured.
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// Requests per packet before it is given up.
const MAX_TRIES: u8 = 10;
/// Missing packets that are tracked; more are given up together, and a keyframe is requested.
const MAX_MISSING: usize = 1_000;
/// Age in packets after which a missing packet is given up.
const MAX_AGE: u64 = 10_000;
/// Packets that arrived by retransmission before any later packet of their own stream.
const MAX_AHEAD: usize = 256;
/// Sequence numbers per NACK, so that the message stays below any MTU.
const MAX_REQUEST: usize = 250;
/// Reordered packets that the reordering distance is a median of.
const REORDERED_PACKETS: usize = 128;
/// Largest reordering distance that is told apart.
const MAX_DISTANCE: u64 = 9;

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: u64,
    /// Index of the later packet whose arrival makes the first request due.
    due_at: u64,
    /// Last request; none before the first.
    requested: Option<Time>,
    tries: u8,
}

/// The missing packets of one stream, at most 1000.
#[derive(Clone, Debug, Default)]
pub struct NackRequester {
    highest: Option<u64>,
    /// In order of their indices.
    missing: VecDeque<Missing>,
    /// Received by retransmission, later than `highest`; in order.
    ahead: VecDeque<u64>,
    reordering: Reordering,
    /// Since when first requests are due.
    first_due: Option<Time>,
    /// Phase of the ticks: the first packet.
    origin: Time,
    /// The next tick with a request.
    next_tick: Option<Time>,
    given_up: u64,
    overflows: u64,
}

impl NackRequester {
    /// Record a packet that is no duplicate, received by itself or by retransmission.
    pub fn received(&mut self, now: Time, index: u64, retransmitted: bool) {
        let Some(highest) = self.highest else {
            self.highest = Some(index);
            self.origin = now;
            return;
        };
        if index <= highest {
            let requested = self.remove(index);
            if !retransmitted && !requested {
                self.reordering.record(highest - index);
            }
            return;
        }
        if retransmitted {
            self.record_ahead(index);
            return;
        }
        self.highest = Some(index);
        if index - highest > 1 {
            self.add_missing(now, highest + 1, index);
        }
        self.ahead.retain(|ahead| *ahead > index);
        self.make_due(now, index);
    }

    /// Write the sequence numbers to request now to `out`, ascending, at most 250.
    ///
    /// Numbers that do not fit stay due, see [`Self::poll_timeout`].
    pub fn poll(&mut self, now: Time, rtt: Option<Duration>, out: &mut Vec<u16>) {
        out.clear();
        let is_tick = self.next_tick.is_some_and(|tick| tick <= now);
        if !is_tick && self.first_due.is_none() {
            return;
        }
        let rtt = rtt.unwrap_or(DEFAULT_RTT);
        let highest = self.highest.unwrap_or_default();
        let is_due = |missing: &Missing| match missing.requested {
            None => is_tick || missing.due_at <= highest,
            Some(at) => is_tick && now.since(at) >= rtt,
        };
        let mut is_complete = true;
        for missing in self.missing.iter_mut().filter(|missing| is_due(missing)) {
            if out.len() == MAX_REQUEST {
                is_complete = false;
                break;
            }
            missing.requested = Some(now);
            missing.tries += 1;
            out.push(missing.index as u16);
        }
        let before = self.missing.len();
        self.missing.retain(|missing| missing.tries < MAX_TRIES);
        self.given_up += (before - self.missing.len()) as u64;
        if is_complete {
            self.first_due = None;
            self.schedule(now, rtt);
        }
    }

    /// Return when to call [`Self::poll`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        [self.first_due, self.next_tick].into_iter().flatten().min()
    }

    /// Give up the missing packets before a decoded keyframe.
    pub fn clear_before(&mut self, index: u64) {
        let older = self
            .missing
            .partition_point(|missing| missing.index < index);
        self.give_up_first(older);
    }

    /// Return the packets that are no longer requested although they are missing.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Return how often more packets were missing than are tracked.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Remove a packet that arrived; return whether it had been requested.
    fn remove(&mut self, index: u64) -> bool {
        let place = self
            .missing
            .binary_search_by_key(&index, |missing| missing.index);
        let removed = place.ok().and_then(|place| self.missing.remove(place));
        if self.missing.is_empty() {
            self.stop();
        }
        removed.is_some_and(|missing| missing.tries > 0)
    }

    fn record_ahead(&mut self, index: u64) {
        if let Err(place) = self.ahead.binary_search(&index) {
            self.ahead.insert(place, index);
        }
        if self.ahead.len() > MAX_AHEAD {
            self.ahead.pop_front();
        }
    }

    fn add_missing(&mut self, now: Time, first: u64, end: u64) {
        let outdated = self
            .missing
            .partition_point(|missing| missing.index + MAX_AGE < end);
        self.give_up_first(outdated);
        if self.missing.len() as u64 + (end - first) > MAX_MISSING as u64 {
            self.given_up += end - first;
            self.give_up_first(self.missing.len());
            self.overflows += 1;
            return;
        }
        let distance = self.reordering.median();
        let missing = (first..end).filter(|index| self.ahead.binary_search(index).is_err());
        self.missing.extend(missing.map(|index| Missing {
            index,
            due_at: index + distance,
            requested: None,
            tries: 0,
        }));
        if !self.missing.is_empty() {
            let tick = self.tick_until(now) + TICK;
            self.next_tick = Some(self.next_tick.map_or(tick, |next| next.min(tick)));
        }
    }

    /// Make first requests due that enough later packets have overtaken.
    fn make_due(&mut self, now: Time, highest: u64) {
        let newest = self.missing.iter().rev();
        let mut waiting = newest.take_while(|missing| missing.requested.is_none());
        if waiting.any(|missing| missing.due_at <= highest) {
            self.first_due.get_or_insert(now);
        }
    }

    fn give_up_first(&mut self, count: usize) {
        self.missing.drain(..count);
        self.given_up += count as u64;
        if self.missing.is_empty() {
            self.stop();
        }
    }

    /// Schedule the first tick at which a request is due.
    fn schedule(&mut self, now: Time, rtt: Duration) {
        let next = |missing: &Missing| missing.requested.map_or(now, |at| at + rtt);
        let due = self.missing.iter().map(next).min();
        self.next_tick = due.map(|due| self.tick_from(due).max(self.tick_until(now) + TICK));
    }

    fn stop(&mut self) {
        self.first_due = None;
        self.next_tick = None;
    }

    /// Return the first tick at `at` or later.
    fn tick_from(&self, at: Time) -> Time {
        let floor = self.tick_until(at);
        if floor == at { at } else { floor + TICK }
    }

    /// Return the last tick until `at`.
    fn tick_until(&self, at: Time) -> Time {
        self.origin
            + Time::from_nanos(at.since(self.origin).as_nanos() as u64)
                .floor_to(TICK)
                .since(Time::ZERO)
    }
}

/// How far packets that arrived late without a request were overtaken.
#[derive(Clone, Debug, Default)]
struct Reordering {
    distances: VecDeque<u8>,
    counts: [u16; MAX_DISTANCE as usize + 1],
}

impl Reordering {
    fn record(&mut self, distance: u64) {
        if self.distances.len() == REORDERED_PACKETS
            && let Some(oldest) = self.distances.pop_front()
        {
            self.counts[usize::from(oldest)] -= 1;
        }
        let distance = distance.min(MAX_DISTANCE) as u8;
        self.distances.push_back(distance);
        self.counts[usize::from(distance)] += 1;
    }

    /// Return the later packets that a first request waits for.
    fn median(&self) -> u64 {
        let half = self.distances.len().div_ceil(2);
        let mut sum = 0;
        let mut distance = 0;
        for count in &self.counts {
            if sum >= half {
                break;
            }
            sum += usize::from(*count);
            distance += 1;
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(50));

    fn at(ms: u64) -> Time {
        Time::from_millis(1_000 + ms)
    }

    /// Receive packets 0 and 1 at 0 ms, so that ticks are multiples of 20 ms from there.
    fn started() -> NackRequester {
        let mut nack = NackRequester::default();
        nack.received(at(0), 0, false);
        nack.received(at(0), 1, false);
        nack
    }

    fn poll(nack: &mut NackRequester, ms: u64) -> Vec<u16> {
        let mut out = Vec::new();
        nack.poll(at(ms), RTT, &mut out);
        out
    }

    /// Poll whenever a request is due until `end_ms`.
    fn requests(nack: &mut NackRequester, end_ms: u64) -> Vec<(u64, Vec<u16>)> {
        let mut all = Vec::new();
        while let Some(due) = nack.poll_timeout().filter(|due| *due <= at(end_ms)) {
            let ms = due.since(at(0)).as_millis() as u64;
            all.push((ms, poll(nack, ms)));
        }
        all
    }

    #[test]
    fn a_gap_is_requested_at_once() {
        let mut nack = started();
        assert_eq!(nack.poll_timeout(), None);
        nack.received(at(7), 4, false);
        assert_eq!(nack.poll_timeout(), Some(at(7)));
        assert_eq!(poll(&mut nack, 7), [2, 3]);
        assert_eq!(poll(&mut nack, 7), Vec::<u16>::new());
    }

    #[test]
    fn a_request_is_repeated_once_per_round_trip_at_ticks_and_ten_times_in_all() {
        let mut nack = started();
        nack.received(at(7), 3, false);
        let all = requests(&mut nack, 5_000);
        let times: Vec<u64> = all.iter().map(|(ms, _)| *ms).collect();
        // 50 ms after 7 ms is 57 ms: the tick at 60 ms, from then on every third tick.
        assert_eq!(times, [7, 60, 120, 180, 240, 300, 360, 420, 480, 540]);
        assert!(all.iter().all(|(_, numbers)| numbers == &[2]));
        assert_eq!((nack.given_up(), nack.poll_timeout()), (1, None));
    }

    #[test]
    fn without_a_measured_round_trip_100_ms_are_assumed() {
        let mut nack = started();
        nack.received(at(7), 3, false);
        let mut out = Vec::new();
        nack.poll(at(7), None, &mut out);
        assert_eq!(nack.poll_timeout(), Some(at(120)));
    }

    #[test]
    fn a_packet_that_arrived_is_not_requested_again() {
        let mut nack = started();
        nack.received(at(7), 4, false);
        assert_eq!(poll(&mut nack, 7), [2, 3]);
        nack.received(at(40), 2, true);
        assert_eq!(requests(&mut nack, 60), [(60, vec![3])]);
        nack.received(at(61), 3, true);
        assert_eq!((nack.poll_timeout(), nack.given_up()), (None, 0));
    }

    #[test]
    fn after_reordering_a_first_request_waits_for_the_median_distance_or_a_tick() {
        let mut nack = started();
        nack.received(at(1), 4, false);
        // 2 and 3 arrive before they are requested, two and one packet late: the bucket of the
        // median is that of 1, and what is awaited is the bucket after it.
        nack.received(at(1), 3, false);
        nack.received(at(1), 2, false);
        assert_eq!(nack.poll_timeout(), None);
        nack.received(at(2), 6, false);
        assert_eq!(nack.poll_timeout(), Some(at(20)));
        nack.received(at(3), 7, false);
        assert_eq!(nack.poll_timeout(), Some(at(3)));
        assert_eq!(poll(&mut nack, 3), [5]);
        nack.received(at(4), 9, false);
        assert_eq!(requests(&mut nack, 20), [(20, vec![8])]);
    }

    #[test]
    fn requested_packets_that_arrive_say_nothing_about_reordering() {
        let mut nack = started();
        nack.received(at(1), 3, false);
        assert_eq!(poll(&mut nack, 1), [2]);
        nack.received(at(2), 2, false);
        nack.received(at(3), 5, false);
        assert_eq!(poll(&mut nack, 3), [4]);
    }

    #[test]
    fn retransmissions_ahead_of_their_stream_are_not_requested_and_open_no_gap() {
        let mut nack = started();
        nack.received(at(1), 4, true);
        assert_eq!(nack.poll_timeout(), None);
        nack.received(at(2), 6, false);
        assert_eq!(poll(&mut nack, 2), [2, 3, 5]);
        for index in 0..10_000 {
            nack.received(at(3), 1_000 + index, true);
        }
        assert_eq!(nack.ahead.len(), MAX_AHEAD);
    }

    #[test]
    fn more_missing_packets_than_are_tracked_are_given_up_together() {
        let mut nack = started();
        nack.received(at(1), 3, false);
        nack.received(at(2), 3 + 1_001, false);
        assert_eq!((nack.given_up(), nack.overflows()), (1_001, 1));
        assert_eq!(nack.poll_timeout(), None);
        nack.received(at(3), 3 + 1_003, false);
        assert_eq!(poll(&mut nack, 3), [1_005]);
    }

    #[test]
    fn numbers_that_do_not_fit_into_a_message_stay_due() {
        let mut nack = started();
        nack.received(at(1), 602, false);
        let sizes: Vec<usize> = requests(&mut nack, 19)
            .iter()
            .map(|(_, n)| n.len())
            .collect();
        assert_eq!(sizes, [250, 250, 100]);
    }

    #[test]
    fn a_decoded_keyframe_ends_requests_for_packets_before_it() {
        let mut nack = started();
        nack.received(at(1), 3, false);
        nack.received(at(1), 6, false);
        assert_eq!(poll(&mut nack, 1), [2, 4, 5]);
        nack.clear_before(5);
        assert_eq!(requests(&mut nack, 60), [(60, vec![5])]);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut nack = NackRequester::default();
        nack.received(at(0), 65_534, false);
        nack.received(at(0), 65_537, false);
        assert_eq!(poll(&mut nack, 0), [65_535, 0]);
    }
}
