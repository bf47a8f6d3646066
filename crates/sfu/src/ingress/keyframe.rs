//! The last keyframe of an encoding, and when to request another from its publisher.

use std::time::Duration;

use wire::time::Time;

const SPACING: Duration = Duration::from_millis(300);
const MAX_TRIES: u32 = 5;

/// Where a keyframe starts in a history.
#[derive(Clone, Copy, Debug)]
pub struct KeyframeStart {
    /// Position of its first packet.
    pub position: u64,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// When that packet arrived.
    pub arrived: Time,
}

/// Keyframes of one encoding: the last one, and the need for another.
#[derive(Debug, Default)]
pub struct Keyframes {
    /// Where the last keyframe starts.
    pub last: Option<KeyframeStart>,
    /// Whether the packet being received starts a keyframe: no request is needed.
    pub arriving: bool,
    /// Pending requests.
    pub requests: KeyframeRequests,
    /// When the timer of the next request fires.
    pub timer: Option<Time>,
}

impl Keyframes {
    /// Store the start of a keyframe, where the packet is the first of its frame: parameter sets
    /// may be in packets of their own.
    pub fn note(&mut self, start: KeyframeStart) {
        if self
            .last
            .is_none_or(|last| last.timestamp != start.timestamp)
        {
            self.last = Some(start);
        }
    }
}

/// Keyframe requests for one encoding: coalesced, spaced, with backoff, five at most.
#[derive(Debug, Default)]
pub struct KeyframeRequests {
    pending: bool,
    tries: u32,
    last: Option<Time>,
}

impl KeyframeRequests {
    /// Note that a subscriber needs a keyframe.
    pub fn request(&mut self) {
        if !self.pending {
            self.tries = 0;
        }
        self.pending = true;
    }

    /// Note that a keyframe arrived: no subscriber needs another one.
    pub fn on_keyframe(&mut self) {
        self.pending = false;
        self.tries = 0;
    }

    /// Return whether a request has to be sent now; it then counts as sent.
    pub fn take_due(&mut self, now: Time) -> bool {
        if !self.pending || now < self.earliest() {
            return false;
        }
        self.last = Some(now);
        self.tries += 1;
        if self.tries == MAX_TRIES {
            self.pending = false;
        }
        true
    }

    /// Return when the next request is due, where one is pending.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.pending.then_some(self.earliest())
    }

    /// Return when the next request may be sent: each waits twice as long as the one before.
    fn earliest(&self) -> Time {
        let wait = SPACING * 2u32.pow(self.tries.saturating_sub(1));
        self.last.map_or(Time::ZERO, |last| last + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_coalesced_for_300_ms() {
        let mut requests = KeyframeRequests::default();
        let mut sent = 0;
        for ms in 1000..1299 {
            requests.request();
            sent += u32::from(requests.take_due(Time::from_millis(ms)));
        }
        assert_eq!(sent, 1);
        assert!(requests.take_due(Time::from_millis(1300)));
    }

    #[test]
    fn backs_off_and_gives_up_after_five() {
        let mut requests = KeyframeRequests::default();
        requests.request();
        let sent: Vec<u64> = (0..60_000)
            .filter(|ms| requests.take_due(Time::from_millis(*ms)))
            .collect();
        assert_eq!(sent, [0, 300, 900, 2100, 4500]);
        requests.request();
        assert!(requests.take_due(Time::from_millis(60_000)));
    }

    #[test]
    fn a_keyframe_resets_the_backoff() {
        let mut requests = KeyframeRequests::default();
        requests.request();
        for ms in 0..2_200 {
            requests.take_due(Time::from_millis(ms));
        }
        requests.on_keyframe();
        requests.request();
        assert_eq!(requests.next_due(), Some(Time::from_millis(2_400)));
    }

    #[test]
    fn a_keyframe_ends_the_requests() {
        let mut requests = KeyframeRequests::default();
        requests.request();
        requests.on_keyframe();
        assert!(!requests.take_due(Time::from_millis(5)));
        assert_eq!(requests.next_due(), None);
    }
}
