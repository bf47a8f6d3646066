//! RTCP from peers. Here a NACK is answered, a keyframe request passed on, a report taken in.

use std::time::Duration;

use rtc::outbound::sequence::Origin;
use wire::id::Ssrc;
use wire::rtcp::{NackSequences, Packet, ReportBlock, SenderInfo, XrBlock, compound};
use wire::time::Time;

use super::Room;
use super::flush::MOST_RESENDS;
use super::peer::Resend;
use crate::context::Context;
use crate::policy::Report;
use crate::publication::PublisherReport;
use crate::repair::Resent;

/// A packet is not resent more often than this, whatever the round trip.
const SHORTEST_RESEND: Duration = Duration::from_millis(10);
// Else a packet that waits could be asked for, and sent, a second time.
const _: () = assert!(MOST_RESENDS <= Resent::REMEMBERED);

impl Room {
    /// Take a compound of RTCP packets in; what cannot be parsed ends it and is counted.
    pub(super) fn receive_rtcp(&mut self, context: &mut Context<'_>, key: usize, datagram: &[u8]) {
        for packet in compound(datagram) {
            let Ok(packet) = packet else {
                context.counters.rtcp_malformed += 1;
                return;
            };
            self.take_packet(context, key, packet);
        }
    }

    fn take_packet(&mut self, context: &mut Context<'_>, key: usize, packet: Packet<'_>) {
        match packet {
            Packet::SenderReport {
                ssrc,
                info,
                reports,
            } => {
                self.take_sender_report(context.now, key, ssrc, &info);
                reports.for_each(|block| self.take_report_block(context, key, &block));
            }
            Packet::ReceiverReport { reports, .. } => {
                reports.for_each(|block| self.take_report_block(context, key, &block));
            }
            Packet::Nack {
                media, sequences, ..
            } => self.take_nack(context, key, media, sequences),
            Packet::Pli { media, .. } => self.take_keyframe_request(context, key, media),
            Packet::Fir { entries, .. } => {
                entries.for_each(|entry| self.take_keyframe_request(context, key, entry.ssrc));
            }
            Packet::TransportFeedback(feedback) => {
                context.counters.transport_feedback_received += 1;
                self.peers[key]
                    .leg
                    .transport_wide
                    .on_feedback(context.now, &feedback);
            }
            Packet::Xr { sender, blocks } => {
                blocks.for_each(|block| self.take_extended_report(context.now, key, sender, block));
            }
            Packet::Sdes(_)
            | Packet::Bye(_)
            | Packet::App { .. }
            | Packet::Remb { .. }
            | Packet::Unknown { .. } => {}
        }
    }

    /// A reference time wants its echo; an echo shows the round trip to a publisher.
    fn take_extended_report(&mut self, now: Time, key: usize, sender: Ssrc, block: XrBlock<'_>) {
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

    /// A publisher says what its RTP timestamps mean in wall time.
    fn take_sender_report(&mut self, now: Time, key: usize, ssrc: Ssrc, info: &SenderInfo) {
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

    /// A subscriber says how one of our streams arrives.
    fn take_report_block(&mut self, context: &mut Context<'_>, key: usize, block: &ReportBlock) {
        let Some(subscription) = self.subscription_of(key, block.ssrc) else {
            return;
        };
        let of = &mut self.subscriptions[subscription];
        let rtt = of.reports.on_report_block(context.now, block);
        of.counters.fraction_lost = block.fraction_lost;
        let audio = of.audio;
        if let Some(rtt) = rtt {
            self.peers[key].rtt = Some(rtt);
            let publication = &mut self.publications[self.subscriptions[subscription].publication];
            publication.longest_rtt = publication.longest_rtt.max(rtt);
        }
        // Sound is a trickle: its losses say little of what fits.
        if !audio {
            let fraction_lost = block.fraction_lost;
            self.note_report(context, key, Report { fraction_lost, rtt });
        }
    }

    /// A subscriber lacks packets: queue those that still stand in a history.
    ///
    /// What is missing upstream as well needs no answer: it is asked for there and forwarded to
    /// everybody in its old place when it comes.
    fn take_nack(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        media: Ssrc,
        sequences: NackSequences<'_>,
    ) {
        let Some(subscription) = self.subscription_of(key, media) else {
            return;
        };
        // Where too much was sent, what is lost of the encoding before stays lost: sending it again
        // would take the room of the one that fits, and that one began with a keyframe.
        let is_limited = self.peers[key].budget_bps.is_some();
        // A receiver asks again after the round trip that it knows, which is not quite ours: were
        // its second request refused for a millisecond, the third would come a round trip late.
        let spacing = self.peers[key].rtt.unwrap_or_default() * 3 / 4;
        let spacing = spacing.max(SHORTEST_RESEND);
        for sequence in sequences {
            context.counters.nacks_received += 1;
            let of = &mut self.subscriptions[subscription];
            of.counters.nacks += 1;
            let last_source = of.last_source.filter(|_| is_limited);
            let is_wanted = |origin: &Origin| match origin {
                Origin::Source { source, .. } => last_source.is_none_or(|last| last == *source),
                Origin::Inserted(_) => true,
            };
            let origin = of.map.origin(sequence).filter(is_wanted);
            let (Some(repair), Some(origin)) = (of.repair.as_mut(), origin) else {
                context.counters.nacks_unanswered += 1;
                continue;
            };
            let peer = &mut self.peers[key];
            if peer.resends.len() >= MOST_RESENDS
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
        self.touch(key);
    }

    fn take_keyframe_request(&mut self, context: &mut Context<'_>, key: usize, media: Ssrc) {
        let Some(subscription) = self.subscription_of(key, media) else {
            return;
        };
        context.counters.keyframe_requests_received += 1;
        let of = &mut self.subscriptions[subscription];
        of.counters.keyframe_requests += 1;
        let Some(current) = of.current.filter(|_| !of.audio) else {
            return;
        };
        if !of.keyframes.take(context.now) {
            of.counters.keyframe_requests_rate_limited += 1;
            context.counters.keyframe_requests_rate_limited += 1;
            return;
        }
        let publication = of.publication;
        self.want_keyframe(context, publication, current);
    }

    fn subscription_of(&self, key: usize, ssrc: Ssrc) -> Option<usize> {
        let subscriptions = &self.peers[key].subscriptions;
        subscriptions
            .iter()
            .copied()
            .find(|of| self.subscriptions[*of].ssrc == ssrc)
    }
}
