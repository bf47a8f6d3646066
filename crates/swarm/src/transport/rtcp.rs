//! RTCP: reports and feedback of the server and of the bot.

use super::{BotTransport, NEVER, REPORT_INTERVAL, Shared};
use crate::publish::{OutboundEncoding, SendContext};
use crate::receive::InboundStream;
use rtc::inbound::reference::ReferenceTimes;
use std::time::Duration;
use wire::id::Ssrc;
use wire::rtcp::{NackSequences, Packet, ReportBlock, XrBlock, write};
use wire::time::Time;

impl BotTransport {
    pub(super) fn on_rtcp(&mut self, now: Time, compound: &[u8], shared: &mut Shared) {
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
        let rtt = encodings.find_map(|encoding| encoding.on_report_block(now, block));
        self.round_trips
            .on_report_block(rtt, shared.recorder.recording);
        if let Some(rtt) = rtt {
            shared.recorder.record_rtt(rtt);
        }
    }

    fn on_extended_report(&mut self, now: Time, block: &XrBlock<'_>, shared: &mut Shared) {
        if let (XrBlock::Delays(entries), Some(reference)) = (block, &mut self.reference)
            && let Some(rtt) = reference.on_echoes(now, *entries)
        {
            self.round_trips.on_echo(rtt, shared.recorder.recording);
            shared.recorder.record_rtt(rtt);
        }
    }

    fn on_nack(
        &mut self,
        now: Time,
        media: Ssrc,
        sequences: NackSequences<'_>,
        shared: &mut Shared,
    ) {
        let outbound = self.outbound.iter_mut().flatten();
        let mut encodings = outbound.flat_map(|stream| &mut stream.encodings);
        let Some(encoding) = encodings.find(|encoding| encoding.ssrc() == media) else {
            return;
        };
        let mut context = SendContext {
            now,
            transport: &mut self.transport,
            outbox: &mut shared.outbox,
            twcc: &mut self.twcc_out,
            wall: shared.wall,
            recorder: &mut shared.recorder,
        };
        for sequence in sequences {
            context.recorder.totals.nacks_received += 1;
            if let Some(bytes) = encoding.resend(sequence, &mut context) {
                self.pacer.on_sent(bytes);
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

    /// Append the feedback on inbound streams: NACK, PLI or FIR, transport-wide feedback.
    pub(super) fn write_feedback(&mut self, now: Time, shared: &mut Shared) {
        if self.next_feedback <= now {
            self.next_feedback = NEVER;
            let rtt = self.round_trip();
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
        let media = self.inbound.iter().find_map(InboundStream::ssrc);
        if let Some((twcc, media)) = self.twcc_in.as_mut().zip(media)
            && twcc.poll_timeout().is_some_and(|due| due <= now)
        {
            // libwebrtc drops feedback with a media SSRC that it does not send.
            while twcc.build_feedback(&mut shared.rtcp, self.own_ssrc, media) {}
        }
    }

    /// Return the latest round-trip time: by receiver reference times, else by report blocks.
    fn round_trip(&self) -> Option<Duration> {
        let by_reference = self.reference.as_ref().and_then(ReferenceTimes::rtt);
        by_reference.or_else(|| {
            let outbound = self.outbound.iter().flatten();
            let mut encodings = outbound.flat_map(|stream| &stream.encodings);
            encodings.find_map(OutboundEncoding::round_trip)
        })
    }

    /// Append sender and receiver reports where they are due (RFC 3550 section 6.4).
    pub(super) fn write_reports(&mut self, now: Time, shared: &mut Shared) {
        if self.next_report > now {
            return;
        }
        self.next_report = now + REPORT_INTERVAL.mul_f64(0.5 + self.random.ratio());
        let round_trip = self.round_trip();
        let Shared {
            rtcp,
            blocks,
            wall,
            recorder,
            ..
        } = shared;
        for stream in &mut self.inbound {
            stream.update_quality(now, round_trip, recorder.recording);
        }
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
            self.round_trips.on_reference_time();
            write::reference_time(rtcp, self.own_ssrc, ntp);
        }
    }
}
