//! RTCP of a transport: to ingress what is about incoming streams, to egress what is about outgoing
//! ones.

use wire::id::Ssrc;
use wire::rtcp::{Packet, ReportBlock, XrBlock, compound};
use wire::time::Time;

use super::Room;
use crate::context::Context;
use crate::keys::TransportKey;

impl Room {
    /// Process a compound RTCP packet up to the first malformed packet, which is counted.
    pub(super) fn receive_rtcp(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        datagram: &[u8],
    ) {
        for packet in compound(datagram) {
            let Ok(packet) = packet else {
                context.counters.rtcp_malformed += 1;
                return;
            };
            self.on_rtcp_packet(context, key, packet);
        }
    }

    fn on_rtcp_packet(&mut self, context: &mut Context<'_>, key: TransportKey, packet: Packet<'_>) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let (publisher, subscriber) = (connection.publisher, connection.subscriber);
        let (ingress, egress) = (&mut self.ingress, &mut self.egress);
        match packet {
            Packet::SenderReport {
                ssrc,
                info,
                reports,
            } => {
                ingress.on_sender_report(context.now, publisher, ssrc, &info);
                reports.for_each(|block| self.on_report_block(context, key, &block));
            }
            Packet::ReceiverReport { reports, .. } => {
                reports.for_each(|block| self.on_report_block(context, key, &block));
            }
            Packet::Nack {
                media, sequences, ..
            } => {
                let rtt = connection.round_trip.last;
                egress.on_nack(context, subscriber, media, sequences, rtt);
            }
            Packet::Pli { media, .. } => egress.on_keyframe_request(context, subscriber, media),
            Packet::Fir { entries, .. } => entries
                .for_each(|entry| egress.on_keyframe_request(context, subscriber, entry.ssrc)),
            Packet::TransportFeedback(feedback) => {
                egress.on_transport_feedback(context, ingress, subscriber, &feedback);
            }
            Packet::Xr { sender, blocks } => {
                blocks.for_each(|block| self.on_extended_report(context.now, key, sender, block));
            }
            Packet::Remb { bitrate_bps, .. } => {
                egress.on_remb(context.now, subscriber, bitrate_bps);
            }
            Packet::Sdes(_) | Packet::Bye(_) | Packet::App { .. } | Packet::Unknown { .. } => {}
        }
    }

    /// Process an extended report: a reference time to echo, or an echo with the round-trip time.
    fn on_extended_report(
        &mut self,
        now: Time,
        key: TransportKey,
        sender: Ssrc,
        block: XrBlock<'_>,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let round_trip = &mut connection.round_trip;
        match block {
            XrBlock::ReferenceTime(ntp) => {
                round_trip.references.on_reference_time(now, sender, ntp);
            }
            XrBlock::Delays(entries) => {
                let rtt = round_trip.reference_times.on_echoes(now, entries);
                round_trip.last = rtt.or(round_trip.last);
            }
            XrBlock::Unknown(_) => {}
        }
    }

    /// Process a report block about an outgoing stream.
    fn on_report_block(
        &mut self,
        context: &mut Context<'_>,
        key: TransportKey,
        block: &ReportBlock,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let subscriber = connection.subscriber;
        let measured = self.egress.on_report_block(context, subscriber, block);
        if let Some((publication, rtt)) = measured {
            connection.round_trip.last = Some(rtt);
            self.ingress.note_round_trip(publication, rtt);
        }
    }
}
