//! One track that a bot sends: its clips in a loop, on schedule, with answers to PLI and NACK.

use crate::clip::{Clip, FrameFacts};
use crate::frame_id::FrameId;
use crate::header::{HeaderTemplate, Names, Stamp};
use crate::message::{PliPolicy, StreamId};
use crate::random::Random;
use crate::recorder::Recorder;
use rtc::codec::Kind;
use rtc::outbound::twcc::TwccSender;
use rtc::outbox::Outbox;
use rtc::rtt::SentTimestamps;
use rtc::srtp::SealStream;
use rtc::transport::{SendError, Transport};
use std::sync::Arc;
use std::time::Duration;
use wire::id::{PayloadType, Rid, Ssrc, nearest_index};
use wire::rtcp::{ReportBlock, SenderInfo};
use wire::time::{Time, WallClock};

/// A real encoder does not make key frames faster, however often it is asked (libwebrtc: 300 ms).
const KEYFRAME_SPACING: Duration = Duration::from_millis(300);
/// What a swarm that late has not sent it never will: a burst would be another load than planned.
const TOO_LATE: Duration = Duration::from_millis(500);
/// How long sent packets can be asked for again.
const HISTORY: Duration = Duration::from_secs(2);
/// Room for header, extensions, original sequence number, payload and tag.
const DATAGRAM_ROOM: usize = 1_500;

/// What sending needs besides the stream itself.
pub struct Departure<'a> {
    /// The time.
    pub now: Time,
    /// Where packets are sealed.
    pub transport: &'a mut Transport,
    /// Where they go.
    pub outbox: &'a mut Outbox,
    /// Who numbers them.
    pub twcc: &'a mut TwccSender,
    /// For the time stamps of others.
    pub wall: WallClock,
    /// Who counts them.
    pub recorder: &'a mut Recorder,
}

/// One packet that is to be sent, or was.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Which packet of the clip.
    packet: u32,
    marker: bool,
    timestamp: u32,
    facts: FrameFacts,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    index: u64,
    planned: Planned,
    resent: Option<Time>,
}

/// One RTP stream: an SSRC and its numbers.
struct Lane {
    ssrc: Ssrc,
    template: HeaderTemplate,
    seal: Option<SealStream>,
    /// Rollover counter and sequence number of the next packet.
    next: u64,
    packets: u64,
    octets: u64,
}

/// One simulcast encoding of a track, or its only one.
pub struct OutboundEncoding {
    clip: Arc<Clip>,
    source: u32,
    encoding: u8,
    pli: PliPolicy,
    rid: Option<Rid>,
    media: Lane,
    rtx: Option<Lane>,
    start: Time,
    /// Media time of the next frame, counted from the start in units of the RTP clock.
    ticks: u64,
    /// The next frame of the clip.
    position: usize,
    frames: u32,
    timestamp_offset: u32,
    picture_offset: u16,
    keyframe_wanted: bool,
    /// Nobody watches: it sends nothing until told to.
    rests: bool,
    last_keyframe_jump: Option<Time>,
    history: Vec<Option<Sent>>,
    marks: SentTimestamps,
    rtt: Option<Duration>,
}

/// What tells one encoding from the others.
pub struct EncodingPlan {
    /// What it sends.
    pub clip: Arc<Clip>,
    /// Stands in the frame ids.
    pub source: u32,
    /// Stands in the frame ids, 0 to 7.
    pub encoding: u8,
    /// What its headers call it.
    pub names: Names,
    /// Never used before on this transport.
    pub ssrc: Ssrc,
    /// Payload type of the media.
    pub payload_type: PayloadType,
    /// SSRC and payload type of the retransmissions.
    pub rtx: Option<(Ssrc, PayloadType)>,
    /// When the first frame is captured.
    pub start: Time,
    /// What a request for a key frame does.
    pub pli: PliPolicy,
}

impl OutboundEncoding {
    /// Prepare an encoding that sends nothing yet.
    #[must_use]
    pub fn new(
        plan: EncodingPlan,
        ids: &wire::extension::ExtensionMap,
        random: &mut Random,
    ) -> Self {
        let lane = |ssrc, payload_type, repairs, random: &mut Random| {
            let names = Names {
                repairs,
                ..plan.names
            };
            Lane::new(
                ssrc,
                HeaderTemplate::new(ssrc, payload_type, names, ids),
                random,
            )
        };
        let media = lane(plan.ssrc, plan.payload_type, false, random);
        let rtx = plan
            .rtx
            .map(|(ssrc, payload_type)| lane(ssrc, payload_type, true, random));
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
            pli: plan.pli,
            rid: plan.names.rid,
            media,
            rtx,
            start: plan.start,
            ticks: 0,
            position: 0,
            frames: 0,
            timestamp_offset: random.next_u32(),
            picture_offset: random.next_u32() as u16,
            keyframe_wanted: false,
            rests: false,
            last_keyframe_jump: None,
            history: vec![None; history_len],
            marks: SentTimestamps::default(),
            rtt: None,
        }
    }

    /// Begin with the first frame of the clip at the next instant of the schedule.
    ///
    /// # Errors
    /// Where the transport is not connected or has used one of the SSRCs.
    pub fn begin(&mut self, now: Time, transport: &mut Transport) -> Result<(), SendError> {
        for lane in std::iter::once(&mut self.media).chain(&mut self.rtx) {
            lane.seal = Some(transport.seal_stream(lane.ssrc)?);
        }
        let interval = u64::from(self.gap_behind(0)).max(1);
        self.ticks = self.ticks_at(now).div_ceil(interval) * interval;
        Ok(())
    }

    /// Stop, or go on at once with a key frame.
    pub fn rest(&mut self, now: Time, rests: bool) {
        if self.rests && !rests {
            self.skip_to(now);
        }
        self.rests = rests;
    }

    /// Return its RFC 8851 identifier.
    #[must_use]
    pub fn rid(&self) -> Option<&Rid> {
        self.rid.as_ref()
    }

    /// Return when the next frame is captured.
    #[must_use]
    pub fn due(&self) -> Time {
        if self.rests {
            return Time::FAR;
        }
        let nanos = u128::from(self.ticks) * 1_000_000_000 / u128::from(self.clock_rate());
        self.start + Duration::from_nanos(nanos as u64)
    }

    /// Tell the mean bitrate of its payloads in bit/s.
    #[must_use]
    pub fn bitrate_bps(&self) -> u64 {
        self.clip.bitrate_bps()
    }

    /// Say whether it is sound or pictures.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.clip.kind()
    }

    /// Return the SSRC of the media.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.media.ssrc
    }

    /// Append the packets of the next frame to `planned` where one is due.
    pub fn capture(
        &mut self,
        now: Time,
        recorder: &mut Recorder,
        planned: &mut Vec<Planned>,
    ) -> bool {
        let due = self.due();
        if due > now {
            return false;
        }
        if now.since(due) > TOO_LATE {
            self.catch_up(now, recorder);
            return true;
        }
        self.jump_where_wanted(now);
        recorder.acted(now, due);
        recorder.totals.frames_sent += 1;
        let frame = &self.clip.frames()[self.position];
        let facts = FrameFacts {
            picture_id: self.picture_offset.wrapping_add(self.frames as u16),
            id: FrameId {
                source: self.source,
                encoding: self.encoding,
                frame: self.frames,
                tick: FrameId::tick_of(due),
            },
        };
        for packet in frame.packets.clone() {
            planned.push(Planned {
                packet,
                marker: self.clip.kind() == Kind::Video && self.clip.ends_frame(frame, packet),
                timestamp: self.timestamp_at(self.ticks),
                facts,
            });
        }
        self.frames = self.frames.wrapping_add(1);
        self.advance();
        true
    }

    /// Send a packet; return the bytes of its datagram, none where it could not be sent.
    pub fn send(&mut self, planned: Planned, departure: &mut Departure<'_>) -> Option<usize> {
        let clip = &self.clip;
        let write = |out: &mut [u8]| clip.write(planned.packet, &planned.facts, out);
        let index = self.media.next;
        let len = self
            .media
            .send(planned.marker, planned.timestamp, write, departure)?;
        if !self.history.is_empty() {
            let place = index as usize % self.history.len();
            self.history[place] = Some(Sent {
                index,
                planned,
                resent: None,
            });
        }
        Some(len)
    }

    /// Send a packet again that the server misses; return the bytes of its datagram.
    ///
    /// Not where it is gone from the history, or was sent again less than a round trip ago.
    pub fn resend(&mut self, sequence: u16, departure: &mut Departure<'_>) -> Option<usize> {
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
            .is_some_and(|resent| departure.now.since(resent) < spacing)
        {
            return None;
        }
        sent.resent = Some(departure.now);
        let (clip, planned) = (&self.clip, sent.planned);
        // RFC 4588 section 4: the original sequence number, then the payload.
        let write = |out: &mut [u8]| {
            out[..2].copy_from_slice(&(index as u16).to_be_bytes());
            2 + clip.write(planned.packet, &planned.facts, &mut out[2..])
        };
        let rtx = self.rtx.as_mut()?;
        let len = rtx.send(planned.marker, planned.timestamp, write, departure)?;
        departure.recorder.totals.packets_resent += 1;
        Some(len)
    }

    /// Go on at a key frame soon, where the policy says so.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted |= self.pli == PliPolicy::Answer;
    }

    /// Make its sender information, none before its first packet.
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

    /// Take the server's report on one of its SSRCs; return the round trip that it shows.
    pub fn on_report_block(&mut self, now: Time, block: &ReportBlock) -> Option<Duration> {
        if let Some(rtx) = self.rtx.as_mut().filter(|rtx| rtx.ssrc == block.ssrc) {
            rtx.template.stop_naming();
            return None;
        }
        if self.media.ssrc != block.ssrc {
            return None;
        }
        self.media.template.stop_naming();
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

    /// Time from a frame of the clip to the next, the loop's seam included.
    fn gap_behind(&self, position: usize) -> u32 {
        let frames = self.clip.frames();
        let next = frames
            .get(position + 1)
            .map_or(self.clip.loop_ticks(), |next| next.at_ticks);
        next - frames[position].at_ticks
    }

    fn advance(&mut self) {
        self.ticks += u64::from(self.gap_behind(self.position));
        self.position = (self.position + 1) % self.clip.frames().len();
    }

    fn jump_where_wanted(&mut self, now: Time) {
        let too_soon = |last: Time| now.since(last) < KEYFRAME_SPACING;
        if self.keyframe_wanted && !self.last_keyframe_jump.is_some_and(too_soon) {
            self.keyframe_wanted = false;
            self.last_keyframe_jump = Some(now);
            self.position = self.clip.next_keyframe(self.position);
        }
    }

    fn catch_up(&mut self, now: Time, recorder: &mut Recorder) {
        recorder.totals.packets_unsent += self.skip_to(now);
    }

    /// Go on with the first key frame from here; return the packets left out.
    fn skip_to(&mut self, now: Time) -> u64 {
        let (ticks, mut skipped) = (self.ticks_at(now), 0);
        while self.ticks <= ticks {
            skipped += self.clip.frames()[self.position].packets.len() as u64;
            self.advance();
        }
        self.position = self.clip.next_keyframe(self.position);
        skipped
    }
}

impl Lane {
    fn new(ssrc: Ssrc, template: HeaderTemplate, random: &mut Random) -> Self {
        Self {
            ssrc,
            template,
            seal: None,
            // RFC 3711 section 3.3.1 guesses wrong where the first packets are lost around a wrap.
            next: random.next_u64() & 0x7fff,
            packets: 0,
            octets: 0,
        }
    }

    fn send(
        &mut self,
        marker: bool,
        timestamp: u32,
        write: impl FnOnce(&mut [u8]) -> usize,
        departure: &mut Departure<'_>,
    ) -> Option<usize> {
        let path = departure.transport.send_path()?;
        let seal = self.seal.as_mut()?;
        let out = departure.outbox.reserve(DATAGRAM_ROOM);
        let header_len = self.template.header_len();
        let payload_len = write(&mut out[header_len..]);
        let len = header_len + payload_len;
        let numbered = self.template.has_transport_sequence();
        let stamp = Stamp {
            marker,
            sequence: self.next as u16,
            timestamp,
            transport_sequence: if numbered {
                departure.twcc.stamp(departure.now, len)
            } else {
                0
            },
            abs_send_time: departure.wall.ntp(departure.now).abs_send_time(),
        };
        self.template.write(out, &stamp);
        let sealed = departure
            .transport
            .seal_rtp(seal, self.next, out, header_len, len);
        let sealed_len = sealed.ok()?;
        departure.outbox.commit(path, sealed_len);
        self.next += 1;
        self.packets += 1;
        self.octets += payload_len as u64;
        departure.recorder.totals.packets_sent += 1;
        departure.recorder.totals.bytes_sent += sealed_len as u64;
        Some(sealed_len)
    }
}

/// One track that a bot sends.
pub struct OutboundStream {
    /// Its name.
    pub name: StreamId,
    /// Where its packets are spread in time: how much of the paced rate may leave at once.
    pub burst: Option<Duration>,
    /// One for each simulcast encoding, or the only one.
    pub encodings: Vec<OutboundEncoding>,
}
