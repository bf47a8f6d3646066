//! One incoming stream of a publication: what arrives, when it restarts, how large it is.

use std::time::Duration;

use rtc::codec::Described;
use rtc::codec::h264::ParameterSets;
use rtc::inbound::loss::DuplicateFilter;
use rtc::inbound::nack::NackTracker;
use rtc::inbound::report::InboundStats;
use rtc::outbound::history::History;
use rtc::timeline::SourceClock;
use wire::extension::{AbsCaptureTime, Values};
use wire::id::{Rid, Ssrc};
use wire::rtp::Header;
use wire::time::{NtpTime, Time};

use super::dynacast::Dynacast;
use super::keyframe::KeyframeRequests;
use super::meter::Meter;
use crate::keys::MAX_ENCODINGS;
use crate::reasons::{ENCODING_INACTIVE, UNWATCHED};

/// An encoding is inactive after silence of this length, or of three of its frame intervals.
const INACTIVE_AFTER: Duration = Duration::from_millis(500);

/// Updates in which the size of an encoding decays to its bitrate by a factor of e: eight seconds.
const SIZE_DECAY: u64 = 32;

/// Shortest time between two restarts of a stream.
const MIN_RESTART_INTERVAL: Duration = Duration::from_millis(500);

/// The publisher's last sender report.
#[derive(Clone, Copy, Debug)]
pub struct PublisherReport {
    /// Its wall clock.
    pub ntp: NtpTime,
    /// Its RTP timestamp at that instant.
    pub timestamp: u32,
    /// When the report arrived.
    pub arrived: Time,
}

/// Where a keyframe starts in a history.
#[derive(Clone, Copy, Debug)]
pub struct KeyframeStart {
    /// Position of its first packet.
    pub position: u64,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// When that packet arrived.
    pub arrived: Time,
}

/// One simulcast stream of a publication, or its only one.
#[derive(Debug)]
pub struct Encoding {
    /// RFC 8851 identifier.
    pub rid: Option<Rid>,
    /// Its packets, for forwarding and retransmission.
    pub history: History,
    /// Subscriptions that send it or wait for it.
    pub subscribers: Vec<usize>,
    /// Whether it is queued for this round, or for the end of the batching window.
    pub ready: bool,
    /// Whether the packet being received starts a keyframe: no request is needed.
    pub keyframe_arriving: bool,
    /// Where the last keyframe starts.
    pub last_keyframe: Option<KeyframeStart>,
    /// When the stream of its present SSRC started.
    pub started: Option<Time>,
    /// Changes when its stream restarts under another SSRC.
    pub generation: u16,
    /// Whether packets arrive.
    pub active: bool,
    /// Whether its publisher is told not to send it, for want of subscribers.
    pub dynacast: Dynacast,
    /// When the last packet arrived.
    pub last_packet: Time,
    /// Its bitrate.
    pub meter: Meter,
    /// Bit/s for selection: rises at once, falls slowly.
    pub size_bps: u64,
    /// Bit/s for the pacers of its subscribers.
    pub paced_bps: u64,
    /// Reception statistics, once its SSRC is bound: loss and jitter.
    pub stats: Option<InboundStats>,
    /// Missing packets, to be requested by NACK.
    pub nack: NackTracker,
    /// Which packets arrived, as media or as retransmission.
    pub recovery: DuplicateFilter,
    /// Its RTP clock against wall time.
    pub clock: SourceClock,
    /// Its last sender report.
    pub report: Option<PublisherReport>,
    /// Pending keyframe requests.
    pub keyframes: KeyframeRequests,
    /// When the timer of the next keyframe request fires.
    pub keyframe_timer: Option<Time>,
    /// Last SPS and PPS (H.264).
    pub parameter_sets: ParameterSets,
    /// Last video orientation octet; senders repeat it on some packets only.
    pub orientation: Option<u8>,
    /// Clock offset of the last capture time; senders repeat both on some packets only.
    pub capture_offset: Option<i64>,
    /// Statistics.
    pub counters: EncodingCounters,
}

/// Counts of one encoding (webrtc-stats: inbound-rtp).
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodingCounters {
    /// Packets received, retransmissions included.
    pub packets: u64,
    /// Payload bytes received.
    pub bytes: u64,
    /// Frames whose first packet arrived.
    pub frames: u64,
    /// Keyframes whose first packet arrived.
    pub keyframes: u64,
    /// Packets recovered by retransmission.
    pub recovered: u64,
    /// Keyframe requests sent.
    pub keyframe_requests: u64,
}

impl Encoding {
    /// Make an encoding that has received nothing yet.
    #[must_use]
    pub fn new(now: Time, rid: Option<Rid>, history_bytes: usize, clock_rate: u32) -> Self {
        Self {
            rid,
            history: History::new(history_bytes),
            subscribers: Vec::new(),
            ready: false,
            keyframe_arriving: false,
            last_keyframe: None,
            started: None,
            generation: 0,
            active: false,
            dynacast: Dynacast::default(),
            last_packet: now,
            meter: Meter::default(),
            size_bps: 0,
            paced_bps: 0,
            stats: None,
            nack: NackTracker::new(),
            recovery: DuplicateFilter::new(),
            clock: SourceClock::new(clock_rate),
            report: None,
            keyframes: KeyframeRequests::default(),
            keyframe_timer: None,
            parameter_sets: ParameterSets::default(),
            orientation: None,
            capture_offset: None,
            counters: EncodingCounters::default(),
        }
    }

    /// Start the stream, or restart it under another SSRC; `generation` is unique in the room.
    pub fn start(&mut self, now: Time, ssrc: Ssrc, clock_rate: u32, generation: u16) {
        self.started = Some(now);
        self.generation = generation;
        self.last_keyframe = None;
        self.stats = Some(InboundStats::new(ssrc, clock_rate));
        self.nack = NackTracker::new();
        self.recovery = DuplicateFilter::new();
        self.clock = SourceClock::new(clock_rate);
        self.report = None;
        self.parameter_sets = ParameterSets::default();
        self.orientation = None;
        self.capture_offset = None;
    }

    /// Return whether the stream may restart now: each restart costs its subscribers a keyframe.
    #[must_use]
    pub fn may_restart(&self, now: Time) -> bool {
        self.started
            .is_none_or(|started| now.since(started) >= MIN_RESTART_INTERVAL)
    }

    /// Return the identifier of the current stream in the map of outgoing sequence numbers.
    #[must_use]
    pub fn source(&self, encoding: usize) -> u16 {
        self.generation
            .wrapping_mul(MAX_ENCODINGS as u16)
            .wrapping_add(encoding as u16)
    }

    /// Store the start of a keyframe, where the packet is the first of its frame: parameter sets
    /// may be in packets of their own.
    pub fn note_keyframe(&mut self, start: KeyframeStart) {
        if self
            .last_keyframe
            .is_none_or(|last| last.timestamp != start.timestamp)
        {
            self.last_keyframe = Some(start);
        }
    }

    /// Update the state of the stream from a packet: frames, parameter sets, extensions.
    pub fn on_packet(
        &mut self,
        now: Time,
        header: &Header,
        described: &Described,
        values: &Values<'_>,
        payload: &[u8],
    ) {
        if described.info.start {
            self.counters.frames += 1;
            self.counters.keyframes += u64::from(described.info.keyframe);
        }
        if described.starts_keyframe() {
            self.keyframes.on_keyframe();
        }
        if described.parameter_sets {
            self.parameter_sets.remember(payload);
        }
        if let Some([orientation, ..]) = values.video_orientation {
            self.orientation = Some(*orientation);
        }
        if let Some(capture) = values.abs_capture_time {
            self.clock
                .on_capture_time(header.timestamp, capture.captured);
            self.capture_offset = capture.clock_offset;
        }
        self.last_packet = now;
    }

    /// Return the capture time of an RTP timestamp, once the publisher has sent one.
    #[must_use]
    pub fn capture_time(&self, timestamp: u32) -> Option<AbsCaptureTime> {
        Some(AbsCaptureTime {
            captured: self.clock.captured_at(timestamp)?,
            clock_offset: self.capture_offset,
        })
    }

    /// Update the bitrates; return whether the rate for the pacers of its subscribers has changed.
    ///
    /// An inactive encoding keeps its bitrates, since it will need them again.
    pub fn update_rates(&mut self, now: Time) -> bool {
        if self.dynacast.sends_on_demand() {
            return false;
        }
        self.update_size(now);
        self.update_paced_rate(now)
    }

    /// Update the size: peaks count at once and decay slowly.
    fn update_size(&mut self, now: Time) {
        let bps = self.meter.bps(now);
        self.size_bps = bps.max(self.size_bps - self.size_bps.saturating_sub(bps) / SIZE_DECAY);
    }

    /// Update the paced rate where the bitrate differs by more than 25 %; return whether it does.
    fn update_paced_rate(&mut self, now: Time) -> bool {
        let bps = self.meter.bps(now);
        let differs = bps.abs_diff(self.paced_bps) > self.paced_bps / 4;
        if differs {
            self.paced_bps = bps;
        }
        differs
    }

    /// Return the reason code where the encoding has just become inactive.
    pub fn detect_inactive(&mut self, now: Time) -> Option<&'static str> {
        if self.active && self.has_timed_out(now) {
            self.active = false;
            self.nack.clear();
            let unwatched = self.dynacast.is_inactive();
            return Some(if unwatched {
                UNWATCHED
            } else {
                ENCODING_INACTIVE
            });
        }
        (!self.active && self.dynacast.activation_overdue(now)).then_some(ENCODING_INACTIVE)
    }

    /// Return whether no packet has arrived for too long.
    #[must_use]
    fn has_timed_out(&self, now: Time) -> bool {
        now.since(self.last_packet) > self.inactivity_timeout()
    }

    fn inactivity_timeout(&self) -> Duration {
        let interval = self.stats.as_ref().map(InboundStats::frame_interval);
        INACTIVE_AFTER.max(interval.unwrap_or_default() * 3)
    }
}
