//! Network impairment in one direction: a bottleneck with a tail-drop queue, then loss and delay.
//!
//! The kernel may have no `netem`, or the user no rights, so the swarm shapes its own traffic.

use crate::bottleneck::{Bottleneck, Bottlenecks, HEADER_BYTES, Passed};
use crate::ids::BottleneckId;
use crate::measure::Histogram;
use crate::random::Random;
use crate::trace::{Trace, TraceFigures};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;
use wire::time::Time;

/// Additional delay of a reordered datagram: a few video packets overtake it.
const REORDER_DELAY: Duration = Duration::from_millis(10);

/// Network parameters of one direction.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Capacity in bit/s; none is unlimited.
    pub rate_bps: Option<u64>,
    /// Length of the bottleneck's queue in time; datagrams beyond it are dropped.
    pub queue_ms: f64,
    /// The bottleneck, where other links share it; they have the same rate and queue.
    pub bottleneck: Option<BottleneckId>,
    /// One-way delay after the bottleneck.
    pub delay_ms: f64,
    /// Additional delay, uniform from 0 to this value; datagrams are not reordered.
    pub jitter_ms: f64,
    /// Random loss ratio.
    pub loss: f64,
    /// Burst loss.
    pub bursts: Option<GilbertElliott>,
    /// Ratio of reordered datagrams.
    pub reorder: f64,
    /// Ratio of duplicated datagrams.
    pub duplicate: f64,
    /// Keep what passes the link over time.
    pub trace: bool,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            rate_bps: None,
            queue_ms: 300.0,
            bottleneck: None,
            delay_ms: 0.0,
            jitter_ms: 0.0,
            loss: 0.0,
            bursts: None,
            reorder: 0.0,
            duplicate: 0.0,
            trace: false,
        }
    }
}

/// Gilbert-Elliott loss: mean loss [(1-k)r + (1-h)p]/(p+r), mean burst length 1/r.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct GilbertElliott {
    /// Transition probability from good to bad, per datagram.
    pub p: f64,
    /// Transition probability from bad to good, per datagram.
    pub r: f64,
    /// Delivery probability in the bad state.
    #[serde(default)]
    pub h: f64,
    /// Delivery probability in the good state.
    #[serde(default = "one")]
    pub k: f64,
}

fn one() -> f64 {
    1.0
}

/// Counters of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImpairCounters {
    /// Datagrams sent into the link.
    pub datagrams: u64,
    /// Datagrams dropped at the full queue.
    pub queue_drops: u64,
    /// Datagrams lost after the bottleneck.
    pub losses: u64,
    /// Bytes of the others, headers included.
    pub bytes_delivered: u64,
}

/// A link with its datagrams in flight; `T` is a datagram with its addressing.
#[derive(Debug)]
pub struct Link<T> {
    network: Network,
    random: Random,
    in_bad_state: bool,
    bottleneck: Bottleneck,
    /// Times waited in the queue of a shared or traced bottleneck; of others none are kept, since
    /// each link would touch memory that nothing else uses.
    queue_wait: Histogram,
    trace: Option<Box<Trace>>,
    /// Arrival time of the last datagram that was not reordered.
    last_arrival: Time,
    /// Datagrams in the order of their arrival.
    in_order: VecDeque<InFlight<T>>,
    /// Those that arrive before the last one in order: behind a reordered one, or of less delay.
    overtaking: BinaryHeap<Reverse<InFlight<T>>>,
    count: u64,
    counters: ImpairCounters,
}

#[derive(Debug)]
struct InFlight<T> {
    arrival: Time,
    count: u64,
    datagram: T,
}

impl<T: Clone> Link<T> {
    /// Create an idle link.
    #[must_use]
    pub fn new(network: Network, random: Random) -> Self {
        Self {
            network,
            random,
            in_bad_state: false,
            bottleneck: Bottleneck::default(),
            queue_wait: Histogram::coarse(),
            trace: network.trace.then(Box::default),
            last_arrival: Time::ZERO,
            in_order: VecDeque::new(),
            overtaking: BinaryHeap::new(),
            count: 0,
            counters: ImpairCounters::default(),
        }
    }

    /// Change the parameters for datagrams sent from now on.
    ///
    /// A trace goes on, whatever the new parameters say.
    pub fn set_network(&mut self, network: Network) {
        self.network = network;
        if network.trace {
            self.trace.get_or_insert_default();
        }
    }

    /// Return the counters.
    #[must_use]
    pub fn counters(&self) -> ImpairCounters {
        self.counters
    }

    /// Return what passed the link over time; none where it is not traced, or before a datagram.
    #[must_use]
    pub fn trace(&self) -> Option<TraceFigures> {
        self.trace.as_ref()?.figures()
    }

    /// Return the times that datagrams waited in the queue of a shared or traced bottleneck.
    #[must_use]
    pub fn queue_wait(&self) -> &Histogram {
        &self.queue_wait
    }

    /// Return the bottleneck that the link shares with others.
    #[must_use]
    pub fn bottleneck(&self) -> Option<BottleneckId> {
        self.network.bottleneck
    }

    /// Send a datagram of `len` bytes into the link, through its own bottleneck.
    pub fn push(&mut self, now: Time, len: usize, datagram: T) {
        let mut own = std::mem::take(&mut self.bottleneck);
        self.push_through(&mut own, now, len, datagram);
        self.bottleneck = own;
    }

    /// Send a datagram of `len` bytes into the link, through a bottleneck that others share.
    pub fn push_through(
        &mut self,
        bottleneck: &mut Bottleneck,
        now: Time,
        len: usize,
        datagram: T,
    ) {
        self.counters.datagrams += 1;
        let Some(departure) = self.pass(bottleneck, now, len) else {
            self.counters.queue_drops += 1;
            return;
        };
        if self.is_lost() {
            self.counters.losses += 1;
            if let Some(trace) = &mut self.trace {
                trace.lost(now);
            }
            return;
        }
        self.counters.bytes_delivered += (len + HEADER_BYTES) as u64;
        let arrival = self.arrival(departure);
        if self.random.chance(self.network.duplicate) {
            self.enqueue(arrival, datagram.clone());
        }
        self.enqueue(arrival, datagram);
    }

    /// Return the next datagram that has arrived by `now`.
    pub fn pop(&mut self, now: Time) -> Option<T> {
        let in_order = self.in_order.front().map(InFlight::key);
        let overtaking = self.overtaking.peek().map(|Reverse(first)| first.key());
        let is_in_order = match (in_order, overtaking) {
            (Some(first), Some(other)) => first < other,
            (first, _) => first.is_some(),
        };
        let next = if is_in_order { in_order } else { overtaking };
        if next?.0 > now {
            return None;
        }
        let taken = if is_in_order {
            self.in_order.pop_front()
        } else {
            self.overtaking.pop().map(|Reverse(first)| first)
        };
        taken.map(|taken| taken.datagram)
    }

    /// Return when the next datagram arrives.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let in_order = self.in_order.front().map(|first| first.arrival);
        let overtaking = self.overtaking.peek().map(|Reverse(first)| first.arrival);
        in_order.into_iter().chain(overtaking).min()
    }

    /// Return when the bottleneck has sent the datagram; none where the queue is full.
    fn pass(&mut self, bottleneck: &mut Bottleneck, now: Time, len: usize) -> Option<Time> {
        let passed = match self.network.rate_bps {
            None => Some(Passed::at(now)),
            Some(rate_bps) => bottleneck.pass(now, len, rate_bps, millis(self.network.queue_ms)),
        };
        if let Some(trace) = &mut self.trace {
            trace.record(now, self.network.rate_bps, passed, len + HEADER_BYTES);
        }
        let passed = passed?;
        if self.network.bottleneck.is_some() || self.trace.is_some() {
            self.queue_wait.record(passed.waited);
        }
        Some(passed.departure)
    }

    fn is_lost(&mut self) -> bool {
        let in_burst = match self.network.bursts {
            None => false,
            Some(model) => self.is_lost_in_burst(model),
        };
        in_burst || self.random.chance(self.network.loss)
    }

    fn is_lost_in_burst(&mut self, model: GilbertElliott) -> bool {
        let change = if self.in_bad_state { model.r } else { model.p };
        self.in_bad_state ^= self.random.chance(change);
        let delivered = if self.in_bad_state { model.h } else { model.k };
        !self.random.chance(delivered)
    }

    fn arrival(&mut self, departure: Time) -> Time {
        let mut delay_ms = self.network.delay_ms;
        if self.network.jitter_ms > 0.0 {
            delay_ms += self.network.jitter_ms * self.random.ratio();
        }
        let arrival = departure + millis(delay_ms);
        if self.random.chance(self.network.reorder) {
            return arrival + REORDER_DELAY;
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_arrival
    }

    fn enqueue(&mut self, arrival: Time, datagram: T) {
        self.count += 1;
        let in_flight = InFlight {
            arrival,
            count: self.count,
            datagram,
        };
        if self
            .in_order
            .back()
            .is_none_or(|last| last.arrival <= arrival)
        {
            self.in_order.push_back(in_flight);
        } else {
            self.overtaking.push(Reverse(in_flight));
        }
    }
}

/// Send a datagram into a link, through the bottleneck that it shares with others if it does.
pub fn push<T: Clone>(
    shared: &mut Bottlenecks,
    link: &mut Link<T>,
    now: Time,
    len: usize,
    datagram: T,
) {
    match link.bottleneck() {
        None => link.push(now, len, datagram),
        // Identifiers come from the control plane alone, which bounds their number.
        Some(id) => link.push_through(shared.entry(id).or_default(), now, len, datagram),
    }
}

fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

impl<T> InFlight<T> {
    fn key(&self) -> (Time, u64) {
        (self.arrival, self.count)
    }
}

impl<T> Ord for InFlight<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> PartialOrd for InFlight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for InFlight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count
    }
}

impl<T> Eq for InFlight<T> {}
