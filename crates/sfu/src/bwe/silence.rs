//! Silence of a receiver: packets that wait for feedback.

use std::time::Duration;

use wire::time::Time;

/// A receiver is silent when packets have waited for feedback for so long; the estimate is frozen
/// meanwhile and then halved in these steps.
const SILENT_AFTER: Duration = Duration::from_secs(1);
const HALVED_EVERY: Duration = Duration::from_millis(500);
/// Packets are given up where no other was sent for so long: those of a paused video are the last
/// ones, and no receiver reports the loss of them.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3);

/// Packets that wait for feedback.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Packets sent before the last feedback.
    reported: u64,
    waiting: Option<Time>,
    halvings: u32,
    /// Packets sent at the last look, and since when there are no more.
    sent: u64,
    idle: Option<Time>,
}

impl Silence {
    pub(super) fn is_silent(&self) -> bool {
        self.halvings > 0
    }

    /// Note a feedback; return whether the receiver had been silent.
    pub(super) fn ended(&mut self, sent_packets: u64) -> bool {
        self.reported = sent_packets;
        self.waiting = None;
        std::mem::take(&mut self.halvings) > 0
    }

    /// Give up the packets that wait where nothing else is sent; return whether any did.
    pub(super) fn is_given_up(&mut self, now: Time, sent_packets: u64) -> bool {
        if sent_packets != self.sent {
            (self.sent, self.idle) = (sent_packets, None);
        }
        let idle = *self.idle.get_or_insert(now);
        let is_silent = self.is_silent() && now.since(idle) >= GIVEN_UP_AFTER;
        is_silent && self.ended(sent_packets)
    }

    /// Return whether the estimate is to be halved.
    pub(super) fn is_due(&mut self, now: Time, sent_packets: u64) -> bool {
        if sent_packets == self.reported {
            self.waiting = None;
            return false;
        }
        let waiting = *self.waiting.get_or_insert(now);
        let at = waiting + SILENT_AFTER + HALVED_EVERY * self.halvings;
        let is_due = now >= at;
        self.halvings += u32::from(is_due);
        is_due
    }
}
