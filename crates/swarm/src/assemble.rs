//! Frames out of packets: which are complete, and which a decoder could show.
//!
//! A frame is decodable when it is a complete key frame, or complete and nothing is missing since
//! the last decodable one. Nothing is missing where every sequence number in between arrived (what
//! is left there is padding), or where VP8 picture ids follow each other.

use crate::frame_id::FrameId;
use crate::measure::LossMeter;
use std::collections::VecDeque;
use std::time::Duration;
use wire::time::Time;

/// Frames that wait for missing packets; more than four seconds are not worth waiting for.
const MAX_WAITING: usize = 128;

/// How long frames of a sealed stream wait for missing ones.
const GIVE_UP: Duration = Duration::from_millis(500);

/// What one packet says of its frame.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Extended sequence number.
    pub index: u64,
    /// RTP timestamp: all packets of a frame share it.
    pub timestamp: u32,
    /// Payload bytes.
    pub len: usize,
    /// What the payload says of where the frame begins.
    pub start: Start,
    /// The frame ends with this packet.
    pub end: bool,
    /// The frame needs no earlier one.
    pub keyframe: bool,
    /// VP8 picture id, 15 bits.
    pub picture_id: Option<u16>,
    /// In-band frame id.
    pub id: Option<FrameId>,
}

/// What a payload says of where its frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Here.
    Here,
    /// Maybe here: certain only where the packet before belongs to another frame.
    MaybeHere,
    /// Nothing.
    Unknown,
}

/// A complete frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// RTP timestamp.
    pub timestamp: u32,
    /// First and last sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
    /// Payload bytes.
    pub bytes: usize,
    /// Needs no earlier frame.
    pub keyframe: bool,
    /// VP8 picture id, 15 bits.
    pub picture_id: Option<u16>,
    /// In-band frame id.
    pub id: Option<FrameId>,
}

/// What became known by a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// The last missing packet of a frame arrived.
    Complete(Frame),
    /// A decoder could show this frame now; in order.
    Decodable(Frame),
}

/// The frames of one stream.
#[derive(Debug, Default)]
pub struct Assembler {
    /// In order of their sequence numbers.
    waiting: VecDeque<Partial>,
    decoded: Option<Frame>,
    stuck_since: Option<Time>,
    skipped: u64,
    news: VecDeque<Assembled>,
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    timestamp: u32,
    /// Lowest sequence number that arrived.
    lowest: u64,
    begins: Option<u64>,
    /// The lowest packet begins the frame if the one before it belongs to another.
    may_begin: bool,
    ends: Option<u64>,
    count: u64,
    bytes: usize,
    keyframe: bool,
    picture_id: Option<u16>,
    id: Option<FrameId>,
    complete: bool,
}

impl Assembler {
    /// Take a packet that had not arrived before; `loss` knows of it already.
    pub fn push(&mut self, now: Time, part: &Part, loss: &LossMeter) {
        if self
            .decoded
            .is_some_and(|decoded| part.index <= decoded.last)
        {
            return;
        }
        let place = self.place(part);
        // What else claims the timestamp of a whole frame cannot be of it.
        if self.waiting[place].complete {
            return;
        }
        self.waiting[place].add(part);
        self.complete(place, loss);
        // The frame behind may only now know that it begins where it does.
        if place + 1 < self.waiting.len() && self.waiting[place + 1].lowest == part.index + 1 {
            self.complete(place + 1, loss);
        }
        self.release(now, loss);
    }

    /// Note a packet without payload, which may close a gap between two frames.
    pub fn push_padding(&mut self, now: Time, loss: &LossMeter) {
        for place in 0..self.waiting.len() {
            self.complete(place, loss);
        }
        self.release(now, loss);
    }

    /// Take the next piece of news.
    pub fn poll(&mut self) -> Option<Assembled> {
        self.news.pop_front()
    }

    /// Return since when complete frames wait that cannot be decoded.
    #[must_use]
    pub fn stuck_since(&self) -> Option<Time> {
        self.stuck_since
    }

    /// Say whether a stream whose key frames cannot be told may go on with any frame: at its
    /// beginning, and where frames have waited in vain.
    #[must_use]
    pub fn may_begin(&self, now: Time) -> bool {
        let in_vain = self
            .stuck_since
            .is_some_and(|since| now.since(since) > GIVE_UP);
        self.decoded.is_none() || in_vain
    }

    /// Count the frames given up: incomplete, or without what they build on.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Find the frame of a packet, or make it.
    fn place(&mut self, part: &Part) -> usize {
        let mut place = self.waiting.len();
        while place > 0 {
            let before = &self.waiting[place - 1];
            if before.timestamp == part.timestamp {
                return place - 1;
            }
            if before.lowest < part.index {
                break;
            }
            place -= 1;
        }
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
            self.skipped += 1;
            place = place.saturating_sub(1);
        }
        self.waiting.insert(place, Partial::new(part));
        place
    }

    fn complete(&mut self, place: usize, loss: &LossMeter) {
        let is_first = self.decoded.is_none();
        let partial = &mut self.waiting[place];
        if !partial.complete && partial.is_whole(is_first, loss) {
            partial.complete = true;
            self.news.push_back(Assembled::Complete(partial.frame()));
        }
    }

    fn release(&mut self, now: Time, loss: &LossMeter) {
        let mut released = false;
        while let Some(place) = self.next_decodable(loss) {
            self.skipped += place as u64;
            self.waiting.drain(..place);
            let Some(partial) = self.waiting.pop_front() else {
                break;
            };
            self.decoded = Some(partial.frame());
            self.news.push_back(Assembled::Decodable(partial.frame()));
            released = true;
        }
        if released {
            self.stuck_since = None;
        }
        if self.waiting.iter().any(|partial| partial.complete) {
            self.stuck_since.get_or_insert(now);
        }
    }

    fn next_decodable(&self, loss: &LossMeter) -> Option<usize> {
        self.waiting
            .iter()
            .position(|partial| partial.complete && self.is_decodable(&partial.frame(), loss))
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
    fn new(part: &Part) -> Self {
        Self {
            timestamp: part.timestamp,
            lowest: part.index,
            begins: None,
            may_begin: false,
            ends: None,
            count: 0,
            bytes: 0,
            keyframe: false,
            picture_id: None,
            id: None,
            complete: false,
        }
    }

    fn add(&mut self, part: &Part) {
        self.count += 1;
        self.bytes += part.len;
        if part.index <= self.lowest {
            self.lowest = part.index;
            self.may_begin = part.start == Start::MaybeHere;
        }
        if part.start == Start::Here {
            self.begins = Some(part.index);
        }
        if part.end {
            self.ends = Some(part.index);
        }
        self.keyframe |= part.keyframe;
        self.picture_id = self.picture_id.or(part.picture_id);
        self.id = self.id.or(part.id);
    }

    /// Say whether all packets are there.
    ///
    /// Where the payload does not tell the beginning, the packet before tells: had it been of this
    /// frame, it would be in here. The very first frame of a stream has none before it.
    fn is_whole(&mut self, is_first: bool, loss: &LossMeter) -> bool {
        if self.begins.is_none() {
            let another_before = self.lowest > 0 && loss.has(self.lowest - 1);
            let opens_stream = is_first && self.may_begin && self.keyframe;
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
        }
    }
}
