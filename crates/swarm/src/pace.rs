//! How libwebrtc spreads what a bot sends: 2.5 times the bitrate, in steps of 5 ms.

use crate::publish::Planned;
use std::collections::VecDeque;
use std::time::Duration;
use wire::time::Time;

/// Time between two rounds of sending.
const STEP: Duration = Duration::from_millis(5);
/// A round that comes late sends no more than after this.
const MAX_ELAPSED: Duration = Duration::from_millis(30);
/// Packets that wait; more than a few key frames means that the swarm cannot follow.
const MAX_WAITING: usize = 4_096;

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
#[derive(Debug, Default)]
pub struct PaceQueue {
    waiting: VecDeque<Waiting>,
    bytes_per_s: f64,
    /// Bytes that may still leave in this round; below zero after a packet that overdrew it.
    budget: f64,
    last_round: Time,
}

impl PaceQueue {
    /// Set the bitrate of all that the transport sends, in bit/s.
    pub fn set_bitrate(&mut self, bitrate_bps: u64) {
        self.bytes_per_s = bitrate_bps as f64 * 2.5 / 8.0;
    }

    /// Let a packet wait; false where too many do.
    pub fn push(&mut self, now: Time, waiting: Waiting) -> bool {
        if self.waiting.is_empty() {
            // Rounds with nothing to send went by without being held.
            self.last_round = self.last_round.max(now - STEP);
        }
        let fits = self.waiting.len() < MAX_WAITING;
        if fits {
            self.waiting.push_back(waiting);
        }
        fits
    }

    /// Return when to call [`start_round`](Self::start_round), none while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        (!self.waiting.is_empty()).then(|| self.last_round + STEP)
    }

    /// Earn the budget of the time since the last round; what that one did not use is lost.
    pub fn start_round(&mut self, now: Time) {
        let elapsed = now.since(self.last_round).min(MAX_ELAPSED).as_secs_f64();
        self.last_round = now;
        self.budget = self.budget.min(0.0) + elapsed * self.bytes_per_s;
    }

    /// Take the next packet while the budget lasts.
    pub fn take(&mut self) -> Option<Waiting> {
        if self.budget <= 0.0 {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Account for a datagram that left.
    pub fn sent(&mut self, bytes: usize) {
        self.budget -= bytes as f64;
    }

    /// Drop what waits of one stream.
    pub fn forget(&mut self, stream: usize) {
        self.waiting.retain(|waiting| waiting.stream != stream);
    }
}
