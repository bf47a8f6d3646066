//! A pacer like libwebrtc's: bots send at 2.5 times the bitrate, in bursts.
//!
//! Bytes sent add to the media debt, which decreases at the paced rate. Packets are sent while the
//! debt is below the burst size; after that no packet is sent until the debt is zero.

use crate::message::Pacing;
use crate::publish::PlannedPacket;
use std::collections::VecDeque;
use std::time::Duration;
use wire::time::Time;

/// Burst of libwebrtc, in time at the paced rate: most frames are one burst, key frames a few.
pub const LIBWEBRTC_BURST: Duration = Duration::from_millis(40);
/// Burst of libwebrtc before it allowed bursts; resembles traffic behind a narrow uplink.
pub const SMOOTH_BURST: Duration = Duration::from_millis(5);
/// Upper bound of a burst (libwebrtc's, which protects socket buffers).
const MAX_BURST_BYTES: f64 = 63_000.0;
/// Bound of the queue; more than a few key frames means that the swarm is overloaded.
const MAX_QUEUED_PACKETS: usize = 4_096;

impl Pacing {
    /// Return the burst in time at the paced rate; none disables pacing.
    #[must_use]
    pub fn burst(self) -> Option<Duration> {
        match self {
            Self::Libwebrtc => Some(LIBWEBRTC_BURST),
            Self::Smooth => Some(SMOOTH_BURST),
            Self::Whole => None,
        }
    }
}

/// A packet in the pacer, with its stream and encoding.
#[derive(Clone, Copy, Debug)]
pub struct QueuedPacket {
    /// Index of the stream in its transport.
    pub stream: usize,
    /// Index of the encoding in its stream.
    pub encoding: usize,
    /// The packet.
    pub planned: PlannedPacket,
}

/// The pacer of one transport.
#[derive(Debug)]
pub struct Pacer {
    queue: VecDeque<QueuedPacket>,
    bytes_per_s: f64,
    burst: Duration,
    /// Media debt in bytes.
    debt: f64,
    /// When the debt was updated.
    at: Time,
}

impl Default for Pacer {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            bytes_per_s: 0.0,
            burst: LIBWEBRTC_BURST,
            debt: 0.0,
            at: Time::ZERO,
        }
    }
}

impl Pacer {
    /// Configure the bitrate of all paced streams in bit/s, and the burst.
    pub fn configure(&mut self, bitrate_bps: u64, burst: Duration) {
        self.bytes_per_s = bitrate_bps as f64 * 2.5 / 8.0;
        self.burst = burst;
    }

    /// Queue a packet; return false where the queue is full.
    pub fn push(&mut self, packet: QueuedPacket) -> bool {
        let fits = self.queue.len() < MAX_QUEUED_PACKETS;
        if fits {
            self.queue.push_back(packet);
        }
        fits
    }

    /// Return when to call [`start_round`](Self::start_round); none while the queue is empty.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        if self.queue.is_empty() {
            return None;
        }
        Some(match self.may_send() {
            true => self.at,
            false => self.at + Duration::from_secs_f64(self.debt / self.bytes_per_s.max(1.0)),
        })
    }

    /// Decrease the debt by the time since the last round.
    pub fn start_round(&mut self, now: Time) {
        let elapsed = now.since(self.at).as_secs_f64();
        self.at = now;
        self.debt = (self.debt - elapsed * self.bytes_per_s).max(0.0);
    }

    /// Dequeue the next packet while the burst lasts.
    pub fn pop(&mut self) -> Option<QueuedPacket> {
        match self.may_send() {
            true => self.queue.pop_front(),
            false => None,
        }
    }

    /// Add a sent datagram to the debt.
    pub fn on_sent(&mut self, bytes: usize) {
        self.debt += bytes as f64;
    }

    /// Drop the queued packets of one stream.
    pub fn remove_stream(&mut self, stream: usize) {
        self.queue.retain(|packet| packet.stream != stream);
    }

    fn may_send(&self) -> bool {
        let burst = self.burst.as_secs_f64() * self.bytes_per_s;
        self.debt < burst.min(MAX_BURST_BYTES)
    }
}
