//! One track that a bot receives: counted, asked for again, put together, measured.

mod part;

use crate::assemble::{Assembled, Assembler, Frame};
use crate::figures::{StreamCounts, StreamFigures, Summary};
use crate::measure::{FreezeMeter, Histogram, Loss, LossMeter};
use crate::message::{BotId, Event, Kind, Receive, StreamId};
use crate::recorder::Recorder;
use part::{part, sealed_part, without_padding};
use rtc::codec::{self, Codec};
use rtc::inbound::nack::NackTracker;
use rtc::inbound::report::InboundStats;
use rtc::inbound::rtx::{self, Retransmission};
use std::time::Duration;
use wire::id::{SequenceExtender, Ssrc};
use wire::rtcp::{FirEntry, ReportBlock, SenderInfo, write};
use wire::rtp::Header;
use wire::time::Time;

/// How long complete frames may wait for what they build on before a key frame is asked for.
const KEYFRAME_PATIENCE: Duration = Duration::from_millis(200);
/// Distance of two requests for a key frame.
const KEYFRAME_RETRY: Duration = Duration::from_millis(500);

/// How a receiver may ask for something, by `a=rtcp-fb`.
#[derive(Clone, Copy, Debug, Default)]
struct Feedback {
    nack: bool,
    pli: bool,
    fir: bool,
}

impl Feedback {
    fn negotiated(values: &[String]) -> Self {
        let has = |wanted: &str| values.iter().any(|value| value == wanted);
        Self {
            nack: has("nack"),
            pli: has("nack pli"),
            fir: has("ccm fir"),
        }
    }
}

/// The packets of one SSRC.
struct Source {
    extender: SequenceExtender,
    stats: InboundStats,
    loss: LossMeter,
    nack: NackTracker,
    assembler: Assembler,
}

/// One track that a bot receives.
pub struct InboundStream {
    name: StreamId,
    bot: BotId,
    from: String,
    codec: Codec,
    decrypted: bool,
    feedback: Feedback,
    source: Option<Source>,
    /// What earlier SSRCs of the same track lost.
    earlier: Loss,
    earlier_skipped: u64,
    counts: StreamCounts,
    freeze: FreezeMeter,
    e2e: Histogram,
    first_frame: Option<Time>,
    encoding: Option<u8>,
    /// Packets given up when a key frame was last asked for.
    given_up: u64,
    /// Frames given up when the last key frame made up for them.
    skipped_before_keyframe: u64,
    last_request: Option<Time>,
    fir_sequence: u8,
    ended: Option<Time>,
    window_start: StreamCounts,
    window_end: Option<StreamCounts>,
}

/// What stands in a packet besides its header.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// The payload: plain, or sealed where the bot does not open every packet.
    pub bytes: &'a [u8],
    /// Length of the whole datagram.
    pub datagram_len: usize,
}

impl InboundStream {
    /// Expect a track; without `decrypted` its payloads will be sealed.
    #[must_use]
    pub fn new(request: &Receive, bot: BotId, codec: Codec, decrypted: bool) -> Self {
        Self {
            name: request.stream,
            bot,
            from: request.source.clone(),
            codec,
            decrypted,
            feedback: Feedback::negotiated(&request.feedback),
            source: None,
            earlier: Loss::default(),
            earlier_skipped: 0,
            counts: StreamCounts::default(),
            freeze: FreezeMeter::default(),
            e2e: Histogram::coarse(),
            first_frame: None,
            encoding: None,
            given_up: 0,
            skipped_before_keyframe: 0,
            last_request: None,
            fir_sequence: 0,
            ended: None,
            window_start: StreamCounts::default(),
            window_end: None,
        }
    }

    /// Return its name.
    #[must_use]
    pub fn name(&self) -> StreamId {
        self.name
    }

    /// Return the SSRC it comes under, where it is known.
    #[must_use]
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.source.as_ref().map(|source| source.stats.ssrc())
    }

    /// Learn under which SSRC the track comes from now on.
    pub fn bind(&mut self, ssrc: Ssrc) {
        if let Some(before) = self.source.take() {
            self.earlier = self.earlier.plus(&before.loss.loss());
            self.earlier_skipped += before.assembler.skipped();
        }
        self.source = Some(Source {
            extender: SequenceExtender::new(),
            stats: InboundStats::new(ssrc, self.codec.clock_rate()),
            loss: LossMeter::default(),
            nack: NackTracker::new(),
            assembler: Assembler::default(),
        });
    }

    /// Extend the sequence number of a packet that is counted without being opened.
    pub fn extend(&mut self, sequence: u16) -> Option<u64> {
        Some(self.source.as_mut()?.extender.extend(sequence))
    }

    /// Take a packet of the track under its own SSRC.
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
        if source.loss.arrived(index, false) {
            self.take(now, header, index, payload.bytes, recorder);
        }
    }

    /// Take a retransmission (RFC 4588).
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
        let Retransmission::Original { index, payload } = rtx::read(plain, highest) else {
            return;
        };
        if source.loss.arrived(index, true) {
            // The padding was of the retransmission.
            let header = Header {
                has_padding: false,
                ..*header
            };
            self.take(now, &header, index, payload, recorder);
        }
    }

    /// Take the sender report of its SSRC.
    pub fn on_sender_report(&mut self, now: Time, info: &SenderInfo) {
        if let Some(source) = &mut self.source {
            source.stats.on_sender_report(now, info);
        }
    }

    /// Make its report block, where there is something to report.
    pub fn report_block(&mut self, now: Time) -> Option<ReportBlock> {
        self.source.as_mut()?.stats.report_block(now)
    }

    /// Return when something may have to be asked for.
    #[must_use]
    pub fn feedback_due(&self) -> Option<Time> {
        let source = self.source.as_ref()?;
        let nack = source.nack.poll_timeout().filter(|_| self.feedback.nack);
        [nack, self.keyframe_due(source)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ask for what is missing: append NACK and PLI or FIR to `out`.
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

    /// End the track: from now on nothing is missing any more.
    pub fn end(&mut self, now: Time) {
        self.ended.get_or_insert(now);
    }

    /// Begin to count apart.
    pub fn open_window(&mut self, now: Time) {
        self.freeze.count_from(now);
        self.window_start = self.counts(now);
        self.window_end = None;
        self.e2e.clear();
    }

    /// End counting apart.
    pub fn close_window(&mut self, now: Time) {
        self.window_end = Some(self.counts(now));
    }

    /// Report the window, or everything where none was opened.
    #[must_use]
    pub fn figures(&self, now: Time) -> StreamFigures {
        let end = self.window_end.unwrap_or_else(|| self.counts(now));
        let counts = end.since(&self.window_start);
        StreamFigures {
            stream: self.name,
            bot: self.bot,
            source: self.from.clone(),
            kind: self.kind(),
            decrypted: self.decrypted,
            packets_expected: counts.loss.expected,
            packets_lost_raw: counts.loss.lost_raw(),
            packets_lost_after_rtx: counts.loss.lost_after_rtx(),
            packets_received: counts.packets,
            bytes_received: counts.bytes,
            frames: counts.frames,
            keyframes: counts.keyframes,
            frames_skipped: counts.skipped,
            nacks_sent: counts.nacks,
            plis_sent: counts.plis,
            freezes: counts.freezes,
            frozen_ms: ms(counts.frozen),
            playing_ms: ms(counts.playing),
            longest_gap_ms: ms(self.freeze.longest_gap(self.ended.unwrap_or(now))),
            jitter_ms: self.source.as_ref().map(|source| ms(source.stats.jitter())),
            e2e_frame: Summary::from(&self.e2e),
            first_frame_ns: self.first_frame.map(Time::as_nanos),
            encoding_index: self.encoding,
        }
    }

    fn counts(&self, now: Time) -> StreamCounts {
        let now = self.ended.map_or(now, |ended| ended.min(now));
        let (loss, skipped) = self
            .source
            .as_ref()
            .map_or_else(Default::default, |source| {
                (source.loss.loss(), source.assembler.skipped())
            });
        StreamCounts {
            loss: self.earlier.plus(&loss),
            skipped: self.earlier_skipped + skipped,
            freezes: self.freeze.freezes(now),
            frozen: self.freeze.frozen(now),
            playing: self.freeze.playing(now),
            ..self.counts
        }
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

    /// Take a packet that had not arrived before, by itself or by retransmission.
    fn take(
        &mut self,
        now: Time,
        header: &Header,
        index: u64,
        payload: &[u8],
        recorder: &mut Recorder,
    ) {
        let Some(source) = &mut self.source else {
            return;
        };
        source.nack.received(now, index);
        if self.codec.kind() == codec::Kind::Audio {
            self.on_sound(now, recorder);
            return;
        }
        let part = if self.decrypted {
            let plain = without_padding(header, payload);
            (!plain.is_empty()).then(|| part(self.codec, header, index, plain))
        } else {
            Some(sealed_part(
                header,
                index,
                payload,
                source.assembler.may_begin(now),
            ))
        };
        match part {
            Some(part) => source.assembler.push(now, &part, &source.loss),
            None => source.assembler.push_padding(now, &source.loss),
        }
        while let Some(news) = self
            .source
            .as_mut()
            .and_then(|source| source.assembler.poll())
        {
            match news {
                Assembled::Complete(frame) => self.on_complete(now, &frame, recorder),
                Assembled::Decodable(frame) => self.on_decodable(now, &frame),
            }
        }
    }

    fn on_sound(&mut self, now: Time, recorder: &mut Recorder) {
        self.counts.frames += 1;
        recorder.totals.frames_received += 1;
        self.on_first_frame(now, recorder);
    }

    fn on_complete(&mut self, now: Time, frame: &Frame, recorder: &mut Recorder) {
        self.counts.frames += 1;
        recorder.totals.frames_received += 1;
        if frame.keyframe {
            self.counts.keyframes += u64::from(self.decrypted);
            self.on_first_frame(now, recorder);
        }
        let Some(id) = frame.id else { return };
        let delay = now.since(id.captured(now));
        recorder.frame_delay(delay, frame.keyframe);
        if recorder.recording {
            self.e2e.record(delay);
        }
        if frame.keyframe {
            self.on_encoding(now, id.encoding, recorder);
        }
    }

    fn on_decodable(&mut self, now: Time, frame: &Frame) {
        self.freeze.frame(now);
        if let Some(source) = self.source.as_mut().filter(|_| frame.keyframe)
            && source.assembler.skipped() > self.skipped_before_keyframe
        {
            // What was missing before the key frame is of no use any more.
            self.skipped_before_keyframe = source.assembler.skipped();
            source.nack.clear();
        }
    }

    fn on_first_frame(&mut self, now: Time, recorder: &mut Recorder) {
        if self.first_frame.is_none() {
            self.first_frame = Some(now);
            recorder.events.push(Event::FirstFrame {
                stream: self.name,
                at_ns: now.as_nanos(),
            });
        }
    }

    fn on_encoding(&mut self, now: Time, encoding: u8, recorder: &mut Recorder) {
        let before = self.encoding.replace(encoding);
        if before.is_some_and(|before| before != encoding) {
            recorder.events.push(Event::EncodingChanged {
                stream: self.name,
                encoding_index: encoding,
                at_ns: now.as_nanos(),
            });
        }
    }

    /// A key frame helps where frames wait in vain, or, seen from outside, where packets were lost
    /// for good.
    fn keyframe_due(&self, source: &Source) -> Option<Time> {
        if !self.feedback.pli && !self.feedback.fir {
            return None;
        }
        let wanted = if self.decrypted {
            source.assembler.stuck_since()? + KEYFRAME_PATIENCE
        } else {
            let lost_more = source.nack.counters().given_up > self.given_up;
            lost_more.then_some(Time::ZERO)?
        };
        Some(
            self.last_request
                .map_or(wanted, |last| wanted.max(last + KEYFRAME_RETRY)),
        )
    }

    fn request_keyframe(&mut self, now: Time, local: Ssrc, ssrc: Ssrc, out: &mut Vec<u8>) {
        self.last_request = Some(now);
        self.given_up = self
            .source
            .as_ref()
            .map_or(0, |source| source.nack.counters().given_up);
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

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
