//! The incoming stream of an encoding: all that ends when it restarts under another SSRC.

use std::time::Duration;

use rtc::codec::frame_size::FrameSize;
use rtc::codec::h264::ParameterSets;
use rtc::codec::{Codec, Described, describe};
use rtc::inbound::loss::DuplicateFilter;
use rtc::inbound::nack::NackTracker;
use rtc::inbound::report::InboundStats;
use rtc::layers::described::DescribedLayers;
use rtc::timeline::SourceClock;
use wire::extension::AbsCaptureTime;
use wire::id::Ssrc;
use wire::rtcp::SenderInfo;
use wire::time::{NtpTime, Time};

use super::packet::Packet;

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

/// Values that senders put on some packets only.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Last SPS and PPS (H.264).
    pub parameter_sets: ParameterSets,
    /// Last video orientation octet.
    pub orientation: Option<u8>,
    /// Clock offset of the last capture time.
    pub capture_offset: Option<i64>,
}

/// The stream of one SSRC.
#[derive(Debug)]
pub struct Stream {
    /// When it started; `None` until the encoding has received a packet.
    pub started: Option<Time>,
    /// Differs from that of every other stream of the room.
    pub generation: u16,
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
    /// Values that senders put on some packets only.
    pub remembered: Remembered,
    /// Reads its dependency descriptors, once there was one.
    pub layers: Option<Box<DescribedLayers>>,
}

impl Stream {
    /// Make the state of an encoding that has received nothing yet.
    #[must_use]
    pub fn none(clock_rate: u32) -> Self {
        Self {
            started: None,
            generation: 0,
            stats: None,
            nack: NackTracker::new(),
            recovery: DuplicateFilter::new(),
            clock: SourceClock::new(clock_rate),
            report: None,
            remembered: Remembered::default(),
            layers: None,
        }
    }

    /// Start a stream; `generation` is unique in the room.
    #[must_use]
    pub fn start(now: Time, ssrc: Ssrc, clock_rate: u32, generation: u16) -> Self {
        Self {
            started: Some(now),
            generation,
            stats: Some(InboundStats::new(ssrc, clock_rate)),
            ..Self::none(clock_rate)
        }
    }

    /// Return its SSRC, once a packet has arrived.
    #[must_use]
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.stats.as_ref().map(InboundStats::ssrc)
    }

    /// Return whether another may start now: each restart costs its subscribers a keyframe.
    #[must_use]
    pub fn may_restart(&self, now: Time) -> bool {
        self.started
            .is_none_or(|started| now.since(started) >= MIN_RESTART_INTERVAL)
    }

    /// Keep the values of a packet that later ones may lack.
    pub fn remember(&mut self, packet: &Packet<'_>, described: &Described) {
        if described.parameter_sets {
            self.remembered.parameter_sets.remember(packet.payload);
        }
        if let Some([orientation, ..]) = packet.values.video_orientation {
            self.remembered.orientation = Some(*orientation);
        }
        if let Some(capture) = packet.values.abs_capture_time {
            self.clock
                .on_capture_time(packet.timestamp, capture.captured);
            self.remembered.capture_offset = capture.clock_offset;
        }
    }

    /// Describe a packet: by its dependency descriptor where it has one, else by its payload.
    pub fn describe(&mut self, codec: Codec, packet: &Packet<'_>) -> Described {
        let mut described = describe(codec, packet.payload, packet.marker);
        if let Some(bytes) = packet.values.dependency_descriptor {
            let reader = self.layers.get_or_insert_default();
            match reader.read(bytes) {
                Ok(frame) => frame.describe(&mut described),
                Err(_) => described = Described::unreadable(packet.marker),
            }
        }
        described
    }

    /// Return the frame size of a spatial layer, where dependency descriptors tell it.
    #[must_use]
    pub fn layer_size(&self, spatial: u8) -> Option<FrameSize> {
        let structure = self.layers.as_ref()?.structure()?;
        let sizes = structure.resolutions.as_ref()?;
        let (width, height) = *sizes.get(usize::from(spatial))?;
        Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
    }

    /// Return the frame size of the highest layer, where dependency descriptors tell it.
    #[must_use]
    pub fn frame_size(&self) -> Option<FrameSize> {
        let structure = self.layers.as_ref()?.structure()?;
        let top = structure.spatial_layers().checked_sub(1)?;
        self.layer_size(top as u8)
    }

    /// Process a sender report, which maps RTP timestamps to wall time.
    pub fn on_sender_report(&mut self, now: Time, ssrc: Ssrc, info: &SenderInfo) {
        let Some(stats) = self.stats.as_mut().filter(|stats| stats.ssrc() == ssrc) else {
            return;
        };
        stats.on_sender_report(now, info);
        self.clock.on_sender_report(info.rtp_timestamp, info.ntp);
        self.report = Some(PublisherReport {
            ntp: info.ntp,
            timestamp: info.rtp_timestamp,
            arrived: now,
        });
    }

    /// Return the capture time of an RTP timestamp, once the publisher has sent one.
    #[must_use]
    pub fn capture_time(&self, timestamp: u32) -> Option<AbsCaptureTime> {
        Some(AbsCaptureTime {
            captured: self.clock.captured_at(timestamp)?,
            clock_offset: self.remembered.capture_offset,
        })
    }
}
