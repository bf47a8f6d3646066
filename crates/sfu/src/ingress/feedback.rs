//! What publishers are told at once: missing packets, transport-wide feedback, keyframe requests.

use std::time::Duration;

use wire::id::Ssrc;
use wire::rtcp::{FirEntry, write};
use wire::time::Time;

use super::publisher::{Feed, Publisher};
use super::{Ingress, OUR_SSRC};
use crate::context::{Context, Timer};
use crate::keys::{EncodingKey, PublisherKey, TransportKey};

impl Publisher {
    /// Schedule feedback at `due`.
    pub fn schedule_feedback(
        &mut self,
        context: &mut Context<'_>,
        key: PublisherKey,
        due: Option<Time>,
    ) {
        let Some(due) = due else {
            return;
        };
        if self.feedback_at.is_none_or(|set| due < set) {
            self.feedback_at = Some(due);
            context.set_timer(due, Timer::Feedback(key));
        }
    }

    fn request_packets(
        &mut self,
        key: EncodingKey,
        media: Ssrc,
        sequences: &[u16],
        rtcp: &mut Vec<u8>,
    ) {
        match &mut self.feed {
            Feed::Transport(..) => write::nack(rtcp, OUR_SSRC, media, sequences),
            Feed::Source(source) => source.request_packets(key, sequences),
        }
    }
}

impl Ingress {
    /// Append the feedback that is due to a publisher, and schedule the next; return the video
    /// encodings with packets given up, which do not decode until the next keyframe.
    pub fn append_feedback(
        &mut self,
        context: &mut Context<'_>,
        key: PublisherKey,
        rtt: Option<Duration>,
        rtcp: &mut Vec<u8>,
    ) -> Vec<EncodingKey> {
        let Some(publisher) = self.publishers.get_mut(key) else {
            return Vec::new();
        };
        if publisher.feedback_at.is_none_or(|due| due > context.now) {
            return Vec::new();
        }
        publisher.feedback_at = None;
        let transport_wide = &mut publisher.transport_wide;
        let due = transport_wide.received.poll_timeout();
        if due.is_some_and(|due| due <= context.now) {
            let media = transport_wide.sent_ssrc.unwrap_or(OUR_SSRC);
            while transport_wide
                .received
                .build_feedback(rtcp, OUR_SSRC, media)
            {
                context.counters.transport_feedback_sent += 1;
            }
        }
        let mut next = transport_wide.received.poll_timeout();
        let broken = self.append_nacks(context, key, rtt, rtcp, &mut next);
        if let Some(publisher) = self.publishers.get_mut(key) {
            publisher.schedule_feedback(context, key, next);
        }
        broken
    }

    /// Append NACKs for missing packets; return the video encodings with packets given up.
    fn append_nacks(
        &mut self,
        context: &mut Context<'_>,
        key: PublisherKey,
        rtt: Option<Duration>,
        rtcp: &mut Vec<u8>,
        next: &mut Option<Time>,
    ) -> Vec<EncodingKey> {
        let mut broken = Vec::new();
        let Some(publisher) = self.publishers.get_mut(key) else {
            return broken;
        };
        for nth in 0..publisher.publications.len() {
            let publication = publisher.publications[nth];
            let Some(track) = self.publications.get_mut(publication) else {
                continue;
            };
            for (encoding, state) in track.encodings.iter_mut().enumerate() {
                let Some(media) = state.stream.ssrc() else {
                    continue;
                };
                let nack = &mut state.stream.nack;
                let given_up = nack.counters().given_up;
                nack.poll(context.now, rtt, &mut self.sequences);
                let lost = nack.counters().given_up - given_up;
                context.counters.packets_lost += lost;
                context.counters.nacks_sent += self.sequences.len() as u64;
                earliest(next, nack.poll_timeout());
                let key = EncodingKey {
                    publication,
                    encoding,
                };
                if !self.sequences.is_empty() {
                    publisher.request_packets(key, media, &self.sequences, rtcp);
                }
                if lost > 0 && !track.audio && state.is_watched {
                    broken.push(key);
                }
            }
        }
        broken
    }

    /// Note that a keyframe of an encoding is needed. Return whether one is: not where it arrives.
    pub fn need_keyframe(&mut self, key: EncodingKey) -> bool {
        match self.encoding_mut(key) {
            Some(encoding) if !encoding.keyframes.arriving => {
                encoding.keyframes.requests.request();
                true
            }
            _ => false,
        }
    }

    /// Request a keyframe that is needed, where the last request is old enough: write RTCP and
    /// return the transport that it is for, or tell the source.
    pub fn request_due_keyframe(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        rtcp: &mut Vec<u8>,
    ) -> Option<TransportKey> {
        let encoding = self.encoding_mut(key)?;
        // No request is sent for an inactive encoding: it would not be answered.
        let is_due = encoding.active && encoding.keyframes.requests.take_due(context.now);
        encoding.counters.keyframe_requests += u64::from(is_due);
        let transport = match is_due {
            true => self.request_keyframe(context, key, rtcp),
            false => None,
        };
        self.set_keyframe_timer(context, key);
        transport
    }

    /// Write a PLI, or a FIR where only that was negotiated.
    fn request_keyframe(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        rtcp: &mut Vec<u8>,
    ) -> Option<TransportKey> {
        let track = self.publications.get_mut(key.publication)?;
        let media = track.encodings.get(key.encoding)?.stream.ssrc()?;
        let publisher = self.publishers.get_mut(track.publisher)?;
        context.counters.keyframe_requests_sent += 1;
        if let Feed::Source(source) = &mut publisher.feed {
            source.request_keyframe(key);
            return None;
        }
        let feedback = &mut track.negotiated;
        if feedback.pli || !feedback.fir {
            write::pli(rtcp, OUR_SSRC, media);
        } else {
            feedback.fir_sequence = feedback.fir_sequence.wrapping_add(1);
            let entry = FirEntry {
                ssrc: media,
                sequence: feedback.fir_sequence,
            };
            write::fir(rtcp, OUR_SSRC, &[entry]);
        }
        publisher.transport()
    }

    fn set_keyframe_timer(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        let Some(encoding) = self.encoding_mut(key) else {
            return;
        };
        let keyframes = &mut encoding.keyframes;
        let Some(next) = keyframes.requests.next_due().filter(|_| encoding.active) else {
            return;
        };
        let is_set = |set: Time| context.now < set && set <= next;
        if !keyframes.timer.is_some_and(is_set) {
            keyframes.timer = Some(next);
            context.set_timer(next, Timer::Keyframe(key));
        }
    }
}

fn earliest(next: &mut Option<Time>, due: Option<Time>) {
    if let Some(due) = due {
        *next = Some(next.map_or(due, |known| known.min(due)));
    }
}
