//! One transport of a bot: the association and the tracks that it sends and receives.

use crate::commands::add_extensions;
use crate::figures::Recorder;
use crate::message::{BotId, CommandError, ErrorCode, Event, Receive, TransportId, TransportState};
use crate::pace::{PaceQueue, Waiting};
use crate::publish::{Departure, OutboundStream, Planned};
use crate::random::Random;
use crate::receive::{InboundStream, Payload};
use rtc::codec::Codec;
use rtc::inbound::bind::{Binder, Binding, Bound, Expected, Role};
use rtc::inbound::reference::ReferenceTimes;
use rtc::inbound::twcc::TwccReceiver;
use rtc::outbound::twcc::TwccSender;
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::transport::{Received, Transport, TransportEvent};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::extension::{ExtensionMap, Values};
use wire::id::Ssrc;
use wire::rtcp::{Packet, ReportBlock, XrBlock, write};
use wire::rtp::{Header, demux};
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
    pub fn publish(&mut self, now: Time, mut stream: OutboundStream, shared: &mut Shared) -> usize {
        self.moved = true;
        if self.connected {
            begin(now, &mut stream, &mut self.transport, shared);
        }
        self.outbound.push(Some(stream));
        self.set_pace();
        self.outbound.len() - 1
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

    /// Take a datagram from the socket.
    #[inline]
    pub fn receive(
        &mut self,
        now: Time,
        remote: SocketAddr,
        datagram: &mut [u8],
        shared: &mut Shared,
    ) {
        if !self.decrypted && self.receive_sealed(now, remote, datagram, shared) {
            return;
        }
        let path = PathId::udp(0, self.local, remote);
        match self
            .transport
            .receive(now, path, datagram, &mut shared.outbox)
        {
            Received::Rtp { header, index, len } => {
                let payload = Payload {
                    bytes: &datagram[header.header_len..len],
                    datagram_len: datagram.len(),
                };
                let values = self.values(&header, datagram);
                self.on_rtp(now, &header, index, payload, &values, shared);
            }
            Received::Rtcp { len } => {
                self.moved = true;
                self.on_rtcp(now, &datagram[..len], shared);
            }
            Received::Nothing => {
                self.moved = true;
                let is_media = matches!(
                    demux(datagram),
                    wire::rtp::Kind::Rtp | wire::rtp::Kind::Rtcp
                );
                shared.recorder.totals.datagrams_refused += u64::from(is_media);
                self.take_events(now, shared);
            }
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

    /// Count a packet by its header alone; false where it must be opened after all.
    ///
    /// Only what the selected path brought counts, of streams that are known. Retransmissions are
    /// opened, since what they repeat stands in their payload.
    fn receive_sealed(
        &mut self,
        now: Time,
        remote: SocketAddr,
        datagram: &[u8],
        shared: &mut Shared,
    ) -> bool {
        let is_ours = self
            .transport
            .send_path()
            .is_some_and(|path| path.remote == remote);
        if !is_ours || !self.connected || demux(datagram) != wire::rtp::Kind::Rtp {
            return false;
        }
        let Ok(header) = Header::parse(datagram) else {
            return false;
        };
        let Some(Bound {
            key,
            role: Role::Media,
        }) = self.binder.lookup(header.ssrc)
        else {
            return false;
        };
        let Some(index) = self.inbound[key].extend(header.sequence) else {
            return false;
        };
        let payload = Payload {
            bytes: &datagram[header.header_len..],
            datagram_len: datagram.len(),
        };
        let values = self.values(&header, datagram);
        self.on_rtp(now, &header, index, payload, &values, shared);
        true
    }

    /// Read the extensions where somebody asks for them.
    fn values<'a>(&mut self, header: &Header, datagram: &'a [u8]) -> Values<'a> {
        let is_known = self.binder.lookup(header.ssrc).is_some();
        if is_known && self.twcc_in.is_none() {
            return Values::default();
        }
        Values::read(header, datagram, &self.ids)
    }

    fn on_rtp(
        &mut self,
        now: Time,
        header: &Header,
        index: u64,
        payload: Payload<'_>,
        values: &Values<'_>,
        shared: &mut Shared,
    ) {
        let recorder = &mut shared.recorder;
        recorder.totals.packets_received += 1;
        recorder.totals.bytes_received += payload.datagram_len as u64;
        if let (Some(twcc), Some(sequence)) = (&mut self.twcc_in, values.transport_sequence) {
            twcc.received(sequence, now);
        }
        let Some(Bound { key, role }) = self.bind(header, values) else {
            recorder.totals.packets_unbound += 1;
            return;
        };
        let stream = &mut self.inbound[key];
        match role {
            Role::Media => stream.receive_media(now, header, index, payload, recorder),
            Role::Rtx => stream.receive_rtx(now, header, payload, recorder),
        }
        if let Some(due) = stream.feedback_due() {
            self.next_feedback = self.next_feedback.min(due);
        }
    }

    fn bind(&mut self, header: &Header, values: &Values<'_>) -> Option<Bound<usize>> {
        match self.binder.bind(header, values) {
            Binding::Known(bound) => Some(bound),
            Binding::New { bound, .. } => {
                if bound.role == Role::Media {
                    self.inbound[bound.key].bind(header.ssrc);
                }
                Some(bound)
            }
            Binding::Unbound => None,
        }
    }

    fn on_rtcp(&mut self, now: Time, compound: &[u8], shared: &mut Shared) {
        for packet in wire::rtcp::compound(compound).flatten() {
            match packet {
                Packet::SenderReport {
                    ssrc,
                    info,
                    reports,
                } => {
                    if let Some(bound) = self.binder.lookup(ssrc) {
                        self.inbound[bound.key].on_sender_report(now, &info);
                    }
                    reports.for_each(|block| self.on_report_block(now, &block, shared));
                }
                Packet::ReceiverReport { reports, .. } => {
                    reports.for_each(|block| self.on_report_block(now, &block, shared));
                }
                Packet::Nack {
                    media, sequences, ..
                } => {
                    self.on_nack(now, media, sequences, shared);
                }
                Packet::Pli { media, .. } => self.on_keyframe_request(media, shared),
                Packet::Fir { entries, .. } => {
                    entries.for_each(|entry| self.on_keyframe_request(entry.ssrc, shared));
                }
                Packet::TransportFeedback(feedback) => {
                    self.twcc_out.on_feedback(now, &feedback);
                }
                Packet::Xr { blocks, .. } => {
                    blocks.for_each(|block| self.on_extended_report(now, &block, shared));
                }
                _ => {}
            }
        }
    }

    fn on_report_block(&mut self, now: Time, block: &ReportBlock, shared: &mut Shared) {
        let outbound = self.outbound.iter_mut().flatten();
        let mut encodings = outbound.flat_map(|stream| &mut stream.encodings);
        if let Some(rtt) = encodings.find_map(|encoding| encoding.on_report_block(now, block)) {
            shared.recorder.round_trip(rtt);
        }
    }

    fn on_extended_report(&mut self, now: Time, block: &XrBlock<'_>, shared: &mut Shared) {
        if let (XrBlock::Delays(entries), Some(reference)) = (block, &mut self.reference)
            && let Some(rtt) = reference.on_echoes(now, *entries)
        {
            shared.recorder.round_trip(rtt);
        }
    }

    fn on_nack(
        &mut self,
        now: Time,
        media: Ssrc,
        sequences: wire::rtcp::NackSequences<'_>,
        shared: &mut Shared,
    ) {
        let outbound = self.outbound.iter_mut().flatten();
        let mut encodings = outbound.flat_map(|stream| &mut stream.encodings);
        let Some(encoding) = encodings.find(|encoding| encoding.ssrc() == media) else {
            return;
        };
        let mut departure = Departure {
            now,
            transport: &mut self.transport,
            outbox: &mut shared.outbox,
            twcc: &mut self.twcc_out,
            wall: shared.wall,
            recorder: &mut shared.recorder,
        };
        for sequence in sequences {
            departure.recorder.totals.nacks_received += 1;
            if let Some(bytes) = encoding.resend(sequence, &mut departure) {
                self.pace.sent(bytes);
            }
        }
    }

    fn on_keyframe_request(&mut self, media: Ssrc, shared: &mut Shared) {
        shared.recorder.totals.plis_received += 1;
        let outbound = self.outbound.iter_mut().flatten();
        let mut encodings = outbound.flat_map(|stream| &mut stream.encodings);
        if let Some(encoding) = encodings.find(|encoding| encoding.ssrc() == media) {
            encoding.request_keyframe();
        }
    }

    fn take_events(&mut self, now: Time, shared: &mut Shared) {
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Connected { profile, ice, dtls } => {
                    self.on_connected(now, shared);
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

    fn on_connected(&mut self, now: Time, shared: &mut Shared) {
        self.connected = true;
        for stream in self.outbound.iter_mut().flatten() {
            begin(now, stream, &mut self.transport, shared);
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

    /// Send or queue the frames that are due.
    fn capture(&mut self, now: Time, shared: &mut Shared) {
        for place in 0..self.outbound.len() {
            let encodings = self.outbound[place]
                .as_ref()
                .map_or(0, |it| it.encodings.len());
            for nth in 0..encodings {
                while self.capture_frame(now, place, nth, shared) {}
            }
        }
    }

    fn capture_frame(&mut self, now: Time, place: usize, nth: usize, shared: &mut Shared) -> bool {
        let Some(stream) = &mut self.outbound[place] else {
            return false;
        };
        let paced = stream.paced;
        shared.planned.clear();
        if !stream.encodings[nth].capture(now, &mut shared.recorder, &mut shared.planned) {
            return false;
        }
        for at in 0..shared.planned.len() {
            let waiting = Waiting {
                stream: place,
                encoding: nth,
                planned: shared.planned[at],
            };
            if !paced {
                self.send(now, waiting, shared);
            } else if !self.pace.push(now, waiting) {
                shared.recorder.totals.packets_unsent += 1;
            }
        }
        true
    }

    fn send_paced(&mut self, now: Time, shared: &mut Shared) {
        if self.pace.due().is_none_or(|due| due > now) {
            return;
        }
        self.pace.start_round(now);
        while let Some(waiting) = self.pace.take() {
            let bytes = self.send(now, waiting, shared);
            self.pace.sent(bytes);
        }
    }

    /// Send a packet and return the bytes of its datagram, 0 where it could not be sent.
    fn send(&mut self, now: Time, waiting: Waiting, shared: &mut Shared) -> usize {
        let Some(stream) = &mut self.outbound[waiting.stream] else {
            return 0;
        };
        let mut departure = Departure {
            now,
            transport: &mut self.transport,
            outbox: &mut shared.outbox,
            twcc: &mut self.twcc_out,
            wall: shared.wall,
            recorder: &mut shared.recorder,
        };
        let sent = stream.encodings[waiting.encoding].send(waiting.planned, &mut departure);
        sent.unwrap_or_else(|| {
            shared.recorder.totals.packets_unsent += 1;
            0
        })
    }

    /// Append to the RTCP what received streams ask for: NACK, PLI, transport-wide feedback.
    fn write_feedback(&mut self, now: Time, shared: &mut Shared) {
        if self.next_feedback <= now {
            self.next_feedback = NEVER;
            let rtt = self.reference.as_ref().and_then(ReferenceTimes::rtt);
            let Shared {
                recorder,
                rtcp,
                sequences,
                ..
            } = shared;
            for stream in &mut self.inbound {
                if stream.feedback_due().is_some_and(|due| due <= now) {
                    let local = self.own_ssrc;
                    stream.write_feedback(now, rtt, local, sequences, rtcp, recorder);
                }
                self.next_feedback = self
                    .next_feedback
                    .min(stream.feedback_due().unwrap_or(NEVER));
            }
        }
        if let Some(twcc) = self
            .twcc_in
            .as_mut()
            .filter(|it| is_due(it.poll_timeout(), now))
        {
            // Which stream of the transport it names means nothing.
            while twcc.build_feedback(&mut shared.rtcp, self.own_ssrc, self.own_ssrc) {}
        }
    }

    /// Append sender and receiver reports where they are due (RFC 3550 section 6.4).
    fn write_reports(&mut self, now: Time, shared: &mut Shared) {
        if self.next_report > now {
            return;
        }
        self.next_report = now + REPORT_INTERVAL.mul_f64(0.5 + self.random.ratio());
        let Shared {
            rtcp, blocks, wall, ..
        } = shared;
        blocks.clear();
        blocks.extend(
            self.inbound
                .iter_mut()
                .filter_map(|stream| stream.report_block(now)),
        );
        let mut unsent = !blocks.is_empty();
        let outbound = self.outbound.iter_mut().flatten();
        for encoding in outbound.flat_map(|stream| &mut stream.encodings) {
            if let Some(info) = encoding.sender_info(now, *wall) {
                let reports = if std::mem::take(&mut unsent) {
                    &blocks[..]
                } else {
                    &[]
                };
                write::sender_report(rtcp, encoding.ssrc(), &info, reports);
                write::sdes_cname(rtcp, encoding.ssrc(), &self.cname);
            }
        }
        if unsent {
            write::receiver_report(rtcp, self.own_ssrc, blocks);
            write::sdes_cname(rtcp, self.own_ssrc, &self.cname);
        }
        if let Some(reference) = &mut self.reference {
            let ntp = wall.ntp(now);
            reference.sent(now, ntp);
            write::reference_time(rtcp, self.own_ssrc, ntp);
        }
    }

    fn set_pace(&mut self) {
        let paced = self.outbound.iter().flatten().filter(|stream| stream.paced);
        let encodings = paced.flat_map(|stream| &stream.encodings);
        self.pace
            .set_bitrate(encodings.map(|encoding| encoding.bitrate_bps()).sum());
    }
}

fn is_due(due: Option<Time>, now: Time) -> bool {
    due.is_some_and(|due| due <= now)
}

/// Let a track begin; an SSRC that cannot be had keeps its encoding silent, and the track is
/// missing at the other end.
fn begin(now: Time, stream: &mut OutboundStream, transport: &mut Transport, shared: &mut Shared) {
    for encoding in &mut stream.encodings {
        if encoding.begin(now, transport).is_err() {
            shared.recorder.totals.packets_unsent += 1;
        }
    }
}
