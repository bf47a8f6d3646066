//! When to ask a publisher for a keyframe, and how often a subscriber may have one asked for.

use std::time::Duration;

use wire::time::Time;

const SPACING: Duration = Duration::from_millis(300);
const MOST_TRIES: u32 = 5;

/// Keyframes that a subscriber may have asked for at once, as when its decoder starts.
const BURST: u8 = 3;
/// It gets another one as often as this.
const REFILL: Duration = Duration::from_secs(1);

/// How often a subscription may have a keyframe asked for: three times, then once a second.
///
/// A keyframe costs the publisher and every other subscriber many times what a request costs.
#[derive(Debug, Default)]
pub struct KeyframeAllowance {
    used: u8,
    /// Since when what is used is given back.
    since: Time,
}

impl KeyframeAllowance {
    /// Say whether a request may be passed on now; it then counts.
    pub fn take(&mut self, now: Time) -> bool {
        let given_back = (now.since(self.since).as_nanos() / REFILL.as_nanos()) as u64;
        if given_back >= u64::from(self.used) {
            (self.used, self.since) = (0, now);
        } else {
            self.used -= given_back as u8;
            self.since = self.since + REFILL * given_back as u32;
        }
        let may = self.used < BURST;
        self.used += u8::from(may);
        may
    }
}

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
    fn three_requests_of_a_subscriber_then_one_a_second() {
        let mut allowance = KeyframeAllowance::default();
        let start = Time::from_secs(50);
        let mut taken = |from_ms: u64, to_ms: u64| -> Vec<u64> {
            let may = |ms: &u64| allowance.take(start + Duration::from_millis(*ms));
            (from_ms..to_ms).step_by(100).filter(may).collect()
        };
        assert_eq!(taken(0, 4_000), [0, 100, 200, 1_000, 2_000, 3_000]);
        // Silence gives all three back, and no more.
        assert_eq!(taken(20_000, 21_100), [20_000, 20_100, 20_200, 21_000]);
    }

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
