//! One encoding of a publication: its stream, its history, whether it is sent and how large it is.

use std::time::Duration;

use rtc::codec::Described;
use rtc::codec::frame_size::FrameSize;
use rtc::inbound::loss::Freshness;
use rtc::inbound::report::InboundStats;
use rtc::outbound::history::{Arrived, ChunkPool, ForwardedExtensions, History};
use wire::id::{Rid, Ssrc};
use wire::time::Time;

use super::dynacast::Dynacast;
use super::keyframe::{KeyframeStart, Keyframes};
use super::levels::Loudness;
use super::packet::Packet;
use super::rates::Rates;
use super::stream::Stream;
use crate::keys::MAX_ENCODINGS;
use crate::reasons::{ENCODING_INACTIVE, UNWATCHED};

/// An encoding is inactive after silence of this length, or of three of its frame intervals.
const INACTIVE_AFTER: Duration = Duration::from_millis(500);

/// One simulcast encoding of a publication, or its only one.
#[derive(Debug)]
pub struct Encoding {
    /// RFC 8851 identifier.
    pub rid: Option<Rid>,
    /// Its packets, for forwarding and retransmission.
    pub history: History,
    /// Whether a subscriber gets it or waits for it: else its packets are neither kept nor requested.
    pub is_watched: bool,
    /// The stream of its present SSRC.
    pub stream: Stream,
    /// Whether packets arrive.
    pub active: bool,
    /// Whether its publisher is told not to send it.
    pub dynacast: Dynacast,
    /// When the last packet arrived.
    pub last_packet: Time,
    /// Its bitrates.
    pub rates: Rates,
    /// Width and height of its last keyframe, where they can be read.
    pub frame_size: Option<FrameSize>,
    /// Its keyframes.
    pub keyframes: Keyframes,
    /// Statistics.
    pub counters: EncodingCounters,
    /// The loudest audio level since speakers were compared last.
    pub loudness: Loudness,
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
            is_watched: false,
            stream: Stream::none(clock_rate),
            active: false,
            dynacast: Dynacast::default(),
            last_packet: now,
            rates: Rates::default(),
            frame_size: None,
            keyframes: Keyframes::default(),
            counters: EncodingCounters::default(),
            loudness: Loudness::default(),
        }
    }

    /// Start the stream, or restart it under another SSRC; `generation` is unique in the room.
    pub fn start(
        &mut self,
        now: Time,
        (ssrc, generation): (Ssrc, u16),
        clock_rate: u32,
        pool: &mut ChunkPool,
    ) {
        self.stream = Stream::start(now, ssrc, clock_rate, generation);
        self.keyframes.last = None;
        // Sequence numbers of the old stream must not find packets of the new one, nor the reverse.
        self.history.clear(pool);
    }

    /// Return whether several layers of it can be sent.
    #[must_use]
    pub fn has_layers(&self) -> bool {
        !self.rates.layers.list().is_empty()
    }

    /// Count a packet.
    pub fn count(&mut self, packet: &Packet<'_>) {
        self.counters.packets += 1;
        self.counters.bytes += packet.payload.len() as u64;
    }

    /// Return the identifier of the current stream in the map of outgoing sequence numbers.
    #[must_use]
    pub fn source(&self, encoding: usize) -> u16 {
        self.stream
            .generation
            .wrapping_mul(MAX_ENCODINGS as u16)
            .wrapping_add(encoding as u16)
    }

    /// Take in a packet; return `None` for a duplicate, else whether it was put into the history.
    pub fn store(
        &mut self,
        now: Time,
        packet: &Packet<'_>,
        described: Described,
        is_kept: bool,
        pool: &mut ChunkPool,
    ) -> Option<bool> {
        if self.stream.recovery.receive(packet.index) != Freshness::Fresh {
            return None;
        }
        self.note_frame(&described);
        self.stream.remember(packet, &described);
        self.last_packet = now;
        match is_kept {
            true => self.keep(now, packet, described, pool),
            // A switch cannot start at a keyframe that packets are missing after.
            false => self.keyframes.last = None,
        }
        Some(is_kept)
    }

    fn note_frame(&mut self, described: &Described) {
        if described.info.start && described.info.spatial == 0 {
            self.counters.frames += 1;
            self.counters.keyframes += u64::from(described.info.keyframe);
        }
        if described.starts_keyframe() {
            self.keyframes.requests.on_keyframe();
        }
    }

    fn keep(&mut self, now: Time, packet: &Packet<'_>, described: Described, pool: &mut ChunkPool) {
        let arrived = Arrived {
            index: packet.index,
            timestamp: packet.timestamp,
            marker: packet.marker,
            described,
            carried: ForwardedExtensions {
                audio_level: packet.values.audio_level.map(|level| level.to_byte()),
                orientation: self.stream.remembered.orientation,
                capture: self.stream.capture_time(packet.timestamp),
            },
            descriptor: packet.values.dependency_descriptor.unwrap_or_default(),
            payload: packet.payload,
        };
        let position = self.history.push(now, &arrived, pool);
        if described.starts_keyframe() {
            self.keyframes.note(KeyframeStart {
                position,
                timestamp: packet.timestamp,
                arrived: now,
            });
        }
    }

    /// Update the bitrates; return whether the rate for the pacers of its subscribers has changed.
    ///
    /// An inactive encoding keeps its bitrates, since it will need them again.
    pub fn update_rates(&mut self, now: Time) -> bool {
        !self.dynacast.sends_on_demand() && self.rates.update(now)
    }

    /// Return the reason code where the encoding has just become inactive.
    pub fn detect_inactive(&mut self, now: Time) -> Option<&'static str> {
        if self.active && self.has_timed_out(now) {
            self.active = false;
            self.stream.nack.clear();
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
        let interval = self.stream.stats.as_ref().map(InboundStats::frame_interval);
        INACTIVE_AFTER.max(interval.unwrap_or_default() * 3)
    }
}
