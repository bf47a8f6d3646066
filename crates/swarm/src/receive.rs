//! One inbound track: loss, NACK and keyframe requests, frame assembly, measurements.

mod depacketize;
mod nack;
mod window;

use crate::assemble::{Assembled, Assembler, Frame};
use crate::figures::StreamCounts;
use crate::frame_id::FrameId;
use crate::measure::{FreezeMeter, Histogram, Loss, LossMeter};
use crate::message::{BotId, Event, FrameTiming, Kind, Receive, StreamId};
use crate::playout::PlayoutMeter;
use crate::quality::{Observed, QualityMeter};
use crate::recorder::Recorder;
use crate::sample::{FrameSampler, TakenFrames};
use depacketize::{encrypted_packet_info, packet_info, without_padding};
use nack::NackRequester;
use rtc::codec::{self, Codec};
use rtc::inbound::report::InboundStats;
use rtc::inbound::rtx::{self, Retransmission};
use std::time::Duration;
use wire::id::{SequenceExtender, Ssrc};
use wire::rtcp::{FirEntry, ReportBlock, SenderInfo, write};
use wire::rtp::Header;
use wire::time::Time;

/// How long complete frames may be undecodable before a keyframe request.
const KEYFRAME_REQUEST_DELAY: Duration = Duration::from_millis(200);
/// Interval of keyframe requests.
const KEYFRAME_RETRY: Duration = Duration::from_millis(500);

/// Negotiated feedback (`a=rtcp-fb`).
#[derive(Clone, Copy, Debug, Default)]
struct Feedback {
    nack: bool,
    pli: bool,
    fir: bool,
}

impl Feedback {
    fn negotiated(values: &[String]) -> Self {
        let has = |name: &str| values.iter().any(|value| value == name);
        Self {
            nack: has("nack"),
            pli: has("nack pli"),
            fir: has("ccm fir"),
        }
    }
}

/// The receive state of one SSRC.
struct Source {
    extender: SequenceExtender,
    stats: InboundStats,
    loss: LossMeter,
    nack: NackRequester,
    assembler: Assembler,
}

/// One inbound track.
pub struct InboundStream {
    id: StreamId,
    bot: BotId,
    source_name: String,
    codec: Codec,
    decrypted: bool,
    feedback: Feedback,
    source: Option<Source>,
    /// Loss of earlier SSRCs of the track.
    earlier: Loss,
    earlier_skipped: u64,
    counts: StreamCounts,
    freeze: FreezeMeter,
    untimed: bool,
    timing: FrameTiming,
    playout: PlayoutMeter,
    quality: QualityMeter,
    sampler: Option<Box<FrameSampler>>,
    e2e: Histogram,
    first_frame: Option<Time>,
    encoding: Option<u8>,
    /// Packets given up by NACK at the last keyframe request.
    given_up: u64,
    /// Overflows of NACK at the last keyframe request.
    overflows: u64,
    /// Frames skipped at the last key frame.
    skipped_before_keyframe: u64,
    last_request: Option<Time>,
    fir_sequence: u8,
    ended: Option<Time>,
    window_start: StreamCounts,
    window_end: Option<StreamCounts>,
}

/// The payload of a received packet.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// The payload, encrypted where the bot does not decrypt every packet.
    pub bytes: &'a [u8],
    /// Length of the whole datagram.
    pub datagram_len: usize,
    /// The frame id of its header extensions.
    pub captured: Option<FrameId>,
}

impl InboundStream {
    /// Create an inbound track; without `decrypted` its payloads are encrypted.
    #[must_use]
    pub fn new(request: &Receive, bot: BotId, codec: Codec, decrypted: bool) -> Self {
        Self {
            id: request.stream,
            bot,
            source_name: request.source.clone(),
            codec,
            decrypted,
            feedback: Feedback::negotiated(&request.feedback),
            source: None,
            earlier: Loss::default(),
            earlier_skipped: 0,
            counts: StreamCounts::default(),
            freeze: FreezeMeter::default(),
            untimed: request.untimed,
            timing: request.timing,
            playout: PlayoutMeter::new(codec.clock_rate()),
            quality: QualityMeter::new(request.wanted.clone()),
            sampler: (request.sample && decrypted)
                .then(|| Box::new(FrameSampler::new(codec, request.barcode))),
            e2e: Histogram::coarse(),
            first_frame: None,
            encoding: None,
            given_up: 0,
            overflows: 0,
            skipped_before_keyframe: 0,
            last_request: None,
            fir_sequence: 0,
            ended: None,
            window_start: StreamCounts::default(),
            window_end: None,
        }
    }

    /// Return the identifier.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Return the SSRC, once bound.
    #[must_use]
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.source.as_ref().map(|source| source.stats.ssrc())
    }

    /// Bind the track to an SSRC, which replaces an earlier SSRC.
    pub fn bind(&mut self, ssrc: Ssrc) {
        if let Some(before) = self.source.take() {
            self.earlier = self.earlier.plus(&before.loss.loss());
            self.earlier_skipped += before.assembler.skipped();
            self.playout.restart();
        }
        (self.given_up, self.overflows) = (0, 0);
        self.source = Some(Source {
            extender: SequenceExtender::new(),
            stats: InboundStats::new(ssrc, self.codec.clock_rate()),
            loss: LossMeter::default(),
            nack: NackRequester::default(),
            assembler: Assembler::default(),
        });
    }

    /// Extend the sequence number of a packet that is not decrypted.
    pub fn extend(&mut self, sequence: u16) -> Option<u64> {
        Some(self.source.as_mut()?.extender.extend(sequence))
    }

    /// Process a packet of the media SSRC.
    pub fn receive_media(
        &mut self,
        now: Time,
        header: &Header,
        index: u64,
        payload: Payload<'_>,
        recorder: &mut Recorder,
    ) {
        self.count_datagram(payload.datagram_len);
        let Some(source) = &mut self.source else {
            return;
        };
        source.stats.receive(index, header.timestamp, now);
        if source.loss.record(index, false) {
            self.accept(now, header, index, payload, false, recorder);
        }
    }

    /// Process a retransmission (RFC 4588).
    pub fn receive_rtx(
        &mut self,
        now: Time,
        header: &Header,
        payload: Payload<'_>,
        recorder: &mut Recorder,
    ) {
        self.count_datagram(payload.datagram_len);
        let Some(source) = &mut self.source else {
            return;
        };
        let Some(highest) = source.stats.loss().highest() else {
            return;
        };
        let plain = without_padding(header, payload.bytes);
        let Retransmission::Original {
            index,
            payload: bytes,
        } = rtx::read(plain, highest)
        else {
            return;
        };
        if source.loss.record(index, true) {
            // The padding belongs to the RTX packet.
            let header = Header {
                has_padding: false,
                ..*header
            };
            let payload = Payload { bytes, ..payload };
            self.accept(now, &header, index, payload, true, recorder);
        }
    }

    /// Process a sender report on the SSRC.
    pub fn on_sender_report(&mut self, now: Time, info: &SenderInfo) {
        if let Some(source) = &mut self.source {
            source.stats.on_sender_report(now, info);
        }
    }

    /// Return the report block of a receiver report; none before the first packet.
    pub fn report_block(&mut self, now: Time) -> Option<ReportBlock> {
        self.source.as_mut()?.stats.report_block(now)
    }

    /// Return when the next NACK or keyframe request is due.
    #[must_use]
    pub fn feedback_due(&self) -> Option<Time> {
        let source = self.source.as_ref()?;
        let nack = source.nack.poll_timeout().filter(|_| self.feedback.nack);
        [nack, self.keyframe_due(source)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Append the NACK and the PLI or FIR that are due to `out`.
    pub fn write_feedback(
        &mut self,
        now: Time,
        rtt: Option<Duration>,
        local: Ssrc,
        scratch: &mut Vec<u16>,
        out: &mut Vec<u8>,
        recorder: &mut Recorder,
    ) {
        let Some(source) = &mut self.source else {
            return;
        };
        let ssrc = source.stats.ssrc();
        if self.feedback.nack {
            source.nack.poll(now, rtt, scratch);
            if !scratch.is_empty() {
                write::nack(out, local, ssrc, scratch);
                self.counts.nacks += scratch.len() as u64;
                recorder.totals.nacks_sent += scratch.len() as u64;
            }
        }
        let due = self
            .source
            .as_ref()
            .and_then(|source| self.keyframe_due(source));
        if due.is_some_and(|due| due <= now) {
            self.request_keyframe(now, local, ssrc, out);
            recorder.totals.plis_sent += 1;
        }
    }

    /// Take the frames since the last time; none where the track is not sampled.
    pub fn take_frames(&mut self) -> Option<TakenFrames> {
        Some(self.sampler.as_mut()?.take())
    }

    /// Set the wanted encoding.
    pub fn set_wanted(&mut self, encoding_index: u8) {
        self.quality.set_wanted(encoding_index);
    }

    /// Score the quality, where the last score is a second ago.
    pub fn update_quality(&mut self, now: Time, round_trip: Option<Duration>, recording: bool) {
        if self.ended.is_some() {
            return;
        }
        let observed = Observed {
            video: self.kind() == Kind::Video,
            encoding: self.encoding,
            round_trip,
        };
        let counts = self.counts(now);
        self.quality.update(now, &counts, &observed, recording);
    }

    /// End the track: figures are final from now on.
    pub fn end(&mut self, now: Time) {
        self.ended.get_or_insert(now);
    }

    fn kind(&self) -> Kind {
        match self.codec.kind() {
            codec::Kind::Audio => Kind::Audio,
            codec::Kind::Video => Kind::Video,
        }
    }

    fn count_datagram(&mut self, len: usize) {
        self.counts.packets += 1;
        self.counts.bytes += len as u64;
    }

    /// Process a packet that is no duplicate, received by itself or by retransmission.
    fn accept(
        &mut self,
        now: Time,
        header: &Header,
        index: u64,
        payload: Payload<'_>,
        retransmitted: bool,
        recorder: &mut Recorder,
    ) {
        let Some(source) = &mut self.source else {
            return;
        };
        source.nack.received(now, index, retransmitted);
        if self.codec.kind() == codec::Kind::Audio {
            self.on_audio_packet(now, header.timestamp, recorder);
            return;
        }
        let packet_info = if self.decrypted {
            let plain = without_padding(header, payload.bytes);
            if let Some(sampler) = self.sampler.as_mut().filter(|_| !plain.is_empty()) {
                sampler.packet(index, plain);
            }
            (!plain.is_empty())
                .then(|| packet_info(self.codec, header, index, plain, payload.captured))
        } else {
            Some(encrypted_packet_info(
                header,
                index,
                payload.bytes,
                source.assembler.may_start(now),
            ))
        };
        match packet_info {
            Some(packet_info) => source.assembler.push(now, &packet_info, &source.loss),
            None => source.assembler.push_padding(now, &source.loss),
        }
        while let Some(event) = self
            .source
            .as_mut()
            .and_then(|source| source.assembler.poll())
        {
            match event {
                Assembled::Complete(frame) => self.on_complete(now, &frame, recorder),
                Assembled::Decodable(frame) => {
                    self.on_decodable(now, &frame);
                    if let Some(sampler) = &mut self.sampler {
                        sampler.frame(&frame, recorder.recording);
                    }
                }
            }
        }
    }

    fn on_audio_packet(&mut self, now: Time, timestamp: u32, recorder: &mut Recorder) {
        self.counts.frames += 1;
        self.counts.play(&self.playout.frame(now, timestamp));
        recorder.totals.frames_received += 1;
        self.on_first_frame(now, None, recorder);
    }

    fn on_complete(&mut self, now: Time, frame: &Frame, recorder: &mut Recorder) {
        self.counts.frames += 1;
        recorder.totals.frames_received += 1;
        let playouts = self.playout.frame(now, frame.timestamp);
        self.counts.play(&playouts);
        recorder.record_playouts(&playouts);
        if frame.keyframe {
            self.counts.keyframes += u64::from(self.decrypted);
            self.on_first_frame(now, frame.id.map(|id| id.encoding), recorder);
        }
        self.measure_delay(now, frame, recorder);
        if let Some(id) = frame.identity().filter(|_| frame.keyframe) {
            self.on_encoding(now, id.encoding, recorder);
        }
    }

    fn measure_delay(&mut self, now: Time, frame: &Frame, recorder: &mut Recorder) {
        if self.untimed || self.timing == FrameTiming::None {
            return;
        }
        let Some(id) = recorder.timed(self.timing, frame) else {
            return;
        };
        let delay = recorder.frame_delay(now, &id);
        recorder.record_frame_delay(delay, frame.keyframe);
        self.quality.frame(delay);
        if recorder.recording {
            self.e2e.record(delay);
        }
    }

    fn on_decodable(&mut self, now: Time, frame: &Frame) {
        self.freeze.frame(now);
        if let Some(source) = self.source.as_mut().filter(|_| frame.keyframe)
            && source.assembler.skipped() > self.skipped_before_keyframe
        {
            // Packets before the key frame are not needed any more.
            self.skipped_before_keyframe = source.assembler.skipped();
            source.nack.clear_before(frame.first);
        }
    }

    fn on_first_frame(&mut self, now: Time, encoding: Option<u8>, recorder: &mut Recorder) {
        if self.first_frame.is_none() {
            self.first_frame = Some(now);
            recorder.events.push(Event::FirstFrame {
                stream: self.id,
                encoding_index: encoding,
                at_ns: now.as_nanos(),
            });
        }
    }

    fn on_encoding(&mut self, now: Time, encoding: u8, recorder: &mut Recorder) {
        let before = self.encoding.replace(encoding);
        if before.is_some_and(|before| before != encoding) {
            recorder.events.push(Event::EncodingChanged {
                stream: self.id,
                encoding_index: encoding,
                at_ns: now.as_nanos(),
            });
        }
    }

    /// Return when the next keyframe request is due: where too many packets are missing, complete
    /// frames are undecodable, or, for an encrypted stream, NACK gave packets up.
    fn keyframe_due(&self, source: &Source) -> Option<Time> {
        if !self.feedback.pli && !self.feedback.fir {
            return None;
        }
        let due = if source.nack.overflows() > self.overflows {
            Time::ZERO
        } else if self.decrypted {
            source.assembler.undecodable_since()? + KEYFRAME_REQUEST_DELAY
        } else {
            let lost_more = source.nack.given_up() > self.given_up;
            lost_more.then_some(Time::ZERO)?
        };
        Some(
            self.last_request
                .map_or(due, |last| due.max(last + KEYFRAME_RETRY)),
        )
    }

    fn request_keyframe(&mut self, now: Time, local: Ssrc, ssrc: Ssrc, out: &mut Vec<u8>) {
        self.last_request = Some(now);
        if let Some(source) = &self.source {
            self.given_up = source.nack.given_up();
            self.overflows = source.nack.overflows();
        }
        self.counts.plis += 1;
        if self.feedback.pli {
            write::pli(out, local, ssrc);
            return;
        }
        self.fir_sequence = self.fir_sequence.wrapping_add(1);
        let entry = FirEntry {
            ssrc,
            sequence: self.fir_sequence,
        };
        write::fir(out, local, &[entry]);
    }
}
