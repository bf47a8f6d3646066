//! The figures of a swarm: running counters, and the contents of a snapshot.

use crate::ids::{BotId, BottleneckId, FlowId, Kind, StreamId, TransportId};
use crate::measure::{Histogram, Loss};
use crate::playout::Playouts;
use crate::trace::TraceFigures;
use serde::Serialize;
use std::time::Duration;

/// Counts over all bots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// RTP packets received, including duplicates and retransmissions.
    pub packets_received: u64,
    /// Bytes of their datagrams.
    pub bytes_received: u64,
    /// Complete frames received.
    pub frames_received: u64,
    /// RTP packets with unbound SSRCs.
    pub packets_unbound: u64,
    /// RTP and RTCP datagrams refused: not authenticated, or unexpected.
    pub datagrams_refused: u64,
    /// RTP packets sent, including retransmissions.
    pub packets_sent: u64,
    /// Bytes of their datagrams.
    pub bytes_sent: u64,
    /// Frames captured after their arrival by the frame clock, whose offset is wrong by more than
    /// their delay; their delay is recorded as 0.
    pub frames_early: u64,
    /// Complete video frames whose delay was measured by the frame id.
    pub frames_by_id: u64,
    /// The same by abs-capture-time.
    pub frames_by_capture_time: u64,
    /// The same with neither.
    pub frames_untimed: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Scheduled RTP packets not sent since the swarm lagged or its pacer was full.
    pub packets_unsent: u64,
    /// RTP packets retransmitted.
    pub packets_resent: u64,
    /// Sequence numbers in sent NACKs.
    pub nacks_sent: u64,
    /// Keyframe requests sent (PLI and FIR).
    pub plis_sent: u64,
    /// Sequence numbers in received NACKs.
    pub nacks_received: u64,
    /// Keyframe requests received (PLI and FIR).
    pub plis_received: u64,
}

impl Totals {
    /// Return the sum of two swarms.
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
            frames_early: self.frames_early + other.frames_early,
            frames_by_id: self.frames_by_id + other.frames_by_id,
            frames_by_capture_time: self.frames_by_capture_time + other.frames_by_capture_time,
            frames_untimed: self.frames_untimed + other.frames_untimed,
            frames_sent: self.frames_sent + other.frames_sent,
            packets_unsent: self.packets_unsent + other.packets_unsent,
            packets_resent: self.packets_resent + other.packets_resent,
            nacks_sent: self.nacks_sent + other.nacks_sent,
            plis_sent: self.plis_sent + other.plis_sent,
            nacks_received: self.nacks_received + other.nacks_received,
            plis_received: self.plis_received + other.plis_received,
        }
    }

    /// Return the difference to `earlier`.
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
            frames_early: self.frames_early - earlier.frames_early,
            frames_by_id: self.frames_by_id - earlier.frames_by_id,
            frames_by_capture_time: self.frames_by_capture_time - earlier.frames_by_capture_time,
            frames_untimed: self.frames_untimed - earlier.frames_untimed,
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
    /// The same of delta frames.
    pub e2e_delta: Histogram,
    /// The same of key frames.
    pub e2e_keyframe: Histogram,
    /// Complete arrival of video frames to their playout, by the moving average of the jitter.
    pub playout_delay: Histogram,
    /// The same by libwebrtc's histogram of relative delays.
    pub playout_delay_libwebrtc: Histogram,
    /// Round-trip times from RTCP (RFC 3550 section 6.4.1, RFC 3611 section 4.5).
    pub rtt: Histogram,
    /// Lag of the swarm behind its schedule.
    pub lag: Histogram,
}

/// Counts of one inbound stream; the measurement window is a difference of two.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamCounts {
    /// Sequence gaps.
    pub loss: Loss,
    /// Packets received, including duplicates and retransmissions.
    pub packets: u64,
    /// Bytes of their datagrams.
    pub bytes: u64,
    /// Complete frames (audio: packets).
    pub frames: u64,
    /// Complete key frames.
    pub keyframes: u64,
    /// Complete frames (audio: packets) after their playout time, by the moving average.
    pub late: u64,
    /// The same by libwebrtc's histogram.
    pub late_libwebrtc: u64,
    /// Sum of the playout delays by the moving average, in microseconds.
    pub playout_us: u64,
    /// The same by libwebrtc's histogram.
    pub playout_libwebrtc_us: u64,
    /// Frames skipped.
    pub skipped: u64,
    /// Sequence numbers in sent NACKs.
    pub nacks: u64,
    /// Keyframe requests sent (PLI and FIR).
    pub plis: u64,
    /// Freezes.
    pub freezes: u32,
    /// Time frozen.
    pub frozen: Duration,
    /// Time since the first frame.
    pub playing: Duration,
}

impl StreamCounts {
    /// Return the difference to `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            loss: self.loss.since(&earlier.loss),
            packets: self.packets - earlier.packets,
            bytes: self.bytes - earlier.bytes,
            frames: self.frames - earlier.frames,
            keyframes: self.keyframes - earlier.keyframes,
            late: self.late - earlier.late,
            late_libwebrtc: self.late_libwebrtc - earlier.late_libwebrtc,
            playout_us: self.playout_us - earlier.playout_us,
            playout_libwebrtc_us: self.playout_libwebrtc_us - earlier.playout_libwebrtc_us,
            skipped: self.skipped - earlier.skipped,
            nacks: self.nacks - earlier.nacks,
            plis: self.plis - earlier.plis,
            freezes: self.freezes.saturating_sub(earlier.freezes),
            frozen: self.frozen.saturating_sub(earlier.frozen),
            playing: self.playing.saturating_sub(earlier.playing),
        }
    }

    /// Count the playout of a frame.
    pub fn play(&mut self, playouts: &Playouts) {
        self.late += u64::from(playouts.average.late);
        self.late_libwebrtc += u64::from(playouts.libwebrtc.late);
        self.playout_us += playouts.average.delay.as_micros() as u64;
        self.playout_libwebrtc_us += playouts.libwebrtc.delay.as_micros() as u64;
    }

    /// Return the mean over all frames of a sum in microseconds; none without frames.
    #[must_use]
    pub fn mean_ms(&self, sum_us: u64) -> Option<f64> {
        (self.frames > 0).then(|| sum_us as f64 / 1_000.0 / self.frames as f64)
    }
}

/// Points that the quality score lost, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Points {
    /// One-way delay and playout delay.
    pub delay: f64,
    /// Packets lost after retransmission.
    pub loss: f64,
    /// Bitrate below that of the received encoding.
    pub bitrate: f64,
    /// Encodings below the wanted one.
    pub layer: f64,
}

impl Points {
    /// Return the sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            delay: self.delay + other.delay,
            loss: self.loss + other.loss,
            bitrate: self.bitrate + other.bitrate,
            layer: self.layer + other.layer,
        }
    }

    /// Return all of them multiplied.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self {
            delay: self.delay * factor,
            loss: self.loss * factor,
            bitrate: self.bitrate * factor,
            layer: self.layer * factor,
        }
    }
}

/// The quality of a stream in the measurement window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct QualityFigures {
    /// Mean of the smoothed scores.
    pub score: f64,
    /// Least of them.
    pub least: f64,
    /// Mean of the points lost, by cause.
    pub lost: Points,
}

/// Summary of a distribution, ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Number of values.
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

/// One inbound stream in a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct StreamFigures {
    /// The stream.
    pub stream: StreamId,
    /// The receiving bot.
    pub bot: BotId,
    /// The publisher and its track.
    pub source: String,
    /// Audio or video.
    pub kind: Kind,
    /// Whether every packet was decrypted; otherwise key frames and delays are unknown.
    pub decrypted: bool,
    /// Packets from the first to the highest sequence number.
    pub packets_expected: u64,
    /// Packets lost before retransmission.
    pub packets_lost_raw: u64,
    /// Packets lost after retransmission.
    pub packets_lost_after_rtx: u64,
    /// Packets received, including duplicates and retransmissions.
    pub packets_received: u64,
    /// Bytes of their datagrams.
    pub bytes_received: u64,
    /// Complete frames (audio: packets).
    pub frames: u64,
    /// Complete key frames.
    pub keyframes: u64,
    /// Frames skipped.
    pub frames_skipped: u64,
    /// Sequence numbers in sent NACKs.
    pub nacks_sent: u64,
    /// Keyframe requests sent (PLI and FIR).
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
    /// Complete frames (audio: packets) after their playout time, by the moving average.
    pub frames_late: u64,
    /// The same by libwebrtc's histogram.
    pub frames_late_libwebrtc: u64,
    /// Mean time from complete arrival to playout, by the moving average.
    pub playout_delay_ms: Option<f64>,
    /// The same by libwebrtc's histogram.
    pub playout_delay_libwebrtc_ms: Option<f64>,
    /// Quality score; none before its first second.
    pub quality: Option<QualityFigures>,
    /// Scheduled capture to complete arrival.
    pub e2e_frame: Summary,
    /// The distribution of these delays, to merge with those of other streams.
    pub e2e_histogram: Histogram,
    /// Time of the first complete key frame (audio: packet).
    pub first_frame_ns: Option<u64>,
    /// Index of the simulcast encoding received, as published.
    pub encoding_index: Option<u8>,
}

/// The round-trip times of one open transport in a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct TransportFigures {
    /// The transport.
    pub transport: TransportId,
    /// Its bot.
    pub bot: BotId,
    /// By report blocks on outbound streams (RFC 3550 section 6.4.1).
    pub rtt_outbound: Histogram,
    /// By echoes of receiver reference times (RFC 3611 section 4.5).
    pub rtt_inbound: Histogram,
    /// Report blocks received since the start.
    pub report_blocks_received: u64,
    /// Receiver reference times sent since the start.
    pub reference_times_sent: u64,
}

/// Packet loss over all inbound streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LossFigures {
    /// Packets from the first to the highest sequence number of each stream.
    pub packets_expected: u64,
    /// Packets lost before retransmission.
    pub packets_lost_raw: u64,
    /// Packets lost after retransmission.
    pub packets_lost_after_rtx: u64,
}

impl LossFigures {
    /// Return the sum over streams.
    pub fn over(streams: impl Iterator<Item = Loss>) -> Self {
        streams.fold(Self::default(), |sum, loss| Self {
            packets_expected: sum.packets_expected + loss.expected,
            packets_lost_raw: sum.packets_lost_raw + loss.lost_raw(),
            packets_lost_after_rtx: sum.packets_lost_after_rtx + loss.lost_after_rtx(),
        })
    }
}

/// A measurement window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WindowBounds {
    /// Start.
    pub start_ns: u64,
    /// End, exclusive.
    pub end_ns: u64,
}

/// All figures at one time: of the measurement window where one is set, else since the start.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Time of the snapshot.
    pub at_ns: u64,
    /// The measurement window; none for figures since the start.
    pub window: Option<WindowBounds>,
    /// Counts over all bots.
    pub totals: Totals,
    /// Packet loss over all inbound streams.
    pub loss: LossFigures,
    /// Distributions over all bots.
    pub histograms: Histograms,
    /// Share of bots that decrypt every packet.
    pub decrypted_ratio: f64,
    /// Connected transports.
    pub transports_connected: usize,
    /// Load of the swarm itself; the caller fills it in.
    pub generator: Option<GeneratorFigures>,
    /// Every inbound stream, where requested.
    pub streams: Vec<StreamFigures>,
    /// Every open transport, where requested.
    pub transports: Vec<TransportFigures>,
    /// Every impaired link since the start, where requested.
    pub links: Vec<LinkFigures>,
    /// Every TCP-like flow since the start, where links are requested.
    pub flows: Vec<FlowFigures>,
}

/// One TCP-like flow, since its start.
#[derive(Clone, Debug, Serialize)]
pub struct FlowFigures {
    /// The flow.
    pub flow: FlowId,
    /// The bottleneck that it shares with links.
    pub bottleneck: Option<BottleneckId>,
    /// Segments sent.
    pub segments: u64,
    /// Segments dropped at the full queue.
    pub queue_drops: u64,
    /// Segments lost after the bottleneck.
    pub losses: u64,
    /// Bytes of the other segments, all headers included.
    pub bytes_delivered: u64,
    /// Times waited in the queue of the bottleneck.
    pub queue_wait: Histogram,
    /// Transfers completed.
    pub transfers: u64,
    /// Window reductions after a loss.
    pub reductions: u64,
    /// Expirations of the retransmission timer.
    pub timeouts: u64,
}

/// Direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Bot to server.
    Up,
    /// Server to bot.
    Down,
}

/// One direction of the impaired network of a bot, since its start.
#[derive(Clone, Debug, Serialize)]
pub struct LinkFigures {
    /// The bot.
    pub bot: BotId,
    /// Its direction.
    pub direction: Direction,
    /// The bottleneck that it shares with other links.
    pub bottleneck: Option<BottleneckId>,
    /// Datagrams sent into the link.
    pub datagrams: u64,
    /// Datagrams dropped at the full queue.
    pub queue_drops: u64,
    /// Datagrams lost after the bottleneck.
    pub losses: u64,
    /// Bytes of the other datagrams, IP and UDP headers included.
    pub bytes_delivered: u64,
    /// Times waited in the queue of the bottleneck, where it is shared or traced.
    pub queue_wait: Histogram,
    /// What passed over time, of a traced link where requested.
    pub trace: Option<TraceFigures>,
}

/// Load of the swarm's thread and sockets since the start, which tells whether figures are valid.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct GeneratorFigures {
    /// CPU time of the thread.
    pub cpu_ns: u64,
    /// Run queue wait: time runnable without a core; none where the kernel does not count.
    pub run_queue_wait_ns: Option<u64>,
    /// Open sockets.
    pub sockets: usize,
    /// Datagrams dropped at full receive buffers; none where the kernel does not count.
    pub socket_drops: Option<u64>,
    /// Bytes queued while send buffers are full.
    pub send_backlog_bytes: usize,
    /// Datagrams dropped at full queues.
    pub send_drops: u64,
    /// Datagrams that the kernel refused to send.
    pub send_errors: u64,
    /// Smallest receive buffer granted.
    pub recv_buffer_bytes: Option<usize>,
}
