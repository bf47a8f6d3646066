//! A track offered to a room: its encodings, each an incoming stream with a history.

use std::time::Duration;

use rtc::codec::Codec;
use rtc::timeline::SourceClock;
use wire::id::{Mid, Rid};
use wire::time::Time;

use super::encoding::Encoding;
use crate::allocate::select::{Candidate, Candidates};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::keys::MAX_ENCODINGS;
use crate::message::{CommandError, ErrorCode, Kind, PublicationId, PublishRequest};

/// After silence of this length the bitrate of an encoding is not compared with others.
const RATE_VALID_FOR: Duration = Duration::from_millis(250);

/// Encodings are reordered after this: longer than a keyframe raises the bitrate, which is 1.25 s.
const REORDER_AFTER: Duration = Duration::from_secs(2);

/// A track offered to a room.
#[derive(Debug)]
pub struct Publication {
    /// Its identifier.
    pub id: PublicationId,
    /// Key of the publisher's peer connection.
    pub peer: usize,
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
    /// Subscriptions to it.
    pub subscriptions: Vec<usize>,
    /// Longest round-trip time of its subscribers, which bounds the age of its histories.
    pub longest_rtt: Duration,
    /// Whether it is muted.
    pub muted: bool,
    /// The publisher negotiated NACK.
    pub supports_nack: bool,
    /// The publisher negotiated PLI.
    pub supports_pli: bool,
    /// The publisher negotiated FIR, which is sent where PLI was not negotiated.
    pub supports_fir: bool,
    /// The publisher negotiated REMB.
    pub supports_remb: bool,
    /// The publisher stops and starts encodings on request (dynacast).
    pub dynacast: bool,
    /// Sequence number of the next FIR.
    pub fir_sequence: u8,
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
        peer: usize,
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
            peer,
            audio: request.kind == Kind::Audio,
            codec,
            clock_rate: request.clock_rate,
            mid: parse_mid(&request.mid)?,
            order: (0..encodings.len()).collect(),
            misordered_since: None,
            encodings,
            subscriptions: Vec::new(),
            longest_rtt: Duration::ZERO,
            muted: false,
            supports_nack: supports("nack"),
            supports_pli: supports("nack pli"),
            supports_fir: supports("ccm fir"),
            supports_remb: supports("goog-remb"),
            dynacast: request.dynacast,
            fir_sequence: 0,
            update_timer: Deadline::default(),
        })
    }

    /// List the encodings from the lowest to the highest, for selection.
    #[must_use]
    pub fn candidates(&self) -> Candidates<'_> {
        let candidate = |nth: &usize| {
            let encoding = &self.encodings[*nth];
            Candidate {
                rid: encoding.rid.as_ref().map(Rid::as_str),
                active: encoding.active || encoding.dynacast.sends_on_demand(),
                bitrate_bps: encoding.size_bps,
            }
        };
        self.order.iter().map(candidate).collect()
    }

    /// Sort the encodings by bitrate where it contradicts the present order for longer than after a
    /// keyframe; return whether the order changed. Not while one of them may be becoming inactive.
    pub fn reorder(&mut self, now: Time) -> bool {
        let mut rates = [0; MAX_ENCODINGS];
        for (rate, encoding) in rates.iter_mut().zip(&mut self.encodings) {
            *rate = encoding.meter.bps(now);
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

    /// Deactivate encodings without subscribers; return whether the publisher has to be notified.
    ///
    /// The lowest stays active: it costs little, and a new subscriber has video at once. An
    /// encoding that is not sent is not deactivated: it may never be sent, and its size is unknown.
    pub fn update_dynacast(&mut self, now: Time) -> bool {
        if !self.dynacast {
            return false;
        }
        let (lowest, mut changed) = (self.order[0], false);
        for (nth, encoding) in self.encodings.iter_mut().enumerate() {
            let is_kept = nth == lowest || !encoding.active || !encoding.subscribers.is_empty();
            changed |= encoding.dynacast.update(now, is_kept);
        }
        changed
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
            .map(|encoding| encoding.clock)
    }
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
