//! Packets of publishers: bound to their encoding, accounted for and put into its history.

use rtc::codec::Described;
use rtc::codec::frame_size::frame_size;
use rtc::inbound::bind::{Binding, Bound, Role};
use rtc::inbound::rtx::{self, Retransmission};
use wire::extension::Values;
use wire::id::Rid;
use wire::rtp::{Header, padding_len};

use super::Ingress;
use super::packet::Packet;
use super::publisher::{Feed, Publisher};
use crate::context::Context;
use crate::keys::{EncodingKey, PublisherKey};
use crate::message::Event;

/// A packet that its encoding has accepted and not stored yet.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// Description of its payload.
    pub described: Described,
    /// Its stream started, or restarted under another SSRC.
    pub started: bool,
    /// It is the first one after silence.
    pub resumed: bool,
}

impl Ingress {
    /// Return whether a packet is within the publisher's bitrate limit. A packet above it is
    /// reported as lost, so that the publisher reduces its bitrate, and is not requested by NACK.
    pub fn is_within_limit(
        &mut self,
        context: &Context<'_>,
        key: PublisherKey,
        header: &Header,
        index: u64,
        len: usize,
    ) -> bool {
        let Some(limit_bps) = context.config.max_publish_bitrate_bps else {
            return true;
        };
        let Some(publisher) = self.publishers.get_mut(key) else {
            return false;
        };
        let is_audio = |key| self.publications.get(key).is_some_and(|track| track.audio);
        // The limit was signaled for each m-line of video.
        let videos = publisher.publications.iter();
        let videos = videos.filter(|key| !is_audio(**key)).count().max(1);
        let allowed_bps = limit_bps.saturating_mul(videos as u64);
        let bound = publisher.binder.lookup(header.ssrc);
        let is_audio = bound.is_some_and(|bound| is_audio(bound.key.publication));
        let accepted = publisher
            .limit
            .accept(context.now, allowed_bps, len, is_audio);
        if let Some(Bound {
            key,
            role: Role::Media,
        }) = bound.filter(|_| !accepted)
            && let Some(encoding) = self.encoding_mut(key)
        {
            encoding.stream.nack.skip(index);
        }
        accepted
    }

    /// Bind a packet of a publisher's transport to its encoding, and note it for transport-wide
    /// feedback.
    pub fn bind<'a>(
        &mut self,
        context: &mut Context<'_>,
        key: PublisherKey,
        (header, index): (&Header, u64),
        bytes: &'a [u8],
        values: &'a Values<'a>,
    ) -> Option<(Bound<EncodingKey>, Packet<'a>)> {
        self.note_transport_sequence(context, key, values);
        let publisher = self.publishers.get_mut(key)?;
        let Some(payload) = strip_padding(header, bytes) else {
            context.counters.datagrams_dropped += 1;
            return None;
        };
        let bound = match publisher.binder.bind(context.now, header, values) {
            Binding::Known(bound) | Binding::New { bound, .. } => bound,
            Binding::Unbound(_) => {
                report_unbound(context, publisher, header);
                return None;
            }
        };
        publisher.transport_wide.sent_ssrc = Some(header.ssrc);
        let packet = Packet {
            ssrc: header.ssrc,
            index,
            timestamp: header.timestamp,
            marker: header.marker,
            header_len: header.header_len,
            values,
            payload,
        };
        Some((bound, packet))
    }

    fn note_transport_sequence(
        &mut self,
        context: &mut Context<'_>,
        key: PublisherKey,
        values: &Values<'_>,
    ) {
        let Some(publisher) = self.publishers.get_mut(key) else {
            return;
        };
        let transport_wide = &mut publisher.transport_wide;
        if let Some(sequence) = values
            .transport_sequence
            .filter(|_| transport_wide.supported)
        {
            transport_wide.received.received(sequence, context.now);
            let due = transport_wide.received.poll_timeout();
            publisher.schedule_feedback(context, key, due);
        }
    }

    /// Account for a media packet; `None` where it is dropped.
    pub fn accept(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        packet: &Packet<'_>,
    ) -> Option<Accepted> {
        let publication = self.publications.get_mut(key.publication)?;
        let encoding = publication.encodings.get_mut(key.encoding)?;
        // Retransmissions come in bursts and are no measure of the encoding's bitrate.
        let len = packet.header_len + packet.payload.len();
        encoding.rates.meter.add(context.now, len);
        encoding.count(packet);
        let started = encoding.stream.ssrc() != Some(packet.ssrc);
        if started && !encoding.stream.may_restart(context.now) {
            context.counters.packets_unbound += 1;
            return None;
        }
        if started {
            self.generations = self.generations.wrapping_add(1);
            let stream = (packet.ssrc, self.generations);
            encoding.start(context.now, stream, publication.clock_rate, context.pool);
            context.events.push(Event::PublicationStarted {
                publication: publication.id,
                rid: encoding.rid.as_ref().map(Rid::to_string),
                ssrc: packet.ssrc.0,
            });
        }
        let described = encoding.stream.describe(publication.codec, packet);
        let starts_keyframe = described.starts_keyframe() && !publication.audio;
        let (wire, len) = (&mut encoding.rates.wire, packet.payload.len());
        wire.add(context.now, packet.timestamp, starts_keyframe, len);
        if !publication.audio {
            let (number, layers) = (packet.frame_number(), encoding.stream.layers.as_deref());
            let rates = &mut encoding.rates.layers;
            rates.count(&described.info, number, layers, len);
        }
        if starts_keyframe {
            let of_payload = || frame_size(publication.codec, packet.payload);
            let size = encoding.stream.frame_size().or_else(of_payload);
            encoding.frame_size = size.or(encoding.frame_size);
        }
        encoding.keyframes.arriving = described.starts_keyframe();
        context.counters.audio_packets_received += u64::from(publication.audio);
        if let Some(level) = packet.values.audio_level {
            encoding.loudness.note(level.to_byte());
        }
        if let Some(stats) = encoding.stream.stats.as_mut() {
            stats.receive(packet.index, packet.timestamp, context.now);
        }
        let resumed = !encoding.active;
        if publication.negotiated.nack {
            self.note_for_nack(context, key, packet.index);
        }
        Some(Accepted {
            described,
            started,
            resumed,
        })
    }

    /// Note the sequence number of a packet, to request those that are missing.
    fn note_for_nack(&mut self, context: &mut Context<'_>, key: EncodingKey, index: u64) {
        let Some(publication) = self.publications.get_mut(key.publication) else {
            return;
        };
        let encoding = &mut publication.encodings[key.encoding];
        let nack = &mut encoding.stream.nack;
        if !encoding.is_watched || context.overloaded {
            // Where it is unwatched, or after an overload of this worker, packets are not requested.
            return nack.skip(index);
        }
        nack.received(context.now, index);
        let due = nack.poll_timeout();
        if let Some(publisher) = self.publishers.get_mut(publication.publisher) {
            publisher.schedule_feedback(context, publication.publisher, due);
        }
    }

    /// Return the packet that a retransmission holds: original sequence number and payload
    /// (RFC 4588).
    pub fn unwrap_retransmission<'a>(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        repair: &Packet<'a>,
    ) -> Option<(Packet<'a>, Described)> {
        let publication = self.publications.get_mut(key.publication)?;
        let encoding = publication.encodings.get_mut(key.encoding)?;
        encoding.count(repair);
        let highest = encoding.stream.stats.as_ref()?.loss().highest()?;
        let Retransmission::Original { index, payload } = rtx::read(repair.payload, highest) else {
            return None;
        };
        context.counters.retransmitted_packets_received += 1;
        encoding.counters.recovered += 1;
        encoding.stream.nack.received(context.now, index);
        let original = Packet {
            index,
            payload,
            ..*repair
        };
        let described = encoding.stream.describe(publication.codec, &original);
        Some((original, described))
    }

    /// Store a packet; return whether it is to be sent on.
    pub fn store(
        &mut self,
        context: &mut Context<'_>,
        key: EncodingKey,
        packet: &Packet<'_>,
        described: Described,
    ) -> bool {
        let Some(publication) = self.publications.get_mut(key.publication) else {
            return false;
        };
        let muted = publication.muted;
        let Some(encoding) = publication.encodings.get_mut(key.encoding) else {
            return false;
        };
        context.counters.payloads_unreadable +=
            u64::from(!described.readable && !packet.payload.is_empty());
        let is_kept = encoding.is_watched && !muted;
        match encoding.store(context.now, packet, described, is_kept, context.pool) {
            Some(is_kept) => is_kept,
            None => {
                context.counters.packets_duplicate += 1;
                false
            }
        }
    }

    /// Note that a packet has been received and its subscribers have been served.
    pub fn end_packet(&mut self, key: EncodingKey) {
        if let Some(encoding) = self.encoding_mut(key) {
            encoding.keyframes.arriving = false;
        }
    }
}

/// Count a packet of an unassociated SSRC; report the SSRC where it persists.
#[cold]
fn report_unbound(context: &mut Context<'_>, publisher: &mut Publisher, header: &Header) {
    context.counters.packets_unbound += 1;
    let unbound = publisher.binder.report_unbound(context.now, header.ssrc);
    if let Some(unbound) = unbound
        && let Feed::Transport(_, transport) = publisher.feed
    {
        context.events.push(Event::SsrcUnbound {
            transport,
            ssrc: header.ssrc.0,
            payload_type: unbound.payload_type.0,
            packets: unbound.packets,
            reason: unbound.reason.code(),
        });
    }
}

fn strip_padding<'a>(header: &Header, packet: &'a [u8]) -> Option<&'a [u8]> {
    let payload = packet.get(header.header_len..)?;
    match header.has_padding {
        false => Some(payload),
        true => payload.get(..payload.len() - padding_len(payload).ok()?),
    }
}
