//! An SCTP association and its channels, with a peer that changes, forges and repeats packets.

use core::time::Duration;

use rtc::dtls::Role;
use rtc::sctp::{
    Association, AssociationEvent, ChannelParameters, CloseReason, MAX_MESSAGE_BYTES, MAX_STREAMS,
    Reliability,
};
use wire::time::Time;

use crate::input::Input;

const MOST_STEPS: usize = 200;
const HEADER_LEN: usize = 12;
const CHUNKS: [u8; 18] = [
    0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 14, 64, 130, 192, 194,
];
const PPIDS: [u32; 7] = [50, 50, 51, 53, 56, 57, 99];

/// CRC-32C (RFC 9260 appendix A), least significant bit first.
fn checksum(packet: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in packet {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn seal(packet: &mut [u8]) {
    if packet.len() >= HEADER_LEN {
        packet[8..12].fill(0);
        let sum = checksum(packet);
        packet[8..12].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Write a chunk of any type behind the common header of a packet, so that its tag is valid.
fn forge(input: &mut Input<'_>, like: &[u8]) -> Vec<u8> {
    let mut packet = like.get(..HEADER_LEN).unwrap_or_default().to_vec();
    for _ in 0..=input.below(3) {
        let kind = input.pick(&CHUNKS);
        let mut body = Vec::new();
        if matches!(kind, 0 | 64) {
            // Near the number of the first chunk of the packet, if that is data.
            let number = like.get(16..20).and_then(|it| it.first_chunk().copied());
            let number = u32::from_be_bytes(number.unwrap_or_default());
            let number = number.wrapping_add(u32::from(input.u8()));
            body.extend_from_slice(&number.to_be_bytes());
            body.extend_from_slice(&(input.u16() % 1100).to_be_bytes());
            body.extend_from_slice(&u16::from(input.u8()).to_be_bytes());
            body.extend_from_slice(&input.pick(&PPIDS).to_be_bytes());
        }
        body.extend_from_slice(input.run());
        let len = match input.below(8) {
            0 => input.u16(),
            _ => (body.len() + 4) as u16,
        };
        packet.extend_from_slice(&[kind, input.u8()]);
        packet.extend_from_slice(&len.to_be_bytes());
        packet.extend_from_slice(&body);
        packet.resize(packet.len().next_multiple_of(4), 0);
    }
    packet
}

fn parameters(input: &mut Input<'_>) -> ChannelParameters {
    let reliability = [
        Reliability::Reliable,
        Reliability::Retransmits(1),
        Reliability::Lifetime(Duration::from_millis(100)),
    ];
    ChannelParameters {
        label: "x".repeat(input.below(4)),
        unordered: input.flag(),
        reliability: input.pick(&reliability),
        ..ChannelParameters::default()
    }
}

/// Take what an end has; every message is within the bound.
fn settle(end: &mut Association, to: &mut Vec<Vec<u8>>) {
    while end.poll_message() {}
    while let Some(event) = end.poll_event() {
        if let AssociationEvent::Message {
            channel, payload, ..
        } = event
        {
            assert!(channel < MAX_STREAMS);
            assert!(payload.len() <= MAX_MESSAGE_BYTES);
        }
    }
    while let Some(packet) = end.poll_transmit() {
        assert!(packet.len() <= 1200, "fits a datagram");
        to.push(packet);
    }
    to.truncate(64);
}

/// Run two associations by a script.
pub fn sctp(data: &[u8]) {
    // What the associations draw.
    fastrand::seed(7);
    let input = &mut Input::new(data);
    let mut now = Time::from_secs(1);
    let mut ends = [
        Association::new(now, Role::Client),
        Association::new(now, Role::Server),
    ];
    let mut ways: [Vec<Vec<u8>>; 2] = Default::default();
    let mut last: [Vec<u8>; 2] = Default::default();
    ends[0].connect(now);
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let to = usize::from(input.flag());
        match input.below(10) {
            0..=3 => {
                for packet in core::mem::take(&mut ways[to]) {
                    ends[to].receive(now, &packet);
                    last[to] = packet;
                }
            }
            4 => {
                if let Some(mut packet) = ways[to].pop() {
                    let place = usize::from(input.u16()) % packet.len().max(1);
                    packet[place] = input.u8();
                    seal(&mut packet);
                    ends[to].receive(now, &packet);
                }
            }
            5 => {
                let mut packet = forge(input, &last[to]);
                seal(&mut packet);
                ends[to].receive(now, &packet);
            }
            6 => {
                let bytes = input.run().to_vec();
                ends[to].receive(now, &bytes);
            }
            7 => {
                let parameters = parameters(input);
                let _ = ends[to].open(now, parameters);
            }
            8 => {
                let id = u16::from(input.u8() % 8);
                let len = usize::from(input.u16()) * input.below(6);
                let _ = ends[to].send(now, id, input.flag(), &vec![1; len]);
            }
            _ => {
                let id = u16::from(input.u8() % 8);
                ends[to].close(now, id, CloseReason::Closed);
            }
        }
        if input.flag() {
            now = now + input.span();
            ends.iter_mut().for_each(|end| end.handle_timeout(now));
        }
        for from in 0..2 {
            settle(&mut ends[from], &mut ways[1 - from]);
        }
    }
}
