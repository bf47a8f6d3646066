//! One subscriber receiving one publication: an outgoing stream and its position in a history.

use rtc::codec::{Codec, Rewriter};
use rtc::layers::Layer;
use rtc::layers::filter::LayerFilter;
use rtc::outbound::report::SenderReports;
use rtc::outbound::sequence::{Placed, SequenceMap};
use rtc::srtp::SealStream;
use rtc::timeline::Timeline;
use rtc::transport::Transport;
use wire::id::{PayloadType, Ssrc};
use wire::time::Time;

use super::descriptors::Descriptors;
use super::keyframe_limit::KeyframeRequestLimit;
use super::markers::Markers;
use super::repair::{Allowance, Repair, Resent};
use super::template::Template;
use crate::bwe::control::Feedback;
use crate::context::Context;
use crate::extensions::extension_map;
use crate::ingress::publication::{Publication, parse_mid};
use crate::keys::{PublicationKey, SubscriberKey};
use crate::message::{
    CommandError, Preference, SelectedLayers, SubscribeRequest, SubscriptionId, Target,
};

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

/// Where a subscription stands.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Position {
    /// The encoding that is sent now.
    pub current: Option<usize>,
    /// Position in its history of the next packet to send.
    pub cursor: u64,
    /// Selects layers of it, where not all packets are sent or descriptors are changed.
    pub filter: Option<Box<LayerFilter>>,
    /// The packet inserted last.
    pub inserted: Option<Box<Inserted>>,
    /// The switch that waits for a keyframe.
    pub pending_switch: Option<PendingSwitch>,
}

/// From the numbers of incoming packets to those of outgoing ones.
#[derive(Debug)]
#[repr(C)]
pub struct Numbers {
    /// Sequence numbers.
    pub map: SequenceMap,
    /// Timestamps.
    pub timeline: Timeline,
    /// Picture ids.
    pub rewriter: Rewriter,
    /// The source that was sent last: [`Encoding::source`](crate::ingress::encoding::Encoding::source).
    pub last_source: Option<u16>,
    /// Those of dependency descriptors, once an encoding with them was sent.
    pub descriptors: Option<Box<Descriptors>>,
    /// Markers, once layers were left out.
    pub markers: Option<Box<Markers>>,
}

/// The outgoing stream.
#[derive(Debug)]
#[repr(C)]
pub struct OutgoingStream {
    /// SRTP state, once the transport has keys.
    pub seal: Option<SealStream>,
    /// Header of its packets.
    pub template: Template,
    /// SSRC of its packets.
    pub ssrc: Ssrc,
    /// Payload type of the blocks where it is redundant audio (RFC 2198).
    pub red_block: Option<u8>,
}

/// Which encoding is wanted, and why another may be sent.
#[derive(Debug)]
pub struct Selection {
    /// The encoding that the subscriber requests.
    pub target: Target,
    /// How the subscriber shows it.
    pub preference: Preference,
    /// The layer of the encoding that is granted.
    pub layer: Layer,
    /// That layer by name, beside the highest one; `None` where the encoding has a single one.
    pub layers: Option<SelectedLayers>,
    /// Whether it is paused for want of bandwidth.
    pub is_paused: bool,
    /// Reason of the last change of encoding.
    pub last_reason: &'static str,
}

/// RTCP about the outgoing stream.
#[derive(Debug)]
pub struct StreamReports {
    /// Sender reports.
    pub sender: SenderReports,
    /// Canonical name in its source descriptions.
    pub cname: String,
    /// Rate limit of the subscriber's keyframe requests.
    pub keyframes: KeyframeRequestLimit,
}

/// One subscriber receiving one publication.
///
/// Thousands of subscriptions are served in turn, so their state has left the processor's cache:
/// the fields of the packet path come first, in this order, at the start of a cache line.
#[derive(Debug)]
#[repr(C)]
pub struct Subscription {
    /// Where it stands.
    pub position: Position,
    /// Who receives it.
    pub subscriber: SubscriberKey,
    /// What is received.
    pub publication: PublicationKey,
    /// Whether its subscriber has it in the list of streams with packets to send.
    pub queued: bool,
    /// Whether it is audio.
    pub audio: bool,
    /// Incoming to outgoing numbers.
    pub numbers: Numbers,
    /// Counts.
    pub counters: SubscriptionCounters,
    /// The outgoing stream.
    pub stream: OutgoingStream,
    /// Retransmissions, where negotiated.
    pub repair: Option<Repair>,
    /// Congestion feedback of its receiver.
    pub feedback: Feedback,
    /// Which encoding is wanted.
    pub selection: Selection,
    /// RTCP about it.
    pub reports: StreamReports,
    /// Its identifier.
    pub id: SubscriptionId,
    /// Payload codec.
    pub codec: Codec,
}

impl Subscription {
    /// Make a subscription that has sent nothing yet.
    ///
    /// # Errors
    /// Where a mid or an extension id is invalid.
    pub fn new(
        context: &mut Context<'_>,
        subscriber: SubscriberKey,
        publication_key: PublicationKey,
        publication: &Publication,
        request: SubscribeRequest,
    ) -> Result<Self, CommandError> {
        let mid = parse_mid(&request.mid)?;
        let ids = extension_map(&request.extensions)?;
        let audio = publication.audio;
        let template = |ssrc, payload_type| {
            Template::new(Ssrc(ssrc), PayloadType(payload_type), mid, &ids, audio)
        };
        let red = request.red_payload_type.filter(|_| audio);
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
            position: Position::default(),
            subscriber,
            publication: publication_key,
            queued: false,
            audio,
            numbers: Numbers {
                map: SequenceMap::new(random as u16),
                timeline: Timeline::new(publication.clock_rate, (random >> 16) as u32),
                rewriter: Rewriter::new(publication.codec),
                last_source: None,
                descriptors: None,
                markers: None,
            },
            counters: SubscriptionCounters::default(),
            stream: OutgoingStream {
                seal: None,
                template: template(request.ssrc, red.unwrap_or(request.payload_type)),
                ssrc: Ssrc(request.ssrc),
                red_block: red.map(|_| request.payload_type),
            },
            repair,
            feedback: Feedback::of(&request.feedback),
            selection: Selection {
                target: request.target,
                preference: request.preference,
                layer: Layer::ALL,
                layers: None,
                is_paused: false,
                last_reason: "none",
            },
            reports: StreamReports {
                sender: SenderReports::new(publication.clock_rate),
                cname: request.cname,
                keyframes: KeyframeRequestLimit::default(),
            },
            id: request.subscription,
            codec: publication.codec,
        })
    }

    /// Set the SRTP state from its transport, once that has keys.
    pub fn attach(&mut self, transport: &mut Transport) {
        if self.stream.seal.is_none() {
            self.stream.seal = transport.seal_stream(self.stream.ssrc).ok();
        }
        if let Some(repair) = self
            .repair
            .as_mut()
            .filter(|repair| repair.stream.is_none())
        {
            repair.stream = transport.seal_stream(repair.ssrc).ok();
        }
    }

    /// List its SSRCs.
    pub fn ssrcs(&self) -> impl Iterator<Item = Ssrc> {
        let repair = self.repair.as_ref().map(|repair| repair.ssrc);
        [self.stream.ssrc].into_iter().chain(repair)
    }
}
