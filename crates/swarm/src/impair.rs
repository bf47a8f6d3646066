//! One direction of a bot's network: a bottleneck with a tail-drop queue, then delay, then loss.
//!
//! The kernel may have no `netem` and its user no rights, so the swarm shapes its own traffic.

use crate::random::Random;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use wire::time::Time;

/// IPv4 and UDP headers, which a bottleneck carries as well.
const HEADER_BYTES: usize = 28;
/// How much longer a reordered datagram is under way: a few packets of video overtake it.
const REORDER_DELAY: Duration = Duration::from_millis(10);

/// What a network does to the datagrams of one direction.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Capacity in bit/s; none is unlimited.
    pub rate_bps: Option<u64>,
    /// What would wait longer than this for the bottleneck is dropped.
    pub queue_ms: f64,
    /// One-way delay behind the bottleneck.
    pub delay_ms: f64,
    /// Random further delay, even between none and this. The order is kept.
    pub jitter_ms: f64,
    /// Share lost at random.
    pub loss: f64,
    /// Loss in bursts.
    pub bursts: Option<GilbertElliott>,
    /// Share that is overtaken by later datagrams.
    pub reorder: f64,
    /// Share that arrives twice.
    pub duplicate: f64,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            rate_bps: None,
            queue_ms: 300.0,
            delay_ms: 0.0,
            jitter_ms: 0.0,
            loss: 0.0,
            bursts: None,
            reorder: 0.0,
            duplicate: 0.0,
        }
    }
}

/// Loss with memory: mean [(1-k)r + (1-h)p]/(p+r), mean length of a burst 1/r.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct GilbertElliott {
    /// Chance to go from good to bad, per datagram.
    pub p: f64,
    /// Chance to go from bad to good, per datagram.
    pub r: f64,
    /// Share delivered while bad.
    #[serde(default)]
    pub h: f64,
    /// Share delivered while good.
    #[serde(default = "one")]
    pub k: f64,
}

fn one() -> f64 {
    1.0
}

/// Count what became of the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImpairCounters {
    /// Handed in.
    pub datagrams: u64,
    /// Dropped because the queue was full.
    pub queue_drops: u64,
    /// Lost on the way.
    pub losses: u64,
}

/// Datagrams under way through a network; `T` is what comes out at the other end.
#[derive(Debug)]
pub struct Link<T> {
    network: Network,
    random: Random,
    bad: bool,
    bottleneck_free: Time,
    /// When the last datagram comes out that keeps the order.
    last_out: Time,
    under_way: BinaryHeap<Reverse<UnderWay<T>>>,
    count: u64,
    counters: ImpairCounters,
}

#[derive(Debug)]
struct UnderWay<T> {
    out: Time,
    count: u64,
    datagram: T,
}

impl<T: Clone> Link<T> {
    /// Make a link without traffic.
    #[must_use]
    pub fn new(network: Network, random: Random) -> Self {
        Self {
            network,
            random,
            bad: false,
            bottleneck_free: Time::ZERO,
            last_out: Time::ZERO,
            under_way: BinaryHeap::new(),
            count: 0,
            counters: ImpairCounters::default(),
        }
    }

    /// Change the network for what is handed in from now on.
    pub fn set_network(&mut self, network: Network) {
        self.network = network;
    }

    /// Count what became of the datagrams.
    #[must_use]
    pub fn counters(&self) -> ImpairCounters {
        self.counters
    }

    /// Send a datagram of `len` bytes on its way, or drop it.
    pub fn push(&mut self, now: Time, len: usize, datagram: T) {
        self.counters.datagrams += 1;
        let Some(through) = self.pass_bottleneck(now, len) else {
            self.counters.queue_drops += 1;
            return;
        };
        if self.is_lost() {
            self.counters.losses += 1;
            return;
        }
        let out = self.delayed(through);
        if self.random.chance(self.network.duplicate) {
            self.travel(out, datagram.clone());
        }
        self.travel(out, datagram);
    }

    /// Take the next datagram that has come through by `now`.
    pub fn pop(&mut self, now: Time) -> Option<T> {
        if self.poll_timeout()? > now {
            return None;
        }
        Some(self.under_way.pop()?.0.datagram)
    }

    /// Return when the next datagram comes through.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        Some(self.under_way.peek()?.0.out)
    }

    /// Return when the bottleneck has sent the datagram, none where its queue is full.
    fn pass_bottleneck(&mut self, now: Time, len: usize) -> Option<Time> {
        let Some(rate_bps) = self.network.rate_bps else {
            return Some(now);
        };
        let start = self.bottleneck_free.max(now);
        if start.since(now) > millis(self.network.queue_ms) {
            return None;
        }
        let bits = (len + HEADER_BYTES) as u64 * 8;
        let nanos = bits.saturating_mul(1_000_000_000) / rate_bps.max(1);
        self.bottleneck_free = start + Duration::from_nanos(nanos);
        Some(self.bottleneck_free)
    }

    fn is_lost(&mut self) -> bool {
        let in_burst = match self.network.bursts {
            None => false,
            Some(model) => self.is_lost_in_burst(model),
        };
        in_burst || self.random.chance(self.network.loss)
    }

    fn is_lost_in_burst(&mut self, model: GilbertElliott) -> bool {
        let change = if self.bad { model.r } else { model.p };
        self.bad ^= self.random.chance(change);
        let delivered = if self.bad { model.h } else { model.k };
        !self.random.chance(delivered)
    }

    fn delayed(&mut self, through: Time) -> Time {
        let mut delay_ms = self.network.delay_ms;
        if self.network.jitter_ms > 0.0 {
            delay_ms += self.network.jitter_ms * self.random.ratio();
        }
        let out = through + millis(delay_ms);
        if self.random.chance(self.network.reorder) {
            return out + REORDER_DELAY;
        }
        self.last_out = self.last_out.max(out);
        self.last_out
    }

    fn travel(&mut self, out: Time, datagram: T) {
        self.count += 1;
        self.under_way.push(Reverse(UnderWay {
            out,
            count: self.count,
            datagram,
        }));
    }
}

fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

impl<T> Ord for UnderWay<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.out, self.count).cmp(&(other.out, other.count))
    }
}

impl<T> PartialOrd for UnderWay<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for UnderWay<T> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count
    }
}

impl<T> Eq for UnderWay<T> {}
