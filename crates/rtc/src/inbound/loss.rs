//! Packet loss as receiver reports count it, and duplicates of originals and retransmissions.

/// Window of [`DuplicateFilter`], in packets behind the highest index.
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
        // A packet that arrives after a later first packet was expected too.
        range.lowest = range.lowest.min(index);
        range.highest = range.highest.max(index);
    }

    /// Return the highest index received.
    pub fn highest(&self) -> Option<u64> {
        self.range.map(|range| range.highest)
    }

    /// Return the number of packets received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Return the number of packets expected.
    pub fn expected(&self) -> u64 {
        self.range
            .map_or(0, |range| range.highest - range.lowest + 1)
    }

    /// Return the number of packets lost; negative after duplicates.
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Return the fraction lost since the last call, 1/256, and start the next interval.
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

/// Whether a packet is new.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// First arrival.
    Fresh,
    /// Received before: its original and its retransmission both arrived.
    Duplicate,
    /// Behind the window.
    TooOld,
}

/// The received packets of one encoding, originals and retransmissions.
///
/// The two have different SSRCs, so the SRTP replay window does not detect their duplicates.
#[derive(Clone, Copy, Debug, Default)]
pub struct DuplicateFilter {
    highest: Option<u64>,
    /// Bit `index % 1024` of the last 1024 indices.
    seen: [u64; WORDS],
}

impl DuplicateFilter {
    /// Create a filter without packets.
    pub fn new() -> DuplicateFilter {
        DuplicateFilter::default()
    }

    /// Return the highest index received.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Record a packet and return whether it is new.
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
        let mut recovery = DuplicateFilter::new();
        for index in [10, 12, 11] {
            assert_eq!(recovery.receive(index), Freshness::Fresh);
        }
        assert_eq!(recovery.receive(11), Freshness::Duplicate);
        assert_eq!(recovery.receive(12), Freshness::Duplicate);
        assert_eq!(recovery.receive(9), Freshness::Fresh);
    }

    #[test]
    fn the_window_forgets_what_it_left_behind() {
        let mut recovery = DuplicateFilter::new();
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
