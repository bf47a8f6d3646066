//! A track offered to a room: its encodings, each an incoming stream with a history.

use std::time::Duration;

use rtc::codec::Codec;
use rtc::timeline::SourceClock;
use wire::id::{Mid, PayloadType, Rid};
use wire::time::Time;

use super::encoding::Encoding;
use super::redundancy::RedTypes;
use crate::context::{Context, Timer};
use crate::deadline::Deadline;
use crate::keys::{MAX_ENCODINGS, PublicationKey, PublisherKey};
use crate::message::{CommandError, ErrorCode, Event, Kind, PublicationId, PublishRequest};

/// After silence of this length the bitrate of an encoding is not compared with others.
const RATE_VALID_FOR: Duration = Duration::from_millis(250);

/// Encodings are reordered after this: longer than a keyframe raises the bitrate, which is 1.25 s.
const REORDER_AFTER: Duration = Duration::from_secs(2);

/// Time between two updates of a publication's encodings.
const UPDATE_INTERVAL: Duration = Duration::from_millis(250);

/// RTCP feedback, and more, that the publisher negotiated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Negotiated {
    /// NACK.
    pub nack: bool,
    /// PLI.
    pub pli: bool,
    /// FIR, which is sent where PLI was not negotiated.
    pub fir: bool,
    /// REMB.
    pub remb: bool,
    /// Sequence number of the last FIR.
    pub fir_sequence: u8,
    /// The publisher stops and starts encodings on request (dynacast).
    pub dynacast: bool,
    /// Redundant audio (RFC 2198).
    pub red: Option<RedTypes>,
}

/// A track offered to a room.
#[derive(Debug)]
pub struct Publication {
    /// Its identifier.
    pub id: PublicationId,
    /// Its publisher.
    pub publisher: PublisherKey,
    /// Whether it is audio.
    pub audio: bool,
    /// Its codec.
    pub codec: Codec,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// RFC 9143 media id on the publisher's transport.
    pub mid: Mid,
    /// Its encodings, in the order of the offer.
    pub encodings: Vec<Encoding>,
    /// Indices of the encodings from the lowest bitrate to the highest.
    pub order: Vec<usize>,
    /// Since when the bitrates contradict `order`.
    misordered_since: Option<Time>,
    /// Longest round-trip time of those who get it, which bounds the age of its histories.
    pub longest_rtt: Duration,
    /// Whether it is a shared screen.
    pub screen: bool,
    /// Whether it is muted.
    pub muted: bool,
    /// What the publisher negotiated.
    pub negotiated: Negotiated,
    /// When its encodings are updated next.
    pub update_timer: Deadline,
}

impl Publication {
    /// Make a publication that has received nothing yet.
    ///
    /// # Errors
    /// Where the codec is not forwarded, or a mid or rid is invalid.
    pub fn new(
        context: &Context<'_>,
        publisher: PublisherKey,
        request: &PublishRequest,
    ) -> Result<Self, CommandError> {
        let codec = Codec::from_name(&request.codec)
            .ok_or_else(|| CommandError::new(ErrorCode::CodecUnsupported, request.codec.clone()))?;
        if request.encodings.is_empty() || request.encodings.len() > MAX_ENCODINGS {
            return Err(invalid(format!(
                "{} encodings; 1 to {MAX_ENCODINGS} are possible",
                request.encodings.len()
            )));
        }
        let supports = |feedback: &str| {
            request
                .feedback
                .iter()
                .any(|negotiated| negotiated == feedback)
        };
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
            publisher,
            audio: request.kind == Kind::Audio,
            codec,
            clock_rate: request.clock_rate,
            mid: parse_mid(&request.mid)?,
            order: (0..encodings.len()).collect(),
            misordered_since: None,
            encodings,
            longest_rtt: Duration::ZERO,
            screen: request.screen,
            muted: false,
            negotiated: Negotiated {
                nack: supports("nack"),
                pli: supports("nack pli"),
                fir: supports("ccm fir"),
                remb: supports("goog-remb"),
                fir_sequence: 0,
                dynacast: request.dynacast,
                red: red_types(request),
            },
            update_timer: Deadline::default(),
        })
    }

    /// Return whether it is audio that its publisher speaks into, not that of a shared screen.
    #[must_use]
    pub fn is_microphone(&self) -> bool {
        self.audio && !self.screen
    }

    /// Sort the encodings by bitrate where it contradicts the present order for longer than after a
    /// keyframe; return whether the order changed. Not while one of them may be becoming inactive.
    pub fn reorder(&mut self, now: Time) -> bool {
        let mut rates = [0; MAX_ENCODINGS];
        for (rate, encoding) in rates.iter_mut().zip(&mut self.encodings) {
            *rate = encoding.rates.meter.bps(now);
        }
        let is_measured = |nth: &usize| {
            let silence = now.since(self.encodings[*nth].last_packet);
            rates[*nth] > 0 && silence < RATE_VALID_FOR
        };
        let is_misordered = |pair: &[usize]| rates[pair[0]] > rates[pair[1]] * 3 / 2;
        if !self.order.iter().all(is_measured) || !self.order.windows(2).any(is_misordered) {
            self.misordered_since = None;
            return false;
        }
        let differs = now.since(*self.misordered_since.get_or_insert(now)) >= REORDER_AFTER;
        if differs {
            self.order.sort_by_key(|nth| rates[*nth]);
        }
        differs
    }

    /// Deactivate unwatched encodings; return whether the publisher has to be notified.
    ///
    /// The lowest stays active: it costs little, and a new subscriber has video at once. An
    /// encoding that is not sent is not deactivated: it may never be sent, and its size is unknown.
    pub fn update_dynacast(&mut self, now: Time) -> bool {
        if !self.negotiated.dynacast {
            return false;
        }
        let (lowest, mut changed) = (self.order[0], false);
        for (nth, encoding) in self.encodings.iter_mut().enumerate() {
            let is_kept = nth == lowest || !encoding.active || encoding.is_watched;
            changed |= encoding.dynacast.update(now, is_kept);
        }
        changed
    }

    /// Schedule the next update of the encodings.
    pub fn schedule_update(&mut self, context: &mut Context<'_>, key: PublicationKey) {
        let at = context.now + UPDATE_INTERVAL;
        self.update_timer.set(at);
        context.set_timer(at, Timer::Encodings(key));
    }

    /// Report to the publisher which encodings it should send (dynacast).
    pub fn report_wanted_encodings(&self, context: &mut Context<'_>) {
        let active = self
            .encodings
            .iter()
            .filter(|encoding| !encoding.dynacast.is_inactive());
        context.events.push(Event::EncodingsWanted {
            publication: self.id,
            rids: active
                .filter_map(|encoding| Some(encoding.rid.as_ref()?.to_string()))
                .collect(),
        });
    }

    /// Report that an encoding has become active or inactive.
    pub fn report_state(
        &self,
        context: &mut Context<'_>,
        encoding: usize,
        active: bool,
        reason: &'static str,
    ) {
        context.events.push(Event::EncodingState {
            publication: self.id,
            rid: self.encodings[encoding].rid.as_ref().map(Rid::to_string),
            active,
            reason,
        });
    }

    /// Return the encoding whose current stream has this identifier.
    #[must_use]
    pub fn encoding_by_source(&self, source: u16) -> Option<&Encoding> {
        let nth = usize::from(source) % MAX_ENCODINGS;
        self.encodings
            .get(nth)
            .filter(|encoding| encoding.source(nth) == source)
    }

    /// Return the clock of a stream that is still current.
    #[must_use]
    pub fn clock_of(&self, source: u16) -> Option<SourceClock> {
        self.encoding_by_source(source)
            .map(|encoding| encoding.stream.clock)
    }
}

/// Return the payload types of RED where the publisher negotiated it; its blocks are the codec.
fn red_types(request: &PublishRequest) -> Option<RedTypes> {
    let red = request.red_payload_type.map(PayloadType)?;
    let block = PayloadType(request.payload_type);
    let is_opus = Codec::from_name(&request.codec) == Some(Codec::Opus);
    (is_opus && red != block).then_some(RedTypes { red, block })
}

/// Read a media id of the control plane.
///
/// # Errors
/// Where the mid is too long or holds other than token characters.
pub fn parse_mid(mid: &str) -> Result<Mid, CommandError> {
    mid.parse().map_err(|_| invalid(format!("mid {mid:?}")))
}

fn parse_rid(rid: &str) -> Result<Rid, CommandError> {
    rid.parse().map_err(|_| invalid(format!("rid {rid:?}")))
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::Invalid, message)
}
