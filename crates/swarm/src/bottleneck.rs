//! The bottleneck of a path: a capacity behind a tail-drop queue.

use crate::ids::BottleneckId;
use rustc_hash::FxHashMap;
use std::time::Duration;
use wire::time::Time;

/// IPv4 and UDP headers, which count towards the rate.
pub const HEADER_BYTES: usize = 28;

/// Bottlenecks that links share, by identifier.
pub type Bottlenecks = FxHashMap<BottleneckId, Bottleneck>;

/// A capacity with its queue; the parameters come with each datagram, since phases change them.
///
/// Datagrams of all links that share a bottleneck wait in one queue, in the order of their arrival.
/// A datagram keeps the departure that it was given: a change of rate applies to later ones.
#[derive(Clone, Debug, Default)]
pub struct Bottleneck {
    free: Time,
}

/// How a datagram left the bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When its last bit was sent.
    pub departure: Time,
    /// How long it waited behind others.
    pub waited: Duration,
}

impl Passed {
    /// A datagram that did not wait: there is no bottleneck.
    #[must_use]
    pub fn at(now: Time) -> Self {
        Self {
            departure: now,
            waited: Duration::ZERO,
        }
    }
}

impl Bottleneck {
    /// Queue a datagram of `len` bytes; none where the queue is longer than `queue`.
    pub fn pass(
        &mut self,
        now: Time,
        len: usize,
        rate_bps: u64,
        queue: Duration,
    ) -> Option<Passed> {
        let start = self.free.max(now);
        let waited = start.since(now);
        if waited > queue {
            return None;
        }
        let bits = (len + HEADER_BYTES) as u64 * 8;
        let nanos = bits.saturating_mul(1_000_000_000) / rate_bps.max(1);
        self.free = start + Duration::from_nanos(nanos);
        Some(Passed {
            departure: self.free,
            waited,
        })
    }
}
