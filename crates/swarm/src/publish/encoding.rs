//! One encoding: a clip in a loop, sent on schedule, with responses to PLI and NACK.

use super::{PlannedPacket, RtpStream, SendContext};
use crate::captures::{Capture, CaptureLog};
use crate::clip::{Clip, FrameFields};
use crate::dependency::{DescriptorValue, Place};
use crate::frame_id::FrameId;
use crate::header::{Carries, HeaderTemplate, SdesItems};
use crate::message::PliPolicy;
use crate::random::Random;
use crate::recorder::Recorder;
use rtc::codec::Kind;
use rtc::rtt::SentTimestamps;
use rtc::transport::{SendError, Transport};
use std::sync::Arc;
use std::time::Duration;
use wire::id::{PayloadType, Rid, Ssrc, nearest_index};
use wire::rtcp::{ReportBlock, SenderInfo};
use wire::time::{Time, WallClock};

/// Minimum interval of key frames on request, as of a real encoder (libwebrtc: 300 ms).
const KEYFRAME_SPACING: Duration = Duration::from_millis(300);
/// Frames later than this are skipped: catching up in a burst would be another load than planned.
const MAX_LAG: Duration = Duration::from_millis(500);
/// Length of the retransmission history.
const HISTORY: Duration = Duration::from_secs(2);
#[derive(Clone, Copy, Debug)]
struct Sent {
    index: u64,
    planned: PlannedPacket,
    resent: Option<Time>,
}

/// One encoding of a track.
pub struct OutboundEncoding {
    clip: Arc<Clip>,
    source: u32,
    encoding: u8,
    frame_ids: bool,
    /// The latest captures, where they are kept.
    captures: Option<CaptureLog>,
    pli: PliPolicy,
    rid: Option<Rid>,
    media: RtpStream,
    rtx: Option<RtpStream>,
    start: Time,
    /// Media time of the next frame since the start, in units of the RTP clock.
    ticks: u64,
    /// Index of the next frame in the clip.
    position: usize,
    frames: u32,
    /// Frames of the clip in the loops before this one, which make frame numbers continuous.
    looped: u32,
    timestamp_offset: u32,
    first_picture_id: u16,
    keyframe_requested: bool,
    /// Not sent (`RTCRtpEncodingParameters.active` is false).
    inactive: bool,
    last_keyframe_jump: Option<Time>,
    history: Vec<Option<Sent>>,
    marks: SentTimestamps,
    rtt: Option<Duration>,
}

/// Parameters of an encoding.
pub struct EncodingPlan {
    /// The clip to send.
    pub clip: Arc<Clip>,
    /// Source of the frame ids.
    pub source: u32,
    /// Encoding index of the frame ids, 0 to 7.
    pub encoding: u8,
    /// Write frame ids into the frames.
    pub frame_ids: bool,
    /// Keep the captures for the control plane.
    pub log_captures: bool,
    /// MID and RID.
    pub sdes: SdesItems,
    /// SSRC, unused on this transport so far.
    pub ssrc: Ssrc,
    /// Payload type of the media.
    pub payload_type: PayloadType,
    /// SSRC and payload type of the retransmissions.
    pub rtx: Option<(Ssrc, PayloadType)>,
    /// Capture time of the first frame.
    pub start: Time,
    /// Response to keyframe requests.
    pub pli: PliPolicy,
    /// Octet of the audio level (RFC 6464) of audio.
    pub audio_level: Option<u8>,
}

impl OutboundEncoding {
    /// Create an encoding; [`begin`](Self::begin) starts it.
    #[must_use]
    pub fn new(
        plan: EncodingPlan,
        ids: &wire::extension::ExtensionMap,
        random: &mut Random,
    ) -> Self {
        let carries = Carries {
            descriptors: plan.clip.descriptors().is_some(),
            audio_level: plan.audio_level,
        };
        let new_stream = |ssrc, payload_type, repairs, random: &mut Random| {
            let sdes = SdesItems {
                repairs,
                ..plan.sdes
            };
            RtpStream::new(
                ssrc,
                HeaderTemplate::new(ssrc, payload_type, sdes, ids, carries),
                random,
            )
        };
        let media = new_stream(plan.ssrc, plan.payload_type, false, random);
        let rtx = plan
            .rtx
            .map(|(ssrc, payload_type)| new_stream(ssrc, payload_type, true, random));
        let history_len = plan.clip.packets_per_s() * HISTORY.as_secs() as usize;
        let history_len = if rtx.is_some() {
            history_len.next_power_of_two()
        } else {
            0
        };
        Self {
            clip: plan.clip,
            source: plan.source,
            encoding: plan.encoding,
            frame_ids: plan.frame_ids,
            captures: plan.log_captures.then(CaptureLog::default),
            pli: plan.pli,
            rid: plan.sdes.rid,
            media,
            rtx,
            start: plan.start,
            ticks: 0,
            position: 0,
            frames: 0,
            looped: 0,
            timestamp_offset: random.next_u32(),
            first_picture_id: random.next_u32() as u16,
            keyframe_requested: false,
            inactive: false,
            last_keyframe_jump: None,
            history: vec![None; history_len],
            marks: SentTimestamps::default(),
            rtt: None,
        }
    }

    /// Start with the first frame of the clip at its next scheduled time.
    ///
    /// # Errors
    /// Where the transport is not connected or has used one of the SSRCs.
    pub fn begin(&mut self, now: Time, transport: &mut Transport) -> Result<(), SendError> {
        for new_stream in std::iter::once(&mut self.media).chain(&mut self.rtx) {
            new_stream.seal = Some(transport.seal_stream(new_stream.ssrc)?);
        }
        let interval = u64::from(self.frame_interval(0)).max(1);
        self.ticks = self.ticks_at(now).div_ceil(interval) * interval;
        Ok(())
    }

    /// Activate or deactivate; activation continues with a key frame at the next frame time.
    pub fn set_active(&mut self, now: Time, active: bool) {
        if self.inactive && active {
            self.skip_to(now);
        }
        self.inactive = !active;
    }

    /// Set the octet of the audio level of later packets (RFC 6464).
    pub fn set_audio_level(&mut self, octet: u8) {
        self.media.template.set_audio_level(octet);
    }

    /// Return the RID.
    #[must_use]
    pub fn rid(&self) -> Option<&Rid> {
        self.rid.as_ref()
    }

    /// Return the capture time of the next frame.
    #[must_use]
    pub fn due(&self) -> Time {
        if self.inactive {
            return Time::FAR;
        }
        let nanos = u128::from(self.ticks) * 1_000_000_000 / u128::from(self.clock_rate());
        self.start + Duration::from_nanos(nanos as u64)
    }

    /// Return the mean bitrate of the payloads in bit/s.
    #[must_use]
    pub fn bitrate_bps(&self) -> u64 {
        self.clip.bitrate_bps()
    }

    /// Return whether the encoding is audio or video.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.clip.kind()
    }

    /// Return the latest round-trip time by report blocks.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.rtt
    }

    /// Return the SSRC of the media.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.media.ssrc
    }

    /// Append the packets of the next frame to `planned`; return false where no frame is due.
    pub fn capture(
        &mut self,
        now: Time,
        recorder: &mut Recorder,
        planned: &mut Vec<PlannedPacket>,
    ) -> bool {
        let due = self.due();
        if due > now {
            return false;
        }
        if now.since(due) > MAX_LAG {
            self.catch_up(now, recorder);
            return true;
        }
        self.jump_to_requested_keyframe(now);
        recorder.record_lag(now, due);
        recorder.totals.frames_sent += 1;
        let frame = &self.clip.frames()[self.position];
        let fields = FrameFields {
            picture_id: self.first_picture_id.wrapping_add(self.frames as u16),
            id: FrameId {
                source: self.source,
                encoding: self.encoding,
                frame: self.looped.wrapping_add(self.position as u32),
                tick: FrameId::tick_of(due),
            },
            in_band: self.frame_ids,
        };
        if let Some(captures) = &mut self.captures {
            captures.push(&fields.id, self.position);
        }
        let omits = |packet| !self.frame_ids && self.clip.is_frame_id(packet);
        for packet in frame.packets.clone().filter(|packet| !omits(*packet)) {
            planned.push(PlannedPacket {
                packet,
                first: packet == frame.packets.start,
                keyframe: frame.keyframe,
                marker: self.clip.kind() == Kind::Video && self.clip.ends_frame(frame, packet),
                timestamp: self.timestamp_at(self.ticks),
                fields,
            });
        }
        self.frames = self.frames.wrapping_add(1);
        self.advance();
        true
    }

    /// Append the captures since the last call to `out`.
    pub fn take_captures(&mut self, out: &mut Vec<Capture>) {
        if let Some(captures) = &mut self.captures {
            captures.take(out);
        }
    }

    /// Send a packet; return the length of its datagram, none where sending failed.
    pub fn send(&mut self, planned: PlannedPacket, context: &mut SendContext<'_>) -> Option<usize> {
        let clip = &self.clip;
        let write = |out: &mut [u8]| clip.write(planned.packet, &planned.fields, out);
        let index = self.media.next;
        let descriptor = descriptor(clip, &planned);
        let len = self.media.send(&planned, descriptor, write, context)?;
        self.remember(index, planned);
        Some(len)
    }

    /// Count a packet as sent over a link that is gone: the peer requests it again.
    pub fn lose(&mut self, planned: PlannedPacket) {
        if self.media.seal.is_some() {
            self.remember(self.media.next, planned);
            self.media.next += 1;
        }
    }

    fn remember(&mut self, index: u64, planned: PlannedPacket) {
        if !self.history.is_empty() {
            let place = index as usize % self.history.len();
            self.history[place] = Some(Sent {
                index,
                planned,
                resent: None,
            });
        }
    }

    /// Retransmit a packet over RTX; return the length of its datagram.
    ///
    /// None where the packet is not in the history, or was retransmitted less than an RTT ago.
    pub fn resend(&mut self, sequence: u16, context: &mut SendContext<'_>) -> Option<usize> {
        let newest = self.media.next.checked_sub(1)?;
        let index = nearest_index(sequence, newest);
        let place = index as usize % self.history.len().max(1);
        let sent = self
            .history
            .get_mut(place)?
            .as_mut()
            .filter(|sent| sent.index == index)?;
        let spacing = self.rtt.unwrap_or_default();
        if sent
            .resent
            .is_some_and(|resent| context.now.since(resent) < spacing)
        {
            return None;
        }
        sent.resent = Some(context.now);
        let (clip, planned) = (&self.clip, sent.planned);
        // RFC 4588 section 4: the original sequence number, then the payload.
        let write = |out: &mut [u8]| {
            out[..2].copy_from_slice(&(index as u16).to_be_bytes());
            2 + clip.write(planned.packet, &planned.fields, &mut out[2..])
        };
        let rtx = self.rtx.as_mut()?;
        let descriptor = descriptor(clip, &planned);
        let len = rtx.send(&planned, descriptor, write, context)?;
        context.recorder.totals.packets_resent += 1;
        Some(len)
    }

    /// Request a key frame, which the PLI policy may ignore.
    pub fn request_keyframe(&mut self) {
        self.keyframe_requested |= self.pli == PliPolicy::Answer;
    }

    /// Return the sender information of a sender report; none before the first packet.
    pub fn sender_info(&mut self, now: Time, wall: WallClock) -> Option<SenderInfo> {
        if self.media.packets == 0 {
            return None;
        }
        let ntp = wall.ntp(now);
        self.marks.remember(ntp.mid32(), now);
        Some(SenderInfo {
            ntp,
            rtp_timestamp: self.timestamp_at(self.ticks_at(now)),
            packets: self.media.packets as u32,
            octets: self.media.octets as u32,
        })
    }

    /// Process a report block on one of the SSRCs; return the RTT that follows from it.
    pub fn on_report_block(&mut self, now: Time, block: &ReportBlock) -> Option<Duration> {
        if let Some(rtx) = self.rtx.as_mut().filter(|rtx| rtx.ssrc == block.ssrc) {
            rtx.template.stop_sending_sdes();
            return None;
        }
        if self.media.ssrc != block.ssrc {
            return None;
        }
        self.media.template.stop_sending_sdes();
        let rtt = self
            .marks
            .round_trip(now, block.last_sr, block.delay_since_last_sr)?;
        self.rtt = Some(rtt);
        Some(rtt)
    }

    fn clock_rate(&self) -> u32 {
        self.clip.codec().clock_rate()
    }

    fn ticks_at(&self, now: Time) -> u64 {
        let nanos = now.since(self.start).as_nanos();
        (nanos * u128::from(self.clock_rate()) / 1_000_000_000) as u64
    }

    fn timestamp_at(&self, ticks: u64) -> u32 {
        self.timestamp_offset.wrapping_add(ticks as u32)
    }

    /// Return the time from a frame of the clip to the next, in units of the RTP clock.
    fn frame_interval(&self, position: usize) -> u32 {
        let frames = self.clip.frames();
        let next = frames
            .get(position + 1)
            .map_or(self.clip.loop_ticks(), |next| next.at_ticks);
        next - frames[position].at_ticks
    }

    fn advance(&mut self) {
        self.ticks += u64::from(self.frame_interval(self.position));
        self.move_to((self.position + 1) % self.clip.frames().len());
    }

    fn jump_to_requested_keyframe(&mut self, now: Time) {
        let too_soon = |last: Time| now.since(last) < KEYFRAME_SPACING;
        if self.keyframe_requested && !self.last_keyframe_jump.is_some_and(too_soon) {
            self.keyframe_requested = false;
            self.last_keyframe_jump = Some(now);
            self.move_to(self.clip.next_keyframe(self.position));
        }
    }

    /// Continue at a position of the clip; one before the current position is in the next loop.
    fn move_to(&mut self, position: usize) {
        let frames = self.clip.frames().len();
        if position < self.position || frames == 1 {
            self.looped = self.looped.wrapping_add(frames as u32);
        }
        self.position = position;
    }

    fn catch_up(&mut self, now: Time, recorder: &mut Recorder) {
        recorder.totals.packets_unsent += self.skip_to(now);
    }

    /// Continue with the next key frame; return the number of packets skipped.
    fn skip_to(&mut self, now: Time) -> u64 {
        let (ticks, mut skipped) = (self.ticks_at(now), 0);
        while self.ticks <= ticks {
            skipped += self.clip.frames()[self.position].packets.len() as u64;
            self.advance();
        }
        self.move_to(self.clip.next_keyframe(self.position));
        skipped
    }
}

fn descriptor(clip: &Clip, planned: &PlannedPacket) -> Option<DescriptorValue> {
    let place = Place {
        first: planned.first,
        last: planned.marker,
        keyframe: planned.keyframe,
        number: planned.fields.picture_id,
    };
    Some(clip.descriptors()?.value(place))
}
