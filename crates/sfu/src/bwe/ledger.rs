//! Ledger: transport-wide number, send time, size and probe cluster of each packet sent.
//!
//! Every packet of a transport takes the next number, retransmissions and padding included. The
//! packet path pays one increment and one store; everything else is paid per feedback.

use std::time::Duration;

use rtc::prefetch::prefetch;
use wire::time::Time;

use super::probe::ClusterId;

/// Feedback about packets of this age is still of use: 300 ms of bottleneck queue and 250 ms of
/// feedback interval outlive one second, a long round trip and lost feedback two more.
const KEPT: Duration = Duration::from_secs(3);
/// Entries at first: 5 s of 2 Mb/s.
const FIRST_LEN: usize = 1024;
/// Most entries, 8 bytes each: 3 s of 12 Mb/s.
const MAX_LEN: usize = 4096;

/// Packets that are loaded ahead of a feedback.
const REPORTED: u64 = 48;

/// What is known about a packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Status {
    #[default]
    Unreported,
    Lost,
    Received,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Microseconds, modulo 2^32.
    at_us: u32,
    len_bytes: u16,
    cluster: ClusterId,
    status: Status,
}

/// A packet that a feedback newly reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reported {
    /// Extended transport-wide number.
    pub index: u64,
    /// When the packet was sent.
    pub sent_us: u64,
    /// Bytes on the wire.
    pub len_bytes: u16,
    /// The probe cluster that it belongs to.
    pub cluster: ClusterId,
    /// Whether an earlier feedback reported it lost.
    pub was_lost: bool,
}

/// The packets that one transport sent last.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Allocated with the first packet: nothing for transports that do not negotiate the extension.
    ring: Vec<Entry>,
    /// Index of the newest packet; the first one is 1.
    newest: u64,
    /// The oldest packet of the present path.
    oldest: u64,
    /// Cluster of the packets that are sent now.
    cluster: ClusterId,
    sent_bytes: u64,
    last_us: u64,
}

impl Ledger {
    /// Make a ledger; the first number is 1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Load the places of the packets sent next.
    #[inline]
    pub fn prefetch_next(&self) {
        if let Some(next) = self
            .ring
            .get((self.newest as usize + 1) & self.ring.len().wrapping_sub(1))
        {
            prefetch(next, 1);
        }
    }

    /// Load the packets sent last, which the next feedback reports.
    pub fn prefetch_sent(&self) {
        let behind = self.newest.min(REPORTED);
        for index in (self.newest - behind..=self.newest).step_by(8) {
            if let Some(sent) = self
                .ring
                .get(index as usize & self.ring.len().wrapping_sub(1))
            {
                prefetch(sent, 1);
            }
        }
    }

    /// Record a packet sent at `now` with `len_bytes` on the wire, and return its number.
    #[inline]
    pub fn sent(&mut self, now: Time, len_bytes: usize) -> u16 {
        let at_us = now.as_micros();
        self.newest += 1;
        let len = self.ring.len();
        let place = self.newest as usize & len.wrapping_sub(1);
        if len == 0
            || (len < MAX_LEN && self.newest > len as u64 && is_kept(&self.ring[place], at_us))
        {
            self.grow();
        }
        let place = self.newest as usize & (self.ring.len() - 1);
        self.ring[place] = Entry {
            at_us: at_us as u32,
            len_bytes: len_bytes.min(usize::from(u16::MAX)) as u16,
            cluster: self.cluster,
            status: Status::Unreported,
        };
        self.sent_bytes += len_bytes as u64;
        self.last_us = at_us;
        self.newest as u16
    }

    /// Count the packets sent from now on as part of a probe cluster.
    pub fn set_cluster(&mut self, cluster: ClusterId) {
        self.cluster = cluster;
    }

    /// Return the bytes of all packets sent.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Return packets and bytes of all that was sent.
    #[must_use]
    pub fn sent_total(&self) -> (u64, u64) {
        (self.newest, self.sent_bytes)
    }

    /// Return the number of packets sent.
    #[must_use]
    pub fn sent_packets(&self) -> u64 {
        self.newest
    }

    /// Move the send time of the packets that were sent at `from` or later by `late`: the socket
    /// accepted them late.
    pub fn shift(&mut self, from: Time, late: Duration) {
        let from_us = from.as_micros();
        let late_us = late.as_micros() as u64;
        let is_shifted = self.last_us >= from_us;
        for index in (self.first_index()..=self.newest).rev() {
            let place = index as usize & (self.ring.len() - 1);
            if self.sent_us(self.ring[place]) < from_us {
                break;
            }
            let entry = &mut self.ring[place];
            entry.at_us = entry.at_us.wrapping_add(late_us as u32);
        }
        if is_shifted {
            self.last_us += late_us;
        }
    }

    /// Ignore feedback about all packets sent so far: they took another path.
    pub fn change_path(&mut self) {
        self.oldest = self.newest + 1;
    }

    /// Return how many of the packets that a feedback from this number on reports can be known;
    /// `None` if its first packet is older than the ledger or was never sent.
    #[must_use]
    pub fn reported_len(&self, base_sequence: u16) -> Option<usize> {
        let behind = usize::from((self.newest as u16).wrapping_sub(base_sequence));
        (behind < 2 * MAX_LEN && self.newest > 0).then_some(behind + 1)
    }

    /// Mark a packet as received; `None` if it is not kept, or was reported received before.
    #[inline]
    pub fn received(&mut self, sequence: u16) -> Option<Reported> {
        let (index, place) = self.find(sequence)?;
        let entry = self.ring[place];
        if entry.status == Status::Received {
            return None;
        }
        self.ring[place].status = Status::Received;
        Some(self.reported(index, entry))
    }

    /// Mark a packet as lost; `None` if it is not kept or was reported before.
    #[inline]
    pub fn lost(&mut self, sequence: u16) -> Option<Reported> {
        let (index, place) = self.find(sequence)?;
        let entry = self.ring[place];
        if entry.status != Status::Unreported {
            return None;
        }
        self.ring[place].status = Status::Lost;
        Some(self.reported(index, entry))
    }

    fn find(&self, sequence: u16) -> Option<(u64, usize)> {
        let behind = u64::from((self.newest as u16).wrapping_sub(sequence));
        let index = self.newest.checked_sub(behind)?;
        (index >= self.first_index()).then(|| (index, index as usize & (self.ring.len() - 1)))
    }

    fn reported(&self, index: u64, entry: Entry) -> Reported {
        Reported {
            index,
            sent_us: self.sent_us(entry),
            len_bytes: entry.len_bytes,
            cluster: entry.cluster,
            was_lost: entry.status == Status::Lost,
        }
    }

    /// Return the index of the oldest packet kept, at least 1.
    fn first_index(&self) -> u64 {
        let dropped = self.newest.saturating_sub(self.ring.len() as u64);
        self.oldest.max(dropped + 1)
    }

    fn sent_us(&self, entry: Entry) -> u64 {
        let age = (self.last_us as u32).wrapping_sub(entry.at_us);
        self.last_us.saturating_sub(u64::from(age))
    }

    #[cold]
    fn grow(&mut self) {
        let before = std::mem::take(&mut self.ring);
        let len = (before.len() * 2).max(FIRST_LEN);
        self.ring = vec![Entry::default(); len];
        // The newest packet has no entry yet.
        let dropped = (self.newest - 1).saturating_sub(before.len() as u64);
        for index in dropped + 1..self.newest {
            self.ring[index as usize & (len - 1)] = before[index as usize & (before.len() - 1)];
        }
    }
}

fn is_kept(entry: &Entry, now_us: u64) -> bool {
    let age_us = (now_us as u32).wrapping_sub(entry.at_us);
    u128::from(age_us) < KEPT.as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(ledger: &mut Ledger, packets: usize, every_us: u64, start_us: u64) -> u64 {
        for nth in 0..packets as u64 {
            ledger.sent(Time::from_micros(start_us + nth * every_us), 1000);
        }
        start_us + packets as u64 * every_us
    }

    #[test]
    fn a_packet_is_reported_once_and_lost_becomes_received() {
        let mut ledger = Ledger::new();
        sent(&mut ledger, 3, 1_000, 50_000);
        assert_eq!(ledger.lost(2).map(|it| it.sent_us), Some(51_000));
        assert_eq!(ledger.lost(2), None);
        assert!(ledger.received(2).is_some_and(|it| it.was_lost));
        assert_eq!(ledger.received(2), None);
        assert_eq!(ledger.lost(2), None);
    }

    #[test]
    fn numbers_never_sent_are_unknown() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.received(1), None);
        sent(&mut ledger, 3, 1_000, 0);
        for sequence in [0, 4, 5, 1_000, 40_000, u16::MAX] {
            assert_eq!(ledger.received(sequence), None, "{sequence}");
        }
    }

    #[test]
    fn the_ring_grows_at_high_rates_only_and_keeps_its_entries() {
        let mut slow = Ledger::new();
        sent(&mut slow, 5_000, 4_000, 0);
        assert_eq!(slow.ring.len(), FIRST_LEN);
        let mut fast = Ledger::new();
        sent(&mut fast, 2_500, 1_000, 0);
        assert_eq!(fast.ring.len(), MAX_LEN);
        for sequence in 1..=2_500 {
            let reported = fast.received(sequence).expect("kept");
            assert_eq!(reported.sent_us, u64::from(sequence - 1) * 1_000);
        }
        sent(&mut fast, 20_000, 100, 2_500_000);
        assert_eq!(fast.ring.len(), MAX_LEN, "bounded");
    }

    #[test]
    fn numbers_and_times_wrap() {
        let mut ledger = Ledger::new();
        let start = u64::from(u32::MAX) - 100_000;
        sent(&mut ledger, 65_530, 1, start - 70_000);
        let last = u64::from(u32::MAX) + 5_000;
        for nth in 0..10 {
            ledger.sent(Time::from_micros(last + nth), 100);
        }
        // 65,540 packets were sent: the last has number 4.
        let reported = ledger.received(4).expect("kept");
        assert_eq!((reported.index, reported.sent_us), (65_540, last + 9));
        assert_eq!(ledger.received(65_531).expect("kept").sent_us, last);
    }

    #[test]
    fn packets_accepted_late_are_shifted() {
        let mut ledger = Ledger::new();
        sent(&mut ledger, 4, 5_000, 0);
        ledger.shift(Time::from_micros(10_000), Duration::from_millis(7));
        let times: Vec<_> = (1..=4)
            .map(|it| ledger.received(it).expect("kept").sent_us)
            .collect();
        assert_eq!(times, [0, 5_000, 17_000, 22_000]);
    }

    #[test]
    fn packets_of_another_path_are_not_reported() {
        let mut ledger = Ledger::new();
        sent(&mut ledger, 4, 5_000, 0);
        ledger.change_path();
        sent(&mut ledger, 1, 5_000, 20_000);
        assert_eq!(ledger.received(4), None);
        assert!(ledger.received(5).is_some());
    }
}
