//! The hot path: from an encoding's history to a subscriber's outbox.
//!
//! Each subscriber is served with everything that waits for it in one go, so its state is touched
//! once per round and its packets form runs. Nothing here allocates.

use rtc::codec::Described;
use rtc::outbound::history::{ForwardedExtensions, History, Slot};
use rtc::outbound::sequence::{Forward, Placed, Shift};
use rtc::srtp::SealStream;
use wire::time::Time;

use super::control::SendControl;
use super::layers::{describe, descriptor, give_marker, leave_out, marker, select};
use super::redundancy::Redundancy;
use super::repair::Repair;
use super::sink::{NotSent, Output};
use super::subscription::{Inserted, OutgoingStream, Subscription, SubscriptionCounters};
use super::template::{OutgoingDescriptor, Stamp, Template};
use crate::counters::Counters;
use crate::ingress::encoding::Encoding;

/// Header, extensions, RTX number, padding and authentication tag around a payload.
const ROOM_AROUND: usize = 512;
/// RTP header, extensions, tag, UDP and IPv4 headers of most packets, for the size that congestion
/// control sees.
const TYPICAL_OVERHEAD: usize = 72;
/// Padding that is worth one send call less.
const MAX_PADDING: usize = 16;
/// Audio packets are small; a send call costs more than 48 of their bytes.
const MAX_AUDIO_PADDING: usize = 48;
/// The original sequence number in front of a retransmitted payload (RFC 4588 section 4).
const ORIGINAL_LEN: usize = 2;
/// How far ahead the sizes of waiting packets are compared.
const LOOK_AHEAD: u64 = 16;

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
pub(super) struct Outgoing<'a> {
    pub(super) index: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) carried: ForwardedExtensions,
    pub(super) described: Described,
    pub(super) descriptor: Option<&'a OutgoingDescriptor<'a>>,
    /// RFC 4588: the original sequence number goes in front of a retransmitted payload.
    pub(super) original: Option<u16>,
    pub(super) redundancy: Redundancy<'a>,
    pub(super) payload: &'a [u8],
    pub(super) padding: usize,
    pub(super) shift: Shift,
}

impl<'a> Outgoing<'a> {
    /// A packet of our own: without extensions of a publisher, and nothing to rewrite.
    pub(super) fn bare(index: u64, timestamp: u32, payload: &'a [u8], padding: usize) -> Self {
        Self {
            index,
            timestamp,
            marker: false,
            carried: ForwardedExtensions::default(),
            described: Described::default(),
            descriptor: None,
            original: None,
            redundancy: Redundancy::default(),
            payload,
            padding,
            shift: Shift::default(),
        }
    }
}

/// Send the packets of an encoding that wait for this subscription, as far as the pacer allows.
///
/// `pad_to` is the payload length that the peer's other streams have in this round, where joining
/// them is worth it.
pub fn forward(
    subscription: &mut Subscription,
    encoding: &Encoding,
    control: &mut SendControl,
    output: &mut impl Output,
    pad_to: usize,
    round: &mut Round<'_>,
) -> Progress {
    let history = &encoding.history;
    skip_expired(subscription, history, round.counters);
    if subscription
        .position
        .inserted
        .as_ref()
        .is_some_and(|it| it.is_due)
    {
        send_inserted(subscription, control, output, round);
    }
    let max_payload_len = round.max_rtp_len - subscription.stream.template.max_header_len();
    let target_len = match round.pad {
        true => pad_to
            .max(longest_ahead(subscription.position.cursor, history))
            .min(max_payload_len),
        false => 0,
    };
    while subscription.position.cursor < history.end() {
        if !subscription.audio && !control.may_send() {
            return Progress::Paced;
        }
        let Some(slot) = history.slot(subscription.position.cursor) else {
            break;
        };
        subscription.position.cursor += 1;
        let layer = select(subscription, encoding, slot);
        if !layer.is_sent {
            if let Some(placed) = leave_out(subscription, slot) {
                fill_gap(subscription, slot, placed, control, output, round);
            }
            continue;
        }
        // Most payloads fit after the longest header; the header of this packet may be shorter.
        let may_be_too_long = slot.payload_len() > max_payload_len || slot.descriptor_len() > 0;
        let is_too_long =
            may_be_too_long && is_over_mtu(&subscription.stream.template, slot, 0, round);
        let Some(placed) = place(subscription, slot, is_too_long) else {
            continue;
        };
        let redundancy = match subscription.stream.red_block {
            None => Redundancy::default(),
            block => {
                let header_len = subscription.stream.template.max_header_len();
                Redundancy::of(block, history, slot, header_len, round.max_rtp_len)
            }
        };
        let padding = match subscription.stream.red_block {
            None => padding(subscription.audio, slot, target_len),
            Some(_) => 0,
        };
        let described = match slot.descriptor_len() {
            0 => None,
            _ => Some(describe(subscription, history, slot, placed.index)),
        };
        if layer.ends_unit && !slot.marker {
            give_marker(subscription, placed.index);
        }
        let packet = Outgoing {
            index: placed.index,
            timestamp: slot.timestamp.wrapping_add(placed.shift.timestamp),
            marker: slot.marker || layer.ends_unit,
            carried: slot.carried,
            described: slot.described,
            descriptor: described.as_ref(),
            original: None,
            redundancy,
            payload: history.payload(slot),
            padding,
            shift: placed.shift,
        };
        subscription
            .numbers
            .timeline
            .sent(slot.arrival, slot.timestamp);
        let stream = &mut subscription.stream;
        let sent = send(
            &stream.template,
            &mut stream.seal,
            &packet,
            control,
            output,
            round,
        );
        let Some(sent) = sent else {
            continue;
        };
        subscription.counters.packets_sent += 1;
        subscription.counters.bytes_sent += (redundancy.len() + slot.payload_len()) as u64;
        round.counters.audio_packets_sent += u64::from(subscription.audio);
        let latency_us = round.now.micros_since(slot.arrival);
        round.counters.note_latency(latency_us, 1);
        control.sent(sent);
    }
    Progress::Done
}

/// Retransmit one packet (RFC 4588); `None` where RTX was not negotiated.
pub fn resend(
    subscription: &mut Subscription,
    history: &History,
    slot: &Slot,
    placed: Placed,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) -> Option<usize> {
    let descriptor =
        (slot.descriptor_len() > 0).then(|| descriptor(subscription, history, slot, placed.index));
    let marker = marker(subscription, slot, placed.index);
    let repair = subscription.repair.as_mut()?;
    if is_over_mtu(&repair.template, slot, ORIGINAL_LEN, round) {
        return None;
    }
    let packet = Outgoing {
        index: placed.index,
        timestamp: slot.timestamp.wrapping_add(placed.shift.timestamp),
        marker,
        carried: slot.carried,
        described: slot.described,
        descriptor: descriptor.as_ref(),
        original: None,
        redundancy: Redundancy::default(),
        payload: history.payload(slot),
        padding: 0,
        shift: placed.shift,
    };
    let counters = &mut subscription.counters;
    send_again(repair, packet, counters, control, output, round)
}

/// Retransmit the inserted packet, if it is still stored.
pub fn resend_inserted(
    subscription: &mut Subscription,
    placed: Placed,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) -> Option<usize> {
    let inserted = subscription.position.inserted.as_ref();
    let inserted = inserted.filter(|it| it.placed.index == placed.index)?;
    let repair = subscription.repair.as_mut()?;
    let packet = inserted_packet(inserted);
    let counters = &mut subscription.counters;
    send_again(repair, packet, counters, control, output, round)
}

/// Send a packet that was sent before on the retransmission stream, and count it.
fn send_again(
    repair: &mut Repair,
    packet: Outgoing<'_>,
    counters: &mut SubscriptionCounters,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) -> Option<usize> {
    let packet = Outgoing {
        index: repair.next_index,
        original: Some(packet.index as u16),
        ..packet
    };
    repair.next_index += 1;
    let stream = &mut repair.stream;
    let sent = send(&repair.template, stream, &packet, control, output, round)?;
    counters.retransmitted_packets += 1;
    round.counters.retransmitted_packets_sent += 1;
    round.counters.retransmitted_bytes_sent += packet.payload.len() as u64;
    control.sent(sent);
    Some(sent)
}

#[cold]
fn send_inserted(
    subscription: &mut Subscription,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) {
    let Some(inserted) = &mut subscription.position.inserted else {
        return;
    };
    inserted.is_due = false;
    let packet = inserted_packet(inserted);
    let stream = &mut subscription.stream;
    if send_own(stream, &packet, control, output, round) {
        subscription.counters.packets_sent += 1;
        subscription.counters.bytes_sent += packet.payload.len() as u64;
    }
}

fn inserted_packet(inserted: &Inserted) -> Outgoing<'_> {
    Outgoing::bare(
        inserted.placed.index,
        inserted.timestamp,
        &inserted.payload,
        0,
    )
}

/// Skip the packets of a subscriber's backlog that the history has dropped.
fn skip_expired(subscription: &mut Subscription, history: &History, counters: &mut Counters) {
    let behind = history.start().saturating_sub(subscription.position.cursor);
    if behind > 0 {
        counters.packets_dropped_backlog += behind;
        subscription.position.cursor = history.start();
    }
}

/// Return whether a packet with `prefix_len` bytes before its payload exceeds the MTU, and count it.
#[cold]
fn is_over_mtu(template: &Template, slot: &Slot, prefix_len: usize, round: &mut Round<'_>) -> bool {
    let header_len = template.header_len(&slot.carried, slot.descriptor_len());
    let len = header_len + prefix_len + slot.payload_len();
    let is_over = len > round.max_rtp_len;
    round.counters.packets_over_mtu += u64::from(is_over);
    is_over
}

/// Find the place of a packet in the outgoing stream, or close its gap.
#[inline(always)]
fn place(subscription: &mut Subscription, slot: &Slot, is_too_long: bool) -> Option<Placed> {
    if slot.is_empty() || is_too_long {
        let shift = Shift {
            timestamp: subscription.numbers.timeline.shift(),
            picture_ids: subscription.numbers.rewriter.shift(),
        };
        subscription.numbers.map.skip(slot.index, shift);
        return None;
    }
    match subscription.numbers.map.forward(slot.index) {
        Forward::New(placed) => {
            subscription.numbers.rewriter.forwarded(&slot.described);
            Some(placed)
        }
        Forward::Late(placed) => Some(placed),
        Forward::Drop(_) => None,
    }
}

/// Send padding in place of a packet that is not sent and came late: its receiver misses none.
fn fill_gap(
    subscription: &mut Subscription,
    slot: &Slot,
    placed: Placed,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) {
    let timestamp = slot.timestamp.wrapping_add(placed.shift.timestamp);
    let packet = Outgoing::bare(placed.index, timestamp, &[], 1);
    send_own(&mut subscription.stream, &packet, control, output, round);
}

/// Send a packet that no publisher sent on the stream of a subscription; return whether it was sent.
fn send_own(
    stream: &mut OutgoingStream,
    packet: &Outgoing<'_>,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) -> bool {
    let (template, seal) = (&stream.template, &mut stream.seal);
    let sent = send(template, seal, packet, control, output, round);
    control.sent(sent.unwrap_or(0));
    sent.is_some()
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

/// Write one packet and hand it over; return the bytes of its datagram.
#[inline]
pub(super) fn send(
    template: &Template,
    stream: &mut Option<SealStream>,
    packet: &Outgoing<'_>,
    control: &mut SendControl,
    output: &mut impl Output,
    round: &mut Round<'_>,
) -> Option<usize> {
    let payload_len = packet.redundancy.len() + packet.payload.len();
    let (now, abs_send_time) = (round.now, round.abs_send_time);
    let sent = output.send(stream, packet.index, payload_len + ROOM_AROUND, |buffer| {
        let stamp = Stamp {
            sequence: packet.index as u16,
            timestamp: packet.timestamp,
            marker: packet.marker,
            padding: packet.padding > 0,
            transport_sequence: match template.has_transport_sequence() {
                true => control.stamp(now, payload_len + packet.padding + TYPICAL_OVERHEAD),
                false => 0,
            },
            abs_send_time,
            carried: packet.carried,
            descriptor: packet.descriptor,
        };
        let header_len = template.write(buffer, &stamp);
        (header_len, write_payload(buffer, header_len, packet))
    });
    match sent {
        Ok(bytes) => {
            round.counters.padding_bytes_sent += packet.padding as u64;
            round.counters.packets_sent += 1;
            round.counters.bytes_sent += bytes as u64;
            Some(bytes)
        }
        Err(not_sent) => {
            round.counters.packets_refused_seal += u64::from(not_sent == NotSent::Refused);
            None
        }
    }
}

/// Write what follows the header; return the length of the packet.
#[inline(always)]
fn write_payload(buffer: &mut [u8], header_len: usize, packet: &Outgoing<'_>) -> usize {
    let mut len = header_len;
    if let Some(original) = packet.original {
        buffer[len..len + 2].copy_from_slice(&original.to_be_bytes());
        len += 2;
    }
    packet.redundancy.write(&mut buffer[len..]);
    len += packet.redundancy.len();
    let payload = &mut buffer[len..len + packet.payload.len()];
    payload.copy_from_slice(packet.payload);
    packet.shift.picture_ids.rewrite(payload, &packet.described);
    len += packet.payload.len();
    if packet.padding > 0 {
        buffer[len..len + packet.padding - 1].fill(0);
        len += packet.padding;
        buffer[len - 1] = packet.padding as u8;
    }
    len
}
