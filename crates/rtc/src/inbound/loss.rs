//! Which packets came: loss as it is reported, and a packet that came both ways told apart.

/// Packets behind the highest that [`Recovery`] still tells apart.
const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// Expected and received packets of one SSRC (RFC 3550 appendix A.3), retransmissions excluded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossCounter {
    range: Option<Range>,
    received: u64,
    expected_before: u64,
    received_before: u64,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    lowest: u64,
    highest: u64,
}

impl LossCounter {
    /// Count one packet.
    #[inline]
    pub fn receive(&mut self, index: u64) {
        self.received += 1;
        let range = self.range.get_or_insert(Range {
            lowest: index,
            highest: index,
        });
        // A packet overtaken by the very first one was expected too.
        range.lowest = range.lowest.min(index);
        range.highest = range.highest.max(index);
    }

    /// Return the highest index received.
    pub fn highest(&self) -> Option<u64> {
        self.range.map(|range| range.highest)
    }

    /// Count the packets received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Count the packets that should have come so far.
    pub fn expected(&self) -> u64 {
        self.range
            .map_or(0, |range| range.highest - range.lowest + 1)
    }

    /// Count the packets lost so far; negative after duplicates.
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Return the fraction lost since the last call, 1/256, and begin the next interval.
    pub fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        self.expected_before += expected;
        self.received_before += received;
        if expected == 0 || received >= expected {
            return 0;
        }
        ((expected - received) * 256 / expected).min(255) as u8
    }
}

/// Whether a packet is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// It had not come before.
    Fresh,
    /// It came before, by the other way: its original and its retransmission both arrived.
    Duplicate,
    /// It is too far behind to tell.
    TooOld,
}

/// The packets of one encoding that came, as originals or by retransmission.
///
/// The two come under different SSRCs, so the SRTP replay window does not tell them apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovery {
    highest: Option<u64>,
    /// Bit `index % 1024` of the last 1024 indices.
    seen: [u64; WORDS],
}

impl Recovery {
    /// Make a record of nothing.
    pub fn new() -> Recovery {
        Recovery::default()
    }

    /// Note a packet and tell whether it had come before.
    #[inline]
    pub fn receive(&mut self, index: u64) -> Freshness {
        let highest = *self.highest.get_or_insert(index);
        if index + WINDOW <= highest {
            return Freshness::TooOld;
        }
        if index > highest {
            self.advance(highest, index);
        }
        let (word, bit) = place(index);
        if self.seen[word] & bit != 0 {
            return Freshness::Duplicate;
        }
        self.seen[word] |= bit;
        Freshness::Fresh
    }

    fn advance(&mut self, highest: u64, index: u64) {
        self.highest = Some(index);
        if index - highest >= WINDOW {
            self.seen = [0; WORDS];
            return;
        }
        for passed in highest + 1..=index {
            let (word, bit) = place(passed);
            self.seen[word] &= !bit;
        }
    }
}

fn place(index: u64) -> (usize, u64) {
    ((index / 64) as usize % WORDS, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(indices: &[u64]) -> LossCounter {
        let mut loss = LossCounter::default();
        for &index in indices {
            loss.receive(index);
        }
        loss
    }

    #[test]
    fn reordering_is_no_loss() {
        let loss = counted(&[101, 100, 103, 102]);
        assert_eq!((loss.expected(), loss.lost()), (4, 0));
        assert_eq!(loss.highest(), Some(103));
    }

    #[test]
    fn duplicates_make_the_count_negative() {
        assert_eq!(counted(&[7, 7]).lost(), -1);
    }

    #[test]
    fn the_fraction_is_that_of_the_interval() {
        let mut loss = counted(&[0, 1, 2, 5]);
        assert_eq!(loss.take_fraction_lost(), 85);
        loss.receive(6);
        loss.receive(7);
        assert_eq!(loss.take_fraction_lost(), 0);
        assert_eq!(loss.take_fraction_lost(), 0);
        loss.receive(1_000_000);
        assert_eq!(loss.take_fraction_lost(), 255);
        assert_eq!(loss.lost(), 1_000_001 - 7);
    }

    #[test]
    fn late_packets_do_not_lose_a_fraction() {
        let mut loss = counted(&[0, 3]);
        assert_eq!(loss.take_fraction_lost(), 128);
        loss.receive(1);
        loss.receive(2);
        assert_eq!(loss.take_fraction_lost(), 0);
        assert_eq!(loss.lost(), 0);
    }

    #[test]
    fn an_original_after_its_retransmission_is_a_duplicate() {
        let mut recovery = Recovery::new();
        for index in [10, 12, 11] {
            assert_eq!(recovery.receive(index), Freshness::Fresh);
        }
        assert_eq!(recovery.receive(11), Freshness::Duplicate);
        assert_eq!(recovery.receive(12), Freshness::Duplicate);
        assert_eq!(recovery.receive(9), Freshness::Fresh);
    }

    #[test]
    fn the_window_forgets_what_it_left_behind() {
        let mut recovery = Recovery::new();
        recovery.receive(0);
        assert_eq!(recovery.receive(1023), Freshness::Fresh);
        assert_eq!(recovery.receive(0), Freshness::Duplicate);
        assert_eq!(recovery.receive(1024), Freshness::Fresh);
        assert_eq!(recovery.receive(0), Freshness::TooOld);
        assert_eq!(recovery.receive(1), Freshness::Fresh);
        assert_eq!(recovery.receive(50_000), Freshness::Fresh);
        assert_eq!(recovery.receive(49_999), Freshness::Fresh);
        assert_eq!(recovery.receive(50_000), Freshness::Duplicate);
    }
}
