//! How often a subscriber may cause a keyframe request.

use std::time::Duration;

use wire::time::Time;

/// Keyframe requests of a subscriber that are forwarded at once, as when its decoder starts.
const BURST: u8 = 3;
/// Interval at which one more request of a subscriber is forwarded.
const REFILL: Duration = Duration::from_secs(1);

/// Limit of the keyframe requests of one subscription: three, then one a second.
///
/// A keyframe costs the publisher and every other subscriber many times what a request costs.
#[derive(Debug, Default)]
pub struct KeyframeRequestLimit {
    used: u8,
    /// Since when the limit refills.
    since: Time,
}

impl KeyframeRequestLimit {
    /// Return whether a request may be forwarded now; it then counts.
    pub fn allow(&mut self, now: Time) -> bool {
        let refilled = (now.since(self.since).as_nanos() / REFILL.as_nanos()) as u64;
        if refilled >= u64::from(self.used) {
            (self.used, self.since) = (0, now);
        } else {
            self.used -= refilled as u8;
            self.since = self.since + REFILL * refilled as u32;
        }
        let allowed = self.used < BURST;
        self.used += u8::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_requests_of_a_subscriber_then_one_a_second() {
        let mut limit = KeyframeRequestLimit::default();
        let start = Time::from_secs(50);
        let mut allowed = |from_ms: u64, to_ms: u64| -> Vec<u64> {
            let allows = |ms: &u64| limit.allow(start + Duration::from_millis(*ms));
            (from_ms..to_ms).step_by(100).filter(allows).collect()
        };
        assert_eq!(allowed(0, 4_000), [0, 100, 200, 1_000, 2_000, 3_000]);
        // After a pause three are allowed again, and no more.
        assert_eq!(allowed(20_000, 21_100), [20_000, 20_100, 20_200, 21_000]);
    }
}
