//! A participant outside the engine, with keys and without manners.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rtc::ice::Credentials;
use rtc::srtp::SealStream;
use rtc::transport::DropReason;
use sfu::message::{LocalParameters, RemoteParameters, Setup, TransportId};
use wire::extension::{BlockWriter, Form};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::{self, Header, NewHeader};

use super::common::Client;
use super::common::participants::{credentials, description};
use super::identity;
use crate::input::Input;

/// Header extensions as the publications here negotiate them.
pub const MID: u8 = 1;
pub const RID: u8 = 2;
pub const REPAIRED_RID: u8 = 3;
pub const TRANSPORT_SEQUENCE: u8 = 4;
pub const AUDIO_LEVEL: u8 = 5;
pub const DEPENDENCY_DESCRIPTOR: u8 = 6;

/// SSRCs of publications, of no encoding, and the server's own.
pub const SSRCS: [u32; 8] = [1001, 1002, 2001, 2002, 3001, 9001, 9002, 1];
const PAYLOAD_TYPES: [u8; 5] = [96, 97, 111, 98, 0];
/// RTCP packet types with the counts or formats that mean something.
const FEEDBACK: [(u8, u8); 9] = [
    NACK,
    (206, 1),
    (201, 1),
    (200, 1),
    (205, 15),
    (206, 4),
    (206, 15),
    (207, 0),
    (203, 2),
];
const NACK: (u8, u8) = (205, 1);
const ROOM_AROUND: usize = 400;

/// What the control plane tells the engine of its own side.
pub fn local(id: TransportId) -> LocalParameters {
    let Credentials { ufrag, pwd } = credentials(id, "server");
    LocalParameters { ufrag, pwd }
}

/// What the control plane tells the engine of the client.
pub fn remote(id: TransportId) -> RemoteParameters {
    let fingerprint = identity().fingerprint().to_string();
    description(&credentials(id, "client"), fingerprint, Setup::Active)
}

/// What a client without manners remembers.
#[derive(Default)]
pub struct Wild {
    streams: HashMap<u32, (SealStream, u64)>,
    /// The last sequence numbers received, by SSRC.
    received: HashMap<u32, u16>,
    twcc: u16,
}

impl Wild {
    /// Note what the engine sent: whatever it seals opens, and under its own number.
    pub fn note(&mut self, client: &mut Client) {
        for arrived in client.rtp.drain(..) {
            let header = &arrived.header;
            self.received.insert(header.ssrc.0, header.sequence);
        }
        client.rtcp.clear();
        client.events.clear();
        let drops = client.transport.drops();
        for reason in [
            DropReason::SrtpReplayed,
            DropReason::SrtpBadTag,
            DropReason::SrtpMalformed,
            DropReason::SrtpTooOld,
        ] {
            assert_eq!(drops.of(reason), 0, "{}", reason.name());
        }
    }

    /// Seal a packet of which the script chooses everything.
    pub fn media(&mut self, client: &mut Client, input: &mut Input<'_>) -> Option<Vec<u8>> {
        let ssrc = input.pick(&SSRCS);
        let transport = &mut client.transport;
        let (stream, newest) = match self.streams.entry(ssrc) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(room) => {
                let stream = transport.seal_stream(Ssrc(ssrc)).ok()?;
                room.insert((stream, u64::from(input.u8())))
            }
        };
        let index = input.near(*newest, 1 << 48);
        let flags = input.u8();
        let header = NewHeader {
            marker: flags & 1 != 0,
            payload_type: PayloadType(input.pick(&PAYLOAD_TYPES)),
            sequence: index as u16,
            timestamp: (index as u32).wrapping_mul(700) ^ u32::from(input.u8()),
            ssrc: Ssrc(ssrc),
            padding: flags & 2 != 0,
        };
        let mut block = [0; 256];
        self.twcc = self.twcc.wrapping_add(u16::from(flags >> 6));
        let block_len = write_extensions(&mut block, self.twcc, input);
        let payload = any_payload(flags, input);
        let mut packet = vec![0; payload.len() + ROOM_AROUND];
        let header_len = rtp::write(&mut packet, &header, &block[..block_len]);
        let len = header_len + payload.len();
        packet[header_len..len].copy_from_slice(&payload);
        let sealed = transport.seal_rtp(stream, index, &mut packet, header_len, len);
        packet.truncate(sealed.ok()?);
        *newest = index.max(*newest);
        assert!(Header::parse(&packet).is_ok());
        Some(packet)
    }

    /// Send an RTCP packet of which the script chooses everything but the framing.
    pub fn feedback(&self, client: &mut Client, input: &mut Input<'_>) {
        let (kind, format) = match input.below(FEEDBACK.len() + 1) {
            nth if nth < FEEDBACK.len() => FEEDBACK[nth],
            _ => (input.u8(), input.u8() & 0x1f),
        };
        let mut packet = vec![0x80 | format, kind, 0, 0];
        for _ in 0..2 {
            packet.extend(self.any_ssrc(input).to_be_bytes());
        }
        if (kind, format) == NACK {
            let near = self.received.values().copied().max().unwrap_or(0);
            let sequence = near.wrapping_sub(u16::from(input.u8()));
            packet.extend(sequence.to_be_bytes());
            packet.extend(input.u16().to_be_bytes());
        }
        packet.extend(input.run());
        packet.resize(packet.len().next_multiple_of(4), 0);
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        // Not connected yet: nothing leaves.
        let _ = client.transport.send_rtcp(&packet, &mut client.out);
    }

    /// One that is sent to us, one that we may send, or another.
    fn any_ssrc(&self, input: &mut Input<'_>) -> u32 {
        let mut to_us: Vec<u32> = self.received.keys().copied().collect();
        to_us.sort_unstable();
        match input.below(16) {
            nth if nth < to_us.len() => to_us[nth],
            nth => SSRCS.get(nth / 2).copied().unwrap_or(input.u32()),
        }
    }
}

fn write_extensions(block: &mut [u8], twcc: u16, input: &mut Input<'_>) -> usize {
    let present = input.u8();
    let form = match present & 0x80 {
        0 => Form::OneByte,
        _ => Form::TwoByte,
    };
    let mut writer = BlockWriter::new(block, form);
    let mut push = |bit: u8, id, value: &[u8]| {
        if present & 1 << bit != 0 {
            writer.push(id, value);
        }
    };
    push(0, MID, input.pick(&["0", "1", "2", ""]).as_bytes());
    push(1, RID, input.pick(&["h", "l", "x"]).as_bytes());
    push(2, REPAIRED_RID, input.pick(&["h", "l"]).as_bytes());
    push(3, TRANSPORT_SEQUENCE, &twcc.to_be_bytes());
    push(4, AUDIO_LEVEL, &[input.u8()]);
    if present & 1 << 5 != 0 {
        push(5, DEPENDENCY_DESCRIPTOR, input.run());
    }
    writer.finish()
}

/// A key frame of VP8, something else of VP8, or anything at all, short or long.
fn any_payload(flags: u8, input: &mut Input<'_>) -> Vec<u8> {
    let mut payload = match flags >> 2 & 3 {
        0 => vec![0x90, 0x80, 0x80 | input.u8(), input.u8(), 0, 0, 0],
        1 => vec![0x90, 0x80, 0x80 | input.u8(), input.u8(), 1, 0, 0],
        2 => input.u16().to_be_bytes().to_vec(),
        _ => Vec::new(),
    };
    payload.extend(input.run());
    if flags & 16 != 0 {
        payload.resize(payload.len() + usize::from(input.u8()) * 5, 0);
    }
    payload
}
