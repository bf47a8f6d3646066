//! One transport of a bot: ICE and DTLS, outbound and inbound tracks.

mod handover;
mod inbound;
mod outbound;
mod relayed;
mod round_trips;
mod rtcp;

use crate::captures::Capture;
use crate::extensions::add_extensions;
use crate::figures::TransportFigures;
use crate::message::{BotId, CommandError, ErrorCode, Event, Receive, TransportId, TransportState};
use crate::pacer::Pacer;
use crate::publish::{OutboundStream, PlannedPacket};
use crate::random::Random;
use crate::receive::InboundStream;
use crate::recorder::Recorder;
use crate::relay::Relay;
use crate::sample::TakenFrames;
use handover::Handover;
use relayed::Relayed;
use round_trips::RoundTrips;
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

/// Mean RTCP report interval, randomized by 0.5 to 1.5 (RFC 3550 section 6.3.5).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// No deadline.
const NEVER: Time = Time::FAR;

/// State shared by all transports of an engine.
pub struct Shared {
    /// Wall time for sender reports.
    pub wall: WallClock,
    /// Outgoing datagrams.
    pub outbox: Outbox,
    /// Outgoing messages to the TURN server of the transport that is served.
    pub relayed: Outbox,
    /// Measurements and events.
    pub recorder: Recorder,
    /// Scratch buffer of outgoing RTCP.
    rtcp: Vec<u8>,
    sequences: Vec<u16>,
    blocks: Vec<ReportBlock>,
    planned: Vec<PlannedPacket>,
}

impl Shared {
    /// Create the shared state without measurements.
    #[must_use]
    pub fn new(wall: WallClock) -> Self {
        Self {
            wall,
            outbox: Outbox::new(),
            relayed: Outbox::new(),
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
    id: TransportId,
    bot: BotId,
    local: IpAddr,
    cname: String,
    /// Whether every packet is decrypted.
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
    round_trips: RoundTrips,
    pacer: Pacer,
    own_ssrc: Ssrc,
    used_ssrcs: Vec<u32>,
    random: Random,
    next_report: Time,
    /// Lower bound of the next NACK or keyframe request of an inbound stream.
    next_feedback: Time,
    handover: Option<Handover>,
    relayed: Option<Box<Relayed>>,
    is_relay_lost: bool,
    /// Arrival of the last media packet.
    last_media: Time,
    /// Number of the local address: datagrams in flight to or from an earlier one are lost.
    pub address: u32,
    /// Deadline of the transport's timer in the wheel, so that there is one entry.
    pub armed: Time,
    /// Latest time passed in.
    pub last_time: Time,
    /// Whether received datagrams pass the downlink impairment of the bot.
    pub shaped: bool,
    /// `base_timeout` has to be computed again.
    timeout_stale: bool,
    /// Next timeout without the feedback on inbound media.
    base_timeout: Time,
}

/// Parameters of a bot transport.
pub struct TransportPlan {
    /// Identifier.
    pub id: TransportId,
    /// The bot.
    pub bot: BotId,
    /// Local address of its socket.
    pub local: IpAddr,
    /// RTCP canonical name.
    pub cname: String,
    /// Whether every packet is decrypted.
    pub decrypted: bool,
    /// Whether received datagrams pass the downlink impairment of the bot.
    pub shaped: bool,
    /// The TURN server that everything passes; none sends to the peer itself.
    pub relay: Option<Relay>,
    /// ICE and DTLS.
    pub transport: Transport,
    /// Random numbers of the transport.
    pub random: Random,
}

impl BotTransport {
    /// Create a bot transport, which waits for the remote parameters.
    #[must_use]
    pub fn new(mut plan: TransportPlan) -> Self {
        Self {
            id: plan.id,
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
            round_trips: RoundTrips::default(),
            pacer: Pacer::default(),
            own_ssrc: Ssrc(plan.random.next_u32()),
            used_ssrcs: Vec::new(),
            random: plan.random,
            next_report: NEVER,
            next_feedback: NEVER,
            handover: None,
            relayed: plan.relay.map(|relay| {
                let is_ipv6 = plan.local.is_ipv6();
                Box::new(Relayed::new(relay, is_ipv6))
            }),
            is_relay_lost: false,
            last_media: Time::ZERO,
            address: 0,
            armed: NEVER,
            last_time: Time::ZERO,
            shaped: plan.shaped,
            timeout_stale: true,
            base_timeout: NEVER,
        }
    }

    /// Return the bot.
    #[must_use]
    pub fn bot(&self) -> BotId {
        self.bot
    }

    /// Return the local address of the socket, which may be the wildcard.
    #[must_use]
    pub fn local(&self) -> IpAddr {
        self.local
    }

    /// Return whether ICE and DTLS are connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Return whether there are outbound tracks.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.outbound.iter().any(Option::is_some)
    }

    /// Return the inbound tracks, including those that ended.
    #[must_use]
    pub fn inbound(&self) -> &[InboundStream] {
        &self.inbound
    }

    /// Open the measurement window of the transport and of its inbound tracks.
    pub fn open_window(&mut self, now: Time) {
        self.round_trips.open_window();
        self.inbound
            .iter_mut()
            .for_each(|stream| stream.open_window(now));
    }

    /// Close the measurement window of the inbound tracks.
    pub fn close_window(&mut self, now: Time) {
        self.inbound
            .iter_mut()
            .for_each(|stream| stream.close_window(now));
    }

    /// Return the round-trip times of the transport.
    #[must_use]
    pub fn figures(&self) -> TransportFigures {
        self.round_trips.figures(self.id, self.bot)
    }

    /// Return the transport's random numbers.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Allocate SSRCs for sending.
    ///
    /// # Errors
    /// Where an SSRC was used before: SRTP would repeat a nonce.
    pub fn allocate_ssrcs(&mut self, ssrcs: &[u32]) -> Result<(), CommandError> {
        for (nth, ssrc) in ssrcs.iter().enumerate() {
            if self.used_ssrcs.contains(ssrc) || ssrcs[..nth].contains(ssrc) {
                let message = format!("SSRC {ssrc} was used on transport {}", self.id);
                return Err(CommandError::new(ErrorCode::SsrcReused, message));
            }
        }
        self.used_ssrcs.extend_from_slice(ssrcs);
        Ok(())
    }

    /// Publish a track; return its index. Packets are sent once the transport is connected.
    pub fn publish(&mut self, now: Time, mut stream: OutboundStream) -> usize {
        self.timeout_stale = true;
        if self.connected {
            begin(now, &mut stream, &mut self.transport);
        }
        self.outbound.push(Some(stream));
        self.configure_pacer();
        self.outbound.len() - 1
    }

    /// Activate the encodings of a track with these RIDs; deactivate its others.
    pub fn set_active_encodings(&mut self, now: Time, index: usize, rids: &[String]) {
        self.timeout_stale = true;
        let Some(Some(stream)) = self.outbound.get_mut(index) else {
            return;
        };
        for encoding in &mut stream.encodings {
            let is_listed = |rid: &Rid| rids.iter().any(|active| active == rid.as_str());
            let active = encoding.rid().is_none_or(is_listed);
            encoding.set_active(now, active);
        }
    }

    /// Set the audio level of a published track (RFC 6464).
    pub fn set_audio_level(&mut self, index: usize, octet: u8) {
        if let Some(Some(stream)) = self.outbound.get_mut(index) {
            for encoding in &mut stream.encodings {
                encoding.set_audio_level(octet);
            }
        }
    }

    /// Stop publishing a track.
    pub fn unpublish(&mut self, index: usize) {
        self.pacer.remove_stream(index);
        if let Some(stream) = self.outbound.get_mut(index) {
            *stream = None;
        }
        self.configure_pacer();
    }

    /// Receive a track; return its index among the inbound tracks.
    ///
    /// # Errors
    /// Where its extension ids contradict those of another track.
    pub fn add_inbound(
        &mut self,
        request: &Receive,
        codec: Codec,
        expected: Expected,
    ) -> Result<usize, CommandError> {
        add_extensions(&mut self.ids, &request.extensions)?;
        let has = |name: &str| request.feedback.iter().any(|value| value == name);
        if has("transport-cc") && self.twcc_in.is_none() {
            self.twcc_in = Some(TwccReceiver::new());
        }
        if has("rrtr") && self.reference.is_none() {
            self.reference = Some(ReferenceTimes::new(self.own_ssrc));
        }
        let index = self.inbound.len();
        let mut stream = InboundStream::new(request, self.bot, codec, self.decrypted);
        if let Some(ssrc) = expected.ssrc {
            stream.bind(ssrc);
        }
        self.binder.expect(index, expected);
        self.inbound.push(stream);
        Ok(index)
    }

    /// Take the frames of a sampled track; none where the track is not sampled.
    pub fn take_frames(&mut self, index: usize) -> Option<TakenFrames> {
        self.inbound.get_mut(index)?.take_frames()
    }

    /// Take the captures of a published track, by encoding.
    pub fn take_captures(&mut self, index: usize) -> Vec<Capture> {
        let mut taken = Vec::new();
        if let Some(Some(stream)) = self.outbound.get_mut(index) {
            for encoding in &mut stream.encodings {
                encoding.take_captures(&mut taken);
            }
        }
        taken
    }

    /// Set the wanted encoding of a received track.
    pub fn set_wanted(&mut self, index: usize, encoding_index: u8) {
        if let Some(stream) = self.inbound.get_mut(index) {
            stream.set_wanted(encoding_index);
        }
    }

    /// Stop receiving a track.
    pub fn stop_receiving(&mut self, now: Time, index: usize) {
        self.binder.forget(index);
        if let Some(stream) = self.inbound.get_mut(index) {
            stream.end(now);
        }
    }

    /// Send due frames, reports and feedback, and run the timers of ICE and DTLS.
    pub fn handle_timeout(&mut self, now: Time, shared: &mut Shared) {
        self.timeout_stale = true;
        if self.transport.poll_timeout().is_some_and(|due| due <= now) {
            self.transport.handle_timeout(now, &mut shared.outbox);
            self.take_events(now, shared);
        }
        self.relay_timeout(now, shared);
        self.expire_handover(now, &mut shared.recorder);
        if !self.connected {
            return;
        }
        self.capture(now, shared);
        self.send_paced(now, shared);
        shared.rtcp.clear();
        self.write_feedback(now, shared);
        self.write_reports(now, shared);
        if !shared.rtcp.is_empty() {
            // Without a selected path there is no destination for RTCP.
            let _ = self.transport.send_rtcp(&shared.rtcp, &mut shared.outbox);
        }
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&mut self) -> Time {
        if std::mem::take(&mut self.timeout_stale) {
            self.base_timeout = self.compute_base_timeout();
        }
        let twcc = self.twcc_in.as_ref().and_then(TwccReceiver::poll_timeout);
        let media = self.next_feedback.min(twcc.unwrap_or(NEVER));
        self.base_timeout.min(media)
    }

    /// Return the next timeout of ICE, DTLS, reports, frames and pacer.
    fn compute_base_timeout(&self) -> Time {
        let handover = self.handover.as_ref().map_or(NEVER, Handover::deadline);
        let association = self.transport.poll_timeout().unwrap_or(NEVER);
        let association = association.min(handover).min(self.relay_due());
        if !self.connected {
            return association;
        }
        let outbound = self.outbound.iter().flatten();
        let encodings = outbound.flat_map(|stream| &stream.encodings);
        let frames = encodings.map(|encoding| encoding.due());
        frames
            .chain(self.pacer.due())
            .fold(association.min(self.next_report), Time::min)
    }

    /// Send BYE and close; return the inbound tracks with their measurements.
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
        self.close_relay(now, shared);
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
                    self.fail_handover(now, reason, &mut shared.recorder);
                    self.report_state(now, TransportState::Failed, reason, None, shared);
                }
                TransportEvent::PathSelected(_) => {
                    self.on_path_selected(now, &mut shared.recorder);
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
            transport: self.id,
            state,
            reason: reason.to_owned(),
            srtp_profile: times.map(|(profile, ..)| profile),
            ice_ms: times.map(|(_, ice, _)| ice.as_secs_f64() * 1_000.0),
            dtls_ms: times.map(|(.., dtls)| dtls.as_secs_f64() * 1_000.0),
            at_ns: now.as_nanos(),
        });
    }
}

/// Start a track. An encoding whose SSRC is refused sends nothing; commands check SSRCs before.
fn begin(now: Time, stream: &mut OutboundStream, transport: &mut Transport) {
    for encoding in &mut stream.encodings {
        let _ = encoding.begin(now, transport);
    }
}
