//! The room's end of one transport: what it sends, what it receives, and what is due.

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

use crate::alarm::Alarm;
use crate::counters::Counters;
use crate::forward::Leg;
use crate::message::{PublishRequest, TransportId};
use crate::policy::loss_rtt::LossRtt;
use crate::publication::Publication;
use crate::publish_limit::PublishLimit;

/// Who we are where we only receive: no media is ever sent under it.
pub const OUR_SSRC: Ssrc = Ssrc(1);

/// A packet that a subscriber asked for again.
#[derive(Clone, Copy, Debug)]
pub struct Resend {
    /// Whose.
    pub subscription: usize,
    /// Where it came from.
    pub origin: Origin,
}

/// The room's end of one transport.
///
/// What each round of sending touches stands first, together: it has left the cache since the last.
#[repr(C, align(64))]
pub struct Peer {
    /// It has its turn in this round.
    pub touched: bool,
    /// ICE and DTLS are done.
    pub connected: bool,
    /// Bit/s of the encodings that they send.
    pub media_bps: u64,
    /// Audio subscriptions with something to send.
    pub pending_audio: Vec<usize>,
    /// Video subscriptions with something to send.
    pub pending_video: Vec<usize>,
    /// What was asked for again.
    pub resends: VecDeque<Resend>,
    /// When the pacer lets more through.
    pub pace: Alarm,
    /// Its sending half.
    pub leg: Leg,

    /// Its name.
    pub id: TransportId,
    /// Its username fragments, the newest last.
    pub ufrags: Vec<String>,
    /// The paths that lead to it.
    pub paths: Vec<PathId>,
    /// Datagrams dropped by its transport that are counted already.
    drops_counted: u64,
    /// Every SSRC that was ever sent from here.
    pub used_ssrcs: FxHashSet<u32>,
    /// When the timer of ICE and DTLS fires.
    pub transport_at: Option<Time>,

    /// All its subscriptions.
    pub subscriptions: Vec<usize>,
    /// Bandwidth estimate, where one is made.
    pub policy: Option<LossRtt>,
    /// When the estimate takes its next step.
    pub budget: Alarm,
    /// What the estimate allows, bit/s; `None`: everything that is asked for.
    pub budget_bps: Option<u64>,
    /// Last round trip measured.
    pub rtt: Option<Duration>,

    /// SSRC to publication and encoding.
    pub binder: Binder<Incoming>,
    /// Header extensions of its publications.
    pub extensions: ExtensionMap,
    /// How much it may publish, where that is limited.
    pub publish_limit: PublishLimit,
    /// It negotiated transport-wide feedback.
    pub takes_twcc: bool,
    /// A stream that it sends: libwebrtc takes transport-wide feedback only under such an SSRC.
    pub sent_ssrc: Option<Ssrc>,
    /// When the next feedback is due.
    pub feedback_at: Option<Time>,
    /// Transport-wide sequence numbers received.
    pub twcc: TwccReceiver,
    /// Reference times that it wants echoed.
    pub references: ReferenceEchoes,
    /// Reference times of ours that it may echo, where it only publishes.
    pub reference_times: ReferenceTimes,
    /// All its publications.
    pub publications: Vec<usize>,
    /// When the next reports are due.
    pub reports: Alarm,
}

/// What an incoming stream belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its publication.
    pub publication: usize,
    /// Its encoding there.
    pub encoding: usize,
}

impl Peer {
    /// Make the room's end of a transport that is not connected yet.
    #[must_use]
    pub fn new(now: Time, id: TransportId, transport: Transport, ufrag: String) -> Self {
        Self {
            id,
            leg: Leg {
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
            touched: false,
            pace: Alarm::default(),
            subscriptions: Vec::new(),
            media_bps: 0,
            policy: None,
            budget: Alarm::default(),
            budget_bps: None,
            rtt: None,
            binder: Binder::new(),
            extensions: ExtensionMap::new(),
            publish_limit: PublishLimit::new(now),
            takes_twcc: false,
            twcc: TwccReceiver::new(),
            sent_ssrc: None,
            references: ReferenceEchoes::new(),
            reference_times: ReferenceTimes::new(OUR_SSRC),
            publications: Vec::new(),
            feedback_at: None,
            reports: Alarm::default(),
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

    /// Claim the SSRCs of a subscription, all or none: on one transport none ever serves two
    /// streams (the nonce of AES-GCM is made of it).
    ///
    /// # Errors
    /// The one that was used before.
    pub fn claim_ssrcs(&mut self, ssrc: u32, rtx_ssrc: Option<u32>) -> Result<(), u32> {
        let wanted = [ssrc].into_iter().chain(rtx_ssrc);
        let is_used = |wanted: &u32| self.used_ssrcs.contains(wanted);
        let used = wanted.clone().find(is_used);
        match used.or(rtx_ssrc.filter(|rtx_ssrc| *rtx_ssrc == ssrc)) {
            Some(used) => Err(used),
            None => {
                self.used_ssrcs.extend(wanted);
                Ok(())
            }
        }
    }

    /// Forget all that refers to a subscription.
    pub fn forget_subscription(&mut self, key: usize) {
        self.subscriptions.retain(|other| *other != key);
        self.pending_audio.retain(|other| *other != key);
        self.pending_video.retain(|other| *other != key);
        self.resends.retain(|resend| resend.subscription != key);
    }

    /// Count the datagrams that the transport has dropped since the last call.
    pub fn count_drops(&mut self, counters: &mut Counters) {
        let total = self.leg.transport.drops().total();
        counters.datagrams_dropped += total - self.drops_counted;
        self.drops_counted = total;
    }

    /// Return the path to send media to, once there is one.
    #[must_use]
    pub fn sending_path(&self) -> Option<PathId> {
        match self.connected {
            true => self.leg.transport.send_path(),
            false => None,
        }
    }
}
