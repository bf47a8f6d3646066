//! Outgoing sequence numbers of one subscription.
//!
//! The outgoing index runs on while the source below it changes, pauses and loses packets on
//! purpose. The map is a list of stretches: within one, incoming and outgoing index advance
//! together, and the same [`Shift`] applies to timestamps and picture numbers. A hole closed on
//! purpose and a switch of source both begin a new stretch. The current one is held inline (the
//! in-order case is a comparison and an addition); older ones stand in a bounded ring, where late
//! packets and NACKs find them.

use std::collections::VecDeque;

use crate::codec::PictureShift;

/// What is added to and subtracted from the numbers inside a packet of one stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Added to the RTP timestamp.
    pub timestamp: u32,
    /// Subtracted from the picture numbers.
    pub picture: PictureShift,
}

/// The place of a packet in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Extended sequence number: ROC and SEQ.
    pub index: u64,
    /// How the packet is rewritten.
    pub shift: Shift,
}

/// What to do with a packet that selection wants to forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The newest packet so far.
    New(Placed),
    /// Older than one already seen: reordered, recovered or repeated.
    Late(Placed),
    /// There is no place for it.
    Drop(DropReason),
}

/// Why a packet has no place in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It is from before the last switch of source (or no source was ever chosen).
    BeforeSwitch,
    /// It was skipped and its gap is closed.
    Skipped,
    /// The stretch it belonged to is forgotten.
    Forgotten,
}

/// Whether a packet dropped on purpose leaves a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Receivers will not notice.
    Closed,
    /// Later packets already left: the outgoing index stays free, and receivers will ask for it.
    GapRemains,
}

/// Where an outgoing packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the source, under this incoming index.
    Source {
        /// The name given to [`SequenceMap::switch_source`].
        source: u16,
        /// Incoming extended sequence number.
        index: u64,
        /// Its place in the outgoing stream.
        placed: Placed,
    },
    /// It was inserted here ([`SequenceMap::insert`]).
    Inserted(Placed),
}

impl Origin {
    /// Return its place in the outgoing stream.
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
    current: Stretch,
    /// One more than the newest incoming index seen.
    next_in: u64,
    /// Ended stretches, oldest first; none is empty.
    ended: VecDeque<Stretch>,
}

impl SequenceMap {
    /// Start at a first outgoing index below 2^15, drawn from `seed`.
    ///
    /// Below 2^15 so that a receiver that misses the first packets cannot guess a wrong ROC
    /// (RFC 3711 section 3.3.1).
    pub fn new(seed: u16) -> Self {
        let current = Stretch {
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
    /// Also for a source that was paused: what it sent meanwhile leaves no gap.
    pub fn switch_source(&mut self, source: u16, first: u64, shift: Shift) {
        let out_start = self.next_index();
        self.begin(Stretch {
            in_start: first,
            out_start,
            shift,
            source,
            begins: Begins::Source,
        });
        self.next_in = first;
    }

    /// Place a packet of the current source.
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

    /// Drop a packet of the current source on purpose; `shift` applies to packets behind it.
    pub fn skip(&mut self, index: u64, shift: Shift) -> Skip {
        if index < self.next_in {
            return self.skip_late(index);
        }
        if index - self.next_in > MAX_GAP {
            self.shorten_gap(index);
        }
        // Packets lost just before this one belong to the current stretch.
        self.next_in = index;
        let in_start = index.saturating_add(1);
        let out_start = self.next_index();
        self.begin(Stretch {
            in_start,
            out_start,
            shift,
            ..self.following()
        });
        self.next_in = in_start;
        Skip::Closed
    }

    /// Take the next outgoing index for a packet that no source sent.
    pub fn insert(&mut self) -> Placed {
        let out_start = self.next_index();
        let following = Stretch {
            out_start: out_start + 1,
            ..self.following()
        };
        let inserted = Stretch {
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

    /// Return where the packet came from that left under this sequence number, if remembered.
    pub fn origin(&self, sequence: u16) -> Option<Origin> {
        let newest = self.next_index().checked_sub(1)?;
        let age = (newest as u16).wrapping_sub(sequence);
        if age >= 1 << 15 {
            return None;
        }
        self.origin_of_index(newest.checked_sub(age.into())?)
    }

    /// Return where the packet came from that left under this index, if remembered.
    pub fn origin_of_index(&self, index: u64) -> Option<Origin> {
        if index >= self.next_index() {
            return None;
        }
        if index >= self.current.out_start {
            return Some(self.current.origin(index));
        }
        let after = self
            .ended
            .partition_point(|stretch| stretch.out_start <= index);
        Some(self.ended.get(after.checked_sub(1)?)?.origin(index))
    }

    /// Return the outgoing index of the next packet.
    pub fn next_index(&self) -> u64 {
        self.current.out_start + (self.next_in - self.current.in_start)
    }

    /// The current stretch holds no incoming index yet.
    fn is_empty(&self) -> bool {
        self.next_in == self.current.in_start
    }

    /// The stretch that would continue the current source from here.
    fn following(&self) -> Stretch {
        let begins = match self.is_empty() {
            true => self.current.begins,
            false => Begins::AfterHole,
        };
        Stretch {
            in_start: self.next_in,
            out_start: self.next_index(),
            begins,
            ..self.current
        }
    }

    fn begin(&mut self, next: Stretch) {
        if !self.is_empty() {
            self.remember(self.current);
        }
        self.current = next;
    }

    fn remember(&mut self, stretch: Stretch) {
        if self.ended.len() == MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(stretch);
    }

    /// Leave a gap of one packet where the source leapt.
    ///
    /// Nobody can repair so many packets, and a leap of 2^15 would break the receiver's guess of
    /// the ROC for good (RFC 3711 section 3.3.1).
    #[cold]
    fn shorten_gap(&mut self, index: u64) {
        let missing = u64::from(!self.is_empty());
        let out_start = self.next_index() + missing;
        self.begin(Stretch {
            in_start: index,
            out_start,
            ..self.following()
        });
        self.next_in = index;
    }

    #[cold]
    fn place_in_ended(&self, index: u64) -> Forward {
        let mut later = &self.current;
        for stretch in self.ended.iter().rev() {
            if later.begins == Begins::Source {
                return Forward::Drop(DropReason::BeforeSwitch);
            }
            if stretch.begins != Begins::Insertion && index >= stretch.in_start {
                let placed = stretch.place(index);
                return match placed.index < later.out_start {
                    true => Forward::Late(placed),
                    false => Forward::Drop(DropReason::Skipped),
                };
            }
            later = stretch;
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

/// A run of incoming indices that map to as many outgoing ones.
///
/// It ends where the next one starts, in outgoing indices.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    in_start: u64,
    out_start: u64,
    shift: Shift,
    source: u16,
    begins: Begins,
}

/// What stands before a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    Source,
    AfterHole,
    /// The stretch is one inserted packet and holds no incoming index.
    Insertion,
}

impl Stretch {
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

/// Two temporal layers dropped at 60 frames/s end 30 stretches a second: four seconds of them.
const MAX_ENDED: usize = 128;

/// More packets than a history holds.
const MAX_GAP: u64 = 4096;
