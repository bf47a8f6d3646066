//! Copies of retransmissions: where packets are lost without congestion, a retransmission is lost as
//! often, and then it costs another round trip.
//!
//! So it is sent a second time, some packets later since losses come in bursts, and under a number of
//! its own. Copies count towards the pacer and the allowance of repair as all retransmissions.

use std::collections::VecDeque;
use std::time::Duration;

use rtc::outbound::sequence::Origin;
use wire::time::Time;

use crate::keys::SubscriptionKey;

/// Between a retransmission and its copy.
const AFTER: Duration = Duration::from_millis(10);
/// With less loss than this a retransmission arrives.
const LEAST_LOSS: f64 = 0.015;
/// Packets that wait for longer than this are lost to congestion, which copies would add to.
const CONGESTED: Duration = Duration::from_millis(60);
/// Copies that wait for one subscriber.
const MOST: usize = 512;

/// A packet that a subscriber requested by NACK.
#[derive(Clone, Copy, Debug)]
pub struct Resend {
    /// Key of the subscription.
    pub subscription: SubscriptionKey,
    /// The incoming packet that it was.
    pub origin: Origin,
}

/// The copies that a subscriber is sent later.
#[derive(Debug, Default)]
pub struct Copies {
    waiting: VecDeque<(Time, Resend)>,
    is_useful: bool,
}

impl Copies {
    /// Set by loss and queueing whether retransmissions are copied.
    pub fn set_conditions(&mut self, loss: Option<f64>, queueing: Option<Duration>) {
        let is_congested = queueing.is_none_or(|it| it > CONGESTED);
        self.is_useful = !is_congested && loss.is_some_and(|it| it >= LEAST_LOSS);
    }

    /// Plan the copy of a retransmission that is sent now.
    pub fn plan(&mut self, now: Time, resend: Resend) {
        if self.is_useful && self.waiting.len() < MOST {
            self.waiting.push_back((now + AFTER, resend));
        }
    }

    /// Take the next copy that is due.
    pub fn take_due(&mut self, now: Time) -> Option<Resend> {
        let is_due = self.waiting.front().is_some_and(|(at, _)| *at <= now);
        is_due
            .then(|| self.waiting.pop_front())
            .flatten()
            .map(|it| it.1)
    }

    /// Return when the next copy is due.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.waiting.front().map(|it| it.0)
    }

    /// Keep those for which this holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Resend) -> bool) {
        self.waiting.retain(|(_, resend)| keep(resend));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;
    use rtc::outbound::sequence::{Placed, Shift};

    const SOON: Option<Duration> = Some(Duration::from_millis(10));

    fn resend(index: u64) -> Resend {
        let placed = Placed {
            index,
            shift: Shift::default(),
        };
        Resend {
            subscription: Slab::<SubscriptionKey, ()>::new().insert(()),
            origin: Origin::Inserted(placed),
        }
    }

    #[test]
    fn a_copy_is_due_later_where_packets_are_lost_without_congestion() {
        let mut copies = Copies::default();
        let now = Time::from_millis(1_000);
        copies.plan(now, resend(1));
        for (loss, queueing) in [
            (None, SOON),
            (Some(0.01), SOON),
            (Some(0.1), None),
            (Some(0.1), Some(Duration::from_millis(61))),
        ] {
            copies.set_conditions(loss, queueing);
            copies.plan(now, resend(2));
        }
        assert_eq!(copies.due(), None);
        copies.set_conditions(Some(0.02), SOON);
        copies.plan(now, resend(3));
        assert_eq!(copies.due(), Some(now + AFTER));
        assert!(copies.take_due(now + AFTER / 2).is_none());
        let copy = copies.take_due(now + AFTER).expect("due");
        assert_eq!(copy.origin.placed().index, 3);
        assert_eq!(copies.due(), None);
    }

    #[test]
    fn the_copies_of_a_subscriber_are_bounded() {
        let mut copies = Copies::default();
        copies.set_conditions(Some(0.5), SOON);
        for index in 0..10 * MOST as u64 {
            copies.plan(Time::from_millis(index), resend(index));
        }
        let late = Time::from_secs(3_600);
        let taken = std::iter::from_fn(|| copies.take_due(late)).count();
        assert_eq!(taken, MOST);
    }
}
