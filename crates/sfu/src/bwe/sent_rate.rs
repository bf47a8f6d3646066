//! The bitrate sent.

use std::time::Duration;

use wire::time::Time;

/// Time over which the bitrate sent is measured.
const SENT_WINDOW: Duration = Duration::from_millis(250);

/// The bitrate sent, of the packets that carry numbers.
#[derive(Debug)]
pub(super) struct SentRate {
    since: Time,
    bytes: u64,
    pub(super) bps: Option<f64>,
}

impl SentRate {
    pub(super) fn new(now: Time) -> Self {
        Self {
            since: now,
            bytes: 0,
            bps: None,
        }
    }

    pub(super) fn update(&mut self, now: Time, sent_bytes: u64) {
        let elapsed = now.since(self.since);
        if elapsed < SENT_WINDOW {
            return;
        }
        let bps = (sent_bytes - self.bytes) as f64 * 8.0 / elapsed.as_secs_f64();
        self.bps = Some(self.bps.map_or(bps, |before| (before + bps) / 2.0));
        self.since = now;
        self.bytes = sent_bytes;
    }
}
