//! Outgoing sequence numbers of one subscription.
//!
//! The outgoing index is continuous while the source changes, pauses and has packets skipped. The
//! map is a list of segments: within one, incoming and outgoing index advance together, and the
//! same [`Shift`] applies to timestamps and picture ids. A skipped packet and a switch of source
//! both start a new segment. The current one is held inline (the in-order case is a comparison and
//! an addition); older ones are kept in a bounded ring for late packets and NACKs.

use std::collections::VecDeque;

use crate::codec::picture_id;

/// Offsets of RTP timestamp and picture ids for the packets of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Added to the RTP timestamp.
    pub timestamp: u32,
    /// Subtracted from picture id, TL0PICIDX and KEYIDX.
    pub picture_ids: picture_id::Shift,
}

/// Outgoing index of a packet, and how it is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Extended sequence number: ROC and SEQ.
    pub index: u64,
    /// How the packet is rewritten.
    pub shift: Shift,
}

/// What to do with a packet selected for forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The newest packet so far.
    New(Placed),
    /// Older than the newest packet: reordered, recovered or retransmitted.
    Late(Placed),
    /// No outgoing index: drop the packet.
    Drop(DropReason),
}

/// Why a packet has no outgoing index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Packet from before the last switch of source (or no source was selected yet).
    BeforeSwitch,
    /// Skipped before, and its gap is closed.
    Skipped,
    /// Its segment is no longer kept.
    Forgotten,
}

/// Whether a skipped packet leaves a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// No gap in the outgoing sequence numbers.
    Closed,
    /// Later packets were already sent: the outgoing index stays unused, and receivers will send
    /// NACKs.
    GapRemains,
}

/// Origin of an outgoing packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Forwarded from a source.
    Source {
        /// The source passed to [`SequenceMap::switch_source`].
        source: u16,
        /// Incoming extended sequence number.
        index: u64,
        /// Outgoing index and shift.
        placed: Placed,
    },
    /// Inserted by [`SequenceMap::insert`].
    Inserted(Placed),
}

impl Origin {
    /// Return the outgoing index and shift.
    #[must_use]
    pub fn placed(&self) -> Placed {
        match self {
            Self::Source { placed, .. } | Self::Inserted(placed) => *placed,
        }
    }
}

/// The map from incoming to outgoing extended sequence numbers of one subscription.
#[derive(Clone, Debug)]
pub struct SequenceMap {
    current: Segment,
    /// One more than the newest incoming index seen.
    next_in: u64,
    /// Ended segments, oldest first; none is empty.
    ended: VecDeque<Segment>,
}

impl SequenceMap {
    /// Start at a first outgoing index below 2^15, drawn from `seed`.
    ///
    /// Below 2^15 so that a receiver that misses the first packets cannot guess a wrong ROC
    /// (RFC 3711 section 3.3.1).
    pub fn new(seed: u16) -> Self {
        let current = Segment {
            in_start: u64::MAX,
            out_start: u64::from(seed & 0x7fff),
            shift: Shift::default(),
            source: 0,
            begins: Begins::Source,
        };
        Self {
            current,
            next_in: u64::MAX,
            ended: VecDeque::new(),
        }
    }

    /// Continue the outgoing stream with `source` from its packet `first`.
    ///
    /// Also for a source that was paused: the packets in between leave no gap.
    pub fn switch_source(&mut self, source: u16, first: u64, shift: Shift) {
        let out_start = self.next_index();
        self.begin(Segment {
            in_start: first,
            out_start,
            shift,
            source,
            begins: Begins::Source,
        });
        self.next_in = first;
    }

    /// Return the outgoing index of a packet of the current source.
    #[inline]
    pub fn forward(&mut self, index: u64) -> Forward {
        if index < self.current.in_start {
            return self.place_in_ended(index);
        }
        if index < self.next_in {
            return Forward::Late(self.current.place(index));
        }
        if index - self.next_in > MAX_GAP {
            self.shorten_gap(index);
        }
        self.next_in = index.saturating_add(1);
        Forward::New(self.current.place(index))
    }

    /// Skip a packet of the current source; `shift` applies to later packets.
    pub fn skip(&mut self, index: u64, shift: Shift) -> Skip {
        if index < self.next_in {
            return self.skip_late(index);
        }
        if index - self.next_in > MAX_GAP {
            self.shorten_gap(index);
        }
        // Packets lost just before this one belong to the current segment.
        self.next_in = index;
        let in_start = index.saturating_add(1);
        let out_start = self.next_index();
        self.begin(Segment {
            in_start,
            out_start,
            shift,
            ..self.following()
        });
        self.next_in = in_start;
        Skip::Closed
    }

    /// Allocate the next outgoing index for a packet of no source.
    pub fn insert(&mut self) -> Placed {
        let out_start = self.next_index();
        let following = Segment {
            out_start: out_start + 1,
            ..self.following()
        };
        let inserted = Segment {
            out_start,
            begins: Begins::Insertion,
            ..following
        };
        if !self.is_empty() {
            self.remember(self.current);
        }
        self.remember(inserted);
        self.current = following;
        Placed {
            index: out_start,
            shift: following.shift,
        }
    }

    /// Return the origin of the packet sent with this sequence number, where its segment is kept.
    pub fn origin(&self, sequence: u16) -> Option<Origin> {
        let newest = self.next_index().checked_sub(1)?;
        let age = (newest as u16).wrapping_sub(sequence);
        if age >= 1 << 15 {
            return None;
        }
        self.origin_of_index(newest.checked_sub(age.into())?)
    }

    /// Return the origin of the packet sent with this index, where its segment is kept.
    pub fn origin_of_index(&self, index: u64) -> Option<Origin> {
        if index >= self.next_index() {
            return None;
        }
        if index >= self.current.out_start {
            return Some(self.current.origin(index));
        }
        let after = self
            .ended
            .partition_point(|segment| segment.out_start <= index);
        Some(self.ended.get(after.checked_sub(1)?)?.origin(index))
    }

    /// Return the outgoing index of the next packet.
    pub fn next_index(&self) -> u64 {
        self.current.out_start + (self.next_in - self.current.in_start)
    }

    /// Return whether the current segment has no incoming index yet.
    fn is_empty(&self) -> bool {
        self.next_in == self.current.in_start
    }

    /// Return the segment that continues the current source from here.
    fn following(&self) -> Segment {
        let begins = match self.is_empty() {
            true => self.current.begins,
            false => Begins::AfterGap,
        };
        Segment {
            in_start: self.next_in,
            out_start: self.next_index(),
            begins,
            ..self.current
        }
    }

    fn begin(&mut self, next: Segment) {
        if !self.is_empty() {
            self.remember(self.current);
        }
        self.current = next;
    }

    fn remember(&mut self, segment: Segment) {
        if self.ended.len() == MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(segment);
    }

    /// Reduce a large gap of the source to one packet.
    ///
    /// So many packets cannot be retransmitted, and a gap of 2^15 would break the receiver's ROC
    /// estimate for good (RFC 3711 section 3.3.1).
    #[cold]
    fn shorten_gap(&mut self, index: u64) {
        let missing = u64::from(!self.is_empty());
        let out_start = self.next_index() + missing;
        self.begin(Segment {
            in_start: index,
            out_start,
            ..self.following()
        });
        self.next_in = index;
    }

    #[cold]
    fn place_in_ended(&self, index: u64) -> Forward {
        let mut later = &self.current;
        for segment in self.ended.iter().rev() {
            if later.begins == Begins::Source {
                return Forward::Drop(DropReason::BeforeSwitch);
            }
            if segment.begins != Begins::Insertion && index >= segment.in_start {
                let placed = segment.place(index);
                return match placed.index < later.out_start {
                    true => Forward::Late(placed),
                    false => Forward::Drop(DropReason::Skipped),
                };
            }
            later = segment;
        }
        match later.begins {
            Begins::Source => Forward::Drop(DropReason::BeforeSwitch),
            _ => Forward::Drop(DropReason::Forgotten),
        }
    }

    fn skip_late(&self, index: u64) -> Skip {
        if index >= self.current.in_start {
            return Skip::GapRemains;
        }
        match self.place_in_ended(index) {
            Forward::Late(_) => Skip::GapRemains,
            _ => Skip::Closed,
        }
    }
}

/// Consecutive incoming indices that map to as many outgoing ones.
///
/// A segment ends where the next one starts, in outgoing indices.
#[derive(Clone, Copy, Debug)]
struct Segment {
    in_start: u64,
    out_start: u64,
    shift: Shift,
    source: u16,
    begins: Begins,
}

/// How a segment starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    Source,
    AfterGap,
    /// The segment is one inserted packet and holds no incoming index.
    Insertion,
}

impl Segment {
    #[inline]
    fn place(&self, index: u64) -> Placed {
        Placed {
            index: self.out_start + (index - self.in_start),
            shift: self.shift,
        }
    }

    fn origin(&self, out: u64) -> Origin {
        let placed = Placed {
            index: out,
            shift: self.shift,
        };
        match self.begins {
            Begins::Insertion => Origin::Inserted(placed),
            _ => Origin::Source {
                source: self.source,
                index: self.in_start + (out - self.out_start),
                placed,
            },
        }
    }
}

/// Two temporal layers skipped at 60 frames/s end 30 segments per second: four seconds.
const MAX_ENDED: usize = 128;

/// Larger than any history, packets.
const MAX_GAP: u64 = 4096;
