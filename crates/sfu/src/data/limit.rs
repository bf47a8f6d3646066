//! How much one participant may have the server deliver: a token bucket.

use std::time::Duration;

use wire::time::Time;

/// Bytes per second delivered to all receivers together, for one sender: twice what a bulk transfer
/// at 60 Mb/s needs.
const BYTES_PER_SECOND: f64 = 16.0 * 1024.0 * 1024.0;
/// What may be delivered at once after a pause.
const BURST_BYTES: f64 = 4.0 * 1024.0 * 1024.0;
/// Least bytes that a delivered message counts: each costs several microseconds.
const MESSAGE_BYTES: usize = 512;
/// Longest wait for the next message: later it is checked again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The allowance of one participant.
#[derive(Debug)]
pub struct SendLimit {
    tokens: f64,
    refilled: Time,
}

impl SendLimit {
    /// Begin with a full allowance.
    pub fn new(now: Time) -> Self {
        Self {
            tokens: BURST_BYTES,
            refilled: now,
        }
    }

    /// Return whether another message may be taken from the participant.
    pub fn allows(&mut self, now: Time) -> bool {
        let elapsed = now.since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.tokens = (self.tokens + elapsed * BYTES_PER_SECOND).min(BURST_BYTES);
        self.tokens > 0.0
    }

    /// Count a message that goes to so many receivers; its receipt counts as well.
    pub fn take(&mut self, len_bytes: usize, receivers: usize) {
        let bytes = len_bytes.max(MESSAGE_BYTES) * receivers.max(1);
        self.tokens -= bytes as f64;
    }

    /// Return when the next message may be taken.
    pub fn next(&self, now: Time) -> Time {
        let wait = Duration::from_secs_f64((-self.tokens).max(0.0) / BYTES_PER_SECOND);
        now + wait.min(LONGEST_WAIT) + Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_held_to_the_rate() {
        let mut now = Time::from_secs(5);
        let end = now + Duration::from_secs(10);
        let mut limit = SendLimit::new(now);
        let mut delivered = 0.0;
        while now < end {
            while limit.allows(now) {
                limit.take(100_000, 10);
                delivered += 1e6;
            }
            now = limit.next(now);
        }
        let allowed = BURST_BYTES + 10.0 * BYTES_PER_SECOND;
        assert!((delivered / allowed - 1.0).abs() < 0.02, "{delivered}");
    }

    #[test]
    fn small_messages_cost_as_much_as_larger_ones() {
        let now = Time::from_secs(5);
        let mut limit = SendLimit::new(now);
        let mut messages = 0;
        while limit.allows(now) {
            limit.take(1, 0);
            messages += 1;
        }
        assert_eq!(messages, (BURST_BYTES as usize).div_ceil(MESSAGE_BYTES));
    }
}
