//! Loss of one stream: gaps in its sequence numbers before and after repair.

/// Packets looked back over to tell a late packet from a repeated one.
const WINDOW: u64 = 2_048;
const WORDS: usize = WINDOW as usize / 64;

/// Count what should have arrived and what did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// From the first to the highest sequence number.
    pub expected: u64,
    /// Arrived at the first try.
    pub arrived: u64,
    /// Arrived by repair, and not before.
    pub repaired: u64,
    /// Arrived again.
    pub repeated: u64,
}

impl Loss {
    /// Count the packets missing at the first try.
    #[must_use]
    pub fn lost_raw(&self) -> u64 {
        self.expected.saturating_sub(self.arrived)
    }

    /// Count the packets missing after repair.
    #[must_use]
    pub fn lost_after_rtx(&self) -> u64 {
        self.expected.saturating_sub(self.arrived + self.repaired)
    }

    /// Count two streams together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            arrived: self.arrived + other.arrived,
            repaired: self.repaired + other.repaired,
            repeated: self.repeated + other.repeated,
        }
    }

    /// Count what came between `earlier` and here.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            expected: self.expected.saturating_sub(earlier.expected),
            arrived: self.arrived.saturating_sub(earlier.arrived),
            repaired: self.repaired.saturating_sub(earlier.repaired),
            repeated: self.repeated.saturating_sub(earlier.repeated),
        }
    }
}

/// Follow the sequence numbers of one stream.
#[derive(Clone, Debug, Default)]
pub struct LossMeter {
    seen: [u64; WORDS],
    first: Option<u64>,
    highest: u64,
    loss: Loss,
}

impl LossMeter {
    /// Note a packet by its extended sequence number; return false where it came before.
    ///
    /// What is older than 2048 packets counts as repeated.
    pub fn arrived(&mut self, index: u64, by_repair: bool) -> bool {
        if !self.mark(index) {
            self.loss.repeated += 1;
            return false;
        }
        if by_repair {
            self.loss.repaired += 1;
        } else {
            self.loss.arrived += 1;
        }
        true
    }

    /// Say whether a packet has arrived; unknown long ago is no.
    #[must_use]
    pub fn has(&self, index: u64) -> bool {
        self.knows(index) && self.seen[word(index)] & bit(index) != 0
    }

    /// Say whether all packets of a range have arrived.
    #[must_use]
    pub fn has_all(&self, mut range: std::ops::Range<u64>) -> bool {
        range.end.saturating_sub(range.start) <= WINDOW && range.all(|index| self.has(index))
    }

    /// Return the counts so far.
    #[must_use]
    pub fn loss(&self) -> Loss {
        self.loss
    }

    fn mark(&mut self, index: u64) -> bool {
        let Some(first) = self.first else {
            (self.first, self.highest) = (Some(index), index);
            self.loss.expected = 1;
            self.seen[word(index)] |= bit(index);
            return true;
        };
        if index > self.highest {
            self.advance(index);
        } else if !self.knows(index) || self.has(index) {
            return false;
        } else if index < first {
            // Late from before what we took for the first.
            self.loss.expected += first - index;
            self.first = Some(index);
        }
        self.seen[word(index)] |= bit(index);
        true
    }

    fn advance(&mut self, index: u64) {
        let ahead = index - self.highest;
        self.loss.expected += ahead;
        if ahead >= WINDOW {
            self.seen.fill(0);
        } else {
            for passed in self.highest + 1..=index {
                self.seen[word(passed)] &= !bit(passed);
            }
        }
        self.highest = index;
    }

    fn knows(&self, index: u64) -> bool {
        self.first.is_some() && index <= self.highest && index + WINDOW > self.highest
    }
}

fn word(index: u64) -> usize {
    (index % WINDOW / 64) as usize
}

fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn repair_counts_apart_and_once() {
        let mut meter = LossMeter::default();
        for index in [100, 101, 104, 106] {
            assert!(meter.arrived(index, false));
        }
        assert!(meter.arrived(102, true));
        assert!(!meter.arrived(102, true));
        assert!(!meter.arrived(106, true));
        let loss = meter.loss();
        assert_eq!(
            (loss.expected, loss.lost_raw(), loss.lost_after_rtx()),
            (7, 3, 2)
        );
        assert_eq!(loss.repeated, 2);
        assert!(meter.has(102) && !meter.has(103) && !meter.has(99) && !meter.has(107));
        assert!(meter.has_all(100..103) && !meter.has_all(100..104));
    }

    #[test]
    fn a_window_of_time_is_a_difference() {
        let mut meter = LossMeter::default();
        (0..10).for_each(|index| assert!(meter.arrived(index, false)));
        let before = meter.loss();
        meter.arrived(14, false);
        let within = meter.loss().since(&before);
        assert_eq!((within.expected, within.lost_raw()), (5, 4));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(indices in prop::collection::vec(5_000u64..6_000, 1..500)) {
            let mut meter = LossMeter::default();
            let mut set = HashSet::new();
            for index in indices {
                prop_assert_eq!(meter.arrived(index, false), set.insert(index));
            }
            let (low, high) = (*set.iter().min().unwrap(), *set.iter().max().unwrap());
            prop_assert_eq!(meter.loss().expected, high - low + 1);
            prop_assert_eq!(meter.loss().arrived, set.len() as u64);
            prop_assert!((low..=high).all(|index| meter.has(index) == set.contains(&index)));
        }
    }
}
