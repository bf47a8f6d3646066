//! When to ask a publisher for a keyframe, whoever needs it.

use std::time::Duration;

use wire::time::Time;

const SPACING: Duration = Duration::from_millis(300);
const MOST_TRIES: u32 = 5;

/// Requests for one encoding: coalesced, spaced, backing off, and given up after five.
#[derive(Debug, Default)]
pub struct KeyframeRequests {
    wanted: bool,
    tries: u32,
    last: Option<Time>,
}

impl KeyframeRequests {
    /// Somebody needs a keyframe.
    pub fn want(&mut self) {
        if !self.wanted {
            self.tries = 0;
        }
        self.wanted = true;
    }

    /// Nobody needs one any more, since one arrived.
    pub fn satisfied(&mut self) {
        self.wanted = false;
        self.tries = 0;
    }

    /// Say whether a request has to be sent now; it then counts as sent.
    pub fn send_now(&mut self, now: Time) -> bool {
        if !self.wanted || now < self.earliest() {
            return false;
        }
        self.last = Some(now);
        self.tries += 1;
        if self.tries == MOST_TRIES {
            self.wanted = false;
        }
        true
    }

    /// Return when to look again, where something is wanted.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.wanted.then_some(self.earliest())
    }

    /// Each try waits twice as long as the one before.
    fn earliest(&self) -> Time {
        let wait = SPACING * 2u32.pow(self.tries.saturating_sub(1));
        self.last.map_or(Time::ZERO, |last| last + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wishes_are_one_request_in_300_ms() {
        let mut requests = KeyframeRequests::default();
        let mut sent = 0;
        for ms in 1000..1299 {
            requests.want();
            sent += u32::from(requests.send_now(Time::from_millis(ms)));
        }
        assert_eq!(sent, 1);
        assert!(requests.send_now(Time::from_millis(1300)));
    }

    #[test]
    fn backs_off_and_gives_up_after_five() {
        let mut requests = KeyframeRequests::default();
        requests.want();
        let sent: Vec<u64> = (0..60_000)
            .filter(|ms| requests.send_now(Time::from_millis(*ms)))
            .collect();
        assert_eq!(sent, [0, 300, 900, 2100, 4500]);
        requests.want();
        assert!(requests.send_now(Time::from_millis(60_000)));
    }

    #[test]
    fn a_wish_fulfilled_ends_the_backing_off() {
        let mut requests = KeyframeRequests::default();
        requests.want();
        for ms in 0..2_200 {
            requests.send_now(Time::from_millis(ms));
        }
        requests.satisfied();
        requests.want();
        assert_eq!(requests.next(), Some(Time::from_millis(2_400)));
    }

    #[test]
    fn a_keyframe_ends_the_wish() {
        let mut requests = KeyframeRequests::default();
        requests.want();
        requests.satisfied();
        assert!(!requests.send_now(Time::from_millis(5)));
        assert_eq!(requests.next(), None);
    }
}
