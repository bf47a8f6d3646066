//! One participant receiving one publication: an outgoing stream and its position in a history.

use rtc::codec::{Codec, Rewriter};
use rtc::outbound::report::SenderReports;
use rtc::outbound::sequence::{Placed, SequenceMap};
use rtc::srtp::SealStream;
use rtc::timeline::Timeline;
use rtc::transport::Transport;
use wire::id::{PayloadType, Ssrc};
use wire::time::Time;

use crate::context::Context;
use crate::egress::keyframe_limit::KeyframeRequestLimit;
use crate::egress::repair::{Allowance, Repair, Resent};
use crate::egress::template::Template;
use crate::extensions::extension_map;
use crate::ingress::publication::{Publication, parse_mid};
use crate::message::{CommandError, SubscribeRequest, SubscriptionId, Target};

/// Counts of one subscription (webrtc-stats: outbound-rtp and remote-inbound-rtp).
#[derive(Clone, Copy, Debug, Default)]
pub struct SubscriptionCounters {
    /// Packets sent, retransmissions excluded.
    pub packets_sent: u64,
    /// Payload bytes of them, padding excluded (RFC 3550 6.4.1).
    pub bytes_sent: u64,
    /// Retransmissions sent.
    pub retransmitted_packets: u64,
    /// Sequence numbers in NACKs.
    pub nacks: u64,
    /// Keyframe requests.
    pub keyframe_requests: u64,
    /// Keyframe requests above the rate limit.
    pub keyframe_requests_rate_limited: u64,
    /// Last fraction lost that the receiver reported, in 256ths.
    pub fraction_lost: u8,
    /// Changes of encoding.
    pub switches: u64,
}

/// The encoding that a subscription switches to at its next keyframe.
#[derive(Clone, Copy, Debug)]
pub struct PendingSwitch {
    /// Its number in the publication.
    pub encoding: usize,
    /// Since when.
    pub since: Time,
    /// The first position in its history from which a keyframe is used.
    pub from: u64,
    /// Reason code of the selection.
    pub reason: &'static str,
}

/// An inserted packet: parameter sets in front of a keyframe that lacks them.
#[derive(Debug)]
pub struct Inserted {
    /// Its place in the outgoing stream.
    pub placed: Placed,
    /// Its outgoing RTP timestamp.
    pub timestamp: u32,
    /// RTP payload.
    pub payload: Vec<u8>,
    /// Whether it has not been sent yet.
    pub is_due: bool,
}

/// One participant receiving one publication.
///
/// Thousands of subscriptions are served in turn, so their state has left the processor's cache:
/// the fields of the packet path come first, in this order, at the start of a cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Subscription {
    /// The encoding that is sent now.
    pub current: Option<usize>,
    /// Position in its history of the next packet to send.
    pub cursor: u64,
    /// Key of the peer connection that its packets are sent on.
    pub peer: usize,
    /// Key of the publication.
    pub publication: usize,
    /// The packet inserted last.
    pub inserted: Option<Box<Inserted>>,
    /// Whether its peer connection has it in the list of streams with packets to send.
    pub queued: bool,
    /// Whether it is audio.
    pub audio: bool,
    /// The switch that waits for a keyframe.
    pub pending_switch: Option<PendingSwitch>,
    /// Incoming to outgoing sequence numbers.
    pub map: SequenceMap,
    /// Incoming to outgoing timestamps.
    pub timeline: Timeline,
    /// Incoming to outgoing picture ids.
    pub rewriter: Rewriter,
    /// Counts.
    pub counters: SubscriptionCounters,
    /// SRTP state, once the transport has keys.
    pub stream: Option<SealStream>,
    /// Header of its packets.
    pub template: Template,
    /// The source that was sent last: [`Encoding::source`](crate::ingress::encoding::Encoding::source).
    pub last_source: Option<u16>,
    /// Retransmissions, where negotiated.
    pub repair: Option<Repair>,
    /// SSRC of its packets.
    pub ssrc: Ssrc,
    /// Its identifier.
    pub id: SubscriptionId,
    /// Payload codec.
    pub codec: Codec,
    /// Rate limit of its keyframe requests.
    pub keyframes: KeyframeRequestLimit,
    /// The encoding that the subscriber requests.
    pub target: Target,
    /// Its share of its subscriber's budget, bit/s; `None`: unlimited.
    pub budget_bps: Option<u64>,
    /// Its sender reports.
    pub reports: SenderReports,
    /// Canonical name in its source descriptions.
    pub cname: String,
    /// Reason of the last change of encoding.
    pub last_reason: &'static str,
}

impl Subscription {
    /// Make a subscription that has sent nothing yet.
    ///
    /// # Errors
    /// Where a mid or an extension id is invalid.
    pub fn new(
        context: &mut Context<'_>,
        peer: usize,
        publication_key: usize,
        publication: &Publication,
        request: SubscribeRequest,
    ) -> Result<Self, CommandError> {
        let mid = parse_mid(&request.mid)?;
        let ids = extension_map(&request.extensions)?;
        let audio = publication.audio;
        let template = |ssrc, payload_type| {
            Template::new(Ssrc(ssrc), PayloadType(payload_type), mid, &ids, audio)
        };
        let random = context.random.next_u64();
        let repair = request
            .rtx_ssrc
            .zip(request.rtx_payload_type)
            .map(|(ssrc, payload_type)| Repair {
                template: template(ssrc, payload_type),
                ssrc: Ssrc(ssrc),
                stream: None,
                // Below 2^15, as for every first sequence number (RFC 3711 3.3.1).
                next_index: random >> 49,
                resent: Resent::default(),
                allowance: Allowance::default(),
            });
        Ok(Self {
            current: None,
            cursor: 0,
            queued: false,
            audio,
            map: SequenceMap::new(random as u16),
            timeline: Timeline::new(publication.clock_rate, (random >> 16) as u32),
            rewriter: Rewriter::new(publication.codec),
            stream: None,
            inserted: None,
            template: template(request.ssrc, request.payload_type),
            counters: SubscriptionCounters::default(),
            pending_switch: None,
            peer,
            publication: publication_key,
            last_source: None,
            repair,
            ssrc: Ssrc(request.ssrc),
            id: request.subscription,
            codec: publication.codec,
            keyframes: KeyframeRequestLimit::default(),
            target: request.target,
            budget_bps: None,
            reports: SenderReports::new(publication.clock_rate),
            cname: request.cname,
            last_reason: "none",
        })
    }

    /// Set the SRTP state from its transport, once that has keys.
    pub fn attach(&mut self, transport: &mut Transport) {
        if self.stream.is_none() {
            self.stream = transport.seal_stream(self.ssrc).ok();
        }
        if let Some(repair) = self
            .repair
            .as_mut()
            .filter(|repair| repair.stream.is_none())
        {
            repair.stream = transport.seal_stream(repair.ssrc).ok();
        }
    }

    /// List the encodings that the subscription sends or waits for.
    pub fn interests(&self) -> impl Iterator<Item = usize> {
        let pending = self.pending_switch.map(|switch| switch.encoding);
        self.current
            .into_iter()
            .chain(pending.filter(|encoding| Some(*encoding) != self.current))
    }
}
