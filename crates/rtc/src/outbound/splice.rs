//! One outgoing stream made of several incoming ones.
//!
//! Joins what must change together where a subscription switches, pauses or drops: sequence
//! numbers, timestamps and picture numbers.

use wire::time::Time;

use super::sequence::{Forward, Origin, Placed, SequenceMap, Shift, Skip};
use crate::codec::{Codec, Described, Rewriter};
use crate::timeline::{Alignment, SourceClock, Timeline};

/// What the splice needs of an incoming packet.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Extended sequence number.
    pub index: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The payload as [`crate::codec::describe`] read it.
    pub described: &'a Described,
}

/// The numbers of one subscription's outgoing stream.
#[derive(Clone, Debug)]
pub struct Splice {
    sequence: SequenceMap,
    timeline: Timeline,
    pictures: Rewriter,
}

impl Splice {
    /// Start with a first sequence number below 2^15 and a first timestamp, drawn from `seed`.
    pub fn new(codec: Codec, clock_rate: u32, seed: u64) -> Self {
        Self {
            sequence: SequenceMap::new(seed as u16),
            timeline: Timeline::new(clock_rate, (seed >> 16) as u32),
            pictures: Rewriter::new(codec),
        }
    }

    /// Continue with another source (named by the caller) from its packet `first`.
    ///
    /// `from` is the clock of the source before; for the first source any will do.
    pub fn switch(
        &mut self,
        now: Time,
        source: u16,
        first: Incoming,
        from: &SourceClock,
        to: &SourceClock,
    ) -> Alignment {
        let alignment = self.timeline.switch(now, from, to, first.timestamp);
        self.resume(source, first);
        alignment
    }

    /// Go on with the same source after a pause, from its packet `first`.
    pub fn resume(&mut self, source: u16, first: Incoming) {
        self.pictures.switch(first.described);
        self.sequence
            .switch_source(source, first.index, self.shift());
    }

    /// Place a packet of the current source.
    #[inline]
    pub fn forward(&mut self, now: Time, packet: Incoming) -> Forward {
        let forward = self.sequence.forward(packet.index);
        if let Forward::New(_) = forward {
            self.timeline.sent(now, packet.timestamp);
            self.pictures.forwarded(packet.described);
        }
        forward
    }

    /// Drop a packet of the current source on purpose.
    pub fn skip(&mut self, packet: Incoming) -> Skip {
        self.pictures.dropped(packet.described);
        self.sequence.skip(packet.index, self.shift())
    }

    /// Take the next outgoing index for a packet that no source sent (H.264 parameter sets).
    pub fn insert(&mut self) -> Placed {
        self.sequence.insert()
    }

    /// Return where the packet came from that left under this sequence number, if remembered.
    pub fn origin(&self, sequence: u16) -> Option<Origin> {
        self.sequence.origin(sequence)
    }

    /// Return the outgoing timestamp for one of the current source.
    pub fn timestamp(&self, incoming: u32) -> u32 {
        self.timeline.at(incoming)
    }

    fn shift(&self) -> Shift {
        Shift {
            timestamp: self.timeline.shift(),
            picture: self.pictures.shift(),
        }
    }
}
