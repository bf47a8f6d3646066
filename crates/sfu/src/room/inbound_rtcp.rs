//! RTCP from peers: NACK, keyframe requests, reports and transport-wide feedback.

use std::time::Duration;

use rtc::outbound::sequence::Origin;
use wire::id::Ssrc;
use wire::rtcp::{NackSequences, Packet, ReportBlock, SenderInfo, XrBlock, compound};
use wire::time::Time;

use super::Room;
use super::flush::MAX_RESENDS;
use super::peer_connection::Resend;
use crate::bwe::Report;
use crate::context::Context;
use crate::egress::repair::Resent;
use crate::ingress::encoding::PublisherReport;

/// A packet is not resent more often than this, whatever the round trip.
const SHORTEST_RESEND: Duration = Duration::from_millis(10);
// Else a queued packet could be requested, and sent, a second time.
const _: () = assert!(MAX_RESENDS <= Resent::REMEMBERED);

impl Room {
    /// Process a compound RTCP packet up to the first malformed packet, which is counted.
    pub(super) fn receive_rtcp(&mut self, context: &mut Context<'_>, key: usize, datagram: &[u8]) {
        for packet in compound(datagram) {
            let Ok(packet) = packet else {
                context.counters.rtcp_malformed += 1;
                return;
            };
            self.on_rtcp_packet(context, key, packet);
        }
    }

    fn on_rtcp_packet(&mut self, context: &mut Context<'_>, key: usize, packet: Packet<'_>) {
        match packet {
            Packet::SenderReport {
                ssrc,
                info,
                reports,
            } => {
                self.on_sender_report(context.now, key, ssrc, &info);
                reports.for_each(|block| self.on_report_block(context, key, &block));
            }
            Packet::ReceiverReport { reports, .. } => {
                reports.for_each(|block| self.on_report_block(context, key, &block));
            }
            Packet::Nack {
                media, sequences, ..
            } => self.on_nack(context, key, media, sequences),
            Packet::Pli { media, .. } => self.on_keyframe_request(context, key, media),
            Packet::Fir { entries, .. } => {
                entries.for_each(|entry| self.on_keyframe_request(context, key, entry.ssrc));
            }
            Packet::TransportFeedback(feedback) => {
                context.counters.transport_feedback_received += 1;
                self.peers[key]
                    .egress
                    .transport_wide
                    .on_feedback(context.now, &feedback);
            }
            Packet::Xr { sender, blocks } => {
                blocks.for_each(|block| self.on_extended_report(context.now, key, sender, block));
            }
            Packet::Sdes(_)
            | Packet::Bye(_)
            | Packet::App { .. }
            | Packet::Remb { .. }
            | Packet::Unknown { .. } => {}
        }
    }

    /// Process an extended report: a reference time to echo, or an echo with the round-trip time.
    fn on_extended_report(&mut self, now: Time, key: usize, sender: Ssrc, block: XrBlock<'_>) {
        let peer = &mut self.peers[key];
        match block {
            XrBlock::ReferenceTime(ntp) => peer.references.on_reference_time(now, sender, ntp),
            XrBlock::Delays(entries) => {
                let rtt = peer.reference_times.on_echoes(now, entries);
                peer.rtt = rtt.or(peer.rtt);
            }
            XrBlock::Unknown(_) => {}
        }
    }

    /// Process a sender report, which maps RTP timestamps to wall time.
    fn on_sender_report(&mut self, now: Time, key: usize, ssrc: Ssrc, info: &SenderInfo) {
        let Some(bound) = self.peers[key].binder.lookup(ssrc) else {
            return;
        };
        let encoding = &mut self.publications[bound.key.publication].encodings[bound.key.encoding];
        if let Some(stats) = encoding.stats.as_mut().filter(|stats| stats.ssrc() == ssrc) {
            stats.on_sender_report(now, info);
            encoding
                .clock
                .on_sender_report(info.rtp_timestamp, info.ntp);
            encoding.report = Some(PublisherReport {
                ntp: info.ntp,
                timestamp: info.rtp_timestamp,
                arrived: now,
            });
        }
    }

    /// Process a report block about an outgoing stream.
    fn on_report_block(&mut self, context: &mut Context<'_>, key: usize, block: &ReportBlock) {
        let Some(subscription) = self.subscription_by_ssrc(key, block.ssrc) else {
            return;
        };
        let subscriber = &mut self.subscriptions[subscription];
        let rtt = subscriber.reports.on_report_block(context.now, block);
        subscriber.counters.fraction_lost = block.fraction_lost;
        let audio = subscriber.audio;
        if let Some(rtt) = rtt {
            self.peers[key].rtt = Some(rtt);
            let publication = &mut self.publications[self.subscriptions[subscription].publication];
            publication.longest_rtt = publication.longest_rtt.max(rtt);
        }
        // Audio has a low bitrate: its losses say little about the available bandwidth.
        if !audio {
            let fraction_lost = block.fraction_lost;
            self.on_receiver_report(context, key, Report { fraction_lost, rtt });
        }
    }

    /// Process a NACK: queue the packets that are still in a history.
    ///
    /// Packets that the publisher's stream lacks as well need no answer: they are requested from
    /// the publisher and forwarded to every subscriber in their place when they arrive.
    fn on_nack(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        media: Ssrc,
        sequences: NackSequences<'_>,
    ) {
        let Some(subscription) = self.subscription_by_ssrc(key, media) else {
            return;
        };
        // Under a bandwidth limit lost packets of the previous encoding are not retransmitted: they
        // would take bandwidth from the present one, which started with a keyframe.
        let is_limited = self.peers[key].budget_bps.is_some();
        // A receiver repeats its NACK after its own estimate of the RTT, which differs from ours:
        // if the second were refused by a millisecond, the third would come a round trip later.
        let spacing = self.peers[key].rtt.unwrap_or_default() * 3 / 4;
        let spacing = spacing.max(SHORTEST_RESEND);
        for sequence in sequences {
            context.counters.nacks_received += 1;
            let subscriber = &mut self.subscriptions[subscription];
            subscriber.counters.nacks += 1;
            let last_source = subscriber.last_source.filter(|_| is_limited);
            let is_needed = |origin: &Origin| match origin {
                Origin::Source { source, .. } => last_source.is_none_or(|last| last == *source),
                Origin::Inserted(_) => true,
            };
            let origin = subscriber.map.origin(sequence).filter(is_needed);
            let (Some(repair), Some(origin)) = (subscriber.repair.as_mut(), origin) else {
                context.counters.nacks_unanswered += 1;
                continue;
            };
            let peer = &mut self.peers[key];
            if peer.resends.len() >= MAX_RESENDS
                || !repair
                    .resent
                    .allows(context.now, origin.placed().index, spacing)
            {
                continue;
            }
            peer.resends.push_back(Resend {
                subscription,
                origin,
            });
        }
        self.queue_peer(key);
    }

    fn on_keyframe_request(&mut self, context: &mut Context<'_>, key: usize, media: Ssrc) {
        let Some(subscription) = self.subscription_by_ssrc(key, media) else {
            return;
        };
        context.counters.keyframe_requests_received += 1;
        let subscriber = &mut self.subscriptions[subscription];
        subscriber.counters.keyframe_requests += 1;
        let Some(current) = subscriber.current.filter(|_| !subscriber.audio) else {
            return;
        };
        if !subscriber.keyframes.allow(context.now) {
            subscriber.counters.keyframe_requests_rate_limited += 1;
            context.counters.keyframe_requests_rate_limited += 1;
            return;
        }
        let publication = subscriber.publication;
        self.request_keyframe(context, publication, current);
    }

    fn subscription_by_ssrc(&self, key: usize, ssrc: Ssrc) -> Option<usize> {
        let subscriptions = &self.peers[key].subscriptions;
        subscriptions
            .iter()
            .copied()
            .find(|subscription| self.subscriptions[*subscription].ssrc == ssrc)
    }
}
