//! Datagrams dropped at full receive buffers, where the kernel counts messages.
//!
//! With `UDP_GRO` a message is a train of datagrams, and counts as one where it is dropped. Drops are
//! evidence against the load generator, so each is multiplied by the mean length of the trains
//! received.

/// Dropped messages, as datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drops {
    messages: u64,
    datagrams: u64,
    /// Dropped messages that are counted in `dropped`.
    counted: u64,
    dropped: u64,
}

impl Drops {
    /// Count received messages, and the datagrams in them.
    pub fn on_received(&mut self, messages: usize, datagrams: u64) {
        self.messages += messages as u64;
        self.datagrams += datagrams;
    }

    /// Return the number of datagrams dropped, given that of messages; it never decreases.
    pub fn datagrams(&mut self, messages: u64) -> u64 {
        let more = messages.saturating_sub(self.counted);
        self.counted += more;
        let length = self.datagrams as f64 / self.messages.max(1) as f64;
        self.dropped += (more as f64 * length.max(1.0)).ceil() as u64;
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_datagrams_are_counted_as_they_are() {
        let mut drops = Drops::default();
        assert_eq!(drops.datagrams(3), 3);
        drops.on_received(10, 10);
        assert_eq!(drops.datagrams(7), 7);
        // Messages without usable datagrams.
        drops.on_received(90, 0);
        assert_eq!(drops.datagrams(9), 9);
    }

    #[test]
    fn trains_count_by_their_mean_length_and_the_count_never_decreases() {
        let mut drops = Drops::default();
        drops.on_received(10, 55);
        assert_eq!(drops.datagrams(2), 11);
        drops.on_received(90, 90);
        assert_eq!(drops.datagrams(2), 11);
        assert_eq!(drops.datagrams(4), 14);
        assert_eq!(drops.datagrams(1), 14);
    }
}
