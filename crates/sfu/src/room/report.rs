//! RTCP to peers: reports once a second, feedback and keyframe requests when they are due.

use std::time::Duration;

use rtc::inbound::report::InboundStats;
use rtc::outbound::report::SourceReport;
use wire::id::Ssrc;
use wire::rtcp::{FirEntry, write};
use wire::time::Time;

use super::peer::OUR_SSRC;
use super::{Peer, Room};
use crate::context::{Context, Timer};

const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Our own canonical name (RFC 7022 asks only that it does not identify anybody).
const OUR_CNAME: &str = "sfukit";

impl Room {
    /// Make sure that feedback leaves for a publisher at `due`.
    pub(super) fn want_feedback(
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

    /// Send a publisher what it lacks to know: which packets came, which are missing.
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
        self.want_feedback(context, key, next);
        for (publication, encoding) in broken {
            self.want_keyframe(context, publication, encoding);
        }
    }

    /// Ask for what is missing; return the video encodings that gave packets up: their pictures are
    /// broken until the next keyframe.
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
            let of = &mut self.publications[*publication];
            for (nth, encoding) in of.encodings.iter_mut().enumerate() {
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
                if lost > 0 && !of.audio && !encoding.subscribers.is_empty() {
                    broken.push((*publication, nth));
                }
            }
        }
        self.sequences = sequences;
        broken
    }

    /// Begin to report to a peer once a second.
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
        if !peer.reports.rings(context.now) {
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
            let of = &mut self.subscriptions[*subscription];
            let encodings = &self.publications[of.publication].encodings;
            let source = of
                .current
                .and_then(|nth| encodings[nth].report)
                .map(|report| SourceReport {
                    ntp: report.ntp,
                    rtp_timestamp: of.timeline.at(report.timestamp),
                    arrived: report.arrived,
                });
            let (packets, bytes) = (of.counters.packets_sent, of.counters.bytes_sent);
            if let Some(info) = of.reports.report(now, source.as_ref(), packets, bytes) {
                write::sender_report(rtcp, of.ssrc, &info, &[]);
                write::sdes_cname(rtcp, of.ssrc, &of.cname);
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
            // Whoever only publishes gets no sender report that it could answer.
            let reference = context.wall.ntp(now);
            write::reference_time(rtcp, OUR_SSRC, reference);
            self.peers[key].reference_times.sent(now, reference);
        }
        self.blocks = blocks;
    }

    /// Publishers with transport-wide feedback estimate for themselves; others are told the limit
    /// that the operator set, and nothing that we would have to invent.
    fn append_bitrate_limit(&self, context: &Context<'_>, key: usize, rtcp: &mut Vec<u8>) {
        let peer = &self.peers[key];
        let Some(limit_bps) = context
            .config
            .max_publish_bitrate_bps
            .filter(|_| !peer.takes_twcc)
        else {
            return;
        };
        let publications = peer.publications.iter().map(|of| &self.publications[*of]);
        let limited = publications
            .filter(|of| of.takes_remb)
            .flat_map(|of| &of.encodings);
        let bound = limited.filter_map(|encoding| Some(encoding.stats.as_ref()?.ssrc()));
        let ssrcs: Vec<Ssrc> = bound.collect();
        if !ssrcs.is_empty() {
            write::remb(rtcp, OUR_SSRC, limit_bps, &ssrcs);
        }
    }

    /// Tell a subscriber that a stream is over (RFC 3550 6.6).
    pub(super) fn say_goodbye(&mut self, context: &mut Context<'_>, key: usize, ssrcs: &[Ssrc]) {
        let mut rtcp = Vec::new();
        write::bye(&mut rtcp, ssrcs);
        self.send_rtcp(context, key, &rtcp);
    }

    /// Ask a publisher for a keyframe, in the way that it takes.
    pub(super) fn send_keyframe_request(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        let of = &mut self.publications[publication];
        let Some(media) = of.encodings[encoding]
            .stats
            .as_ref()
            .map(|stats| stats.ssrc())
        else {
            return;
        };
        let mut rtcp = Vec::with_capacity(20);
        if of.takes_pli || !of.takes_fir {
            write::pli(&mut rtcp, OUR_SSRC, media);
        } else {
            of.fir_sequence = of.fir_sequence.wrapping_add(1);
            let entry = FirEntry {
                ssrc: media,
                sequence: of.fir_sequence,
            };
            write::fir(&mut rtcp, OUR_SSRC, &[entry]);
        }
        let peer = of.peer;
        context.counters.keyframe_requests_sent += 1;
        self.send_rtcp(context, peer, &rtcp);
    }

    fn send_rtcp(&mut self, context: &mut Context<'_>, key: usize, rtcp: &[u8]) {
        let transport = &mut self.peers[key].leg.transport;
        if !rtcp.is_empty() && transport.is_connected() {
            // Without a path there is nobody to tell.
            let _ = transport.send_rtcp(rtcp, context.out);
        }
    }
}

fn set_reports(context: &mut Context<'_>, peer: &mut Peer, key: usize, after: Duration) {
    let at = context.now + after;
    peer.reports.set(at);
    context.set_timer(at, Timer::Reports(key));
}

fn earliest(next: &mut Option<Time>, due: Option<Time>) {
    if let Some(due) = due {
        *next = Some(next.map_or(due, |known| known.min(due)));
    }
}
