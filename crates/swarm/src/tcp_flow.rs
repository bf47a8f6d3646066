//! A TCP-like flow that competes for a bottleneck (RFC 8867 sections 5.6 and 5.7).
//!
//! Its segments exist in the emulated path alone, and nothing is sent over a socket. The window is
//! that of Reno: slow start and congestion avoidance by RFC 5681, an initial window of 10 segments
//! (RFC 6928), a loss after three later acknowledgements, one reduction per window (RFC 6675), and
//! the retransmission timer of RFC 6298 with a minimum of 200 ms, as in Linux.

use crate::bottleneck::{Bottlenecks, HEADER_BYTES};
use crate::ids::FlowId;
use crate::impair::{Link, Network, push};
use crate::random::Random;
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::Duration;
use wire::time::Time;

/// Bytes of a full segment, all headers included.
pub const SEGMENT_BYTES: usize = 1_500;
/// Data in a segment: 20 bytes of IP, 20 of TCP and 12 of timestamps are not.
const DATA_BYTES: u64 = 1_448;
const INITIAL_WINDOW: f64 = 10.0;
/// The receive window: it bounds what a flow keeps.
const MAX_WINDOW: f64 = 4_096.0;
/// Later acknowledgements that tell a loss from reordering.
const REORDERED: u32 = 3;
const MIN_TIMEOUT: Duration = Duration::from_millis(200);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);

/// Transfers with idle times in between; without them a flow is one endless transfer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Transfers {
    /// Smallest transfer.
    pub min_bytes: u64,
    /// Largest transfer; sizes are uniform.
    pub max_bytes: u64,
    /// Mean of the idle times before each, which are exponential.
    pub mean_idle_ms: f64,
}

/// Parameters of a flow.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AddFlow {
    /// New identifier.
    pub flow: FlowId,
    /// Path of the segments.
    pub network: Network,
    /// Delay of the acknowledgements.
    pub back_delay_ms: f64,
    /// Transfers; none is one endless transfer.
    pub transfers: Option<Transfers>,
    /// Start.
    pub start_ns: u64,
    /// End: nothing is sent from then on.
    pub end_ns: u64,
}

/// A segment that is not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    number: u64,
    sent: Time,
    /// Acknowledgements of later segments.
    overtaken: u32,
}

/// Counters of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Transfers completed.
    pub transfers: u64,
    /// Window reductions after a loss.
    pub reductions: u64,
    /// Expirations of the retransmission timer.
    pub timeouts: u64,
}

/// The flow.
#[derive(Debug)]
pub struct TcpFlow {
    settings: AddFlow,
    link: Link<u64>,
    acks: VecDeque<(Time, u64)>,
    outstanding: VecDeque<Outstanding>,
    random: Random,
    /// Segments to send in this transfer, those to repeat included; none is endless.
    remaining: Option<u64>,
    /// Start of the next transfer.
    next_transfer: Option<Time>,
    next_number: u64,
    window: f64,
    threshold: f64,
    /// Segments before this number were in flight at the last reduction.
    recover: u64,
    smoothed: Option<(Duration, Duration)>,
    timeout: Duration,
    /// The retransmission timer counts from here.
    progress: Time,
    counters: FlowCounters,
}

impl TcpFlow {
    /// Create a flow that starts at its time.
    #[must_use]
    pub fn new(settings: AddFlow, link: Random, mut random: Random) -> Self {
        let start = Time::from_nanos(settings.start_ns);
        let idle = settings
            .transfers
            .map_or(Duration::ZERO, |transfers| idle(transfers, &mut random));
        Self {
            settings,
            link: Link::new(settings.network, link),
            acks: VecDeque::new(),
            outstanding: VecDeque::new(),
            random,
            remaining: Some(0),
            next_transfer: Some(start + idle),
            next_number: 0,
            window: INITIAL_WINDOW,
            threshold: MAX_WINDOW,
            recover: 0,
            smoothed: None,
            timeout: FIRST_TIMEOUT,
            progress: Time::ZERO,
            counters: FlowCounters::default(),
        }
    }

    /// Return the path of the segments, with its counters.
    #[must_use]
    pub fn link(&self) -> &Link<u64> {
        &self.link
    }

    /// Return the counters.
    #[must_use]
    pub fn counters(&self) -> FlowCounters {
        self.counters
    }

    /// Take acknowledgements, detect losses, send what the window allows.
    pub fn handle_timeout(&mut self, now: Time, shared: &mut Bottlenecks) {
        let back = Duration::try_from_secs_f64(self.settings.back_delay_ms / 1_000.0);
        let back = back.unwrap_or_default();
        while let Some(arrival) = self.link.poll_timeout().filter(|arrival| *arrival <= now) {
            if let Some(number) = self.link.pop(arrival) {
                self.acks.push_back((arrival + back, number));
            }
        }
        while let Some((at, number)) = self.acks.front().copied().filter(|(at, _)| *at <= now) {
            self.acks.pop_front();
            self.acknowledge(at, number);
        }
        if self.retransmission_due().is_some_and(|due| due <= now) {
            self.expire(now);
        }
        self.begin_transfer(now);
        self.send(now, shared);
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let ack = self.acks.front().map(|(at, _)| *at);
        [
            self.link.poll_timeout(),
            ack,
            self.retransmission_due(),
            self.next_transfer,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn acknowledge(&mut self, at: Time, number: u64) {
        let place = self
            .outstanding
            .binary_search_by_key(&number, |segment| segment.number);
        let Some(segment) = place.ok().and_then(|place| self.outstanding.remove(place)) else {
            return; // a duplicate, or late after the timer expired
        };
        self.measure(at.since(segment.sent));
        self.progress = at;
        if number >= self.recover {
            let step = if self.window < self.threshold {
                1.0
            } else {
                1.0 / self.window
            };
            self.window = (self.window + step).min(MAX_WINDOW);
        }
        for earlier in &mut self.outstanding {
            if earlier.number > number {
                break;
            }
            earlier.overtaken += 1;
        }
        let is_lost = |segment: &Outstanding| segment.overtaken >= REORDERED;
        while let Some(lost) = self.outstanding.front().copied().filter(is_lost) {
            self.outstanding.pop_front();
            self.lose(lost);
        }
        self.complete_transfer(at);
    }

    /// Repeat a lost segment, and halve the window once per window.
    fn lose(&mut self, lost: Outstanding) {
        self.remaining = self.remaining.map(|segments| segments + 1);
        if lost.number >= self.recover {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = self.threshold;
            self.recover = self.next_number;
            self.counters.reductions += 1;
        }
    }

    /// Repeat everything after the retransmission timer expired.
    fn expire(&mut self, now: Time) {
        let lost = self.outstanding.len() as u64;
        self.remaining = self.remaining.map(|segments| segments + lost);
        self.outstanding.clear();
        self.threshold = (self.window / 2.0).max(2.0);
        self.window = 1.0;
        self.recover = self.next_number;
        self.timeout = (self.timeout * 2).min(MAX_TIMEOUT);
        self.progress = now;
        self.counters.timeouts += 1;
    }

    /// Update the retransmission timer (RFC 6298 section 2).
    fn measure(&mut self, round_trip: Duration) {
        let (smoothed, variation) = match self.smoothed {
            None => (round_trip, round_trip / 2),
            Some((smoothed, variation)) => (
                (smoothed * 7 + round_trip) / 8,
                (variation * 3 + smoothed.abs_diff(round_trip)) / 4,
            ),
        };
        self.smoothed = Some((smoothed, variation));
        self.timeout = (smoothed + variation * 4).clamp(MIN_TIMEOUT, MAX_TIMEOUT);
    }

    fn retransmission_due(&self) -> Option<Time> {
        (!self.outstanding.is_empty()).then(|| self.progress + self.timeout)
    }

    /// Begin a transfer as a new connection.
    fn begin_transfer(&mut self, now: Time) {
        if self.next_transfer.is_none_or(|start| start > now) {
            return;
        }
        self.next_transfer = None;
        self.remaining = self.settings.transfers.map(|transfers| {
            let range = transfers.max_bytes.saturating_sub(transfers.min_bytes) as f64;
            let bytes = transfers.min_bytes + (range * self.random.ratio()) as u64;
            bytes.div_ceil(DATA_BYTES).max(1)
        });
        (self.window, self.threshold) = (INITIAL_WINDOW, MAX_WINDOW);
        (self.smoothed, self.timeout) = (None, FIRST_TIMEOUT);
        self.recover = self.next_number;
    }

    fn complete_transfer(&mut self, at: Time) {
        let Some(transfers) = self.settings.transfers else {
            return;
        };
        let is_complete = self.remaining == Some(0) && self.outstanding.is_empty();
        if is_complete && self.next_transfer.is_none() {
            self.counters.transfers += 1;
            self.next_transfer = Some(at + idle(transfers, &mut self.random));
        }
    }

    fn send(&mut self, now: Time, shared: &mut Bottlenecks) {
        if now >= Time::from_nanos(self.settings.end_ns) {
            // What is in flight arrives; no timer is left after it.
            self.outstanding.clear();
            self.next_transfer = None;
            return;
        }
        while self.remaining != Some(0) && (self.outstanding.len() as f64) < self.window.floor() {
            if self.outstanding.is_empty() {
                self.progress = now;
            }
            self.remaining = self.remaining.map(|segments| segments - 1);
            self.outstanding.push_back(Outstanding {
                number: self.next_number,
                sent: now,
                overtaken: 0,
            });
            let len = SEGMENT_BYTES - HEADER_BYTES;
            push(shared, &mut self.link, now, len, self.next_number);
            self.next_number += 1;
        }
    }
}

/// Draw an exponential idle time.
fn idle(transfers: Transfers, random: &mut Random) -> Duration {
    let seconds = -(1.0 - random.ratio()).ln() * transfers.mean_idle_ms / 1_000.0;
    Duration::try_from_secs_f64(seconds.min(3_600.0)).unwrap_or_default()
}
