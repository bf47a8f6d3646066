//! Markers of temporal units whose last packets are left out, by outgoing index: a retransmission has
//! the marker that its packet was sent with, whichever layer is sent by then.

/// Packets that are remembered: more than a history keeps.
const REMEMBERED: u64 = 1_024;
const WORDS: usize = REMEMBERED as usize / 64;

/// The packets of one subscription that were given a marker.
#[derive(Debug, Default)]
pub struct Markers {
    newest: u64,
    /// A bit for each of the last indices, by index modulo their number.
    given: [u64; WORDS],
}

impl Markers {
    /// Record that the packet with an outgoing index was given a marker.
    pub fn give(&mut self, index: u64) {
        let first = (self.newest + 1).max(index.saturating_sub(REMEMBERED - 1));
        for passed in first..=index {
            *self.word(passed) &= !bit(passed);
        }
        self.newest = self.newest.max(index);
        if self.is_remembered(index) {
            *self.word(index) |= bit(index);
        }
    }

    /// Return whether the packet with an outgoing index was given a marker.
    #[must_use]
    pub fn has(&self, index: u64) -> bool {
        self.is_remembered(index) && self.given[place(index)] & bit(index) != 0
    }

    fn is_remembered(&self, index: u64) -> bool {
        self.newest
            .checked_sub(index)
            .is_some_and(|age| age < REMEMBERED)
    }

    fn word(&mut self, index: u64) -> &mut u64 {
        &mut self.given[place(index)]
    }
}

fn place(index: u64) -> usize {
    (index / 64) as usize % WORDS
}

fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_last_packets_are_remembered() {
        let (mut markers, mut given) = (Markers::default(), HashSet::new());
        let first = 30_000;
        for index in (first..first + 5_000).filter(|index| index % 7 == 0 || index % 50 == 3) {
            markers.give(index);
            given.insert(index);
            // One that came late.
            markers.give(index - 2);
            given.insert(index - 2);
            for other in index.saturating_sub(REMEMBERED - 1)..index + 10 {
                assert_eq!(markers.has(other), given.contains(&other), "{other}");
            }
        }
        assert!(!markers.has(first));
        markers.give(first);
        assert!(!markers.has(first), "too old");
        markers.give(u64::from(u32::MAX));
        assert!(!markers.has(first + 4_998));
    }
}
