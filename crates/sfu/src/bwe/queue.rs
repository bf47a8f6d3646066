//! The queue of the bottleneck from feedback to feedback: when it is overuse without a trend, and how
//! long it may be before less is sent.

use std::time::Duration;

use wire::time::Time;

/// A queue of this length that grew by so much since the last feedback is overuse, ms.
const FILLED_MS: f64 = 100.0;
const FILLING_MS: f64 = 30.0;
/// A queue that grows by so much is that of a link that has become narrower.
const NARROWED_MS: f64 = 60.0;
/// The same where it grows less, but much less arrives than is sent.
const REDUCED_MS: f64 = 20.0;
const REDUCED_TO: f64 = 0.7;
/// The subscriptions send more where their bitrate has risen by this factor. Of several transports
/// in one bottleneck, the one that has risen last gives way first: it tolerates a shorter queue.
const RISE: f64 = 1.2;
const RISING: Duration = Duration::from_secs(6);
/// A keyframe queues for so long on a link that carries it.
const SHORT_QUEUE: Duration = Duration::from_millis(40);
const LONG_QUEUE: Duration = Duration::from_millis(180);
/// A queue that was never shorter than this for so long, though not more was sent meanwhile, is that of
/// flows that fill it, as TCP does: to send less does not drain it, and leaves them the link.
const STANDING_MS: f64 = 120.0;
const STANDS: Duration = Duration::from_millis(2_500);
/// They have left once it has been shorter than this for so long: after a loss TCP halves its window.
const LEFT_MS: f64 = 60.0;
const LEFT_FOR: Duration = Duration::from_secs(3);
/// Jitter in a wait, times the mean delay variation, which is at most this, ms.
const JITTER: f64 = 2.0;
const MOST_JITTER_MS: f64 = 50.0;

/// The queue of the bottleneck of one transport.
#[derive(Debug, Default)]
pub struct Queue {
    /// Wait of the last group of the last feedback, ms.
    waited_ms: f64,
    /// By how much longer that was than at the feedback before, ms.
    growth_ms: f64,
    /// Whether the queue is that of others, and since when it does not look so any more, or does.
    is_foreign: bool,
    changing: Option<Time>,
    /// So much of a wait is jitter.
    jitter: Duration,
    /// What the subscriptions send in the mean, bit/s, and when they began to send more.
    sent_bps: Option<f64>,
    rose: Option<Time>,
}

impl Queue {
    /// Note what the subscriptions send in the mean.
    pub fn set_sent_bps(&mut self, now: Time, sent_bps: f64) {
        let is_rise = |before: f64| sent_bps > RISE * before;
        if self.sent_bps.is_none_or(is_rise) {
            self.rose = Some(now);
        }
        self.sent_bps = Some(sent_bps).filter(|bps| *bps > 0.0);
    }

    /// Return what the subscriptions send in the mean, bit/s.
    #[must_use]
    pub fn sent_bps(&self) -> Option<f64> {
        self.sent_bps
    }

    /// Note the wait of the last group of a feedback, and the jitter of the path.
    pub fn on_feedback(&mut self, now: Time, waited_ms: f64, jitter_ms: f64) {
        let jitter_ms = jitter_ms.clamp(0.0, MOST_JITTER_MS);
        self.jitter = Duration::from_secs_f64(JITTER * jitter_ms / 1e3);
        self.note_standing(now, waited_ms);
        self.growth_ms = waited_ms - self.waited_ms;
        self.waited_ms = waited_ms;
    }

    fn note_standing(&mut self, now: Time, waited_ms: f64) {
        let (least_ms, span) = match self.is_foreign {
            true => (LEFT_MS, LEFT_FOR),
            false => (STANDING_MS, STANDS),
        };
        // What would change the state has to last.
        if (waited_ms >= least_ms) == self.is_foreign {
            self.changing = None;
            return;
        }
        let since = *self.changing.get_or_insert(now);
        let since = self.rose.map_or(since, |rose| rose.max(since));
        if now.since(since) >= span {
            (self.is_foreign, self.changing) = (!self.is_foreign, None);
        }
    }

    /// Forget the queue: nothing was sent that could have waited in it.
    pub fn forget(&mut self) {
        (self.waited_ms, self.growth_ms) = (0.0, 0.0);
        (self.is_foreign, self.changing) = (false, None);
    }

    /// Return whether the queue is that of flows that fill it whatever is sent here.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// Return whether the queue has become long: that needs no trend.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.waited_ms > FILLED_MS && self.growth_ms > FILLING_MS
    }

    /// Return the wait that is no reason to send less, while this arrives.
    #[must_use]
    pub fn tolerated(&self, now: Time, arriving_bps: Option<f64>) -> Duration {
        let has_risen = self.rose.is_some_and(|at| now.since(at) < RISING);
        let is_less = |(arriving, sent): (f64, f64)| arriving < REDUCED_TO * sent;
        let is_reduced =
            self.growth_ms > REDUCED_MS && arriving_bps.zip(self.sent_bps).is_some_and(is_less);
        self.jitter
            + match has_risen || is_reduced || self.growth_ms > NARROWED_MS {
                true => SHORT_QUEUE,
                false => LONG_QUEUE,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue of a transport that has sent 1 Mb/s for a long time.
    fn settled() -> Queue {
        let mut queue = Queue::default();
        queue.set_sent_bps(Time::ZERO, 1e6);
        queue.on_feedback(LATER, 10.0, 0.0);
        queue
    }

    const LATER: Time = Time::from_millis(60_000);

    #[test]
    fn who_has_risen_last_gives_way_first() {
        let mut queue = settled();
        assert_eq!(queue.tolerated(LATER, Some(1e6)), LONG_QUEUE);
        queue.set_sent_bps(LATER, 1.1e6);
        assert_eq!(queue.tolerated(LATER, Some(1e6)), LONG_QUEUE);
        queue.set_sent_bps(LATER, 2e6);
        assert_eq!(queue.tolerated(LATER, Some(2e6)), SHORT_QUEUE);
        assert_eq!(queue.tolerated(LATER + RISING, Some(2e6)), LONG_QUEUE);
    }

    #[test]
    fn a_link_that_became_narrower_is_seen_by_growth_or_by_what_arrives() {
        let mut queue = settled();
        queue.on_feedback(LATER, 35.0, 0.0);
        assert_eq!(queue.tolerated(LATER, Some(9e5)), LONG_QUEUE);
        assert_eq!(queue.tolerated(LATER, Some(6e5)), SHORT_QUEUE);
        queue.on_feedback(LATER, 100.0, 0.0);
        assert_eq!(queue.tolerated(LATER, Some(9e5)), SHORT_QUEUE);
        assert!(!queue.is_filling());
        queue.on_feedback(LATER, 140.0, 0.0);
        assert!(queue.is_filling());
        queue.on_feedback(LATER, 150.0, 0.0);
        assert!(!queue.is_filling(), "long, and no longer");
    }

    #[test]
    fn a_queue_that_stands_although_less_is_sent_is_that_of_others() {
        let mut queue = settled();
        let mut at = |ms, waited_ms| {
            queue.on_feedback(LATER + Duration::from_millis(ms), waited_ms, 0.0);
            queue.is_foreign()
        };
        assert!(!at(0, 200.0) && !at(1_000, 110.0), "drained in between");
        assert!(!at(1_100, 130.0) && !at(3_500, 130.0));
        assert!(at(3_600, 130.0) && at(4_000, 61.0));
        assert!(at(4_100, 59.0) && at(4_200, 130.0), "a window was halved");
        assert!(at(5_000, 59.0) && at(7_900, 10.0) && !at(8_000, 10.0));
    }

    #[test]
    fn a_queue_that_stands_after_a_rise_may_be_our_own() {
        let mut queue = settled();
        queue.on_feedback(LATER, 130.0, 0.0);
        queue.set_sent_bps(LATER + STANDS / 2, 2e6);
        queue.on_feedback(LATER + STANDS, 130.0, 0.0);
        assert!(!queue.is_foreign());
    }

    #[test]
    fn jitter_is_no_queue() {
        let mut queue = settled();
        queue.on_feedback(LATER, 10.0, 8.0);
        let jitter = Duration::from_millis(16);
        assert_eq!(queue.tolerated(LATER, Some(1e6)), LONG_QUEUE + jitter);
        queue.on_feedback(LATER, 10.0, f64::INFINITY);
        let most = Duration::from_millis(100);
        assert_eq!(queue.tolerated(LATER, Some(1e6)), LONG_QUEUE + most);
    }
}
