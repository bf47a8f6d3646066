//! Parser of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use super::{Packet, split_ssrc};
use crate::id::Ssrc;
use core::time::Duration;

/// Unit of receive deltas.
pub const TWCC_TICK: Duration = Duration::from_micros(250);
/// Ticks in one unit of the reference time, 64 ms.
pub(super) const TICKS_PER_REFERENCE: i64 = 256;

/// Symbols of the status chunks (section 3.1.1).
pub(super) mod symbol {
    pub const NOT_RECEIVED: u8 = 0;
    pub const SMALL_DELTA: u8 = 1;
    pub const LARGE_DELTA: u8 = 2;
}

/// One feedback packet; chunks and deltas are not copied.
#[derive(Clone, Copy, Debug)]
pub struct TwccFeedback<'a> {
    /// SSRC of the reporter.
    pub sender: Ssrc,
    /// Any stream of the transport reported on.
    pub media: Ssrc,
    /// First transport-wide sequence number reported on.
    pub base_sequence: u16,
    /// Number of sequence numbers reported on.
    pub packet_count: u16,
    /// Reference time, 24 bits of 64 ms.
    pub reference_time: u32,
    /// Number of the feedback packet, to detect lost ones.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TwccFeedback<'a> {
    /// Iterate over `(sequence, arrival)`: arrival in [`TWCC_TICK`]s of the reference clock, `None`
    /// if the packet had not arrived. Deltas that are missing end the iteration.
    pub fn packets(&self) -> TwccPackets<'a> {
        TwccPackets {
            symbols: Symbols::new(self.chunks),
            deltas: self.deltas,
            sequence: self.base_sequence,
            left: self.packet_count,
            ticks: i64::from(self.reference_time) * TICKS_PER_REFERENCE,
        }
    }
}

/// Iterator over the packets a feedback reports on, at most 65,535.
#[derive(Clone, Debug)]
pub struct TwccPackets<'a> {
    symbols: Symbols<'a>,
    deltas: &'a [u8],
    sequence: u16,
    left: u16,
    ticks: i64,
}

impl TwccPackets<'_> {
    fn take_delta(&mut self, symbol: u8) -> Option<i64> {
        if symbol == symbol::SMALL_DELTA {
            let (&delta, rest) = self.deltas.split_first()?;
            self.deltas = rest;
            return Some(i64::from(delta));
        }
        let (&delta, rest) = self.deltas.split_first_chunk()?;
        self.deltas = rest;
        Some(i64::from(i16::from_be_bytes(delta)))
    }
}

impl Iterator for TwccPackets<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let arrival = match self.symbols.next()? {
            symbol @ (symbol::SMALL_DELTA | symbol::LARGE_DELTA) => {
                self.ticks += self.take_delta(symbol)?;
                Some(self.ticks)
            }
            // The reserved symbol has no delta: treated as not received.
            _ => None,
        };
        Some((sequence, arrival))
    }
}

/// The symbols of all chunks in a row.
#[derive(Clone, Debug)]
struct Symbols<'a> {
    chunks: &'a [u8],
    chunk: Chunk,
}

impl<'a> Symbols<'a> {
    fn new(chunks: &'a [u8]) -> Symbols<'a> {
        Symbols {
            chunks,
            chunk: Chunk::Run { symbol: 0, left: 0 },
        }
    }
}

impl Iterator for Symbols<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            if let Some(symbol) = self.chunk.next() {
                return Some(symbol);
            }
            let (&chunk, rest) = self.chunks.split_first_chunk()?;
            self.chunks = rest;
            self.chunk = Chunk::parse(u16::from_be_bytes(chunk));
        }
    }
}

/// A status chunk being read (section 3.1.2 to 3.1.4).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    Run {
        symbol: u8,
        left: u16,
    },
    /// `bits` holds the symbols that are left from its most significant bit on.
    Vector {
        bits: u16,
        width: u8,
        left: u16,
    },
}

impl Chunk {
    fn parse(chunk: u16) -> Chunk {
        match chunk >> 14 {
            0b10 => Chunk::Vector {
                bits: chunk << 2,
                width: 1,
                left: 14,
            },
            0b11 => Chunk::Vector {
                bits: chunk << 2,
                width: 2,
                left: 7,
            },
            _ => Chunk::Run {
                symbol: (chunk >> 13) as u8 & 3,
                left: chunk & 0x1fff,
            },
        }
    }

    fn left(self) -> u16 {
        match self {
            Chunk::Run { left, .. } | Chunk::Vector { left, .. } => left,
        }
    }

    fn next(&mut self) -> Option<u8> {
        match self {
            Chunk::Run { symbol, left } => {
                *left = left.checked_sub(1)?;
                Some(*symbol)
            }
            Chunk::Vector { bits, width, left } => {
                *left = left.checked_sub(1)?;
                let symbol = (*bits >> (16 - *width)) as u8;
                *bits <<= *width;
                Some(symbol)
            }
        }
    }
}

pub(super) fn parse(body: &[u8]) -> Option<Packet<'_>> {
    let (sender, rest) = split_ssrc(body)?;
    let (media, rest) = split_ssrc(rest)?;
    let (&[s0, s1, c0, c1, r0, r1, r2, feedback_count], rest) = rest.split_first_chunk::<8>()?;
    let packet_count = u16::from_be_bytes([c0, c1]);
    let (chunks, deltas) = rest.split_at_checked(chunks_len(rest, packet_count)?)?;
    Some(Packet::TransportFeedback(TwccFeedback {
        sender,
        media,
        base_sequence: u16::from_be_bytes([s0, s1]),
        packet_count,
        reference_time: u32::from_be_bytes([0, r0, r1, r2]),
        feedback_count,
        chunks,
        deltas,
    }))
}

/// Return the bytes of chunks that report on `packet_count` packets.
fn chunks_len(bytes: &[u8], packet_count: u16) -> Option<usize> {
    let mut covered = 0;
    let mut len = 0;
    while covered < u32::from(packet_count) {
        let &chunk = bytes.get(len..)?.first_chunk()?;
        covered += u32::from(Chunk::parse(u16::from_be_bytes(chunk)).left());
        len += 2;
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::compound;

    /// A packet with base 100, reference time 2 and feedback count 5 around `rest`.
    fn feedback(packet_count: u8, rest: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        datagram.extend([0, 100, 0, packet_count, 0, 0, 2, 5]);
        datagram.extend(rest);
        datagram.resize(datagram.len().next_multiple_of(4), 0);
        datagram[3] = (datagram.len() / 4 - 1) as u8;
        datagram
    }

    fn read(datagram: &[u8]) -> Option<Vec<(u16, Option<i64>)>> {
        match compound(datagram).next()? {
            Ok(Packet::TransportFeedback(feedback)) => Some(feedback.packets().collect()),
            _ => None,
        }
    }

    #[test]
    fn feedback_of_chromium_is_padded_by_less_than_four_bytes() {
        let datagram = [
            0xaf, 0xcd, 0x00, 0x06, 0xfa, 0x17, 0xfa, 0x17, 0x7a, 0xdb, 0x6b, 0xc7, 0x00, 0x1c,
            0x00, 0x04, 0x05, 0x1c, 0x56, 0x01, 0x20, 0x04, 0xcd, 0x30, 0x24, 0x56, 0x00, 0x02,
        ];
        let start = 0x0005_1c56 * TICKS_PER_REFERENCE;
        let arrivals = [205, 253, 289, 375].map(|ticks| Some(start + ticks));
        let expected: Vec<_> = (0x1c..).zip(arrivals).collect();
        assert_eq!(read(&datagram), Some(expected));
    }

    #[test]
    fn run_of_small_deltas() {
        let datagram = feedback(3, &[0x20, 3, 4, 0, 255]);
        let expected = [(100, Some(516)), (101, Some(516)), (102, Some(771))];
        assert_eq!(read(&datagram).unwrap(), expected);
    }

    #[test]
    fn two_bit_vector_with_a_large_negative_delta() {
        // Received small, lost, received large.
        let datagram = feedback(3, &[0b1101_0010, 0, 10, 0xff, 0xf6]);
        let expected = [(100, Some(522)), (101, None), (102, Some(512))];
        assert_eq!(read(&datagram).unwrap(), expected);
    }

    #[test]
    fn one_bit_vector_then_a_run_of_losses() {
        let datagram = feedback(16, &[0b1010_0000, 1, 0, 2, 7, 8]);
        let packets = read(&datagram).unwrap();
        let received: Vec<_> = packets.iter().filter(|(_, at)| at.is_some()).collect();
        assert_eq!(packets.len(), 16);
        assert_eq!(received, [&(100, Some(519)), &(113, Some(527))]);
    }

    #[test]
    fn too_few_chunks_are_refused_and_too_few_deltas_end_the_list() {
        assert_eq!(read(&feedback(20, &[0x20, 3])), None);
        let datagram = feedback(10, &[0x20, 10, 1, 1]);
        assert_eq!(read(&datagram).unwrap().len(), 2);
    }

    #[test]
    fn an_empty_report_is_empty() {
        assert_eq!(read(&feedback(0, &[])).unwrap(), []);
    }
}
