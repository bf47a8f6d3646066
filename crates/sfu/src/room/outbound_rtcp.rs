//! RTCP to peers: reports once a second; NACK, feedback and keyframe requests when they are due.

use std::time::Duration;

use rtc::inbound::report::InboundStats;
use rtc::outbound::report::SourceReport;
use wire::id::Ssrc;
use wire::rtcp::{FirEntry, write};
use wire::time::Time;

use super::peer_connection::OUR_SSRC;
use super::{PeerConnection, Room};
use crate::context::{Context, Timer};

const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Canonical name of the server (RFC 7022: it must not identify a user).
const OUR_CNAME: &str = "sfukit";

impl Room {
    /// Schedule feedback to a publisher at `due`.
    pub(super) fn schedule_feedback(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        due: Option<Time>,
    ) {
        let peer = &mut self.peers[key];
        let Some(due) = due else {
            return;
        };
        if peer.feedback_at.is_none_or(|set| due < set) {
            peer.feedback_at = Some(due);
            context.set_timer(due, Timer::Feedback(key));
        }
    }

    /// Send transport-wide feedback and NACKs to a publisher.
    pub(super) fn send_feedback(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.feedback_at.is_none_or(|due| due > context.now) {
            return;
        }
        peer.feedback_at = None;
        let mut rtcp = std::mem::take(&mut self.rtcp);
        rtcp.clear();
        let mut next = None;
        if peer
            .twcc
            .poll_timeout()
            .is_some_and(|due| due <= context.now)
        {
            let media = peer.sent_ssrc.unwrap_or(OUR_SSRC);
            while peer.twcc.build_feedback(&mut rtcp, OUR_SSRC, media) {
                context.counters.transport_feedback_sent += 1;
            }
        }
        earliest(&mut next, peer.twcc.poll_timeout());
        let broken = self.append_nacks(context, key, &mut rtcp, &mut next);
        self.send_rtcp(context, key, &rtcp);
        self.rtcp = rtcp;
        self.schedule_feedback(context, key, next);
        for (publication, encoding) in broken {
            self.request_keyframe(context, publication, encoding);
        }
    }

    /// Append NACKs for missing packets; return the video encodings with packets given up, which do
    /// not decode until the next keyframe.
    fn append_nacks(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        rtcp: &mut Vec<u8>,
        next: &mut Option<Time>,
    ) -> Vec<(usize, usize)> {
        let mut sequences = std::mem::take(&mut self.sequences);
        let mut broken = Vec::new();
        let peer = &self.peers[key];
        for publication in &peer.publications {
            let track = &mut self.publications[*publication];
            for (nth, encoding) in track.encodings.iter_mut().enumerate() {
                let Some(media) = encoding.stats.as_ref().map(InboundStats::ssrc) else {
                    continue;
                };
                let given_up = encoding.nack.counters().given_up;
                encoding.nack.poll(context.now, peer.rtt, &mut sequences);
                let lost = encoding.nack.counters().given_up - given_up;
                context.counters.packets_lost += lost;
                context.counters.nacks_sent += sequences.len() as u64;
                if !sequences.is_empty() {
                    write::nack(rtcp, OUR_SSRC, media, &sequences);
                }
                earliest(next, encoding.nack.poll_timeout());
                if lost > 0 && !track.audio && !encoding.subscribers.is_empty() {
                    broken.push((*publication, nth));
                }
            }
        }
        self.sequences = sequences;
        broken
    }

    /// Start the reports to a peer, one a second.
    pub(super) fn start_reports(&mut self, context: &mut Context<'_>, key: usize) {
        let peer = &mut self.peers[key];
        if peer.connected && !peer.reports.is_set() {
            // Spread over the second, so that not all peers of a burst of joins report at once.
            let spread = Duration::from_millis(context.random.next_u64() % 1000);
            set_reports(context, peer, key, spread);
        }
    }

    /// Send a peer its sender reports, receiver reports and the echo of its reference time.
    pub(super) fn send_reports(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !peer.reports.expired(context.now) {
            return;
        }
        set_reports(context, peer, key, REPORT_EVERY);
        let mut rtcp = std::mem::take(&mut self.rtcp);
        rtcp.clear();
        self.append_sender_reports(context.now, key, &mut rtcp);
        self.append_receiver_report(context, key, &mut rtcp);
        self.append_bitrate_limit(context, key, &mut rtcp);
        let echoes: Vec<_> = self.peers[key].references.take(context.now).collect();
        if !echoes.is_empty() {
            write::delays_since_rr(&mut rtcp, OUR_SSRC, &echoes);
        }
        self.send_rtcp(context, key, &rtcp);
        self.rtcp = rtcp;
    }

    fn append_sender_reports(&mut self, now: Time, key: usize, rtcp: &mut Vec<u8>) {
        for subscription in &self.peers[key].subscriptions {
            let subscriber = &mut self.subscriptions[*subscription];
            let encodings = &self.publications[subscriber.publication].encodings;
            let source = subscriber
                .current
                .and_then(|nth| encodings[nth].report)
                .map(|report| SourceReport {
                    ntp: report.ntp,
                    rtp_timestamp: subscriber.timeline.at(report.timestamp),
                    arrived: report.arrived,
                });
            let (packets, bytes) = (
                subscriber.counters.packets_sent,
                subscriber.counters.bytes_sent,
            );
            if let Some(info) = subscriber
                .reports
                .report(now, source.as_ref(), packets, bytes)
            {
                write::sender_report(rtcp, subscriber.ssrc, &info, &[]);
                write::sdes_cname(rtcp, subscriber.ssrc, &subscriber.cname);
            }
        }
    }

    fn append_receiver_report(&mut self, context: &Context<'_>, key: usize, rtcp: &mut Vec<u8>) {
        let now = context.now;
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.clear();
        for publication in &self.peers[key].publications {
            let encodings = &mut self.publications[*publication].encodings;
            // Only what is bound: browsers stop naming their streams after the first report.
            let bound = encodings
                .iter_mut()
                .filter_map(|encoding| encoding.stats.as_mut());
            blocks.extend(bound.filter_map(|stats| stats.report_block(now)));
        }
        // The count of blocks has five bits (RFC 3550 6.4.2).
        for chunk in blocks.chunks(31) {
            write::receiver_report(rtcp, OUR_SSRC, chunk);
        }
        if !blocks.is_empty() {
            write::sdes_cname(rtcp, OUR_SSRC, OUR_CNAME);
            // A peer that only publishes gets no sender report from which its RTT could be derived.
            let reference = context.wall.ntp(now);
            write::reference_time(rtcp, OUR_SSRC, reference);
            self.peers[key].reference_times.sent(now, reference);
        }
        self.blocks = blocks;
    }

    /// Append the configured bitrate limit as REMB for publishers without transport-wide feedback.
    fn append_bitrate_limit(&self, context: &Context<'_>, key: usize, rtcp: &mut Vec<u8>) {
        let peer = &self.peers[key];
        let Some(limit_bps) = context
            .config
            .max_publish_bitrate_bps
            .filter(|_| !peer.supports_twcc)
        else {
            return;
        };
        let publications = peer
            .publications
            .iter()
            .map(|publication| &self.publications[*publication]);
        let limited = publications
            .filter(|publication| publication.supports_remb)
            .flat_map(|publication| &publication.encodings);
        let bound = limited.filter_map(|encoding| Some(encoding.stats.as_ref()?.ssrc()));
        let ssrcs: Vec<Ssrc> = bound.collect();
        if !ssrcs.is_empty() {
            write::remb(rtcp, OUR_SSRC, limit_bps, &ssrcs);
        }
    }

    /// Send BYE for streams that have ended (RFC 3550 6.6).
    pub(super) fn send_bye(&mut self, context: &mut Context<'_>, key: usize, ssrcs: &[Ssrc]) {
        let mut rtcp = Vec::new();
        write::bye(&mut rtcp, ssrcs);
        self.send_rtcp(context, key, &rtcp);
    }

    /// Send a PLI, or a FIR where only that was negotiated, to the publisher.
    pub(super) fn send_keyframe_request(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        let track = &mut self.publications[publication];
        let Some(media) = track.encodings[encoding]
            .stats
            .as_ref()
            .map(|stats| stats.ssrc())
        else {
            return;
        };
        let mut rtcp = Vec::with_capacity(20);
        if track.supports_pli || !track.supports_fir {
            write::pli(&mut rtcp, OUR_SSRC, media);
        } else {
            track.fir_sequence = track.fir_sequence.wrapping_add(1);
            let entry = FirEntry {
                ssrc: media,
                sequence: track.fir_sequence,
            };
            write::fir(&mut rtcp, OUR_SSRC, &[entry]);
        }
        let peer = track.peer;
        context.counters.keyframe_requests_sent += 1;
        self.send_rtcp(context, peer, &rtcp);
    }

    fn send_rtcp(&mut self, context: &mut Context<'_>, key: usize, rtcp: &[u8]) {
        let transport = &mut self.peers[key].egress.transport;
        if !rtcp.is_empty() && transport.is_connected() {
            // Without a path RTCP cannot be sent.
            let _ = transport.send_rtcp(rtcp, context.out);
        }
    }
}

fn set_reports(context: &mut Context<'_>, peer: &mut PeerConnection, key: usize, after: Duration) {
    let at = context.now + after;
    peer.reports.set(at);
    context.set_timer(at, Timer::Reports(key));
}

fn earliest(next: &mut Option<Time>, due: Option<Time>) {
    if let Some(due) = due {
        *next = Some(next.map_or(due, |known| known.min(due)));
    }
}
