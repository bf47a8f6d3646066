//! One transport of a bot: the association and the tracks that it sends and receives.

mod arrivals;
mod control;
mod departures;

use crate::extensions::add_extensions;
use crate::message::{BotId, CommandError, ErrorCode, Event, Receive, TransportId, TransportState};
use crate::pace::PaceQueue;
use crate::publish::{OutboundStream, Planned};
use crate::random::Random;
use crate::receive::InboundStream;
use crate::recorder::Recorder;
use rtc::codec::Codec;
use rtc::inbound::bind::{Binder, Expected};
use rtc::inbound::reference::ReferenceTimes;
use rtc::inbound::twcc::TwccReceiver;
use rtc::outbound::twcc::TwccSender;
use rtc::outbox::Outbox;
use rtc::transport::{Transport, TransportEvent};
use std::net::IpAddr;
use std::time::Duration;
use wire::extension::ExtensionMap;
use wire::id::{Rid, Ssrc};
use wire::rtcp::{ReportBlock, write};
use wire::time::{Time, WallClock};

/// Mean distance of reports; each is between half and one and a half of it (RFC 3550 section 6.3.5).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// No deadline at all.
const NEVER: Time = Time::FAR;

/// What is shared by all transports of a swarm.
pub struct Shared {
    /// For sender reports.
    pub wall: WallClock,
    /// Where everybody writes.
    pub outbox: Outbox,
    /// Who counts.
    pub recorder: Recorder,
    /// RTCP on its way into the outbox.
    rtcp: Vec<u8>,
    sequences: Vec<u16>,
    blocks: Vec<ReportBlock>,
    planned: Vec<Planned>,
}

impl Shared {
    /// Share a wall clock and nothing counted yet.
    #[must_use]
    pub fn new(wall: WallClock) -> Self {
        Self {
            wall,
            outbox: Outbox::new(),
            recorder: Recorder::default(),
            rtcp: Vec::new(),
            sequences: Vec::new(),
            blocks: Vec::new(),
            planned: Vec::new(),
        }
    }
}

/// One transport of a bot.
pub struct BotTransport {
    name: TransportId,
    bot: BotId,
    local: IpAddr,
    cname: String,
    /// Whether every packet is opened.
    decrypted: bool,
    transport: Transport,
    connected: bool,
    outbound: Vec<Option<OutboundStream>>,
    inbound: Vec<InboundStream>,
    binder: Binder<usize>,
    ids: ExtensionMap,
    twcc_out: TwccSender,
    twcc_in: Option<TwccReceiver>,
    reference: Option<ReferenceTimes>,
    pace: PaceQueue,
    own_ssrc: Ssrc,
    used_ssrcs: Vec<u32>,
    random: Random,
    next_report: Time,
    /// Not later than the first thing that a received stream wants asked for.
    next_feedback: Time,
    /// When this transport is in the wheel, so that it stands there once.
    pub armed: Time,
    /// The last instant that it was told.
    pub told: Time,
    /// Whether what arrives goes through a network of the bot first.
    pub shaped: bool,
    /// Something but media happened that may have moved the next timeout.
    moved: bool,
    /// When the next timeout is, but for what received media asks for.
    unmoved_by_media: Time,
}

/// What a bot transport is made of.
pub struct TransportPlan {
    /// Its name.
    pub name: TransportId,
    /// Whose it is.
    pub bot: BotId,
    /// Local address of its socket.
    pub local: IpAddr,
    /// RTCP canonical name.
    pub cname: String,
    /// Whether every packet is opened.
    pub decrypted: bool,
    /// Whether what arrives goes through a network of the bot first.
    pub shaped: bool,
    /// The association.
    pub transport: Transport,
    /// Numbers of its own.
    pub random: Random,
}

impl BotTransport {
    /// Hold an association that knows its peer.
    #[must_use]
    pub fn new(mut plan: TransportPlan) -> Self {
        Self {
            name: plan.name,
            bot: plan.bot,
            local: plan.local,
            cname: plan.cname,
            decrypted: plan.decrypted,
            transport: plan.transport,
            connected: false,
            outbound: Vec::new(),
            inbound: Vec::new(),
            binder: Binder::new(),
            ids: ExtensionMap::new(),
            twcc_out: TwccSender::new(),
            twcc_in: None,
            reference: None,
            pace: PaceQueue::default(),
            own_ssrc: Ssrc(plan.random.next_u32()),
            used_ssrcs: Vec::new(),
            random: plan.random,
            next_report: NEVER,
            next_feedback: NEVER,
            armed: NEVER,
            told: Time::ZERO,
            shaped: plan.shaped,
            moved: true,
            unmoved_by_media: NEVER,
        }
    }

    /// Return whose it is.
    #[must_use]
    pub fn bot(&self) -> BotId {
        self.bot
    }

    /// Say whether media may flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Say whether it sends tracks.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.outbound.iter().any(Option::is_some)
    }

    /// List the tracks received so far, those not expected any more included.
    #[must_use]
    pub fn inbound(&self) -> &[InboundStream] {
        &self.inbound
    }

    /// List the tracks received so far, to open and close windows.
    pub fn inbound_mut(&mut self) -> &mut [InboundStream] {
        &mut self.inbound
    }

    /// Draw from the transport's own numbers.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Take SSRCs for sending.
    ///
    /// # Errors
    /// Where one was used before: SRTP would repeat a nonce.
    pub fn take_ssrcs(&mut self, ssrcs: &[u32]) -> Result<(), CommandError> {
        for (nth, ssrc) in ssrcs.iter().enumerate() {
            if self.used_ssrcs.contains(ssrc) || ssrcs[..nth].contains(ssrc) {
                let message = format!("SSRC {ssrc} was used on transport {}", self.name);
                return Err(CommandError::new(ErrorCode::SsrcReused, message));
            }
        }
        self.used_ssrcs.extend_from_slice(ssrcs);
        Ok(())
    }

    /// Send a track from its start on, or from when the transport is connected.
    pub fn publish(&mut self, now: Time, mut stream: OutboundStream) -> usize {
        self.moved = true;
        if self.connected {
            begin(now, &mut stream, &mut self.transport);
        }
        self.outbound.push(Some(stream));
        self.set_pace();
        self.outbound.len() - 1
    }

    /// Send these encodings of a track, named by their rids, and let its others rest.
    pub fn send_only(&mut self, now: Time, place: usize, rids: &[String]) {
        self.moved = true;
        let Some(Some(stream)) = self.outbound.get_mut(place) else {
            return;
        };
        for encoding in &mut stream.encodings {
            let is_named = |rid: &Rid| rids.iter().any(|name| name == rid.as_str());
            let rests = encoding.rid().is_some_and(|rid| !is_named(rid));
            encoding.rest(now, rests);
        }
    }

    /// Stop sending a track.
    pub fn unpublish(&mut self, place: usize) {
        self.pace.forget(place);
        if let Some(stream) = self.outbound.get_mut(place) {
            *stream = None;
        }
        self.set_pace();
    }

    /// Expect a track; return its place among the received ones.
    ///
    /// # Errors
    /// Where its extension ids contradict those of another track.
    pub fn expect(
        &mut self,
        request: &Receive,
        codec: Codec,
        expected: Expected,
    ) -> Result<usize, CommandError> {
        add_extensions(&mut self.ids, &request.extensions)?;
        let has = |wanted: &str| request.feedback.iter().any(|value| value == wanted);
        if has("transport-cc") && self.twcc_in.is_none() {
            self.twcc_in = Some(TwccReceiver::new());
        }
        if has("rrtr") && self.reference.is_none() {
            self.reference = Some(ReferenceTimes::new(self.own_ssrc));
        }
        let place = self.inbound.len();
        let mut stream = InboundStream::new(request, self.bot, codec, self.decrypted);
        if let Some(ssrc) = expected.ssrc {
            stream.bind(ssrc);
        }
        self.binder.expect(place, expected);
        self.inbound.push(stream);
        Ok(place)
    }

    /// Expect a track no more.
    pub fn forget(&mut self, now: Time, place: usize) {
        self.binder.forget(place);
        if let Some(stream) = self.inbound.get_mut(place) {
            stream.end(now);
        }
    }

    /// Do what is due.
    pub fn handle_timeout(&mut self, now: Time, shared: &mut Shared) {
        self.moved = true;
        if self.transport.poll_timeout().is_some_and(|due| due <= now) {
            self.transport.handle_timeout(now, &mut shared.outbox);
            self.take_events(now, shared);
        }
        if !self.connected {
            return;
        }
        self.capture(now, shared);
        self.send_paced(now, shared);
        shared.rtcp.clear();
        self.write_feedback(now, shared);
        self.write_reports(now, shared);
        if !shared.rtcp.is_empty() {
            // Without a path there is nobody to report to.
            let _ = self.transport.send_rtcp(&shared.rtcp, &mut shared.outbox);
        }
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&mut self) -> Time {
        if std::mem::take(&mut self.moved) {
            self.unmoved_by_media = self.slow_timeout();
        }
        let twcc = self.twcc_in.as_ref().and_then(TwccReceiver::poll_timeout);
        let media = self.next_feedback.min(twcc.unwrap_or(NEVER));
        self.unmoved_by_media.min(media)
    }

    /// Look everywhere for what is due next, but where received media may change it.
    fn slow_timeout(&self) -> Time {
        let association = self.transport.poll_timeout().unwrap_or(NEVER);
        if !self.connected {
            return association;
        }
        let outbound = self.outbound.iter().flatten();
        let encodings = outbound.flat_map(|stream| &stream.encodings);
        let frames = encodings.map(|encoding| encoding.due());
        frames
            .chain(self.pace.due())
            .fold(association.min(self.next_report), Time::min)
    }

    /// Say goodbye; return the received tracks with what they measured.
    pub fn close(mut self, now: Time, shared: &mut Shared) -> Vec<InboundStream> {
        if self.connected {
            shared.rtcp.clear();
            let sending = self
                .outbound
                .iter()
                .flatten()
                .flat_map(|stream| &stream.encodings);
            let sources = sending
                .map(|encoding| encoding.ssrc())
                .chain([self.own_ssrc]);
            let sources: Vec<Ssrc> = sources.collect();
            write::receiver_report(&mut shared.rtcp, self.own_ssrc, &[]);
            write::bye(&mut shared.rtcp, &sources);
            let _ = self.transport.send_rtcp(&shared.rtcp, &mut shared.outbox);
        }
        self.transport.close(now, &mut shared.outbox);
        self.inbound.iter_mut().for_each(|stream| stream.end(now));
        self.inbound
    }

    fn take_events(&mut self, now: Time, shared: &mut Shared) {
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Connected { profile, ice, dtls } => {
                    self.on_connected(now);
                    let times = Some((profile.name(), ice, dtls));
                    self.report_state(now, TransportState::Connected, "", times, shared);
                }
                TransportEvent::Resumed => {
                    self.report_state(now, TransportState::Connected, "resumed", None, shared);
                }
                TransportEvent::Disconnected(reason) => {
                    self.report_state(now, TransportState::Disconnected, reason, None, shared);
                }
                TransportEvent::Failed(reason) | TransportEvent::Closed(reason) => {
                    self.connected = false;
                    self.report_state(now, TransportState::Failed, reason, None, shared);
                }
                _ => {}
            }
        }
    }

    fn on_connected(&mut self, now: Time) {
        self.connected = true;
        for stream in self.outbound.iter_mut().flatten() {
            begin(now, stream, &mut self.transport);
        }
        self.next_report = now + REPORT_INTERVAL.mul_f64(0.2 + 0.5 * self.random.ratio());
    }

    fn report_state(
        &self,
        now: Time,
        state: TransportState,
        reason: &str,
        times: Option<(&'static str, Duration, Duration)>,
        shared: &mut Shared,
    ) {
        shared.recorder.events.push(Event::TransportState {
            transport: self.name,
            state,
            reason: reason.to_owned(),
            srtp_profile: times.map(|(profile, ..)| profile),
            ice_ms: times.map(|(_, ice, _)| ice.as_secs_f64() * 1_000.0),
            dtls_ms: times.map(|(.., dtls)| dtls.as_secs_f64() * 1_000.0),
            at_ns: now.as_nanos(),
        });
    }
}

/// Let a track begin. An encoding whose SSRC cannot be had stays silent, and is missing where it is
/// expected; commands check that before.
fn begin(now: Time, stream: &mut OutboundStream, transport: &mut Transport) {
    for encoding in &mut stream.encodings {
        let _ = encoding.begin(now, transport);
    }
}
