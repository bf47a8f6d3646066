//! Redundant audio of publishers (RFC 2198): unpacked, and lost packets taken from later ones.
//!
//! What follows sees packets of Opus alone; subscribers that take RED get it packed again.

use rtc::codec::red::{self, Blocks, MOST_REDUNDANT};
use wire::id::PayloadType;

use super::Ingress;
use super::packet::Packet;
use crate::context::Context;
use crate::keys::EncodingKey;

/// The payload types of RED on a publisher's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedTypes {
    /// That of the packets.
    pub red: PayloadType,
    /// That of the blocks.
    pub block: PayloadType,
}

/// What a RED packet has: itself, and packets that were lost before it.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked<'a> {
    /// The packet with its primary block.
    pub packet: Packet<'a>,
    /// Packets that were lost, the oldest first.
    lost: [Option<Packet<'a>>; MOST_REDUNDANT],
}

impl<'a> Unpacked<'a> {
    /// List the packets that were lost, the oldest first.
    pub fn lost(&self) -> impl Iterator<Item = &Packet<'a>> {
        self.lost.iter().flatten()
    }
}

impl Ingress {
    /// Return the payload types of RED where a packet is RED.
    #[inline]
    #[must_use]
    pub fn red_types(&self, key: EncodingKey, payload_type: PayloadType) -> Option<RedTypes> {
        let publication = self.publications.get(key.publication)?;
        publication
            .negotiated
            .red
            .filter(|it| it.red == payload_type)
    }

    /// Unpack a RED packet; `None` where it is malformed, or its primary block of another codec.
    #[must_use]
    pub fn unpack_red<'a>(
        &self,
        key: EncodingKey,
        packet: &Packet<'a>,
        types: RedTypes,
    ) -> Option<Unpacked<'a>> {
        let blocks = red::blocks(packet.payload)?;
        if PayloadType(blocks.primary.payload_type) != types.block {
            return None;
        }
        let encoding = self.encoding(key)?;
        let is_same = encoding.active && encoding.stream.ssrc() == Some(packet.ssrc);
        let highest = encoding.stream.recovery.highest().filter(|_| is_same);
        Some(Unpacked {
            packet: Packet {
                payload: blocks.primary.payload,
                ..*packet
            },
            lost: lost(&blocks, packet, types.block, highest),
        })
    }

    /// Count a packet that a later one has replaced.
    pub fn note_red_repair(&mut self, context: &mut Context<'_>, key: EncodingKey, index: u64) {
        if let Some(encoding) = self.encoding_mut(key) {
            encoding.counters.recovered += 1;
            encoding.stream.nack.received(context.now, index);
            context.counters.audio_packets_recovered += 1;
        }
    }
}

/// Return the blocks in the places of the packets between the highest one received and this one.
///
/// The newest block is the packet before, the one before it the packet before that: senders keep
/// the last packets, whatever their distance in time.
fn lost<'a>(
    blocks: &Blocks<'a>,
    packet: &Packet<'a>,
    block: PayloadType,
    highest: Option<u64>,
) -> [Option<Packet<'a>>; MOST_REDUNDANT] {
    let mut lost = [None; MOST_REDUNDANT];
    let Some(highest) = highest else {
        return lost;
    };
    let missing = packet.index.saturating_sub(highest + 1);
    let (mut newer, newest) = (0, blocks.redundant().iter().rev());
    for (back, redundant) in (1..=missing).zip(newest) {
        let is_usable = PayloadType(redundant.payload_type) == block
            && redundant.offset > newer
            && !redundant.payload.is_empty();
        if !is_usable {
            break;
        }
        newer = redundant.offset;
        lost[MOST_REDUNDANT - back as usize] = Some(Packet {
            index: packet.index - back,
            timestamp: packet.timestamp.wrapping_sub(redundant.offset),
            marker: false,
            payload: redundant.payload,
            ..*packet
        });
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::extension::Values;
    use wire::id::Ssrc;

    /// Blocks of one byte each: the index of their packet, packets of 960 ticks.
    fn payload(index: u8, redundant: u8) -> Vec<u8> {
        let mut payload = Vec::new();
        for back in (1..=redundant).rev() {
            let fields = 0xef00_0001 | (u32::from(back) * 960) << 10;
            payload.extend(fields.to_be_bytes());
        }
        payload.push(0x6f);
        payload.extend((index - redundant)..=index);
        payload
    }

    fn indices(highest: Option<u64>, redundant: u8) -> Vec<(u64, u32, u8)> {
        let (values, payload) = (Values::default(), payload(20, redundant));
        let packet = Packet {
            ssrc: Ssrc(1),
            index: 20,
            timestamp: 960,
            marker: true,
            header_len: 12,
            values: &values,
            payload: &payload,
        };
        let blocks = red::blocks(packet.payload).expect("read");
        let lost = lost(&blocks, &packet, PayloadType(111), highest);
        let lost = lost.iter().flatten();
        lost.map(|it| (it.index, it.timestamp, it.payload[0]))
            .collect()
    }

    #[test]
    fn blocks_take_the_places_of_lost_packets_alone() {
        assert_eq!(indices(None, 2), []);
        assert_eq!(indices(Some(19), 2), []);
        assert_eq!(indices(Some(25), 2), []);
        assert_eq!(indices(Some(18), 2), [(19, 0, 19)]);
        let two = [(18, 960_u32.wrapping_neg(), 18), (19, 0, 19)];
        assert_eq!(indices(Some(17), 2), two);
        assert_eq!(indices(Some(3), 2), two);
        assert_eq!(indices(Some(3), 0), []);
    }

    #[test]
    fn more_blocks_than_packets_before_the_first_are_ignored() {
        assert_eq!(indices(Some(3), 15).len(), 15);
    }
}
