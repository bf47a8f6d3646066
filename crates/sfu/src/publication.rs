//! A track offered to a room: its encodings, each an incoming stream with a history.

use std::time::Duration;

use rtc::codec::h264::ParameterSets;
use rtc::codec::{Codec, Described};
use rtc::inbound::loss::DuplicateFilter;
use rtc::inbound::nack::NackTracker;
use rtc::inbound::report::InboundStats;
use rtc::outbound::history::History;
use rtc::timeline::SourceClock;
use wire::extension::{AbsCaptureTime, Values};
use wire::id::{Mid, Rid, Ssrc};
use wire::rtp::Header;
use wire::time::{NtpTime, Time};

use crate::alarm::Alarm;
use crate::context::Context;
use crate::keyframe::KeyframeRequests;
use crate::message::{CommandError, ErrorCode, Kind, PublicationId, PublishRequest};
use crate::meter::Meter;
use crate::rest::Rest;
use crate::select::{Candidate, Candidates, ENCODING_INACTIVE, MOST_ENCODINGS, UNWATCHED};

/// An encoding is silent after this, or after three of its frame intervals.
const SILENCE: Duration = Duration::from_millis(500);

/// A bitrate says nothing of an encoding that has sent nothing for this long.
const FALLING_SILENT: Duration = Duration::from_millis(250);

/// A keyframe weighs in a bitrate for 1.25 s: only what lasts longer says which encoding is larger.
const DISORDERED_FOR: Duration = Duration::from_secs(2);

/// Looks in which the size of an encoding falls to a third of the way to its bitrate: eight seconds.
const SIZE_FALL: u64 = 32;

/// A stream does not begin anew more often than this.
const LEAST_RUN: Duration = Duration::from_millis(500);

/// What the publisher's last sender report said.
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
    /// Its packets.
    pub history: History,
    /// Subscriptions that send it or wait for it.
    pub subscribers: Vec<usize>,
    /// The room will come to it in this round, or at the end of the window.
    pub ready: bool,
    /// The packet being taken in starts a keyframe: nobody need ask for one.
    pub keyframe_arriving: bool,
    /// Where the last keyframe starts.
    pub last_keyframe: Option<KeyframeStart>,
    /// When its present run of numbers began.
    pub began: Option<Time>,
    /// Changes when its numbers begin anew under another SSRC.
    pub generation: u16,
    /// It sends now.
    pub active: bool,
    /// Whether its publisher is told to send it.
    pub rest: Rest,
    /// When the last packet came.
    pub last_packet: Time,
    /// Its bitrate.
    pub meter: Meter,
    /// Bit/s by which it is chosen: rises at once, falls slowly.
    pub size_bps: u64,
    /// Bit/s that its subscribers' pacers reckon with.
    pub paced_bps: u64,
    /// Its reception, once its SSRC is bound: loss and jitter.
    pub stats: Option<InboundStats>,
    /// What to ask for again.
    pub nack: NackTracker,
    /// Which packets came by which way.
    pub recovery: DuplicateFilter,
    /// Its RTP clock against wall time.
    pub clock: SourceClock,
    /// Its last sender report.
    pub report: Option<PublisherReport>,
    /// When to ask for a keyframe.
    pub keyframes: KeyframeRequests,
    /// When the timer to ask again fires.
    pub keyframe_timer: Option<Time>,
    /// Last SPS and PPS (H.264).
    pub parameter_sets: ParameterSets,
    /// Last video orientation octet; senders repeat it on some packets only.
    pub orientation: Option<u8>,
    /// Clock offset of the last capture time; senders repeat both on some packets only.
    pub capture_offset: Option<i64>,
    /// Counts.
    pub counters: EncodingCounters,
}

/// Counts of one encoding (webrtc-stats: inbound-rtp).
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodingCounters {
    /// Packets received, retransmissions included.
    pub packets: u64,
    /// Payload bytes received.
    pub bytes: u64,
    /// Frames begun.
    pub frames: u64,
    /// Keyframes begun.
    pub keyframes: u64,
    /// Packets that came by retransmission.
    pub recovered: u64,
    /// Keyframe requests sent.
    pub keyframe_requests: u64,
}

/// A track offered to a room.
#[derive(Debug)]
pub struct Publication {
    /// Its name.
    pub id: PublicationId,
    /// Where it comes from.
    pub peer: usize,
    /// It is sound.
    pub audio: bool,
    /// Its codec.
    pub codec: Codec,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// RFC 9143 media id on the publisher's transport.
    pub mid: Mid,
    /// Its encodings, in the order of the offer.
    pub encodings: Vec<Encoding>,
    /// Their numbers from the smallest bitrate to the largest.
    pub order: Vec<usize>,
    /// Since when they send otherwise.
    disordered: Option<Time>,
    /// Subscriptions to it.
    pub subscriptions: Vec<usize>,
    /// Longest round trip among its subscribers: how long packets must stay.
    pub longest_rtt: Duration,
    /// The control plane muted it.
    pub muted: bool,
    /// The publisher takes NACKs.
    pub takes_nack: bool,
    /// The publisher takes PLI.
    pub takes_pli: bool,
    /// The publisher takes FIR, which is sent where PLI is not taken.
    pub takes_fir: bool,
    /// The publisher takes REMB.
    pub takes_remb: bool,
    /// The publisher stops and starts encodings as it is told.
    pub rests: bool,
    /// Sequence number of the next FIR.
    pub fir_sequence: u8,
    /// When it is looked at next.
    pub survey: Alarm,
}

impl Encoding {
    fn new(now: Time, rid: Option<Rid>, history_bytes: usize, clock_rate: u32) -> Self {
        Self {
            rid,
            history: History::new(history_bytes),
            subscribers: Vec::new(),
            ready: false,
            keyframe_arriving: false,
            last_keyframe: None,
            began: None,
            generation: 0,
            active: false,
            rest: Rest::default(),
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

    /// Its stream begins, or begins anew under another SSRC; `generation` is used once in a room.
    pub fn begin(&mut self, now: Time, ssrc: Ssrc, clock_rate: u32, generation: u16) {
        self.began = Some(now);
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

    /// Say whether it may begin anew: each time costs its subscribers a keyframe.
    #[must_use]
    pub fn may_begin(&self, now: Time) -> bool {
        self.began.is_none_or(|began| now.since(began) >= LEAST_RUN)
    }

    /// Name the run of incoming numbers that is current, for the map of outgoing ones.
    #[must_use]
    pub fn source(&self, encoding: usize) -> u16 {
        self.generation
            .wrapping_mul(MOST_ENCODINGS as u16)
            .wrapping_add(encoding as u16)
    }

    /// Note a packet in the history that starts a keyframe, where it is the first of its frame:
    /// parameter sets may come in packets of their own.
    pub fn note_keyframe(&mut self, start: KeyframeStart) {
        if self
            .last_keyframe
            .is_none_or(|last| last.timestamp != start.timestamp)
        {
            self.last_keyframe = Some(start);
        }
    }

    /// Note what a packet says of its stream beyond its payload.
    pub fn note_facts(
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
            self.keyframes.satisfied();
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

    /// Tell when the frame of this RTP timestamp was captured, once its publisher ever told.
    #[must_use]
    pub fn capture_time(&self, timestamp: u32) -> Option<AbsCaptureTime> {
        Some(AbsCaptureTime {
            captured: self.clock.captured_at(timestamp)?,
            clock_offset: self.capture_offset,
        })
    }

    /// Follow its bitrate, once every look; true where its subscribers' pacers should know.
    ///
    /// What rests will need again what it needed.
    pub fn measure(&mut self, now: Time) -> bool {
        if self.rest.would_send() {
            return false;
        }
        self.resize(now);
        self.repace(now)
    }

    /// What it sometimes needs, it needs.
    fn resize(&mut self, now: Time) {
        let bps = self.meter.bps(now);
        self.size_bps = bps.max(self.size_bps - self.size_bps.saturating_sub(bps) / SIZE_FALL);
    }

    /// Take a bitrate that clearly differs from the last one taken; say whether it does.
    fn repace(&mut self, now: Time) -> bool {
        let bps = self.meter.bps(now);
        let differs = bps.abs_diff(self.paced_bps) > self.paced_bps / 4;
        if differs {
            self.paced_bps = bps;
        }
        differs
    }

    /// Notice that nothing comes any more; tell why, where that is new.
    pub fn fell_silent(&mut self, now: Time) -> Option<&'static str> {
        if self.active && self.is_silent(now) {
            self.active = false;
            self.nack.clear();
            let rests = self.rest.is_resting();
            return Some(if rests { UNWATCHED } else { ENCODING_INACTIVE });
        }
        (!self.active && self.rest.overslept(now)).then_some(ENCODING_INACTIVE)
    }

    /// Say whether nothing has come for too long, frames being `frame_interval` apart.
    #[must_use]
    fn is_silent(&self, now: Time) -> bool {
        now.since(self.last_packet) > self.silence_after()
    }

    fn silence_after(&self) -> Duration {
        let interval = self.stats.as_ref().map(InboundStats::frame_interval);
        SILENCE.max(interval.unwrap_or_default() * 3)
    }
}

impl Publication {
    /// Make a publication that has received nothing yet.
    ///
    /// # Errors
    /// Where the codec is not forwarded, or a name has no legal form.
    pub fn new(
        context: &Context<'_>,
        peer: usize,
        request: &PublishRequest,
    ) -> Result<Self, CommandError> {
        let codec = Codec::from_name(&request.codec)
            .ok_or_else(|| CommandError::new(ErrorCode::CodecUnsupported, request.codec.clone()))?;
        if request.encodings.is_empty() || request.encodings.len() > MOST_ENCODINGS {
            return Err(invalid(format!(
                "{} encodings; 1 to {MOST_ENCODINGS} are possible",
                request.encodings.len()
            )));
        }
        let takes = |feedback: &str| request.feedback.iter().any(|known| known == feedback);
        let mut encodings = Vec::with_capacity(request.encodings.len());
        for parameters in &request.encodings {
            let rid = parameters.rid.as_deref().map(parse_rid).transpose()?;
            encodings.push(Encoding::new(
                context.now,
                rid,
                context.config.history_bytes,
                request.clock_rate,
            ));
        }
        Ok(Self {
            id: request.publication,
            peer,
            audio: request.kind == Kind::Audio,
            codec,
            clock_rate: request.clock_rate,
            mid: parse_mid(&request.mid)?,
            order: (0..encodings.len()).collect(),
            disordered: None,
            encodings,
            subscriptions: Vec::new(),
            longest_rtt: Duration::ZERO,
            muted: false,
            takes_nack: takes("nack"),
            takes_pli: takes("nack pli"),
            takes_fir: takes("ccm fir"),
            takes_remb: takes("goog-remb"),
            rests: request.rests,
            fir_sequence: 0,
            survey: Alarm::default(),
        })
    }

    /// List the encodings from the smallest to the largest, for selection.
    #[must_use]
    pub fn candidates(&self) -> Candidates<'_> {
        let candidate = |nth: &usize| {
            let encoding = &self.encodings[*nth];
            Candidate {
                rid: encoding.rid.as_ref().map(Rid::as_str),
                active: encoding.active || encoding.rest.would_send(),
                bitrate_bps: encoding.size_bps,
            }
        };
        self.order.iter().map(candidate).collect()
    }

    /// Sort the encodings by what they send, where that clearly differs from the present order for
    /// longer than a keyframe shows; tell whether it did. Not while one of them may be falling
    /// silent.
    pub fn reorder(&mut self, now: Time) -> bool {
        let mut rates = [0; MOST_ENCODINGS];
        for (rate, encoding) in rates.iter_mut().zip(&mut self.encodings) {
            *rate = encoding.meter.bps(now);
        }
        let known = |nth: &usize| {
            let silence = now.since(self.encodings[*nth].last_packet);
            rates[*nth] > 0 && silence < FALLING_SILENT
        };
        let in_disorder = |pair: &[usize]| rates[pair[0]] > rates[pair[1]] * 3 / 2;
        if !self.order.iter().all(known) || !self.order.windows(2).any(in_disorder) {
            self.disordered = None;
            return false;
        }
        let differs = now.since(*self.disordered.get_or_insert(now)) >= DISORDERED_FOR;
        if differs {
            self.order.sort_by_key(|nth| rates[*nth]);
        }
        differs
    }

    /// Let encodings rest that nobody watches; true where the publisher is to be told.
    ///
    /// The lowest goes on: it costs little, and whoever comes has a picture at once. What does not
    /// send cannot rest: it may never come, and its size is not known.
    pub fn let_rest(&mut self, now: Time) -> bool {
        if !self.rests {
            return false;
        }
        let (lowest, mut told) = (self.order[0], false);
        for (nth, encoding) in self.encodings.iter_mut().enumerate() {
            let is_kept = nth == lowest || !encoding.active || !encoding.subscribers.is_empty();
            told |= encoding.rest.look(now, is_kept);
        }
        told
    }

    /// Find the encoding whose current run of incoming numbers has this name.
    #[must_use]
    pub fn of_source(&self, source: u16) -> Option<&Encoding> {
        let nth = usize::from(source) % MOST_ENCODINGS;
        self.encodings
            .get(nth)
            .filter(|encoding| encoding.source(nth) == source)
    }

    /// Return the clock behind a run of incoming numbers that is still current.
    #[must_use]
    pub fn clock_of(&self, source: u16) -> Option<SourceClock> {
        self.of_source(source).map(|encoding| encoding.clock)
    }
}

/// Read a media id of the control plane.
///
/// # Errors
/// Where it is too long or holds other than token characters.
pub fn parse_mid(mid: &str) -> Result<Mid, CommandError> {
    mid.parse().map_err(|_| invalid(format!("mid {mid:?}")))
}

fn parse_rid(rid: &str) -> Result<Rid, CommandError> {
    rid.parse().map_err(|_| invalid(format!("rid {rid:?}")))
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::Invalid, message)
}
