//! One participant receiving one publication: an outgoing stream and where it reads from.

use rtc::codec::{Codec, Rewriter};
use rtc::outbound::report::SenderReports;
use rtc::outbound::sequence::{Placed, SequenceMap};
use rtc::srtp::SealStream;
use rtc::timeline::Timeline;
use rtc::transport::Transport;
use wire::id::{PayloadType, Ssrc};
use wire::time::Time;

use crate::context::Context;
use crate::extensions::extension_map;
use crate::keyframe::KeyframeAllowance;
use crate::message::{CommandError, SubscribeRequest, SubscriptionId, Target};
use crate::publication::{Publication, parse_mid};
use crate::repair::{Allowance, Repair, Resent};
use crate::template::Template;

/// Counts of one subscription (webrtc-stats: outbound-rtp and remote-inbound-rtp).
#[derive(Clone, Copy, Debug, Default)]
pub struct SubscriptionCounters {
    /// Packets sent, retransmissions excluded.
    pub packets_sent: u64,
    /// Payload bytes of them, padding excluded (RFC 3550 6.4.1).
    pub bytes_sent: u64,
    /// Retransmissions sent.
    pub retransmitted_packets: u64,
    /// Sequence numbers asked for again.
    pub nacks: u64,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
    /// Those among them that came too soon after the last ones.
    pub keyframe_requests_rate_limited: u64,
    /// Last fraction lost that the receiver reported, in 256ths.
    pub fraction_lost: u8,
    /// Changes of encoding.
    pub switches: u64,
}

/// An encoding that a subscription waits for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Its number in the publication.
    pub encoding: usize,
    /// Since when.
    pub since: Time,
    /// The first position in its history where a keyframe will do.
    pub from: u64,
    /// Why it was chosen.
    pub reason: &'static str,
}

/// A packet that no publisher sent: parameter sets in front of a keyframe that came without.
#[derive(Debug)]
pub struct Inserted {
    /// Its place in the outgoing stream.
    pub placed: Placed,
    /// Its outgoing RTP timestamp.
    pub timestamp: u32,
    /// What it carries.
    pub payload: Vec<u8>,
    /// It has not been sent yet.
    pub is_due: bool,
}

/// One participant receiving one publication.
///
/// Thousands of them take turns, so each finds its state gone from the processor's cache: what the
/// packet path touches stands together, in this order, at the start of a cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Subscription {
    /// The encoding that is sent now.
    pub current: Option<usize>,
    /// Position in its history of the next packet to send.
    pub cursor: u64,
    /// Where its packets leave.
    pub peer: usize,
    /// What it receives.
    pub publication: usize,
    /// The packet inserted last.
    pub inserted: Option<Box<Inserted>>,
    /// It stands in its peer's list of streams that have something to send.
    pub queued: bool,
    /// It carries sound.
    pub audio: bool,
    /// The encoding that is waited for.
    pub wanted: Option<Wanted>,
    /// Incoming to outgoing sequence numbers.
    pub map: SequenceMap,
    /// Incoming to outgoing timestamps.
    pub timeline: Timeline,
    /// Incoming to outgoing picture numbers.
    pub rewriter: Rewriter,
    /// Counts.
    pub counters: SubscriptionCounters,
    /// SRTP state, once the transport has keys.
    pub stream: Option<SealStream>,
    /// Header of its packets.
    pub template: Template,
    /// The run of incoming numbers that was sent last.
    pub last_source: Option<u16>,
    /// Retransmissions, where negotiated.
    pub repair: Option<Repair>,
    /// SSRC of its packets.
    pub ssrc: Ssrc,
    /// Its name.
    pub id: SubscriptionId,
    /// Payload codec.
    pub codec: Codec,
    /// How often its receiver may have a keyframe asked for.
    pub keyframes: KeyframeAllowance,
    /// What the subscriber asks for.
    pub target: Target,
    /// Its share of what its subscriber may receive, bit/s; `None`: unlimited.
    pub budget_bps: Option<u64>,
    /// Sender reports sent for it.
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
    /// Where a name or an extension id has no legal form.
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
            wanted: None,
            peer,
            publication: publication_key,
            last_source: None,
            repair,
            ssrc: Ssrc(request.ssrc),
            id: request.subscription,
            codec: publication.codec,
            keyframes: KeyframeAllowance::default(),
            target: request.target,
            budget_bps: None,
            reports: SenderReports::new(publication.clock_rate),
            cname: request.cname,
            last_reason: "none",
        })
    }

    /// Take the SRTP state that its transport has for it now.
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

    /// List the encodings whose packets concern this subscription.
    pub fn interests(&self) -> impl Iterator<Item = usize> {
        let wanted = self.wanted.map(|wanted| wanted.encoding);
        self.current
            .into_iter()
            .chain(wanted.filter(|encoding| Some(*encoding) != self.current))
    }
}
