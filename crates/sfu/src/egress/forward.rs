//! The hot path: from an encoding's history to a subscriber's outbox.
//!
//! Each subscriber is served with everything that waits for it in one go, so its state is touched
//! once per round and its packets form runs. Nothing here allocates.

use rtc::codec::Described;
use rtc::outbound::history::{ForwardedExtensions, History, Slot};
use rtc::outbound::sequence::{Forward, Placed, Shift};
use rtc::outbound::twcc::TwccSender;
use rtc::outbox::Outbox;
use rtc::pace::Pacer;
use rtc::path::PathId;
use rtc::srtp::{Profile, SealStream};
use rtc::transport::Transport;
use wire::time::Time;

use crate::counters::Counters;
use crate::egress::subscription::{Inserted, Subscription};
use crate::egress::template::{Stamp, Template};

/// Header, extensions, RTX number, padding and authentication tag around a payload.
const ROOM_AROUND: usize = 512;
/// RTP header, extensions and tag of most packets, for the size that congestion control sees.
const TYPICAL_OVERHEAD: usize = 44;
/// Padding that is worth one send call less.
const MAX_PADDING: usize = 16;
/// Audio packets are small; a send call costs more than 48 of their bytes.
const MAX_AUDIO_PADDING: usize = 48;
/// Ethernet's MTU without the headers of UDP and IPv4 or IPv6: no path is taken to carry more.
const MAX_DATAGRAM_LEN_IPV4: usize = 1_500 - 28;
const MAX_DATAGRAM_LEN_IPV6: usize = 1_500 - 48;
/// The original sequence number in front of a retransmitted payload (RFC 4588 section 4).
const ORIGINAL_LEN: usize = 2;
/// How far ahead the sizes of waiting packets are compared.
const LOOK_AHEAD: u64 = 16;

/// The send transport of a peer connection.
#[repr(C)]
pub struct SendTransport {
    /// Pacer.
    pub pacer: Pacer,
    /// Its transport-wide sequence numbers.
    pub transport_wide: TwccSender,
    /// ICE, DTLS and SRTP.
    pub transport: Transport,
}

/// Values shared by the packets of a round.
pub struct Round<'a> {
    /// The instant of the round.
    pub now: Time,
    /// That instant as abs-send-time.
    pub abs_send_time: u32,
    /// Padding may be added.
    pub pad: bool,
    /// Most bytes of an RTP packet, not yet encrypted, within the MTU of the path.
    pub max_rtp_len: usize,
    /// Datagrams to send.
    pub out: &'a mut Outbox,
    /// Counters of the engine.
    pub counters: &'a mut Counters,
}

/// Whether anything is left after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All sent.
    Done,
    /// The pacer holds the rest back.
    Paced,
}

/// One packet about to be sent.
struct Outgoing<'a> {
    index: u64,
    timestamp: u32,
    marker: bool,
    carried: ForwardedExtensions,
    described: Described,
    /// RFC 4588: the original sequence number goes in front of a retransmitted payload.
    original: Option<u16>,
    payload: &'a [u8],
    padding: usize,
    shift: Shift,
}

/// Send the packets that wait in `history` for this subscription, as far as the pacer allows.
///
/// `pad_to` is the payload length that the peer's other streams have in this round, where joining
/// them is worth it.
pub fn forward(
    subscription: &mut Subscription,
    history: &History,
    egress: &mut SendTransport,
    path: PathId,
    pad_to: usize,
    round: &mut Round<'_>,
) -> Progress {
    skip_expired(subscription, history, round.counters);
    if subscription.inserted.as_ref().is_some_and(|it| it.is_due) {
        send_inserted(subscription, egress, path, round);
    }
    let max_payload_len = round.max_rtp_len - subscription.template.max_header_len();
    let target_len = match round.pad {
        true => pad_to
            .max(longest_ahead(subscription.cursor, history))
            .min(max_payload_len),
        false => 0,
    };
    while subscription.cursor < history.end() {
        if !subscription.audio && !egress.pacer.may_send() {
            return Progress::Paced;
        }
        let Some(slot) = history.slot(subscription.cursor) else {
            break;
        };
        subscription.cursor += 1;
        // Most payloads fit after the longest header; the header of this packet may be shorter.
        let is_too_long = slot.payload_len() > max_payload_len
            && is_over_mtu(&subscription.template, slot, 0, round);
        let Some(placed) = place(subscription, slot, is_too_long) else {
            continue;
        };
        let padding = padding(subscription.audio, slot, target_len);
        let packet = Outgoing {
            index: placed.index,
            timestamp: slot.timestamp.wrapping_add(placed.shift.timestamp),
            marker: slot.marker,
            carried: slot.carried,
            described: slot.described,
            original: None,
            payload: history.payload(slot),
            padding,
            shift: placed.shift,
        };
        subscription.timeline.sent(slot.arrival, slot.timestamp);
        let Some(stream) = subscription.stream.as_mut() else {
            continue;
        };
        let Some(sent) = send(&subscription.template, stream, &packet, egress, path, round) else {
            continue;
        };
        subscription.counters.packets_sent += 1;
        subscription.counters.bytes_sent += slot.payload_len() as u64;
        round.counters.audio_packets_sent += u64::from(subscription.audio);
        let latency_us = round.now.micros_since(slot.arrival);
        round.counters.note_latency(latency_us, 1);
        egress.pacer.sent(sent);
    }
    Progress::Done
}

/// Retransmit one packet (RFC 4588); `None` where RTX was not negotiated.
pub fn resend(
    subscription: &mut Subscription,
    history: &History,
    slot: &Slot,
    placed: Placed,
    egress: &mut SendTransport,
    path: PathId,
    round: &mut Round<'_>,
) -> Option<usize> {
    let repair = subscription.repair.as_mut()?;
    if is_over_mtu(&repair.template, slot, ORIGINAL_LEN, round) {
        return None;
    }
    let packet = Outgoing {
        index: repair.next_index,
        timestamp: slot.timestamp.wrapping_add(placed.shift.timestamp),
        marker: slot.marker,
        carried: slot.carried,
        described: slot.described,
        original: Some(placed.index as u16),
        payload: history.payload(slot),
        padding: 0,
        shift: placed.shift,
    };
    repair.next_index += 1;
    let stream = repair.stream.as_mut()?;
    let sent = send(&repair.template, stream, &packet, egress, path, round)?;
    subscription.counters.retransmitted_packets += 1;
    round.counters.retransmitted_packets_sent += 1;
    round.counters.retransmitted_bytes_sent += slot.payload_len() as u64;
    egress.pacer.sent(sent);
    Some(sent)
}

/// Retransmit the inserted packet, if it is still stored.
pub fn resend_inserted(
    subscription: &mut Subscription,
    placed: Placed,
    egress: &mut SendTransport,
    path: PathId,
    round: &mut Round<'_>,
) -> Option<usize> {
    let inserted = subscription.inserted.as_ref();
    let inserted = inserted.filter(|it| it.placed.index == placed.index)?;
    let repair = subscription.repair.as_mut()?;
    let packet = Outgoing {
        index: repair.next_index,
        original: Some(placed.index as u16),
        ..inserted_packet(inserted)
    };
    repair.next_index += 1;
    let stream = repair.stream.as_mut()?;
    let sent = send(&repair.template, stream, &packet, egress, path, round)?;
    subscription.counters.retransmitted_packets += 1;
    round.counters.retransmitted_packets_sent += 1;
    egress.pacer.sent(sent);
    Some(sent)
}

#[cold]
fn send_inserted(
    subscription: &mut Subscription,
    egress: &mut SendTransport,
    path: PathId,
    round: &mut Round<'_>,
) {
    let (Some(inserted), Some(stream)) = (&mut subscription.inserted, &mut subscription.stream)
    else {
        return;
    };
    inserted.is_due = false;
    let packet = inserted_packet(inserted);
    if let Some(sent) = send(&subscription.template, stream, &packet, egress, path, round) {
        subscription.counters.packets_sent += 1;
        subscription.counters.bytes_sent += packet.payload.len() as u64;
        egress.pacer.sent(sent);
    }
}

fn inserted_packet(inserted: &Inserted) -> Outgoing<'_> {
    Outgoing {
        index: inserted.placed.index,
        timestamp: inserted.timestamp,
        marker: false,
        carried: ForwardedExtensions::default(),
        described: Described::default(),
        original: None,
        payload: &inserted.payload,
        padding: 0,
        shift: Shift::default(),
    }
}

/// Skip the packets of a subscriber's backlog that the history has dropped.
fn skip_expired(subscription: &mut Subscription, history: &History, counters: &mut Counters) {
    let behind = history.start().saturating_sub(subscription.cursor);
    if behind > 0 {
        counters.packets_dropped_backlog += behind;
        subscription.cursor = history.start();
    }
}

/// Return the most bytes of an RTP packet, not yet encrypted, within the MTU of a path.
#[must_use]
pub fn max_rtp_len(transport: &Transport, path: &PathId) -> usize {
    let max_datagram_len = match path.remote.is_ipv4() {
        true => MAX_DATAGRAM_LEN_IPV4,
        false => MAX_DATAGRAM_LEN_IPV6,
    };
    let profile = transport.srtp_profile();
    max_datagram_len - profile.map_or(0, Profile::rtp_overhead)
}

/// Return whether a packet with `prefix_len` bytes before its payload exceeds the MTU, and count it.
#[cold]
fn is_over_mtu(template: &Template, slot: &Slot, prefix_len: usize, round: &mut Round<'_>) -> bool {
    let len = template.header_len(&slot.carried) + prefix_len + slot.payload_len();
    let is_over = len > round.max_rtp_len;
    round.counters.packets_over_mtu += u64::from(is_over);
    is_over
}

/// Find the place of a packet in the outgoing stream, or close its gap.
#[inline]
fn place(subscription: &mut Subscription, slot: &Slot, is_too_long: bool) -> Option<Placed> {
    if slot.empty || is_too_long {
        let shift = Shift {
            timestamp: subscription.timeline.shift(),
            picture_ids: subscription.rewriter.shift(),
        };
        subscription.map.skip(slot.index, shift);
        return None;
    }
    match subscription.map.forward(slot.index) {
        Forward::New(placed) => {
            subscription.rewriter.forwarded(&slot.described);
            Some(placed)
        }
        Forward::Late(placed) => Some(placed),
        Forward::Drop(_) => None,
    }
}

/// Return the longest payload among the packets that wait.
fn longest_ahead(cursor: u64, history: &History) -> usize {
    let end = history.end().min(cursor + LOOK_AHEAD);
    if end - cursor < 2 {
        return 0;
    }
    (cursor..end)
        .filter_map(|position| history.slot(position))
        .map(Slot::payload_len)
        .max()
        .unwrap_or(0)
}

/// Return how many bytes make this packet as long as its neighbours, 0 where that is not worth it.
#[inline]
fn padding(audio: bool, slot: &Slot, target_len: usize) -> usize {
    let most = if audio {
        MAX_AUDIO_PADDING
    } else {
        MAX_PADDING
    };
    let missing = target_len.saturating_sub(slot.payload_len());
    match missing <= most && !slot.described.dtx {
        true => missing,
        false => 0,
    }
}

/// Write, seal and commit one packet; return the bytes of its datagram.
#[inline]
fn send(
    template: &Template,
    stream: &mut SealStream,
    packet: &Outgoing<'_>,
    egress: &mut SendTransport,
    path: PathId,
    round: &mut Round<'_>,
) -> Option<usize> {
    let payload_len = packet.payload.len();
    let buffer = round.out.reserve(payload_len + ROOM_AROUND);
    let stamp = Stamp {
        sequence: packet.index as u16,
        timestamp: packet.timestamp,
        marker: packet.marker,
        padding: packet.padding > 0,
        transport_sequence: match template.has_transport_sequence() {
            true => egress
                .transport_wide
                .stamp(round.now, payload_len + packet.padding + TYPICAL_OVERHEAD),
            false => 0,
        },
        abs_send_time: round.abs_send_time,
        carried: packet.carried,
    };
    let header_len = template.write(buffer, &stamp);
    let mut len = header_len;
    if let Some(original) = packet.original {
        buffer[len..len + 2].copy_from_slice(&original.to_be_bytes());
        len += 2;
    }
    let payload = &mut buffer[len..len + payload_len];
    payload.copy_from_slice(packet.payload);
    packet.shift.picture_ids.rewrite(payload, &packet.described);
    len += payload_len;
    if packet.padding > 0 {
        buffer[len..len + packet.padding - 1].fill(0);
        len += packet.padding;
        buffer[len - 1] = packet.padding as u8;
        round.counters.padding_bytes_sent += packet.padding as u64;
    }
    let Ok(sealed) = egress
        .transport
        .seal_rtp(stream, packet.index, buffer, header_len, len)
    else {
        round.counters.packets_refused_seal += 1;
        return None;
    };
    round.out.commit(path, sealed);
    round.counters.packets_sent += 1;
    round.counters.bytes_sent += sealed as u64;
    Some(sealed)
}
