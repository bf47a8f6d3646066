//! The figures of a swarm: what all streams add to while they run, and what a snapshot holds.

use crate::measure::{Histogram, Loss};
use crate::names::{BotId, Kind, StreamId};
use serde::Serialize;
use std::time::Duration;

/// Count what all bots together sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// RTP packets received, repeated ones and retransmissions included.
    pub packets_received: u64,
    /// Bytes of their datagrams.
    pub bytes_received: u64,
    /// Complete frames received.
    pub frames_received: u64,
    /// RTP packets that no expected stream explains.
    pub packets_unbound: u64,
    /// Datagrams that were not what they should be: not authentic, not expected.
    pub datagrams_refused: u64,
    /// RTP packets sent, retransmissions included.
    pub packets_sent: u64,
    /// Bytes of their datagrams.
    pub bytes_sent: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// RTP packets of the plan that were not sent because the swarm was too late or full.
    pub packets_unsent: u64,
    /// RTP packets sent again.
    pub packets_resent: u64,
    /// Sequence numbers asked for again.
    pub nacks_sent: u64,
    /// Key frames asked for.
    pub plis_sent: u64,
    /// Sequence numbers the server asked for again.
    pub nacks_received: u64,
    /// Key frames the server asked for.
    pub plis_received: u64,
}

impl Totals {
    /// Count two swarms together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            packets_received: self.packets_received + other.packets_received,
            bytes_received: self.bytes_received + other.bytes_received,
            frames_received: self.frames_received + other.frames_received,
            packets_unbound: self.packets_unbound + other.packets_unbound,
            datagrams_refused: self.datagrams_refused + other.datagrams_refused,
            packets_sent: self.packets_sent + other.packets_sent,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            frames_sent: self.frames_sent + other.frames_sent,
            packets_unsent: self.packets_unsent + other.packets_unsent,
            packets_resent: self.packets_resent + other.packets_resent,
            nacks_sent: self.nacks_sent + other.nacks_sent,
            plis_sent: self.plis_sent + other.plis_sent,
            nacks_received: self.nacks_received + other.nacks_received,
            plis_received: self.plis_received + other.plis_received,
        }
    }

    /// Count what came between `earlier` and here.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            packets_received: self.packets_received - earlier.packets_received,
            bytes_received: self.bytes_received - earlier.bytes_received,
            frames_received: self.frames_received - earlier.frames_received,
            packets_unbound: self.packets_unbound - earlier.packets_unbound,
            datagrams_refused: self.datagrams_refused - earlier.datagrams_refused,
            packets_sent: self.packets_sent - earlier.packets_sent,
            bytes_sent: self.bytes_sent - earlier.bytes_sent,
            frames_sent: self.frames_sent - earlier.frames_sent,
            packets_unsent: self.packets_unsent - earlier.packets_unsent,
            packets_resent: self.packets_resent - earlier.packets_resent,
            nacks_sent: self.nacks_sent - earlier.nacks_sent,
            plis_sent: self.plis_sent - earlier.plis_sent,
            nacks_received: self.nacks_received - earlier.nacks_received,
            plis_received: self.plis_received - earlier.plis_received,
        }
    }
}

/// Distributions over all bots.
#[derive(Clone, Debug, Serialize)]
pub struct Histograms {
    /// Scheduled capture to complete arrival.
    pub e2e_frame: Histogram,
    /// The same of frames that build on others.
    pub e2e_delta: Histogram,
    /// The same of key frames.
    pub e2e_keyframe: Histogram,
    /// Round trips by report (RFC 3550 section 6.4.1, RFC 3611 section 4.5).
    pub rtt: Histogram,
    /// How much later than scheduled the swarm acted.
    pub lag: Histogram,
}

/// Counts of one received stream that a window of time is cut out of.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamCounts {
    /// Sequence gaps.
    pub loss: Loss,
    /// Packets, repeated ones and retransmissions included.
    pub packets: u64,
    /// Bytes of their datagrams.
    pub bytes: u64,
    /// Complete frames (audio: packets).
    pub frames: u64,
    /// Complete key frames.
    pub keyframes: u64,
    /// Frames given up.
    pub skipped: u64,
    /// Sequence numbers asked for again.
    pub nacks: u64,
    /// Key frames asked for.
    pub plis: u64,
    /// Freezes.
    pub freezes: u32,
    /// Time frozen.
    pub frozen: Duration,
    /// Time since the first frame.
    pub playing: Duration,
}

impl StreamCounts {
    /// Count what came between `earlier` and here.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            loss: self.loss.since(&earlier.loss),
            packets: self.packets - earlier.packets,
            bytes: self.bytes - earlier.bytes,
            frames: self.frames - earlier.frames,
            keyframes: self.keyframes - earlier.keyframes,
            skipped: self.skipped - earlier.skipped,
            nacks: self.nacks - earlier.nacks,
            plis: self.plis - earlier.plis,
            freezes: self.freezes.saturating_sub(earlier.freezes),
            frozen: self.frozen.saturating_sub(earlier.frozen),
            playing: self.playing.saturating_sub(earlier.playing),
        }
    }
}

/// A distribution in a few numbers, ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// Mean.
    pub avg_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Largest.
    pub max_ms: Option<f64>,
}

impl From<&Histogram> for Summary {
    fn from(histogram: &Histogram) -> Self {
        Self {
            count: histogram.count(),
            avg_ms: histogram.mean_ms(),
            p50_ms: histogram.quantile_ms(0.50),
            p95_ms: histogram.quantile_ms(0.95),
            p99_ms: histogram.quantile_ms(0.99),
            max_ms: histogram.max_ms(),
        }
    }
}

/// One received stream in a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct StreamFigures {
    /// The stream.
    pub stream: StreamId,
    /// Whose it is.
    pub bot: BotId,
    /// Who sends it.
    pub source: String,
    /// Audio or video.
    pub kind: Kind,
    /// Whether every packet was opened; where not, key frames and delays are unknown.
    pub decrypted: bool,
    /// Packets from the first to the highest sequence number.
    pub packets_expected: u64,
    /// Missing at the first try.
    pub packets_lost_raw: u64,
    /// Missing after repair.
    pub packets_lost_after_rtx: u64,
    /// Received, repeated ones and retransmissions included.
    pub packets_received: u64,
    /// Bytes of their datagrams.
    pub bytes_received: u64,
    /// Complete frames (audio: packets).
    pub frames: u64,
    /// Complete key frames.
    pub keyframes: u64,
    /// Frames given up.
    pub frames_skipped: u64,
    /// Sequence numbers asked for again.
    pub nacks_sent: u64,
    /// Key frames asked for.
    pub plis_sent: u64,
    /// Freezes, estimated.
    pub freezes: u32,
    /// Time frozen, estimated.
    pub frozen_ms: f64,
    /// Time since the first frame.
    pub playing_ms: f64,
    /// Longest gap between decodable frames.
    pub longest_gap_ms: f64,
    /// Interarrival jitter (RFC 3550 section 6.4.1) now.
    pub jitter_ms: Option<f64>,
    /// Scheduled capture to complete arrival.
    pub e2e_frame: Summary,
    /// When the first complete key frame (audio: packet) arrived.
    pub first_frame_ns: Option<u64>,
    /// Which simulcast encoding arrives, as published.
    pub encoding_index: Option<u8>,
}

/// A part of time that is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WindowBounds {
    /// First instant.
    pub start_ns: u64,
    /// First instant that is not counted any more.
    pub end_ns: u64,
}

/// All figures at one instant, of the window where there is one, else since the start.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// When.
    pub at_ns: u64,
    /// What the figures are of; none is everything since the start.
    pub window: Option<WindowBounds>,
    /// Counts over all bots.
    pub totals: Totals,
    /// Distributions over all bots.
    pub histograms: Histograms,
    /// Share of bots that open every packet.
    pub decrypted_ratio: f64,
    /// Transports that are connected now.
    pub transports_connected: usize,
    /// What the swarm itself went through; the caller fills it in.
    pub generator: Option<GeneratorFigures>,
    /// Every received stream, where asked for.
    pub streams: Vec<StreamFigures>,
}

/// Whether the figures can be trusted: what the thread and its sockets went through since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct GeneratorFigures {
    /// CPU time of the thread.
    pub cpu_ns: u64,
    /// Time it was ready to run and had no core; unknown where the kernel does not count.
    pub run_queue_wait_ns: Option<u64>,
    /// Open sockets.
    pub sockets: usize,
    /// Datagrams that the kernel dropped at full receive buffers; unknown where it does not count.
    pub socket_drops: Option<u64>,
    /// Bytes that wait for room in the kernel.
    pub send_backlog_bytes: usize,
    /// Datagrams dropped because that backlog was full.
    pub send_drops: u64,
    /// Datagrams that the kernel refused to send.
    pub send_errors: u64,
    /// Smallest receive buffer granted.
    pub recv_buffer_bytes: Option<usize>,
}
