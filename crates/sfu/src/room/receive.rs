//! Datagrams of a transport, and packets of any source: to ingress, and on to egress.

use rtc::codec::{Codec, Described, describe};
use rtc::inbound::bind::Role;
use rtc::path::PathId;
use rtc::transport::Received;
use wire::extension::Values;
use wire::rtp::Header;

use super::Room;
use crate::context::Context;
use crate::ingress::RedTypes;
use crate::ingress::packet::Packet;
use crate::keys::{EncodingKey, PublisherKey, TransportKey};

impl Room {
    /// Receive a datagram of a transport.
    pub fn receive(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        path: PathId,
        datagram: &mut [u8],
    ) {
        #[cfg(feature = "fault-injection")]
        self.panic_if(super::Fault::Receive);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let transport = &mut connection.transport;
        match transport.receive(context.now, path, datagram, context.out) {
            Received::Rtp { header, index, len } => {
                context.counters.packets_received += 1;
                context.counters.bytes_received += datagram.len() as u64;
                let publisher = connection.publisher;
                self.receive_rtp(context, publisher, &header, index, &datagram[..len]);
            }
            Received::Rtcp { len } => self.receive_rtcp(context, key, &datagram[..len]),
            Received::Nothing => {
                connection.count_drops(context.counters);
                self.drive_transport(context, key);
            }
        }
        self.pass_on_demands(context);
    }

    fn receive_rtp(
        &mut self,
        context: &mut Context<'_>,
        key: PublisherKey,
        header: &Header,
        index: u64,
        bytes: &[u8],
    ) {
        let ingress = &mut self.ingress;
        if !ingress.is_within_limit(context, key, header, index, bytes.len()) {
            context.counters.packets_over_bitrate += 1;
            return;
        }
        let Some(publisher) = ingress.publishers.get(key) else {
            return;
        };
        let values = Values::read(header, bytes, &publisher.extensions);
        let packet = ingress.bind(context, key, (header, index), bytes, &values);
        let Some((bound, packet)) = packet else {
            return;
        };
        match bound.role {
            Role::Media => match ingress.red_types(bound.key, header.payload_type) {
                None => self.receive_packet(context, bound.key, &packet),
                Some(types) => self.receive_red(context, bound.key, &packet, types),
            },
            Role::Rtx => {
                let original = ingress.unwrap_retransmission(context, bound.key, &packet);
                if let Some((packet, described)) = original {
                    self.store(context, bound.key, &packet, described);
                }
            }
        }
    }

    /// Receive a packet with redundant audio: those that were lost before it first.
    fn receive_red(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        packet: &Packet<'_>,
        types: RedTypes,
    ) {
        let Some(unpacked) = self.ingress.unpack_red(key, packet, types) else {
            context.counters.payloads_unreadable += 1;
            return;
        };
        for lost in unpacked.lost() {
            let described = describe(Codec::Opus, lost.payload, lost.marker);
            self.ingress.note_red_repair(context, key, lost.index);
            self.store(context, key, lost, described);
        }
        self.receive_packet(context, key, &unpacked.packet);
    }

    /// Receive a packet of an encoding, from a transport or from any other source.
    pub fn receive_packet(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        packet: &Packet<'_>,
    ) {
        let Some(accepted) = self.ingress.accept(context, key, packet) else {
            return;
        };
        if accepted.started {
            self.on_stream_started(context, key);
        }
        if accepted.resumed {
            self.on_encoding_resumed(context, key);
        }
        self.store(context, key, packet, accepted.described);
        self.ingress.end_packet(key);
    }

    /// Put a packet into its encoding's history and have it sent to its subscribers.
    fn store(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        packet: &Packet<'_>,
        described: Described,
    ) {
        if self.ingress.store(context, key, packet, described) {
            self.egress.note_arrival(context, key);
        }
    }

    /// Restart the subscriptions of an encoding at the stream that has started.
    #[cold]
    fn on_stream_started(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        self.egress.restart_encoding(context, &self.ingress, key);
        self.pass_on_demands(context);
        let track = self.ingress.publications.get(key.publication);
        let publisher = track.and_then(|track| self.ingress.publishers.get(track.publisher));
        if let Some(transport) = publisher.and_then(|publisher| publisher.transport()) {
            self.start_reports(context, transport);
        }
    }

    /// Select again for an encoding whose first packet after silence arrived.
    #[cold]
    fn on_encoding_resumed(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        self.ingress.activate(context, key);
        self.ingress.start_speech(context, key);
        self.egress
            .update_selections(context, &self.ingress, key.publication);
        self.egress.demand_awaited_keyframe(key);
        self.pass_on_demands(context);
    }
}
