//! Frame assembly: which frames are complete, and which are decodable.
//!
//! A frame is decodable when it is a complete key frame, or complete without a gap since the last
//! decodable frame. There is no gap where every sequence number in between was received (those
//! packets are padding), or where the VP8 picture ids are consecutive.

use crate::frame_id::FrameId;
use crate::measure::LossMeter;
use std::collections::VecDeque;
use std::time::Duration;
use wire::time::Time;

/// Frames that wait for missing packets; more than four seconds are not worth waiting for.
const MAX_WAITING_FRAMES: usize = 128;

/// How long frames of an encrypted stream wait for missing frames.
const UNDECODABLE_TIMEOUT: Duration = Duration::from_millis(500);

/// Frame information of one packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketInfo {
    /// Extended sequence number.
    pub index: u64,
    /// RTP timestamp: all packets of a frame share it.
    pub timestamp: u32,
    /// Payload bytes.
    pub len: usize,
    /// Whether the payload starts the frame.
    pub start: FrameStart,
    /// The packet is the last of its frame.
    pub end: bool,
    /// The packet belongs to a key frame.
    pub keyframe: bool,
    /// VP8 picture id, 15 bits.
    pub picture_id: Option<u16>,
    /// In-band frame id.
    pub id: Option<FrameId>,
    /// Capture time of the header extension.
    pub captured: Option<FrameId>,
}

/// Whether a payload starts its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameStart {
    /// The payload starts the frame.
    Certain,
    /// The payload starts the frame if the packet before belongs to another frame.
    Possible,
    /// The payload does not start the frame, or has no such mark.
    Unknown,
}

/// A complete frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// RTP timestamp.
    pub timestamp: u32,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
    /// Payload bytes.
    pub bytes: usize,
    /// Key frame.
    pub keyframe: bool,
    /// VP8 picture id, 15 bits.
    pub picture_id: Option<u16>,
    /// In-band frame id.
    pub id: Option<FrameId>,
    /// Capture time of the header extension.
    pub captured: Option<FrameId>,
    /// When its last missing packet arrived.
    pub completed: Option<Time>,
}

impl Frame {
    /// Return source and encoding as the frame has them: in band, else in its header extensions.
    #[must_use]
    pub fn identity(&self) -> Option<FrameId> {
        self.id.or(self.captured)
    }
}

/// Progress of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// The last missing packet of a frame arrived.
    Complete(Frame),
    /// The frame became decodable; frames are reported in decoding order.
    Decodable(Frame),
}

/// The frames of one stream.
#[derive(Debug, Default)]
pub struct Assembler {
    /// In order of their sequence numbers.
    waiting: VecDeque<Partial>,
    decoded: Option<Frame>,
    undecodable_since: Option<Time>,
    skipped: u64,
    events: VecDeque<Assembled>,
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    timestamp: u32,
    /// Lowest sequence number that arrived.
    lowest: u64,
    begins: Option<u64>,
    /// The lowest packet starts the frame if the packet before it belongs to another frame.
    may_start: bool,
    ends: Option<u64>,
    count: u64,
    bytes: usize,
    keyframe: bool,
    picture_id: Option<u16>,
    id: Option<FrameId>,
    captured: Option<FrameId>,
    completed: Option<Time>,
}

impl Assembler {
    /// Add a packet that is no duplicate and already recorded in `loss`.
    pub fn push(&mut self, now: Time, packet: &PacketInfo, loss: &LossMeter) {
        if self
            .decoded
            .is_some_and(|decoded| packet.index <= decoded.last)
        {
            return;
        }
        let position = self.frame_position(packet);
        // A further packet with the timestamp of a complete frame is not part of it.
        if self.waiting[position].is_complete() {
            return;
        }
        self.waiting[position].add(packet);
        self.complete(now, position, loss);
        // This packet may prove where the next frame starts.
        if position + 1 < self.waiting.len()
            && self.waiting[position + 1].lowest == packet.index + 1
        {
            self.complete(now, position + 1, loss);
        }
        self.release(now, loss);
    }

    /// Add a padding packet, which may close a gap between two frames.
    pub fn push_padding(&mut self, now: Time, loss: &LossMeter) {
        for position in 0..self.waiting.len() {
            self.complete(now, position, loss);
        }
        self.release(now, loss);
    }

    /// Return the next complete or decodable frame.
    pub fn poll(&mut self) -> Option<Assembled> {
        self.events.pop_front()
    }

    /// Return since when there are complete frames that are not decodable.
    #[must_use]
    pub fn undecodable_since(&self) -> Option<Time> {
        self.undecodable_since
    }

    /// Return whether an encrypted stream, whose key frames are unknown, may continue with any
    /// frame: at its start, and after 500 ms without a decodable frame.
    #[must_use]
    pub fn may_start(&self, now: Time) -> bool {
        let timed_out = self
            .undecodable_since
            .is_some_and(|since| now.since(since) > UNDECODABLE_TIMEOUT);
        self.decoded.is_none() || timed_out
    }

    /// Return the number of frames skipped: incomplete, or without their reference frames.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Return the index of the packet's frame, which is inserted where it is missing.
    fn frame_position(&mut self, packet: &PacketInfo) -> usize {
        let mut position = self.waiting.len();
        while position > 0 {
            let before = &self.waiting[position - 1];
            if before.timestamp == packet.timestamp {
                return position - 1;
            }
            if before.lowest < packet.index {
                break;
            }
            position -= 1;
        }
        if self.waiting.len() == MAX_WAITING_FRAMES {
            self.waiting.pop_front();
            self.skipped += 1;
            position = position.saturating_sub(1);
        }
        self.waiting.insert(position, Partial::new(packet));
        position
    }

    fn complete(&mut self, now: Time, position: usize, loss: &LossMeter) {
        let is_first = self.decoded.is_none();
        let partial = &mut self.waiting[position];
        if !partial.is_complete() && partial.has_all_packets(is_first, loss) {
            partial.completed = Some(now);
            self.events.push_back(Assembled::Complete(partial.frame()));
        }
    }

    fn release(&mut self, now: Time, loss: &LossMeter) {
        let mut released = false;
        while let Some(position) = self.next_decodable(loss) {
            self.skipped += position as u64;
            self.waiting.drain(..position);
            let Some(partial) = self.waiting.pop_front() else {
                break;
            };
            self.decoded = Some(partial.frame());
            self.events.push_back(Assembled::Decodable(partial.frame()));
            released = true;
        }
        if released {
            self.undecodable_since = None;
        }
        if self.waiting.iter().any(Partial::is_complete) {
            self.undecodable_since.get_or_insert(now);
        }
    }

    fn next_decodable(&self, loss: &LossMeter) -> Option<usize> {
        self.waiting
            .iter()
            .position(|partial| partial.is_complete() && self.is_decodable(&partial.frame(), loss))
    }

    fn is_decodable(&self, frame: &Frame, loss: &LossMeter) -> bool {
        let Some(decoded) = &self.decoded else {
            return frame.keyframe;
        };
        let follows = |(before, after): (u16, u16)| after == (before + 1) & 0x7fff;
        frame.keyframe
            || loss.has_all(decoded.last + 1..frame.first)
            || decoded
                .picture_id
                .zip(frame.picture_id)
                .is_some_and(follows)
    }
}

impl Partial {
    fn new(packet: &PacketInfo) -> Self {
        Self {
            timestamp: packet.timestamp,
            lowest: packet.index,
            begins: None,
            may_start: false,
            ends: None,
            count: 0,
            bytes: 0,
            keyframe: false,
            picture_id: None,
            id: None,
            captured: None,
            completed: None,
        }
    }

    fn is_complete(&self) -> bool {
        self.completed.is_some()
    }

    fn add(&mut self, packet: &PacketInfo) {
        self.count += 1;
        self.bytes += packet.len;
        if packet.index <= self.lowest {
            self.lowest = packet.index;
            self.may_start = packet.start == FrameStart::Possible;
        }
        if packet.start == FrameStart::Certain {
            self.begins = Some(packet.index);
        }
        if packet.end {
            self.ends = Some(packet.index);
        }
        self.keyframe |= packet.keyframe;
        self.picture_id = self.picture_id.or(packet.picture_id);
        self.id = self.id.or(packet.id);
        self.captured = self.captured.or(packet.captured);
    }

    /// Return whether all packets of the frame were received.
    ///
    /// Where the payload does not mark the start, the lowest packet is the start if the packet
    /// before it was received, for another frame. The first frame of a stream has no packet before.
    fn has_all_packets(&mut self, is_first: bool, loss: &LossMeter) -> bool {
        if self.begins.is_none() {
            let another_before = self.lowest > 0 && loss.has(self.lowest - 1);
            let opens_stream = is_first && self.may_start && self.keyframe;
            if another_before || opens_stream {
                self.begins = Some(self.lowest);
            }
        }
        match (self.begins, self.ends) {
            (Some(first), Some(last)) => first <= last && self.count == last - first + 1,
            _ => false,
        }
    }

    fn frame(&self) -> Frame {
        Frame {
            timestamp: self.timestamp,
            first: self.begins.unwrap_or(self.lowest),
            last: self.ends.unwrap_or(self.lowest),
            bytes: self.bytes,
            keyframe: self.keyframe,
            picture_id: self.picture_id,
            id: self.id,
            captured: self.captured,
            completed: self.completed,
        }
    }
}
