//! History: the received packets of one encoding, for forwarding and for retransmission.
//!
//! A payload is copied here once when it is received. Every subscription keeps a position in the
//! history and copies from it when it sends: there is no queue per subscriber. Payloads are stored
//! in fixed chunks that return to a pool shared by all encodings of a worker: after warm-up no
//! packet allocates.

use std::collections::VecDeque;
use std::time::Duration;

use wire::extension::AbsCaptureTime;
use wire::time::Time;

use crate::codec::Described;

/// Bytes of one chunk; more than any Ethernet packet.
pub const CHUNK_LEN: usize = 8 * 1024;
/// Chunks kept in the pool for reuse; more are returned to the allocator.
const POOLED_CHUNKS: usize = 4096;
/// Longest value of a header extension with two-byte headers (RFC 8285 section 4.3).
pub const MAX_DESCRIPTOR_LEN: usize = 255;
const INDEX_TABLE_START: usize = 64;
/// A packet counts as this much at least: small and padding-only packets cost their slots.
const MIN_PACKET_LEN: usize = 128;

/// Header extensions of an incoming packet that are forwarded.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardedExtensions {
    /// RFC 6464 audio level octet as received.
    pub audio_level: Option<u8>,
    /// Video orientation octet as received (3GPP TS 26.114).
    pub orientation: Option<u8>,
    /// abs-capture-time of the frame, received or extrapolated.
    pub capture: Option<AbsCaptureTime>,
}

/// One packet of the history.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Extended incoming sequence number.
    pub index: u64,
    /// Arrival time.
    pub arrival: Time,
    /// Incoming RTP timestamp.
    pub timestamp: u32,
    /// Description of the payload.
    pub described: Described,
    /// Header extensions to forward.
    pub carried: ForwardedExtensions,
    /// RTP marker bit.
    pub marker: bool,
    /// Bytes of the dependency descriptor, which is stored in front of the payload.
    descriptor_len: u8,
    chunk: u32,
    offset: u16,
    len: u16,
}

impl Slot {
    /// Return the payload length, bytes.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        usize::from(self.len)
    }

    /// Return whether it is padding only: not forwarded, its sequence number is skipped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Return the length of its dependency descriptor, bytes; 0 where it has none.
    #[must_use]
    pub fn descriptor_len(&self) -> usize {
        usize::from(self.descriptor_len)
    }
}

/// A received packet to append.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Extended incoming sequence number.
    pub index: u64,
    /// Incoming RTP timestamp.
    pub timestamp: u32,
    /// RTP marker bit.
    pub marker: bool,
    /// Description of the payload.
    pub described: Described,
    /// Header extensions to forward.
    pub carried: ForwardedExtensions,
    /// Value of its dependency descriptor, to forward; empty where it has none.
    pub descriptor: &'a [u8],
    /// The payload without padding; empty for a padding-only packet.
    pub payload: &'a [u8],
}

/// Unused chunks.
#[derive(Debug, Default)]
pub struct ChunkPool {
    free: Vec<Box<[u8]>>,
}

impl ChunkPool {
    fn allocate(&mut self) -> Box<[u8]> {
        self.free
            .pop()
            .unwrap_or_else(|| vec![0; CHUNK_LEN].into_boxed_slice())
    }

    fn release(&mut self, chunk: Box<[u8]>) {
        if self.free.len() < POOLED_CHUNKS {
            self.free.push(chunk);
        }
    }
}

/// The history of one encoding.
#[derive(Debug)]
pub struct History {
    slots: VecDeque<Slot>,
    /// Position of the first slot; positions count received packets and never repeat.
    start: u64,
    chunks: VecDeque<Box<[u8]>>,
    first_chunk: u32,
    /// Bytes used in the last chunk.
    filled: usize,
    /// Position by incoming index modulo the table length; an entry is a hint to verify.
    by_index: Vec<u64>,
    max_bytes: usize,
}

impl History {
    /// Create an empty history that keeps at most `max_bytes` of payload, in whole chunks.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            start: 0,
            chunks: VecDeque::new(),
            first_chunk: 0,
            filled: CHUNK_LEN,
            by_index: vec![0; INDEX_TABLE_START],
            max_bytes: max_bytes.max(2 * CHUNK_LEN),
        }
    }

    /// Append a packet and return its position.
    ///
    /// A payload above [`CHUNK_LEN`], which the engine never receives, is kept as an empty packet.
    pub fn push(&mut self, now: Time, arrived: &Arrived<'_>, pool: &mut ChunkPool) -> u64 {
        let payload = match arrived.payload.len() {
            len if len <= CHUNK_LEN => arrived.payload,
            _ => &[],
        };
        let descriptor = match arrived.descriptor.len() {
            _ if payload.is_empty() => &[],
            len if len <= MAX_DESCRIPTOR_LEN.min(CHUNK_LEN - payload.len()) => arrived.descriptor,
            _ => &[],
        };
        if self.filled + descriptor.len() + payload.len() > CHUNK_LEN {
            self.open_chunk(pool);
        }
        if self.slots.len() >= self.max_bytes / MIN_PACKET_LEN {
            self.drop_first_slot(pool);
        }
        let position = self.end();
        let offset = self.filled + descriptor.len();
        if let Some(chunk) = self.chunks.back_mut() {
            chunk[self.filled..offset].copy_from_slice(descriptor);
            chunk[offset..offset + payload.len()].copy_from_slice(payload);
        }
        self.filled = offset + payload.len();
        self.slots.push_back(Slot {
            index: arrived.index,
            arrival: now,
            timestamp: arrived.timestamp,
            described: arrived.described,
            carried: arrived.carried,
            marker: arrived.marker,
            descriptor_len: descriptor.len() as u8,
            chunk: self.last_chunk(),
            offset: offset as u16,
            len: payload.len() as u16,
        });
        self.remember(arrived.index, position);
        position
    }

    /// Drop packets older than `keep`, chunk by chunk.
    pub fn expire(&mut self, now: Time, keep: Duration, pool: &mut ChunkPool) {
        while let Some(slot) = self.slots.front() {
            if now.since(slot.arrival) <= keep {
                return;
            }
            self.drop_first_slot(pool);
        }
        self.release_chunks(pool);
    }

    /// Drop all packets, as when the last subscription ends.
    pub fn clear(&mut self, pool: &mut ChunkPool) {
        while !self.slots.is_empty() {
            self.drop_first_slot(pool);
        }
        self.release_chunks(pool);
    }

    /// Return the position of the oldest packet kept.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Return the position of the next packet.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.slots.len() as u64
    }

    /// Return the packet at a position.
    #[must_use]
    pub fn slot(&self, position: u64) -> Option<&Slot> {
        let nth = usize::try_from(position.checked_sub(self.start)?).ok()?;
        self.slots.get(nth)
    }

    /// Return the payload of a packet of this history.
    #[must_use]
    pub fn payload(&self, slot: &Slot) -> &[u8] {
        let offset = usize::from(slot.offset);
        match self.chunk_of(slot) {
            Some(chunk) => &chunk[offset..offset + usize::from(slot.len)],
            None => &[],
        }
    }

    /// Return the dependency descriptor of a packet of this history; empty where it has none.
    #[must_use]
    pub fn descriptor(&self, slot: &Slot) -> &[u8] {
        let offset = usize::from(slot.offset);
        match self.chunk_of(slot) {
            Some(chunk) => &chunk[offset - slot.descriptor_len()..offset],
            None => &[],
        }
    }

    fn chunk_of(&self, slot: &Slot) -> Option<&[u8]> {
        let nth = slot.chunk.wrapping_sub(self.first_chunk) as usize;
        self.chunks.get(nth).map(|chunk| &**chunk)
    }

    /// Return the position of the packet with this incoming index.
    #[must_use]
    pub fn find(&self, index: u64) -> Option<u64> {
        let hint = self.by_index[index as usize & (self.by_index.len() - 1)];
        self.slot(hint)
            .is_some_and(|slot| slot.index == index)
            .then_some(hint)
    }

    /// Return the bytes of all chunks in use.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.chunks.len() * CHUNK_LEN
    }

    fn open_chunk(&mut self, pool: &mut ChunkPool) {
        if self.memory_bytes() + CHUNK_LEN > self.max_bytes {
            self.drop_first_chunk(pool);
        }
        self.chunks.push_back(pool.allocate());
        self.filled = 0;
    }

    fn drop_first_chunk(&mut self, pool: &mut ChunkPool) {
        let first = self.first_chunk;
        while self.slots.front().is_some_and(|slot| slot.chunk == first) {
            self.slots.pop_front();
            self.start += 1;
        }
        self.release_chunks(pool);
    }

    fn drop_first_slot(&mut self, pool: &mut ChunkPool) {
        if self.slots.pop_front().is_none() {
            return;
        }
        self.start += 1;
        if self
            .slots
            .front()
            .is_some_and(|slot| slot.chunk != self.first_chunk)
        {
            self.release_chunks(pool);
        }
    }

    /// Release the first chunks that no slot refers to.
    fn release_chunks(&mut self, pool: &mut ChunkPool) {
        let needed = self.slots.front().map(|slot| slot.chunk);
        while !self.chunks.is_empty() && needed != Some(self.first_chunk) {
            if let Some(chunk) = self.chunks.pop_front() {
                pool.release(chunk);
            }
            self.first_chunk = self.first_chunk.wrapping_add(1);
        }
        if self.chunks.is_empty() {
            self.filled = CHUNK_LEN;
        }
    }

    /// Return the number of the chunk being filled, or of the first one to come.
    fn last_chunk(&self) -> u32 {
        let before = self.chunks.len().saturating_sub(1);
        self.first_chunk.wrapping_add(before as u32)
    }

    fn remember(&mut self, index: u64, position: u64) {
        if self.slots.len() * 2 > self.by_index.len() {
            self.grow_table();
        }
        let mask = self.by_index.len() - 1;
        self.by_index[index as usize & mask] = position;
    }

    fn grow_table(&mut self) {
        let len = self.by_index.len() * 2;
        self.by_index = vec![0; len];
        for (nth, slot) in self.slots.iter().enumerate() {
            self.by_index[slot.index as usize & (len - 1)] = self.start + nth as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, describe};

    fn arrived(index: u64, payload: &[u8]) -> Arrived<'_> {
        Arrived {
            index,
            timestamp: 0,
            marker: false,
            described: describe(Codec::Opus, payload, false),
            carried: ForwardedExtensions::default(),
            descriptor: &[],
            payload,
        }
    }

    #[test]
    fn keeps_payloads_across_chunks_and_finds_them_by_index() {
        let (mut history, mut pool) = (History::new(512 * 1024), ChunkPool::default());
        for index in 0..100u64 {
            let payload = vec![index as u8; 1000];
            history.push(
                Time::from_millis(index),
                &arrived(500 + index, &payload),
                &mut pool,
            );
        }
        for index in 0..100u64 {
            let position = history.find(500 + index).expect("kept");
            let slot = history.slot(position).expect("slot");
            assert_eq!(history.payload(slot), vec![index as u8; 1000]);
        }
        assert_eq!(history.find(600), None);
    }

    #[test]
    fn a_slot_stays_as_small_as_a_cache_line_and_a_quarter() {
        assert_eq!(size_of::<Slot>(), 80);
    }

    #[test]
    fn keeps_descriptors_beside_payloads() {
        let (mut history, mut pool) = (History::new(512 * 1024), ChunkPool::default());
        for index in 0..100u64 {
            let (payload, descriptor) = (vec![index as u8; 1000], vec![!index as u8; 3]);
            let mut packet = arrived(index, &payload);
            packet.descriptor = &descriptor[..index as usize % 4];
            history.push(Time::default(), &packet, &mut pool);
        }
        for index in 0..100u64 {
            let slot = history.find(index).and_then(|at| history.slot(at));
            let slot = slot.expect("kept");
            let descriptor = vec![!index as u8; index as usize % 4];
            assert_eq!(history.descriptor(slot), descriptor);
            assert_eq!(history.payload(slot), vec![index as u8; 1000]);
        }
    }

    #[test]
    fn stays_within_its_byte_cap() {
        let (mut history, mut pool) = (History::new(64 * 1024), ChunkPool::default());
        for index in 0..10_000u64 {
            history.push(Time::default(), &arrived(index, &[7; 1100]), &mut pool);
            assert!(history.memory_bytes() <= 64 * 1024);
        }
        assert_eq!(history.end(), 10_000);
        assert!(history.find(9_999).is_some() && history.find(0).is_none());
    }

    #[test]
    fn an_empty_packet_in_front_keeps_no_other_from_its_bytes() {
        let (mut history, mut pool) = (History::new(64 * 1024), ChunkPool::default());
        history.push(Time::default(), &arrived(0, &[]), &mut pool);
        for index in 1..200u64 {
            let payload = vec![index as u8; 1000];
            history.push(Time::default(), &arrived(index, &payload), &mut pool);
            let slot = history
                .find(index)
                .and_then(|position| history.slot(position));
            assert_eq!(history.payload(slot.expect("kept")), payload);
        }
        let oldest = history.slot(history.start()).expect("kept");
        assert_eq!(history.payload(oldest), vec![oldest.index as u8; 1000]);
    }

    #[test]
    fn tiny_packets_are_bounded_too() {
        let (mut history, mut pool) = (History::new(64 * 1024), ChunkPool::default());
        for index in 0..100_000u64 {
            history.push(Time::default(), &arrived(index, &[]), &mut pool);
            history.push(Time::default(), &arrived(index, &[1]), &mut pool);
            assert!(history.slots.len() <= 512);
        }
        assert_eq!(history.end(), 200_000);
    }

    #[test]
    fn expires_by_age_and_recycles_chunks() {
        let (mut history, mut pool) = (History::new(512 * 1024), ChunkPool::default());
        for index in 0..200u64 {
            let now = Time::from_millis(index * 10);
            history.push(now, &arrived(index, &[1; 1200]), &mut pool);
            history.expire(now, Duration::from_millis(300), &mut pool);
        }
        assert!(
            history.memory_bytes() <= 7 * CHUNK_LEN,
            "{}",
            history.memory_bytes()
        );
        assert!(pool.free.len() <= 2);
        history.clear(&mut pool);
        assert_eq!(
            (history.memory_bytes(), history.start()),
            (0, history.end())
        );
    }
}
