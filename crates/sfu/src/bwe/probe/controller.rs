//! When to probe, at which rate and for how long.
//!
//! An SFU sends steps, not a continuum: below the next step nothing is learned about it, so each
//! probe goes towards the next useful step.

use std::time::Duration;

use wire::time::Time;

use super::{ClusterId, Found};

/// Start clusters, times the start rate.
const START: [f64; 2] = [3.0, 6.0];
/// A result of this share of the probe is followed by another at up to twice its rate.
const FOLLOW_FROM: f64 = 0.7;
const FOLLOW: f64 = 2.0;
/// The next step needs so much more than its rate.
const ABOVE_STEP: f64 = 1.18;
/// The same of a step that failed although a probe had passed: a longer and wider one that passes is
/// evidence that the link has become wider, since frames of others fall into it.
const ABOVE_FAILED_STEP: f64 = 1.6;
const MIN_FAILED_SPAN: Duration = Duration::from_millis(120);
const FAILED_EVERY: Duration = Duration::from_millis(1_000);
/// Between two probes while a wanted step is unmet, and else.
const UNMET_EVERY: Duration = Duration::from_millis(1_500);
const MET_EVERY: Duration = Duration::from_secs(5);
/// A queue that a decrease left behind drains within this.
const AFTER_DECREASE: Duration = Duration::from_secs(1);
/// Time between two rounds of a cluster.
const ROUND: Duration = Duration::from_micros(2_500);
/// The same after a round in which nothing could be sent.
const SOONEST: Duration = Duration::from_micros(500);
const MIN_STAMPS: u32 = 6;
const MIN_SPAN: Duration = Duration::from_millis(15);
/// Length of a cluster, times the jitter of the path.
const SPAN_OF_JITTER: u32 = 4;
/// The same of its first packets, which do not count: those before it were further apart, and where a
/// path keeps the order, the first of many packets are late one after the other.
const WARM_UP_OF_JITTER: u32 = 2;
/// Least bytes of a cluster after the start: fewer packets say little.
const MIN_BYTES: f64 = 6_000.0;
/// While no video fits beside audio, no cluster has more bytes than the link carries in this time by
/// the estimate: one that fills the queue of the link costs audio.
const MOST_QUEUED: Duration = Duration::from_millis(250);
/// A cluster that could not be sent within this ends.
const MAX_SPAN: Duration = Duration::from_millis(250);
/// After so long feedback about a cluster is not awaited any more.
const AWAITED: Duration = Duration::from_secs(1);

/// What the subscriptions of a transport could use, in bit/s on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wants {
    /// All that is sent once the next step is taken; `None` where no wanted step is unmet.
    pub next_step_bps: Option<f64>,
    /// All that is wanted.
    pub most_bps: f64,
    /// All that is sent, in the mean.
    pub sent_bps: f64,
    /// The next step has failed not long ago.
    pub has_failed: bool,
    /// There is audio, and every video is paused.
    pub is_audio_only: bool,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    id: ClusterId,
    rate_bps: f64,
    started: Time,
    /// Bytes at least.
    bytes: f64,
    sent_bytes: u64,
    sent_packets: u32,
    stamps: u32,
    first_stamp: Time,
    last_stamp: Option<Time>,
    /// The last round, whether anything could be sent in it or not.
    last_round: Option<Time>,
    /// Bytes of the last stamp.
    last_bytes: u64,
}

/// A cluster all of whose packets are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Complete {
    /// The cluster.
    pub id: ClusterId,
    /// Its packets.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The rate at which they were sent, bit/s.
    pub rate_bps: f64,
}

impl Active {
    fn stamp(&mut self, now: Time) {
        if self.stamps == 0 {
            self.first_stamp = now;
        }
        if self.last_stamp != Some(now) {
            self.stamps += 1;
            self.last_stamp = Some(now);
            self.last_bytes = 0;
        }
    }

    /// Return the rate between the first stamp and the last one, whose bytes do not count.
    fn sent_bps(&self) -> f64 {
        let last = self.last_stamp.unwrap_or(self.first_stamp);
        let seconds = last.since(self.first_stamp).as_secs_f64();
        let bits = (self.sent_bytes - self.last_bytes) as f64 * 8.0;
        if seconds > 0.0 { bits / seconds } else { 0.0 }
    }
}

/// The probes of one transport.
#[derive(Debug)]
pub struct Controller {
    start_bps: f64,
    wants: Wants,
    span: Duration,
    warm_up: Duration,
    last_id: ClusterId,
    active: Option<Active>,
    /// Rates of the clusters that follow the active one, the last one first.
    queued: [Option<f64>; 2],
    is_started: bool,
    /// Each cluster of the start has passed so far: the next one may be wider.
    is_climbing: bool,
    /// When the last cluster ended, while its feedback is awaited.
    awaited: Option<Time>,
    last: Option<Time>,
    decreased: Option<Time>,
}

impl Controller {
    /// Make a controller whose first clusters are multiples of this rate.
    #[must_use]
    pub fn new(start_bps: f64) -> Self {
        Self {
            start_bps,
            wants: Wants::default(),
            span: MIN_SPAN,
            warm_up: Duration::ZERO,
            last_id: ClusterId::NONE,
            active: None,
            queued: [None; 2],
            is_started: false,
            is_climbing: true,
            awaited: None,
            last: None,
            decreased: None,
        }
    }

    /// Set what the subscriptions could use.
    pub fn set_wants(&mut self, wants: Wants) {
        self.wants = wants;
    }

    /// Set the jitter of the path: a cluster that is not longer says little.
    pub fn set_jitter(&mut self, jitter: Duration) {
        self.warm_up = (jitter * WARM_UP_OF_JITTER).min(MAX_SPAN / 4);
        self.span = (jitter * SPAN_OF_JITTER).clamp(MIN_SPAN, MAX_SPAN / 2) + self.warm_up;
    }

    /// Return the length of the first part of a cluster, which does not count.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        self.warm_up
    }

    /// Note a decrease of the estimate.
    pub fn on_decrease(&mut self, now: Time) {
        self.decreased = Some(now);
        self.is_climbing = false;
        self.queued = [None; 2];
    }

    /// Return whether [`Self::poll`] may start a cluster while the queue does not grow.
    #[must_use]
    pub fn may_start(&self, now: Time, estimate_bps: f64) -> bool {
        let is_planned = !self.is_started || self.queued[0].is_some() || self.awaited.is_some();
        self.active.is_none() && (is_planned || self.due(now, estimate_bps, true).is_some())
    }

    /// Start a cluster where one is due; return its identifier and rate.
    pub fn poll(
        &mut self,
        now: Time,
        estimate_bps: f64,
        is_normal: bool,
    ) -> Option<(ClusterId, f64)> {
        if self.active.is_some() || self.wants.most_bps <= 0.0 {
            return None;
        }
        if self.awaited.is_some_and(|at| now.since(at) >= AWAITED) {
            self.awaited = None;
        }
        let rate_bps = match self.take_queued(now) {
            Some(rate_bps) => rate_bps,
            None => self.due(now, estimate_bps, is_normal)?,
        };
        self.last_id = self.last_id.next();
        self.last = Some(now);
        let span = match self.wants.has_failed {
            true => self.span.max(MIN_FAILED_SPAN),
            false => self.span,
        };
        let bytes_in = |bps: f64, span: Duration| bps / 8.0 * span.as_secs_f64();
        let most_bytes = match self.wants.is_audio_only {
            true => bytes_in(estimate_bps, MOST_QUEUED),
            false => f64::INFINITY,
        };
        let span_bytes = bytes_in(rate_bps, span);
        self.active = Some(Active {
            id: self.last_id,
            rate_bps,
            started: now,
            bytes: match self.is_climbing {
                true => span_bytes,
                false => span_bytes.max(MIN_BYTES).min(most_bytes),
            },
            sent_bytes: 0,
            sent_packets: 0,
            stamps: 0,
            first_stamp: now,
            last_stamp: None,
            last_round: None,
            last_bytes: 0,
        });
        Some((self.last_id, rate_bps))
    }

    /// Return the cluster that is being sent.
    #[must_use]
    pub fn active(&self) -> Option<ClusterId> {
        self.active.map(|it| it.id)
    }

    /// Return the bytes that the active cluster is behind its rate.
    #[must_use]
    pub fn due_bytes(&self, now: Time) -> usize {
        let Some(active) = self.active else {
            return 0;
        };
        let elapsed = (now.since(active.started) + ROUND).as_secs_f64();
        let due = active.rate_bps / 8.0 * elapsed - active.sent_bytes as f64;
        due.max(0.0) as usize
    }

    /// Return when the next round of the active cluster is due.
    #[must_use]
    pub fn next_round(&self) -> Option<Time> {
        let active = self.active?;
        let Some(last_round) = active.last_round else {
            return Some(active.started);
        };
        // Media that was sent meanwhile may be ahead of the rate.
        let ahead_s = active.sent_bytes as f64 * 8.0 / active.rate_bps - ROUND.as_secs_f64();
        let due = active.started + Duration::from_secs_f64(ahead_s.max(0.0));
        let stamped = active.last_stamp.map_or(active.started, |at| at + ROUND);
        let soonest = last_round + SOONEST;
        Some(due.max(stamped).min(active.started + MAX_SPAN).max(soonest))
    }

    /// Record the packets of a round of the active cluster, media included; return the cluster once
    /// it is complete.
    pub fn sent(&mut self, now: Time, packets: u32, bytes: u64) -> Option<Complete> {
        let active = self.active.as_mut()?;
        active.last_round = Some(now);
        if packets > 0 {
            active.stamp(now);
            active.last_bytes += bytes;
            active.sent_packets += packets;
            active.sent_bytes += bytes;
        }
        let elapsed = now.since(active.started);
        let is_enough = active.sent_bytes as f64 >= active.bytes
            && active.stamps >= MIN_STAMPS
            && elapsed >= MIN_SPAN;
        if !is_enough && elapsed < MAX_SPAN {
            return None;
        }
        let complete = Complete {
            id: active.id,
            packets: active.sent_packets,
            bytes: active.sent_bytes,
            rate_bps: active.sent_bps(),
        };
        self.active = None;
        self.awaited = Some(now);
        Some(complete)
    }

    /// Plan the next cluster by the result of one.
    pub fn on_found(&mut self, found: Found) {
        self.awaited = None;
        if found.is_passed {
            self.last = None;
        }
        let target_bps = match self.is_climbing {
            true => ABOVE_STEP * self.wants.most_bps,
            false => self.target_bps(),
        };
        if found.rate_bps < FOLLOW_FROM * found.target_bps || found.rate_bps >= target_bps {
            self.is_climbing = false;
            return;
        }
        let rate_bps = (FOLLOW * found.rate_bps).min(target_bps);
        // Without a wider probe nothing more is learned.
        if rate_bps > 1.05 * found.target_bps {
            self.queued[0] = Some(rate_bps);
        } else {
            self.is_climbing = false;
        }
    }

    /// Start again after a path change: the first cluster has the rate of this estimate.
    pub fn verify(&mut self, estimate_bps: f64) {
        self.reset();
        self.start_bps = estimate_bps / START[0];
    }

    /// Forget the clusters before, and start again.
    pub fn reset(&mut self) {
        let wants = self.wants;
        let last_id = self.last_id;
        *self = Self::new(self.start_bps);
        (self.wants, self.last_id) = (wants, last_id);
    }

    fn take_queued(&mut self, now: Time) -> Option<f64> {
        if !self.is_started {
            self.is_started = true;
            let most_bps = (ABOVE_STEP * self.wants.most_bps).max(self.start_bps);
            let [first, second] = START.map(|factor| (factor * self.start_bps).min(most_bps));
            self.queued = [(second > 1.05 * first).then_some(second), None];
            return Some(first);
        }
        let is_waiting = self
            .decreased
            .is_some_and(|at| now.since(at) < AFTER_DECREASE);
        if is_waiting {
            return None;
        }
        self.queued[0].take()
    }

    /// Return the rate of a probe towards the next useful step, where one is due.
    fn due(&self, now: Time, estimate_bps: f64, is_normal: bool) -> Option<f64> {
        let every = match self.wants.next_step_bps {
            Some(_) if self.wants.has_failed => FAILED_EVERY,
            Some(_) => UNMET_EVERY,
            None => MET_EVERY,
        };
        let is_soon = |at: Option<Time>, after| at.is_some_and(|at| now.since(at) < after);
        if !is_normal
            || self.awaited.is_some()
            || is_soon(self.last, every)
            || is_soon(self.decreased, AFTER_DECREASE)
        {
            return None;
        }
        Some(self.target_bps()).filter(|target| estimate_bps < *target || self.wants.has_failed)
    }

    /// Return the rate of all that is sent once the next step is taken; `None` where none is unmet.
    #[must_use]
    pub fn next_step_bps(&self) -> Option<f64> {
        self.wants.next_step_bps
    }

    /// Return the rate that the next useful step needs.
    #[must_use]
    pub fn target_bps(&self) -> f64 {
        let above = match self.wants.has_failed {
            true => ABOVE_FAILED_STEP,
            false => ABOVE_STEP,
        };
        above * self.wants.next_step_bps.unwrap_or(self.wants.most_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTS: Wants = Wants {
        next_step_bps: Some(1.83e6),
        most_bps: 1.83e6,
        sent_bps: 0.0,
        has_failed: false,
        is_audio_only: false,
    };

    /// Send the active cluster in rounds; return when it ended.
    fn send(controller: &mut Controller, mut now: Time) -> (Time, Complete) {
        loop {
            let bytes = controller.due_bytes(now) as u64;
            if let Some(complete) = controller.sent(now, 1, bytes) {
                return (now, complete);
            }
            now = controller.next_round().expect("active");
        }
    }

    #[test]
    fn a_round_that_sends_nothing_is_not_repeated_at_once() {
        let mut controller = Controller::new(3e5);
        controller.set_wants(WANTS);
        let mut now = Time::from_secs(1);
        assert!(controller.poll(now, 3e5, true).is_some());
        let mut rounds = 0;
        while let Some(next) = controller.next_round() {
            assert!(next > now || rounds == 0);
            now = next;
            rounds += 1;
            controller.sent(now, 0, 0);
        }
        assert_eq!(now, Time::from_millis(1_250));
        assert!(rounds <= 501, "{rounds}");
    }

    fn found(target_bps: f64, rate_bps: f64) -> Found {
        Found {
            target_bps,
            rate_bps,
            is_saturated: rate_bps < 0.9 * target_bps,
            is_passed: rate_bps >= 0.95 * target_bps,
        }
    }

    #[test]
    fn the_start_climbs_to_the_next_step() {
        let mut controller = Controller::new(3e5);
        assert_eq!(
            controller.poll(Time::from_secs(1), 3e5, true),
            None,
            "nothing is wanted"
        );
        controller.set_wants(WANTS);
        let now = Time::from_secs(2);
        let (_, first) = controller.poll(now, 3e5, true).expect("due");
        let (now, complete) = send(&mut controller, now);
        assert!(
            complete.packets >= 6 && complete.bytes >= 1_600,
            "{complete:?}"
        );
        let (_, second) = controller.poll(now, 3e5, true).expect("due at once");
        assert_eq!((first, second), (9e5, 1.8e6));
        let (now, _) = send(&mut controller, now);
        assert_eq!(controller.poll(now, 3e5, true), None, "feedback is awaited");
        controller.on_found(found(1.8e6, 1.75e6));
        let (_, third) = controller.poll(now, 1.75e6, true).expect("due at once");
        assert!((third - 2.1594e6).abs() < 1.0);
        let (now, _) = send(&mut controller, now);
        controller.on_found(found(third, 2.1594e6));
        assert_eq!(
            controller.poll(now + Duration::from_secs(60), 2.2e6, true),
            None
        );
    }

    #[test]
    fn an_unmet_step_is_probed_for_every_1500_ms_with_6_kb() {
        let mut controller = Controller::new(3e5);
        controller.set_wants(WANTS);
        let mut now = Time::from_secs(1);
        let mut started = Vec::new();
        for _ in 0..8_000 {
            now = now + Duration::from_millis(1);
            if let Some((_, rate)) = controller.poll(now, 8e5, true) {
                let (end, complete) = send(&mut controller, now);
                started.push((now.as_millis(), rate as u64, complete.bytes));
                controller.on_found(found(rate, 8e5));
                now = end;
            }
        }
        assert!((6..=9).contains(&started.len()), "{started:?}");
        assert!(
            started[2..]
                .iter()
                .all(|it| it.1 == 2_159_400 && it.2 >= 6_000),
            "{started:?}"
        );
    }

    #[test]
    fn a_decrease_is_waited_for() {
        let mut controller = Controller::new(3e5);
        controller.set_wants(WANTS);
        let now = Time::from_secs(1);
        controller.poll(now, 3e5, true).expect("due");
        send(&mut controller, now);
        controller.on_decrease(Time::from_millis(1_100));
        assert_eq!(controller.poll(Time::from_millis(2_050), 3e5, true), None);
        assert_eq!(
            controller.poll(Time::from_millis(2_600), 3e5, false),
            None,
            "queue grows"
        );
        assert!(
            controller
                .poll(Time::from_millis(2_600), 3e5, true)
                .is_some()
        );
    }

    #[test]
    fn a_cluster_that_cannot_be_sent_ends() {
        let mut controller = Controller::new(3e5);
        controller.set_wants(WANTS);
        let now = Time::from_secs(1);
        controller.poll(now, 3e5, true).expect("due");
        assert_eq!(controller.sent(now, 0, 0), None);
        let ended = controller.sent(now + Duration::from_millis(300), 0, 0);
        assert_eq!(ended.map(|it| it.packets), Some(0));
        assert_eq!(controller.active(), None);
    }
}
