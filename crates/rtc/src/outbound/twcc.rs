//! Transport-wide sequence numbers of what we send, and the feedback on them.
//!
//! Every packet of a transport takes the next number, retransmissions and padding too. A ring
//! keeps send time and size of the last packets; a congestion controller will read from it.

use core::time::Duration;
use wire::rtcp::TwccFeedback;
use wire::time::Time;

/// Packets remembered: 4 s of 2 Mb/s, 8 bytes each.
const REMEMBERED: usize = 1024;
/// Feedback that begins further behind tells nothing that is remembered, or lies.
const MOST_BEHIND: u16 = 2 * REMEMBERED as u16;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Fate {
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
    fate: Fate,
}

/// What one feedback newly told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Packets that arrived.
    pub acked_packets: u32,
    /// Their bytes.
    pub acked_bytes: u64,
    /// Packets that had not arrived.
    pub lost_packets: u32,
    /// Their bytes.
    pub lost_bytes: u64,
    /// Time since the newest packet acknowledged was sent: round trip and the receiver's wait.
    pub newest_age: Option<Duration>,
}

/// The sending side of one transport.
#[derive(Clone, Debug, Default)]
pub struct TwccSender {
    /// Grows to its full length with the first packet: transports that negotiate no
    /// transport-wide numbers pay nothing.
    ring: Vec<Sent>,
    next: u64,
}

impl TwccSender {
    /// Make a sender whose first number is 1.
    pub fn new() -> TwccSender {
        TwccSender::default()
    }

    /// Return the number for a packet that leaves at `now` with `len_bytes` on the wire.
    #[inline]
    pub fn stamp(&mut self, now: Time, len_bytes: usize) -> u16 {
        if self.ring.is_empty() {
            self.ring.resize(REMEMBERED, Sent::default());
        }
        self.next += 1;
        self.ring[self.next as usize % REMEMBERED] = Sent {
            at_us: now.as_micros() as u32,
            len_bytes: len_bytes.min(usize::from(u16::MAX)) as u16,
            fate: Fate::Unknown,
        };
        self.next as u16
    }

    /// Count the packets that took a number.
    pub fn stamped(&self) -> u64 {
        self.next
    }

    /// Take what a feedback tells about packets still remembered; nothing counts twice.
    pub fn on_feedback(&mut self, now: Time, feedback: &TwccFeedback<'_>) -> Summary {
        let mut summary = Summary::default();
        // Forty bytes can claim 65,535 packets: those never sent are not walked over.
        let behind = (self.next as u16).wrapping_sub(feedback.base_sequence);
        if behind >= MOST_BEHIND {
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
        if index == 0 || usize::from(behind) >= REMEMBERED {
            return None;
        }
        self.ring.get_mut(index as usize % REMEMBERED)
    }
}

impl Sent {
    fn acked(&mut self, now: Time, summary: &mut Summary) {
        if self.fate == Fate::Acked {
            return;
        }
        self.fate = Fate::Acked;
        summary.acked_packets += 1;
        summary.acked_bytes += u64::from(self.len_bytes);
        let age_us = (now.as_micros() as u32).wrapping_sub(self.at_us);
        summary.newest_age = Some(Duration::from_micros(u64::from(age_us)));
    }

    fn lost(&mut self, summary: &mut Summary) {
        if self.fate != Fate::Unknown {
            return;
        }
        self.fate = Fate::Lost;
        summary.lost_packets += 1;
        summary.lost_bytes += u64::from(self.len_bytes);
    }
}
