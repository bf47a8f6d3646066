//! Writer of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use super::twcc::{TICKS_PER_REFERENCE, TWCC_TICK, symbol};
use super::write::{Head, packet};
use super::{format, packet_type};
use crate::id::Ssrc;
use crate::time::Time;

/// Longest packet made, bytes: with RTCP reports and the SRTCP trailer it fits any MTU we use.
const MAX_LEN: usize = 1000;
const FIXED_LEN: usize = 20;
/// Packets one report covers at most; a longer gap starts another report.
const MAX_PACKETS: usize = 8_000;
const MAX_RUN: usize = 0x1fff;
/// Symbols in a vector chunk of one and of two bits.
const VECTOR_1: usize = 14;
const VECTOR_2: usize = 7;
const CHUNK_LEN: usize = 2;
const LARGE_DELTA_LEN: usize = 2;
const LAST_CHUNK_7: usize = CHUNK_LEN * VECTOR_2;

/// Collects arrivals in sequence order for one feedback packet; reused for the next.
#[derive(Clone, Debug, Default)]
pub struct TwccBuilder {
    base: u16,
    reference_time: i64,
    last_ticks: i64,
    symbols: Vec<u8>,
    deltas: Vec<u8>,
    /// Seven times an upper bound of the bytes of the chunks, as an integer.
    chunks_bound_7: usize,
}

impl TwccBuilder {
    /// Create a builder without packets.
    pub fn new() -> TwccBuilder {
        TwccBuilder::default()
    }

    /// Start a report on the packets from `base` on; `first_arrival` is that of the first packet
    /// pushed.
    pub fn start(&mut self, base: u16, first_arrival: Time) {
        self.symbols.clear();
        self.deltas.clear();
        self.base = base;
        self.reference_time = ticks(first_arrival).div_euclid(TICKS_PER_REFERENCE);
        self.last_ticks = self.reference_time * TICKS_PER_REFERENCE;
        self.chunks_bound_7 = LAST_CHUNK_7;
    }

    /// Append the arrival of `sequence`; skipped numbers are reported as not received.
    ///
    /// False, and nothing appended, if it does not fit: write this report and start another.
    pub fn push(&mut self, sequence: u16, arrival: Time) -> bool {
        let next = self.base.wrapping_add(self.symbols.len() as u16);
        let gap = usize::from(sequence.wrapping_sub(next));
        let ticks = ticks(arrival);
        let Ok(delta) = i16::try_from(ticks - self.last_ticks) else {
            return false;
        };
        let chunks_bound_7 = self.chunks_bound_7 + chunk_cost_7(gap);
        let len = FIXED_LEN + self.deltas.len() + LARGE_DELTA_LEN + chunks_bound_7.div_ceil(7);
        if self.symbols.len() + gap >= MAX_PACKETS || len > MAX_LEN {
            return false;
        }
        self.chunks_bound_7 = chunks_bound_7;
        self.last_ticks = ticks;
        let filled = self.symbols.len() + gap;
        self.symbols.resize(filled, symbol::NOT_RECEIVED);
        self.push_delta(delta);
        true
    }

    /// Return whether no arrival has been pushed.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Return the sequence number behind the last one pushed: the next report's base.
    pub fn end(&self) -> u16 {
        self.base.wrapping_add(self.symbols.len() as u16)
    }

    /// Append the feedback packet to `out`; `feedback_count` goes up by one per packet.
    pub fn write(&self, out: &mut Vec<u8>, sender: Ssrc, media: Ssrc, feedback_count: u8) {
        let kind = Head {
            packet_type: packet_type::TRANSPORT_FEEDBACK,
            count: format::TWCC,
        };
        packet(out, kind, |out| {
            out.extend_from_slice(&sender.0.to_be_bytes());
            out.extend_from_slice(&media.0.to_be_bytes());
            out.extend_from_slice(&self.base.to_be_bytes());
            out.extend_from_slice(&(self.symbols.len() as u16).to_be_bytes());
            let [_, r0, r1, r2] = (self.reference_time as u32).to_be_bytes();
            out.extend_from_slice(&[r0, r1, r2, feedback_count]);
            write_chunks(out, &self.symbols);
            out.extend_from_slice(&self.deltas);
        });
    }

    fn push_delta(&mut self, delta: i16) {
        if let Ok(small) = u8::try_from(delta) {
            self.symbols.push(symbol::SMALL_DELTA);
            self.deltas.push(small);
        } else {
            self.symbols.push(symbol::LARGE_DELTA);
            self.deltas.extend_from_slice(&delta.to_be_bytes());
        }
    }
}

fn ticks(instant: Time) -> i64 {
    (instant.as_nanos() / TWCC_TICK.as_nanos() as u64) as i64
}

/// Return seven times the bytes that a gap and the arrival behind it add to the chunks.
///
/// Every 2-byte chunk but the last covers at least seven packets; a long gap is one run, and
/// cuts one chunk short of its fill.
fn chunk_cost_7(gap: usize) -> usize {
    let cut = if gap < VECTOR_1 { gap } else { 2 * VECTOR_2 };
    (cut + 1) * CHUNK_LEN
}

fn write_chunks(out: &mut Vec<u8>, symbols: &[u8]) {
    let mut rest = symbols;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take_while(|&&symbol| symbol == first).count();
        let run = run.min(MAX_RUN);
        let vector = &rest[..rest.len().min(VECTOR_1)];
        let wide = vector.contains(&symbol::LARGE_DELTA);
        let fill = if wide { VECTOR_2 } else { VECTOR_1 };
        let taken = if run >= fill.min(rest.len()) {
            write_chunk(out, u16::from(first) << 13 | run as u16);
            run
        } else {
            let taken = fill.min(rest.len());
            write_chunk(out, vector_chunk(&rest[..taken], wide));
            taken
        };
        rest = &rest[taken..];
    }
}

fn vector_chunk(symbols: &[u8], wide: bool) -> u16 {
    let (head, width) = if wide { (0xc000, 2) } else { (0x8000, 1) };
    symbols
        .iter()
        .enumerate()
        .fold(head, |chunk, (index, &symbol)| {
            chunk | u16::from(symbol) << (14 - width * (index + 1))
        })
}

fn write_chunk(out: &mut Vec<u8>, chunk: u16) {
    out.extend_from_slice(&chunk.to_be_bytes());
}
