//! Transport-wide sequence numbers of outgoing packets, and the feedback on them.
//!
//! Every packet of a transport gets the next number, retransmissions and padding included. A ring
//! keeps send time and size of the last packets for the bandwidth estimator.

use core::time::Duration;
use wire::rtcp::TwccFeedback;
use wire::time::Time;

/// Packets kept: 4 s of 2 Mb/s, 8 bytes each.
const RING_LEN: usize = 1024;
/// Feedback whose base sequence number is further behind is ignored: its packets are not kept.
const MAX_BEHIND: u16 = 2 * RING_LEN as u16;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Status {
    #[default]
    Unknown,
    Lost,
    Acked,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    /// Microseconds, modulo 2^32.
    at_us: u32,
    len_bytes: u16,
    status: Status,
}

/// Packets that one feedback newly reports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Packets reported received.
    pub acked_packets: u32,
    /// Bytes of these packets.
    pub acked_bytes: u64,
    /// Packets reported lost.
    pub lost_packets: u32,
    /// Bytes of these packets.
    pub lost_bytes: u64,
    /// Time since the newest acknowledged packet was sent: RTT and feedback delay.
    pub newest_age: Option<Duration>,
}

/// Transport-wide sequence numbers of one transport.
#[derive(Clone, Debug, Default)]
pub struct TwccSender {
    /// Allocated with the first packet: nothing for transports that do not negotiate the extension.
    ring: Vec<Sent>,
    next: u64,
}

impl TwccSender {
    /// Create a sender; the first number is 1.
    pub fn new() -> TwccSender {
        TwccSender::default()
    }

    /// Return the number of a packet sent at `now` with `len_bytes` on the wire.
    #[inline]
    pub fn stamp(&mut self, now: Time, len_bytes: usize) -> u16 {
        if self.ring.is_empty() {
            self.ring.resize(RING_LEN, Sent::default());
        }
        self.next += 1;
        self.ring[self.next as usize % RING_LEN] = Sent {
            at_us: now.as_micros() as u32,
            len_bytes: len_bytes.min(usize::from(u16::MAX)) as u16,
            status: Status::Unknown,
        };
        self.next as u16
    }

    /// Return the number of packets stamped.
    pub fn stamped(&self) -> u64 {
        self.next
    }

    /// Apply a feedback to the packets still kept; no packet counts twice.
    pub fn on_feedback(&mut self, now: Time, feedback: &TwccFeedback<'_>) -> Summary {
        let mut summary = Summary::default();
        // Forty bytes can report 65,535 packets: those never sent are skipped.
        let behind = (self.next as u16).wrapping_sub(feedback.base_sequence);
        if behind >= MAX_BEHIND {
            return summary;
        }
        for (sequence, arrival) in feedback.packets().take(usize::from(behind) + 1) {
            let Some(sent) = self.remembered(sequence) else {
                continue;
            };
            match arrival {
                Some(_) => sent.acked(now, &mut summary),
                None => sent.lost(&mut summary),
            }
        }
        summary
    }

    fn remembered(&mut self, sequence: u16) -> Option<&mut Sent> {
        let behind = (self.next as u16).wrapping_sub(sequence);
        let index = self.next.checked_sub(u64::from(behind))?;
        if index == 0 || usize::from(behind) >= RING_LEN {
            return None;
        }
        self.ring.get_mut(index as usize % RING_LEN)
    }
}

impl Sent {
    fn acked(&mut self, now: Time, summary: &mut Summary) {
        if self.status == Status::Acked {
            return;
        }
        self.status = Status::Acked;
        summary.acked_packets += 1;
        summary.acked_bytes += u64::from(self.len_bytes);
        let age_us = (now.as_micros() as u32).wrapping_sub(self.at_us);
        summary.newest_age = Some(Duration::from_micros(u64::from(age_us)));
    }

    fn lost(&mut self, summary: &mut Summary) {
        if self.status != Status::Unknown {
            return;
        }
        self.status = Status::Lost;
        summary.lost_packets += 1;
        summary.lost_bytes += u64::from(self.len_bytes);
    }
}
