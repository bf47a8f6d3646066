//! The bitrate of data beside media: what the bottleneck has left, by its queue.
//!
//! SCTP fills the queue of a bottleneck until packets are lost, and media waits in it. So data beside
//! media grows only while the queue is short, as measured by the feedback on media, and backs off
//! before the estimator of the media would (the aim of LEDBAT, RFC 6817).

use std::time::Duration;

use wire::time::Time;

/// Bitrate at the start, and the least, bit/s.
const START_BPS: f64 = 300_000.0;
const LEAST_BPS: f64 = 30_000.0;
const MOST_BPS: f64 = 1e9;
/// A queue up to this is that of the media itself.
const SHORT_QUEUE: Duration = Duration::from_millis(6);
/// A longer one than this has to shrink.
const LONG_QUEUE: Duration = Duration::from_millis(12);
/// Time from one change of the bitrate to the next: the feedback on media shows the last one.
const GROWTH_EVERY: Duration = Duration::from_millis(100);
const BACK_OFF_EVERY: Duration = Duration::from_millis(150);
/// Growth until the queue was long for the first time, and after that.
const FIRST_GROWTH: f64 = 1.15;
const GROWTH: f64 = 1.03;
/// The same near the bitrate at which the queue was long.
const NEAR_GROWTH: f64 = 1.003;
const NEAR: f64 = 0.75;
const BACK_OFF: f64 = 0.5;
/// No growth for so long after a back-off.
const HOLD: Duration = Duration::from_secs(1);
/// What may be sent at once after a pause.
const BURST: Duration = Duration::from_millis(10);
const LEAST_BURST_BYTES: f64 = 2_500.0;

/// The bitrate of data on one transport.
#[derive(Debug)]
pub struct Pacing {
    rate_bps: f64,
    tokens: f64,
    refilled: Time,
    /// When the bitrate may change again.
    next_change: Time,
    is_starting: bool,
    /// The bitrate at which the queue was long.
    ceiling_bps: f64,
    /// The bitrate was used up since the last change.
    is_used: bool,
    /// A queue is measured.
    is_limited: bool,
}

impl Pacing {
    /// Start at a low bitrate.
    pub fn new(now: Time) -> Self {
        Self {
            rate_bps: START_BPS,
            tokens: LEAST_BURST_BYTES,
            refilled: now,
            next_change: now,
            is_starting: true,
            ceiling_bps: MOST_BPS,
            is_used: false,
            is_limited: false,
        }
    }

    /// Start a round of sending; `queueing` is the wait at the bottleneck, where media shows it.
    pub fn open(&mut self, now: Time, queueing: Option<Duration>) {
        self.is_limited = queueing.is_some();
        let Some(queueing) = queueing else {
            return;
        };
        if now >= self.next_change {
            self.change(now, queueing);
        }
        let elapsed = now.since(self.refilled).as_secs_f64();
        self.refilled = now;
        let depth = (self.rate_bps / 8.0 * BURST.as_secs_f64()).max(LEAST_BURST_BYTES);
        self.tokens = (self.tokens + elapsed * self.rate_bps / 8.0).min(depth);
    }

    fn change(&mut self, now: Time, queueing: Duration) {
        if queueing > LONG_QUEUE {
            if self.is_used || self.is_starting {
                self.ceiling_bps = self.rate_bps;
            }
            self.is_starting = false;
            self.rate_bps = (self.rate_bps * BACK_OFF).max(LEAST_BPS);
            // It shrinks further before it may grow.
            self.next_change = now + if self.is_used { BACK_OFF_EVERY } else { HOLD };
            self.is_used = false;
        } else if queueing < SHORT_QUEUE && self.is_used {
            let growth = match self.is_starting {
                true => FIRST_GROWTH,
                false if self.rate_bps < NEAR * self.ceiling_bps => GROWTH,
                false => NEAR_GROWTH,
            };
            self.rate_bps = (self.rate_bps * growth).min(MOST_BPS);
            self.next_change = now + GROWTH_EVERY;
            self.is_used = false;
        }
    }

    /// Return whether another packet may be sent.
    pub fn may_send(&mut self) -> bool {
        let allows = !self.is_limited || self.tokens > 0.0;
        self.is_used |= !allows;
        allows
    }

    /// Count a packet.
    pub fn sent(&mut self, bytes: usize) {
        if self.is_limited {
            self.tokens -= bytes as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Send as much as may be sent for some time beside media in a bottleneck; return the bitrate
    /// of the last half, and the longest queue in it.
    fn run(capacity_bps: f64, media_bps: f64, seconds: u64) -> (f64, Duration) {
        let mut now = Time::from_secs(1);
        let (end, half) = (
            now + Duration::from_secs(seconds),
            now + Duration::from_secs(seconds / 2),
        );
        let mut pacing = Pacing::new(now);
        let (mut queue_bytes, mut sent, mut longest) = (0.0_f64, 0.0, Duration::ZERO);
        while now < end {
            let wait = Duration::from_secs_f64(queue_bytes * 8.0 / capacity_bps);
            pacing.open(now, Some(wait));
            while pacing.may_send() {
                pacing.sent(1_200);
                queue_bytes += 1_200.0;
                if now >= half {
                    sent += 1_200.0;
                }
            }
            if now >= half {
                longest = longest.max(wait);
            }
            let step = Duration::from_millis(5);
            queue_bytes += media_bps / 8.0 * step.as_secs_f64();
            queue_bytes = (queue_bytes - capacity_bps / 8.0 * step.as_secs_f64()).max(0.0);
            now = now + step;
        }
        (sent * 8.0 / (end.since(half)).as_secs_f64(), longest)
    }

    #[test]
    fn data_takes_most_of_what_media_leaves_and_keeps_the_queue_short() {
        for (capacity, media) in [(3e6, 1.8e6), (100e6, 1.8e6), (3e6, 2.9e6)] {
            let (bps, longest) = run(capacity, media, 60);
            let left = capacity - media;
            assert!(bps > 0.4 * left.min(60e6), "{bps} of {left}");
            assert!(
                longest < Duration::from_millis(40),
                "{longest:?} at {capacity}"
            );
        }
    }

    #[test]
    fn without_media_nothing_is_held_back() {
        let mut pacing = Pacing::new(Time::from_secs(1));
        pacing.open(Time::from_secs(1), None);
        for _ in 0..10_000 {
            assert!(pacing.may_send());
            pacing.sent(1_200);
        }
    }
}
