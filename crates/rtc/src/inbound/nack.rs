//! NACK generation towards the publisher (RFC 4585 section 6.2.1).
//!
//! A missing packet is requested once reordering is excluded, then once per RTT, until it is
//! received or given up.

use core::time::Duration;
use std::collections::VecDeque;
use wire::time::Time;

/// Later packets received before a missing packet is requested.
const REORDER_PACKETS: u64 = 3;
/// Time after which a missing packet is requested, with fewer later packets.
const REORDER_DELAY: Duration = Duration::from_millis(10);
/// Requests per packet before it is given up.
const MAX_TRIES: u8 = 10;
/// Missing packets that are tracked; a larger gap restarts the stream.
const MAX_MISSING: usize = 1000;
/// Interval of requests while the RTT is unknown.
const UNKNOWN_RTT: Duration = Duration::from_millis(100);
/// Minimum interval of requests: retransmissions wait for the publisher's pacer.
const MIN_RETRY: Duration = Duration::from_millis(20);
/// Packets received per packet requested. Where more is lost, the network is overloaded and
/// retransmissions add load: all missing packets are given up then.
const ARRIVALS_PER_REQUEST: u32 = 4;
/// Packets that may be requested at once after a burst of losses.
const MAX_REQUEST_BUDGET: u32 = 500;
/// Sequence numbers per NACK, so that it stays below any MTU.
pub const MAX_REQUEST: usize = 250;

/// Result of [`NackTracker::received`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// New highest index, or the first packet.
    Next,
    /// Had been missing.
    Recovered,
    /// Not missing: a duplicate, or given up before.
    Unexpected,
}

/// NACK counters of one stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NackCounters {
    /// Packets detected as missing.
    pub missing: u64,
    /// Missing packets received later.
    pub recovered: u64,
    /// Missing packets that are no longer requested.
    pub given_up: u64,
    /// Sequence numbers requested, repetitions included.
    pub requested: u64,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: u64,
    due: Time,
    tries: u8,
}

/// The missing packets of one stream, at most 1000.
#[derive(Clone, Debug)]
pub struct NackTracker {
    highest: Option<u64>,
    /// In order of their indices.
    missing: VecDeque<Missing>,
    /// Not later than the first request due.
    next_due: Option<Time>,
    /// Received packets not yet spent on requests, [`ARRIVALS_PER_REQUEST`] each.
    budget: u32,
    counters: NackCounters,
}

impl Default for NackTracker {
    fn default() -> NackTracker {
        NackTracker {
            highest: None,
            missing: VecDeque::new(),
            next_due: None,
            budget: MAX_REQUEST_BUDGET * ARRIVALS_PER_REQUEST,
            counters: NackCounters::default(),
        }
    }
}

impl NackTracker {
    /// Create a tracker without missing packets.
    pub fn new() -> NackTracker {
        NackTracker::default()
    }

    /// Record a received packet, original or retransmission.
    #[inline]
    pub fn received(&mut self, now: Time, index: u64) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(index);
            return Arrival::Next;
        };
        self.budget = (self.budget + 1).min(MAX_REQUEST_BUDGET * ARRIVALS_PER_REQUEST);
        if index <= highest {
            return self.remove_missing(index);
        }
        self.highest = Some(index);
        if index - highest > 1 {
            self.add_missing(now, highest + 1, index);
        }
        if !self.missing.is_empty() {
            self.end_reordering(now, index);
        }
        Arrival::Next
    }

    /// Record a received packet of a stream without subscribers: no gap is requested.
    #[inline]
    pub fn skip(&mut self, index: u64) {
        self.highest = self.highest.max(Some(index));
        if !self.missing.is_empty() {
            self.clear();
        }
    }

    /// Write the sequence numbers to request now to `out`, ascending, at most [`MAX_REQUEST`].
    ///
    /// `rtt` is the RTT to the publisher, `None` where unknown. Packets requested too often are
    /// given up here. Numbers that do not fit stay due, see [`NackTracker::poll_timeout`].
    pub fn poll(&mut self, now: Time, rtt: Option<Duration>, out: &mut Vec<u16>) {
        out.clear();
        if self.next_due.is_none_or(|due| due > now) {
            return;
        }
        let retry = rtt.map_or(UNKNOWN_RTT, |rtt| rtt.max(MIN_RETRY));
        let most = MAX_REQUEST.min((self.budget / ARRIVALS_PER_REQUEST) as usize);
        self.give_up(now);
        self.next_due = None;
        for missing in &mut self.missing {
            if missing.due <= now && out.len() < most {
                missing.tries += 1;
                missing.due = now + retry;
                out.push(missing.index as u16);
            }
            let due = self.next_due.get_or_insert(missing.due);
            *due = missing.due.min(*due);
        }
        self.counters.requested += out.len() as u64;
        self.budget -= out.len() as u32 * ARRIVALS_PER_REQUEST;
        if self.budget < ARRIVALS_PER_REQUEST {
            self.clear();
        }
    }

    /// Return when to call [`NackTracker::poll`].
    pub fn poll_timeout(&self) -> Option<Time> {
        self.next_due
    }

    /// Return whether the packet is missing and not given up.
    pub fn is_missing(&self, index: u64) -> bool {
        self.find(index).is_some()
    }

    /// Give up all missing packets, as when the stream has stopped.
    pub fn clear(&mut self) {
        self.counters.given_up += self.missing.len() as u64;
        self.missing.clear();
        self.next_due = None;
    }

    /// Return the counters.
    pub fn counters(&self) -> NackCounters {
        self.counters
    }

    fn remove_missing(&mut self, index: u64) -> Arrival {
        let Some(at) = self.find(index) else {
            return Arrival::Unexpected;
        };
        self.missing.remove(at);
        self.counters.recovered += 1;
        if self.missing.is_empty() {
            self.next_due = None;
        }
        Arrival::Recovered
    }

    fn add_missing(&mut self, now: Time, first: u64, end: u64) {
        let gap = end - first;
        self.counters.missing += gap;
        if gap > MAX_MISSING as u64 {
            self.clear();
            self.counters.given_up += gap;
            return;
        }
        let excess = (self.missing.len() + gap as usize).saturating_sub(MAX_MISSING);
        self.missing.drain(..excess);
        self.counters.given_up += excess as u64;
        let due = now + REORDER_DELAY;
        self.missing.extend((first..end).map(|index| Missing {
            index,
            due,
            tries: 0,
        }));
        self.schedule(due);
    }

    /// Make the missing packets due that enough later packets have overtaken.
    fn end_reordering(&mut self, now: Time, highest: u64) {
        let overtaken = highest.saturating_sub(REORDER_PACKETS);
        let waiting = self.missing.iter_mut().rev().take_while(|it| it.tries == 0);
        let mut any = false;
        for missing in waiting.filter(|it| it.index <= overtaken && it.due > now) {
            missing.due = now;
            any = true;
        }
        if any {
            self.schedule(now);
        }
    }

    fn give_up(&mut self, now: Time) {
        let before = self.missing.len();
        self.missing
            .retain(|it| it.tries < MAX_TRIES || it.due > now);
        self.counters.given_up += (before - self.missing.len()) as u64;
    }

    fn schedule(&mut self, due: Time) {
        self.next_due = Some(self.next_due.map_or(due, |earlier| earlier.min(due)));
    }

    fn find(&self, index: u64) -> Option<usize> {
        self.missing
            .binary_search_by_key(&index, |missing| missing.index)
            .ok()
    }
}
