//! What to ask the publisher for again (RFC 4585 section 6.2.1).
//!
//! A packet is asked for once it cannot be mere reordering any more, then once per round trip,
//! until it comes or enough has been asked.

use core::time::Duration;
use std::collections::VecDeque;
use wire::time::Time;

/// How far the highest runs ahead before a missing packet is asked for.
const REORDER_PACKETS: u64 = 3;
/// Time after which a missing packet is asked for however few came later.
const REORDER_DELAY: Duration = Duration::from_millis(10);
/// Requests per packet before it is given up.
const MAX_TRIES: u8 = 10;
/// Missing packets that are tracked; a larger hole is a new start of the stream.
const MAX_MISSING: usize = 1000;
/// Distance of two requests while the round trip is unknown.
const UNKNOWN_RTT: Duration = Duration::from_millis(100);
/// A shorter round trip does not ask more often: the answer waits for the publisher's pacer.
const MIN_RETRY: Duration = Duration::from_millis(20);
/// Packets that must arrive for each one that is asked for: where more is lost, something on the
/// way is overloaded, and what is asked for again is more load. Nothing is waited for then.
const ARRIVALS_PER_REQUEST: u32 = 4;
/// A burst of losses of that many packets may be asked for at once.
const MOST_SAVED_REQUESTS: u32 = 500;
/// Sequence numbers per request, so that its packet stays below any MTU.
pub const MAX_REQUEST: usize = 250;

/// What a packet that arrived is to the tracker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// A new highest, or the very first.
    Next,
    /// It had been missing.
    Recovered,
    /// It was not missed: a duplicate, or given up before.
    Unexpected,
}

/// Counts of one stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NackCounters {
    /// Packets that were found missing.
    pub missing: u64,
    /// Of them, those that came after all.
    pub recovered: u64,
    /// Of them, those no longer waited for.
    pub given_up: u64,
    /// Sequence numbers asked for, repetitions included.
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
    /// Not later than the first thing due.
    next_due: Option<Time>,
    /// Arrivals that were not spent on requests.
    saved: u32,
    counters: NackCounters,
}

impl Default for NackTracker {
    fn default() -> NackTracker {
        NackTracker {
            highest: None,
            missing: VecDeque::new(),
            next_due: None,
            saved: MOST_SAVED_REQUESTS * ARRIVALS_PER_REQUEST,
            counters: NackCounters::default(),
        }
    }
}

impl NackTracker {
    /// Make a tracker that misses nothing.
    pub fn new() -> NackTracker {
        NackTracker::default()
    }

    /// Note that the packet arrived, by itself or by retransmission.
    #[inline]
    pub fn received(&mut self, now: Time, index: u64) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(index);
            return Arrival::Next;
        };
        self.saved = (self.saved + 1).min(MOST_SAVED_REQUESTS * ARRIVALS_PER_REQUEST);
        if index <= highest {
            return self.fill(index);
        }
        self.highest = Some(index);
        if index - highest > 1 {
            self.miss(now, highest + 1, index);
        }
        if !self.missing.is_empty() {
            self.end_reordering(now, index);
        }
        Arrival::Next
    }

    /// Note that the packet arrived, of a stream of which nobody misses anything now.
    #[inline]
    pub fn pass_over(&mut self, index: u64) {
        self.highest = self.highest.max(Some(index));
        if !self.missing.is_empty() {
            self.clear();
        }
    }

    /// Put the sequence numbers to ask for now into `out`, ascending, at most [`MAX_REQUEST`].
    ///
    /// `rtt` is the round trip to the publisher, if it is known. Packets asked for often enough
    /// are given up here. What did not fit stays due: [`NackTracker::poll_timeout`] says so.
    pub fn poll(&mut self, now: Time, rtt: Option<Duration>, out: &mut Vec<u16>) {
        out.clear();
        if self.next_due.is_none_or(|due| due > now) {
            return;
        }
        let retry = rtt.map_or(UNKNOWN_RTT, |rtt| rtt.max(MIN_RETRY));
        let most = MAX_REQUEST.min((self.saved / ARRIVALS_PER_REQUEST) as usize);
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
        self.saved -= out.len() as u32 * ARRIVALS_PER_REQUEST;
        if self.saved < ARRIVALS_PER_REQUEST {
            self.clear();
        }
    }

    /// Return when [`NackTracker::poll`] has something to do.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.next_due
    }

    /// Tell whether the packet is waited for.
    pub fn is_missing(&self, index: u64) -> bool {
        self.find(index).is_some()
    }

    /// Wait for nothing any more, as when the stream went silent; missing packets are given up.
    pub fn clear(&mut self) {
        self.counters.given_up += self.missing.len() as u64;
        self.missing.clear();
        self.next_due = None;
    }

    /// Return the counts.
    pub fn counters(&self) -> NackCounters {
        self.counters
    }

    fn fill(&mut self, index: u64) -> Arrival {
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

    fn miss(&mut self, now: Time, first: u64, end: u64) {
        let hole = end - first;
        self.counters.missing += hole;
        if hole > MAX_MISSING as u64 {
            self.clear();
            self.counters.given_up += hole;
            return;
        }
        let excess = (self.missing.len() + hole as usize).saturating_sub(MAX_MISSING);
        self.missing.drain(..excess);
        self.counters.given_up += excess as u64;
        let due = now + REORDER_DELAY;
        self.missing.extend((first..end).map(|index| Missing {
            index,
            due,
            tries: 0,
        }));
        self.wake_at(due);
    }

    /// Make due what enough later packets have overtaken.
    fn end_reordering(&mut self, now: Time, highest: u64) {
        let overtaken = highest.saturating_sub(REORDER_PACKETS);
        let waiting = self.missing.iter_mut().rev().take_while(|it| it.tries == 0);
        let mut any = false;
        for missing in waiting.filter(|it| it.index <= overtaken && it.due > now) {
            missing.due = now;
            any = true;
        }
        if any {
            self.wake_at(now);
        }
    }

    fn give_up(&mut self, now: Time) {
        let before = self.missing.len();
        self.missing
            .retain(|it| it.tries < MAX_TRIES || it.due > now);
        self.counters.given_up += (before - self.missing.len()) as u64;
    }

    fn wake_at(&mut self, due: Time) {
        self.next_due = Some(self.next_due.map_or(due, |earlier| earlier.min(due)));
    }

    fn find(&self, index: u64) -> Option<usize> {
        self.missing
            .binary_search_by_key(&index, |missing| missing.index)
            .ok()
    }
}
