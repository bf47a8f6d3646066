//! A peer connection: one transport with its publications, subscriptions and timers.

use std::collections::VecDeque;
use std::time::Duration;

use rtc::inbound::bind::{Binder, Expected};
use rtc::inbound::reference::ReferenceTimes;
use rtc::inbound::twcc::TwccReceiver;
use rtc::outbound::reference::ReferenceEchoes;
use rtc::outbound::sequence::Origin;
use rtc::outbound::twcc::TwccSender;
use rtc::pace::Pacer;
use rtc::path::PathId;
use rtc::transport::Transport;
use rustc_hash::FxHashSet;
use wire::extension::ExtensionMap;
use wire::id::{PayloadType, Ssrc};
use wire::time::Time;

use crate::bwe::loss_rtt::LossRtt;
use crate::counters::Counters;
use crate::deadline::Deadline;
use crate::egress::forward::SendTransport;
use crate::ingress::publication::Publication;
use crate::ingress::publish_limit::PublishLimit;
use crate::message::{PublishRequest, TransportId};

/// The sender SSRC of RTCP packets; no media is sent with it.
pub const OUR_SSRC: Ssrc = Ssrc(1);

/// A packet that a subscriber requested by NACK.
#[derive(Clone, Copy, Debug)]
pub struct Resend {
    /// Key of the subscription.
    pub subscription: usize,
    /// The incoming packet that it was.
    pub origin: Origin,
}

/// A peer connection: one transport with its publications and subscriptions.
///
/// The fields that each round of sending uses come first: they have left the cache since the last.
#[repr(C, align(64))]
pub struct PeerConnection {
    /// Whether it is in the queue of this round.
    pub queued: bool,
    /// Whether ICE and DTLS are connected.
    pub connected: bool,
    /// Bitrate of the encodings that its subscriptions send, bit/s.
    pub media_bps: u64,
    /// Audio subscriptions with packets to send.
    pub pending_audio: Vec<usize>,
    /// Video subscriptions with packets to send.
    pub pending_video: Vec<usize>,
    /// Retransmissions to send.
    pub resends: VecDeque<Resend>,
    /// When the pacer allows more.
    pub pace: Deadline,
    /// Pacer, transport-wide sequence numbers and transport.
    pub egress: SendTransport,

    /// Its identifier.
    pub id: TransportId,
    /// Its username fragments, the newest last.
    pub ufrags: Vec<String>,
    /// Its validated paths.
    pub paths: Vec<PathId>,
    /// Datagrams dropped by its transport that are counted already.
    drops_counted: u64,
    /// Every SSRC that was ever sent on the transport.
    pub used_ssrcs: FxHashSet<u32>,
    /// When the timer of ICE and DTLS fires.
    pub transport_at: Option<Time>,

    /// All its subscriptions.
    pub subscriptions: Vec<usize>,
    /// Bandwidth estimator, if any.
    pub policy: Option<LossRtt>,
    /// When the estimate is updated next.
    pub budget: Deadline,
    /// Bandwidth budget, bit/s; `None`: unlimited.
    pub budget_bps: Option<u64>,
    /// Last round-trip time measured.
    pub rtt: Option<Duration>,

    /// SSRC to publication and encoding.
    pub binder: Binder<Incoming>,
    /// Header extensions of its publications.
    pub extensions: ExtensionMap,
    /// Bitrate limit of its publications.
    pub publish_limit: PublishLimit,
    /// Whether it negotiated transport-wide feedback.
    pub supports_twcc: bool,
    /// An SSRC that it sends: libwebrtc accepts transport-wide feedback only for such an SSRC.
    pub sent_ssrc: Option<Ssrc>,
    /// When the next feedback is due.
    pub feedback_at: Option<Time>,
    /// Transport-wide sequence numbers received.
    pub twcc: TwccReceiver,
    /// Reference times of the peer, to be echoed.
    pub references: ReferenceEchoes,
    /// Reference times that the peer may echo, where it only publishes.
    pub reference_times: ReferenceTimes,
    /// All its publications.
    pub publications: Vec<usize>,
    /// When the next reports are due.
    pub reports: Deadline,
}

/// The encoding that an incoming stream belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Key of the publication.
    pub publication: usize,
    /// Index of the encoding.
    pub encoding: usize,
}

impl PeerConnection {
    /// Make a peer connection whose transport is not connected yet.
    #[must_use]
    pub fn new(now: Time, id: TransportId, transport: Transport, ufrag: String) -> Self {
        Self {
            id,
            egress: SendTransport {
                transport,
                pacer: Pacer::new(now),
                transport_wide: TwccSender::new(),
            },
            connected: false,
            ufrags: vec![ufrag],
            paths: Vec::new(),
            drops_counted: 0,
            used_ssrcs: FxHashSet::default(),
            transport_at: None,
            pending_audio: Vec::new(),
            pending_video: Vec::new(),
            resends: VecDeque::new(),
            queued: false,
            pace: Deadline::default(),
            subscriptions: Vec::new(),
            media_bps: 0,
            policy: None,
            budget: Deadline::default(),
            budget_bps: None,
            rtt: None,
            binder: Binder::new(),
            extensions: ExtensionMap::new(),
            publish_limit: PublishLimit::new(now),
            supports_twcc: false,
            twcc: TwccReceiver::new(),
            sent_ssrc: None,
            references: ReferenceEchoes::new(),
            reference_times: ReferenceTimes::new(OUR_SSRC),
            publications: Vec::new(),
            feedback_at: None,
            reports: Deadline::default(),
        }
    }

    /// Expect the streams of a publication.
    pub fn expect(&mut self, key: usize, publication: &Publication, request: &PublishRequest) {
        for (media, rtx) in &request.fid_groups {
            self.binder
                .expect_repair(publication.mid, Ssrc(*media), Ssrc(*rtx));
        }
        for (encoding, parameters) in request.encodings.iter().enumerate() {
            let expected = Expected {
                mid: publication.mid,
                rid: publication.encodings[encoding].rid,
                ssrc: parameters.ssrc.map(Ssrc),
                rtx_ssrc: parameters.rtx_ssrc.map(Ssrc),
                payload_type: PayloadType(request.payload_type),
                rtx_payload_type: request.rtx_payload_type.map(PayloadType),
            };
            self.binder.expect(
                Incoming {
                    publication: key,
                    encoding,
                },
                expected,
            );
        }
    }

    /// Reserve the SSRCs of a subscription, all or none: on one transport no SSRC is used by two
    /// streams (it is part of the AES-GCM nonce).
    ///
    /// # Errors
    /// The SSRC that was used before.
    pub fn reserve_ssrcs(&mut self, ssrc: u32, rtx_ssrc: Option<u32>) -> Result<(), u32> {
        let requested = [ssrc].into_iter().chain(rtx_ssrc);
        let is_used = |ssrc: &u32| self.used_ssrcs.contains(ssrc);
        let used = requested.clone().find(is_used);
        match used.or(rtx_ssrc.filter(|rtx_ssrc| *rtx_ssrc == ssrc)) {
            Some(used) => Err(used),
            None => {
                self.used_ssrcs.extend(requested);
                Ok(())
            }
        }
    }

    /// Remove all references to a subscription.
    pub fn remove_subscription(&mut self, key: usize) {
        self.subscriptions.retain(|other| *other != key);
        self.pending_audio.retain(|other| *other != key);
        self.pending_video.retain(|other| *other != key);
        self.resends.retain(|resend| resend.subscription != key);
    }

    /// Count the datagrams that the transport has dropped since the last call.
    pub fn count_drops(&mut self, counters: &mut Counters) {
        let total = self.egress.transport.drops().total();
        counters.datagrams_dropped += total - self.drops_counted;
        self.drops_counted = total;
    }

    /// Return the selected path, once media may be sent.
    #[must_use]
    pub fn sending_path(&self) -> Option<PathId> {
        match self.connected {
            true => self.egress.transport.send_path(),
            false => None,
        }
    }
}
