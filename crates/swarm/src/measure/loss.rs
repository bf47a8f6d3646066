//! Packet loss of one stream: sequence number gaps before and after retransmission.

/// Length of the history that distinguishes late packets from duplicates.
const WINDOW: u64 = 2_048;
const WORDS: usize = WINDOW as usize / 64;

/// Packet counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Packets from the first to the highest sequence number.
    pub expected: u64,
    /// Packets received without retransmission.
    pub arrived: u64,
    /// Packets received by retransmission alone.
    pub repaired: u64,
    /// Duplicates.
    pub repeated: u64,
}

impl Loss {
    /// Return the packets lost before retransmission.
    #[must_use]
    pub fn lost_raw(&self) -> u64 {
        self.expected.saturating_sub(self.arrived)
    }

    /// Return the packets lost after retransmission.
    #[must_use]
    pub fn lost_after_rtx(&self) -> u64 {
        self.expected.saturating_sub(self.arrived + self.repaired)
    }

    /// Return the sum of two streams.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            arrived: self.arrived + other.arrived,
            repaired: self.repaired + other.repaired,
            repeated: self.repeated + other.repeated,
        }
    }

    /// Return the difference to `earlier`.
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

/// Counts the sequence numbers of one stream.
#[derive(Clone, Debug, Default)]
pub struct LossMeter {
    seen: [u64; WORDS],
    first: Option<u64>,
    highest: u64,
    loss: Loss,
}

impl LossMeter {
    /// Record a packet by its extended sequence number; return false for duplicates.
    ///
    /// A packet older than the last 2048 counts as a duplicate.
    pub fn record(&mut self, index: u64, by_repair: bool) -> bool {
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

    /// Return whether a packet was received; false for packets before the history.
    #[must_use]
    pub fn has(&self, index: u64) -> bool {
        self.is_in_window(index) && self.seen[word(index)] & bit(index) != 0
    }

    /// Return whether all packets of a range were received.
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
        } else if !self.is_in_window(index) || self.has(index) {
            return false;
        } else if index < first {
            // A reordered packet from before the first one received.
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

    fn is_in_window(&self, index: u64) -> bool {
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
    fn retransmissions_are_counted_apart_and_once() {
        let mut meter = LossMeter::default();
        for index in [100, 101, 104, 106] {
            assert!(meter.record(index, false));
        }
        assert!(meter.record(102, true));
        assert!(!meter.record(102, true));
        assert!(!meter.record(106, true));
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
    fn a_measurement_window_is_a_difference() {
        let mut meter = LossMeter::default();
        (0..10).for_each(|index| assert!(meter.record(index, false)));
        let before = meter.loss();
        meter.record(14, false);
        let within = meter.loss().since(&before);
        assert_eq!((within.expected, within.lost_raw()), (5, 4));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(indices in prop::collection::vec(5_000u64..6_000, 1..500)) {
            let mut meter = LossMeter::default();
            let mut set = HashSet::new();
            for index in indices {
                prop_assert_eq!(meter.record(index, false), set.insert(index));
            }
            let (low, high) = (*set.iter().min().unwrap(), *set.iter().max().unwrap());
            prop_assert_eq!(meter.loss().expected, high - low + 1);
            prop_assert_eq!(meter.loss().arrived, set.len() as u64);
            prop_assert!((low..=high).all(|index| meter.has(index) == set.contains(&index)));
        }
    }
}
