//! How a pacer like libwebrtc's spreads what a bot sends: at 2.5 times the bitrate, in bursts.
//!
//! What was sent is a debt that shrinks at that rate. While it is below what a burst may carry,
//! packets leave at once; where it is not, nothing leaves until all of it is worked off.

use crate::message::Pacing;
use crate::publish::Planned;
use std::collections::VecDeque;
use std::time::Duration;
use wire::time::Time;

/// Libwebrtc lets so much of the paced rate leave at once: most frames go whole, and key frames in
/// a few bursts.
pub const LIBWEBRTC_BURST: Duration = Duration::from_millis(40);
/// As libwebrtc did it before it allowed bursts, and as what passed a narrow uplink arrives.
pub const SMOOTH_BURST: Duration = Duration::from_millis(5);
/// No burst is longer (libwebrtc's bound, for the sake of socket buffers).
const MAX_BURST_BYTES: f64 = 63_000.0;
/// Packets that wait; more than a few key frames means that the swarm cannot follow.
const MAX_WAITING: usize = 4_096;

impl Pacing {
    /// Return how much of the paced rate may leave at once, none where frames leave whole.
    #[must_use]
    pub fn burst(self) -> Option<Duration> {
        match self {
            Self::Libwebrtc => Some(LIBWEBRTC_BURST),
            Self::Smooth => Some(SMOOTH_BURST),
            Self::Whole => None,
        }
    }
}

/// A packet that waits, and which stream and encoding it is of.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Place of the stream in its transport.
    pub stream: usize,
    /// Place of the encoding in its stream.
    pub encoding: usize,
    /// The packet.
    pub planned: Planned,
}

/// The packets of one transport that wait for their turn.
#[derive(Debug)]
pub struct PaceQueue {
    waiting: VecDeque<Waiting>,
    bytes_per_s: f64,
    burst: Duration,
    /// Bytes sent that are not worked off yet.
    debt: f64,
    /// When the debt was that.
    at: Time,
}

impl Default for PaceQueue {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes_per_s: 0.0,
            burst: LIBWEBRTC_BURST,
            debt: 0.0,
            at: Time::ZERO,
        }
    }
}

impl PaceQueue {
    /// Set the bitrate of all that the transport sends, in bit/s, and how long a burst may be.
    pub fn set(&mut self, bitrate_bps: u64, burst: Duration) {
        self.bytes_per_s = bitrate_bps as f64 * 2.5 / 8.0;
        self.burst = burst;
    }

    /// Let a packet wait; false where too many do.
    pub fn push(&mut self, waiting: Waiting) -> bool {
        let fits = self.waiting.len() < MAX_WAITING;
        if fits {
            self.waiting.push_back(waiting);
        }
        fits
    }

    /// Return when to call [`start_round`](Self::start_round), none while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        if self.waiting.is_empty() {
            return None;
        }
        Some(match self.may_send() {
            true => self.at,
            false => self.at + Duration::from_secs_f64(self.debt / self.bytes_per_s.max(1.0)),
        })
    }

    /// Work off the debt of the time since the last round.
    pub fn start_round(&mut self, now: Time) {
        let elapsed = now.since(self.at).as_secs_f64();
        self.at = now;
        self.debt = (self.debt - elapsed * self.bytes_per_s).max(0.0);
    }

    /// Take the next packet while the burst lasts.
    pub fn take(&mut self) -> Option<Waiting> {
        match self.may_send() {
            true => self.waiting.pop_front(),
            false => None,
        }
    }

    /// Account for a datagram that left.
    pub fn sent(&mut self, bytes: usize) {
        self.debt += bytes as f64;
    }

    /// Drop what waits of one stream.
    pub fn forget(&mut self, stream: usize) {
        self.waiting.retain(|waiting| waiting.stream != stream);
    }

    fn may_send(&self) -> bool {
        let burst = self.burst.as_secs_f64() * self.bytes_per_s;
        self.debt < burst.min(MAX_BURST_BYTES)
    }
}
