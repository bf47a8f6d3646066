//! Datagrams from peers: decrypted, bound to their encoding, parsed and put into its history.

use std::time::Duration;

use rtc::codec::{Described, describe};
use rtc::inbound::bind::{Binding, Bound, Role};
use rtc::inbound::loss::Freshness;
use rtc::inbound::report::InboundStats;
use rtc::inbound::rtx::{self, Retransmission};
use rtc::outbound::history::{Arrived, ForwardedExtensions};
use rtc::path::PathId;
use rtc::srtp::Profile;
use rtc::transport::{Received, TransportEvent};
use wire::extension::Values;
use wire::id::{Rid, Ssrc};
use wire::rtp::{Header, padding_len};
use wire::time::Time;

use super::Room;
use super::peer_connection::{Incoming, PeerConnection};
use crate::context::{Context, Route, Timer};
use crate::ingress::encoding::KeyframeStart;
use crate::message::{Event, TransportState};

/// A packet of an encoding, decrypted and bound.
#[derive(Clone, Copy)]
struct Packet<'a> {
    header: &'a Header,
    index: u64,
    values: &'a Values<'a>,
    /// Without padding.
    payload: &'a [u8],
}

impl Room {
    /// Receive a datagram of a peer.
    pub fn receive(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        path: PathId,
        datagram: &mut [u8],
    ) {
        #[cfg(feature = "fault-injection")]
        self.panic_if(super::Fault::Receive);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        match peer
            .egress
            .transport
            .receive(context.now, path, datagram, context.out)
        {
            Received::Rtp { header, index, len } => {
                context.counters.packets_received += 1;
                context.counters.bytes_received += datagram.len() as u64;
                self.receive_rtp(context, key, &header, index, &datagram[..len]);
            }
            Received::Rtcp { len } => self.receive_rtcp(context, key, &datagram[..len]),
            Received::Nothing => {
                peer.count_drops(context.counters);
                self.drive_transport(context, key);
            }
        }
    }

    fn receive_rtp(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        header: &Header,
        index: u64,
        packet: &[u8],
    ) {
        if !self.is_within_publish_limit(context, key, header, index, packet.len()) {
            context.counters.packets_over_bitrate += 1;
            return;
        }
        let peer = &mut self.peers[key];
        let values = Values::read(header, packet, &peer.extensions);
        if let Some(sequence) = values.transport_sequence.filter(|_| peer.supports_twcc) {
            peer.twcc.received(sequence, context.now);
            let due = peer.twcc.poll_timeout();
            self.schedule_feedback(context, key, due);
        }
        let peer = &mut self.peers[key];
        let Some(payload) = strip_padding(header, packet) else {
            context.counters.datagrams_dropped += 1;
            return;
        };
        let bound = match peer.binder.bind(context.now, header, &values) {
            Binding::Known(bound) | Binding::New { bound, .. } => bound,
            Binding::Unbound(_) => return report_unbound(context, peer, header.ssrc),
        };
        peer.sent_ssrc = Some(header.ssrc);
        let encoding = &mut self.publications[bound.key.publication].encodings[bound.key.encoding];
        // Retransmissions come in bursts and are no measure of the encoding's bitrate.
        if bound.role == Role::Media {
            let len = header.header_len + payload.len();
            encoding.meter.add(context.now, len);
        }
        encoding.counters.packets += 1;
        encoding.counters.bytes += payload.len() as u64;
        let packet = Packet {
            header,
            index,
            values: &values,
            payload,
        };
        match bound.role {
            Role::Media => self.on_media_packet(context, bound.key, &packet),
            Role::Rtx => self.on_rtx_packet(context, bound.key, &packet),
        }
    }

    /// Return whether a packet is within the publisher's bitrate limit. A packet above it is
    /// reported as lost, so that the publisher reduces its bitrate, and is not requested by NACK.
    fn is_within_publish_limit(
        &mut self,
        context: &Context<'_>,
        key: usize,
        header: &Header,
        index: u64,
        len: usize,
    ) -> bool {
        let Some(limit_bps) = context.config.max_publish_bitrate_bps else {
            return true;
        };
        let peer = &mut self.peers[key];
        let is_video = |publication: &&usize| !self.publications[**publication].audio;
        // The limit was signaled for each m-line of video.
        let videos = peer.publications.iter().filter(is_video).count().max(1);
        let allowed_bps = limit_bps.saturating_mul(videos as u64);
        let bound = peer.binder.lookup(header.ssrc);
        let is_audio = bound.is_some_and(|bound| self.publications[bound.key.publication].audio);
        let accepted = peer
            .publish_limit
            .accept(context.now, allowed_bps, len, is_audio);
        if let Some(Bound {
            key,
            role: Role::Media,
        }) = bound.filter(|_| !accepted)
        {
            let publication = &mut self.publications[key.publication];
            publication.encodings[key.encoding].nack.skip(index);
        }
        accepted
    }

    /// Start the stream of an encoding, or restart it under another SSRC.
    fn start_stream(&mut self, context: &mut Context<'_>, incoming: Incoming, ssrc: Ssrc) {
        self.generations = self.generations.wrapping_add(1);
        let track = &mut self.publications[incoming.publication];
        let encoding = &mut track.encodings[incoming.encoding];
        encoding.start(context.now, ssrc, track.clock_rate, self.generations);
        // Sequence numbers of the old stream must not find packets of the new one, nor the reverse.
        encoding.history.clear(context.pool);
        context.events.push(Event::PublicationStarted {
            publication: track.id,
            rid: encoding.rid.as_ref().map(Rid::to_string),
            ssrc: ssrc.0,
        });
        let peer = track.peer;
        for subscription in encoding.subscribers.clone() {
            self.stop(subscription);
            self.update_selection(context, subscription);
        }
        self.start_reports(context, peer);
    }

    /// Process a retransmission: original sequence number and payload (RFC 4588).
    fn on_rtx_packet(
        &mut self,
        context: &mut Context<'_>,
        incoming: Incoming,
        repair: &Packet<'_>,
    ) {
        let encoding = &mut self.publications[incoming.publication].encodings[incoming.encoding];
        let Some(highest) = encoding
            .stats
            .as_ref()
            .and_then(|stats| stats.loss().highest())
        else {
            return;
        };
        let Retransmission::Original { index, payload } = rtx::read(repair.payload, highest) else {
            return;
        };
        context.counters.retransmitted_packets_received += 1;
        encoding.counters.recovered += 1;
        encoding.nack.received(context.now, index);
        let original = Packet {
            index,
            payload,
            ..*repair
        };
        let codec = self.publications[incoming.publication].codec;
        let described = describe(codec, payload, repair.header.marker);
        self.store(context, incoming, &original, described);
    }

    fn on_media_packet(
        &mut self,
        context: &mut Context<'_>,
        incoming: Incoming,
        packet: &Packet<'_>,
    ) {
        let Packet { header, index, .. } = *packet;
        let publication = &mut self.publications[incoming.publication];
        let described = describe(publication.codec, packet.payload, header.marker);
        let encoding = &mut publication.encodings[incoming.encoding];
        let starts = encoding.stats.as_ref().map(InboundStats::ssrc) != Some(header.ssrc);
        if starts && !encoding.may_restart(context.now) {
            context.counters.packets_unbound += 1;
            return;
        }
        encoding.keyframe_arriving = described.starts_keyframe();
        if starts {
            self.start_stream(context, incoming, header.ssrc);
        }
        let publication = &mut self.publications[incoming.publication];
        let encoding = &mut publication.encodings[incoming.encoding];
        context.counters.audio_packets_received += u64::from(publication.audio);
        if let Some(stats) = encoding.stats.as_mut() {
            stats.receive(index, header.timestamp, context.now);
        }
        let was_active = encoding.active;
        if publication.supports_nack && (encoding.subscribers.is_empty() || context.overloaded) {
            // Without subscribers, or after an overload of this worker, packets are not requested.
            encoding.nack.skip(index);
        } else if publication.supports_nack {
            encoding.nack.received(context.now, index);
            let (due, peer) = (encoding.nack.poll_timeout(), publication.peer);
            self.schedule_feedback(context, peer, due);
        }
        if !was_active {
            self.activate_encoding(context, incoming.publication, incoming.encoding);
        }
        self.store(context, incoming, packet, described);
        self.publications[incoming.publication].encodings[incoming.encoding].keyframe_arriving =
            false;
    }

    /// Put a packet into its encoding's history and decide when subscribers get it.
    fn store(
        &mut self,
        context: &mut Context<'_>,
        incoming: Incoming,
        packet: &Packet<'_>,
        described: Described,
    ) {
        let Incoming {
            publication,
            encoding,
        } = incoming;
        let track = &mut self.publications[publication];
        let muted = track.muted;
        let stream = &mut track.encodings[encoding];
        let Packet {
            header,
            index,
            values,
            payload,
        } = *packet;
        context.counters.payloads_unreadable +=
            u64::from(!described.readable && !payload.is_empty());
        if stream.recovery.receive(index) != Freshness::Fresh {
            context.counters.packets_duplicate += 1;
            return;
        }
        stream.on_packet(context.now, header, &described, values, payload);
        if muted || stream.subscribers.is_empty() {
            return;
        }
        let arrived = Arrived {
            index,
            timestamp: header.timestamp,
            marker: header.marker,
            described,
            carried: ForwardedExtensions {
                audio_level: values.audio_level.map(|level| level.to_byte()),
                orientation: stream.orientation,
                capture: stream.capture_time(header.timestamp),
            },
            payload,
        };
        let position = stream.history.push(context.now, &arrived, context.pool);
        if described.starts_keyframe() {
            stream.note_keyframe(KeyframeStart {
                position,
                timestamp: header.timestamp,
                arrived: context.now,
            });
        }
        self.note_arrival(context, publication, encoding);
    }

    /// Process the events of the transport and set its next timer.
    pub(super) fn drive_transport(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.egress
            .transport
            .handle_timeout(context.now, context.out);
        while let Some(event) = self.peers[key].egress.transport.poll_event() {
            self.on_transport_event(context, key, event);
        }
        let peer = &mut self.peers[key];
        if let Some(at) = peer.egress.transport.poll_timeout()
            && peer
                .transport_at
                .is_none_or(|set| at < set || set <= context.now)
        {
            peer.transport_at = Some(at);
            context.set_timer(at, Timer::Transport(key));
        }
    }

    fn on_transport_event(&mut self, context: &mut Context<'_>, key: usize, event: TransportEvent) {
        let peer = &mut self.peers[key];
        match event {
            TransportEvent::PathValidated(path) => {
                peer.paths.push(path);
                context.routes.push(Route::AddPath(path, key));
            }
            TransportEvent::PathRetired(path) => {
                peer.paths.retain(|other| *other != path);
                context.routes.push(Route::RemovePath(path, key));
            }
            TransportEvent::PathSelected(_) => self.request_video_keyframes(context, key),
            TransportEvent::ApplicationData(_) => {}
            TransportEvent::Connected { ice, dtls, .. } => {
                context.counters.ice_connected += 1;
                context.counters.dtls_connected += 1;
                context.events.push(connected_event(peer, ice, dtls));
                self.start_sending(context, key);
            }
            TransportEvent::Resumed => {
                context.events.push(transport_state_event(
                    peer,
                    TransportState::Connected,
                    "resumed",
                ));
                self.restart_subscriptions(context, key);
            }
            TransportEvent::Disconnected(reason) => {
                context.counters.ice_failed += 1;
                context.events.push(transport_state_event(
                    peer,
                    TransportState::Disconnected,
                    reason,
                ));
            }
            TransportEvent::Closed(reason) => {
                peer.connected = false;
                context
                    .events
                    .push(transport_state_event(peer, TransportState::Closed, reason));
            }
            TransportEvent::Failed(reason) => {
                peer.connected = false;
                let of_ice = reason.starts_with("ice");
                context.counters.ice_failed += u64::from(of_ice);
                context.counters.dtls_failed += u64::from(!of_ice);
                context
                    .events
                    .push(transport_state_event(peer, TransportState::Failed, reason));
            }
        }
    }

    /// Start sending: the transport has SRTP keys.
    fn start_sending(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        peer.connected = true;
        for subscription in &peer.subscriptions {
            self.subscriptions[*subscription].attach(&mut peer.egress.transport);
        }
        self.start_reports(context, key);
        self.restart_subscriptions(context, key);
    }

    /// Restart every subscription of a peer at a keyframe: the packets that it received before, if
    /// any, are too old to continue from.
    fn restart_subscriptions(&mut self, context: &mut Context<'_>, key: usize) {
        for subscription in self.peers[key].subscriptions.clone() {
            self.stop(subscription);
            self.update_selection(context, subscription);
        }
    }

    /// Request keyframes for the video of a peer whose selected path has changed: packets were lost
    /// meanwhile.
    fn request_video_keyframes(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &self.peers[key];
        if !peer.connected {
            return;
        }
        for subscription in peer.subscriptions.clone() {
            let subscriber = &self.subscriptions[subscription];
            if let Some(encoding) = subscriber.current.filter(|_| !subscriber.audio) {
                self.request_keyframe(context, subscriber.publication, encoding);
            }
        }
    }

    /// Return whether a peer uses a path, which then is not moved to another transport.
    #[must_use]
    pub fn holds_path(&self, now: Time, key: usize, path: &PathId) -> bool {
        let peer = self.peers.get(key);
        peer.is_some_and(|peer| peer.egress.transport.holds_path(now, path))
    }

    /// Retire a path that has moved to another transport.
    pub fn retire_path(&mut self, context: &mut Context<'_>, key: usize, path: &PathId) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.egress.transport.retire_path(context.now, path);
            self.drive_transport(context, key);
        }
    }
}

/// Count a packet of an unassociated SSRC; report the SSRC where it persists.
#[cold]
fn report_unbound(context: &mut Context<'_>, peer: &mut PeerConnection, ssrc: Ssrc) {
    context.counters.packets_unbound += 1;
    if let Some(unbound) = peer.binder.report_unbound(context.now, ssrc) {
        context.events.push(Event::SsrcUnbound {
            transport: peer.id,
            ssrc: ssrc.0,
            payload_type: unbound.payload_type.0,
            packets: unbound.packets,
            reason: unbound.reason.code(),
        });
    }
}

fn connected_event(peer: &PeerConnection, ice: Duration, dtls: Duration) -> Event {
    let transport = &peer.egress.transport;
    let path = transport.send_path();
    Event::TransportState {
        transport: peer.id,
        state: TransportState::Connected,
        reason: "connected".into(),
        srtp_profile: transport.srtp_profile().map(Profile::name),
        local: path.map(|path| path.local.to_string()),
        remote: path.map(|path| path.remote.to_string()),
        ice_ms: Some(ice.as_secs_f64() * 1e3),
        dtls_ms: Some(dtls.as_secs_f64() * 1e3),
    }
}

fn transport_state_event(peer: &PeerConnection, state: TransportState, reason: &str) -> Event {
    Event::TransportState {
        transport: peer.id,
        state,
        reason: reason.into(),
        srtp_profile: None,
        local: None,
        remote: None,
        ice_ms: None,
        dtls_ms: None,
    }
}

fn strip_padding<'a>(header: &Header, packet: &'a [u8]) -> Option<&'a [u8]> {
    let payload = packet.get(header.header_len..)?;
    match header.has_padding {
        false => Some(payload),
        true => payload.get(..payload.len() - padding_len(payload).ok()?),
    }
}
