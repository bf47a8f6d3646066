//! A bottleneck: capacity over time, one-way delay, tail-drop queue, loss, jitter, cross traffic.

use std::time::Duration;

use wire::time::Time;

/// A link in one direction; the default is wide and without loss.
#[derive(Clone, Debug)]
pub struct Link {
    /// Capacity in kb/s from these milliseconds on, in order; the first begins at 0.
    pub capacity: Vec<(u64, f64)>,
    /// One-way delay without queue.
    pub delay: Duration,
    /// Most queueing, in time at the present capacity.
    pub queue: Duration,
    pub loss: Loss,
    /// Additional delay of each packet, uniform; packets may overtake each other.
    pub jitter: Duration,
    /// Constant traffic of others in the same queue, kb/s, from and until these milliseconds.
    pub cross: (f64, u64, u64),
    pub seed: u64,
    pub backlog_bytes: f64,
    pub at: Time,
    pub burst_left: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum Loss {
    None,
    /// This share of packets, independent.
    Random(f64),
    /// This share of packets, in bursts of this many.
    Bursts(f64, u32),
}

impl Default for Link {
    fn default() -> Self {
        Self {
            capacity: vec![(0, 100_000.0)],
            delay: Duration::from_millis(50),
            queue: Duration::from_millis(300),
            loss: Loss::None,
            jitter: Duration::ZERO,
            cross: (0.0, 0, 0),
            seed: 1,
            backlog_bytes: 0.0,
            at: Time::ZERO,
            burst_left: 0,
        }
    }
}

impl Link {
    pub fn of_kbps(kbps: f64) -> Self {
        Self {
            capacity: vec![(0, kbps)],
            ..Self::default()
        }
    }

    pub fn kbps(&self, at: Time) -> f64 {
        let has_begun = |it: &&(u64, f64)| it.0 <= at.as_millis();
        self.capacity
            .iter()
            .rev()
            .find(has_begun)
            .expect("begins at 0")
            .1
    }

    /// Return how long a packet that arrives now waits.
    pub fn queueing(&mut self, now: Time) -> Duration {
        self.drain(now);
        Duration::from_secs_f64(self.backlog_bytes / (self.kbps(now) * 125.0))
    }

    /// Send a packet; return when it arrives, `None` where it is lost.
    pub fn send(&mut self, now: Time, len: usize) -> Option<Time> {
        self.drain(now);
        if self.queueing(now) > self.queue || self.is_lost() {
            return None;
        }
        self.backlog_bytes += len as f64;
        let jitter = self.jitter.mul_f64(self.random());
        Some(self.departure(now) + self.delay + jitter)
    }

    /// Return when the last packet of the queue has left.
    fn departure(&self, now: Time) -> Time {
        let (mut at, mut left) = (now, self.backlog_bytes);
        let changes = self.capacity.iter().map(|it| Time::from_millis(it.0));
        for change in changes.filter(|at| *at > now) {
            let passed = self.kbps(at) * 125.0 * change.since(at).as_secs_f64();
            if passed >= left {
                break;
            }
            (at, left) = (change, left - passed);
        }
        at + Duration::from_secs_f64(left / (self.kbps(at) * 125.0))
    }

    fn drain(&mut self, now: Time) {
        while self.at < now {
            let end = (self.at + Duration::from_millis(1)).min(now);
            let seconds = end.since(self.at).as_secs_f64();
            let (kbps, from, until) = self.cross;
            let is_on = (from..until).contains(&self.at.as_millis());
            self.backlog_bytes += if is_on { kbps * 125.0 * seconds } else { 0.0 };
            let sent = self.kbps(self.at) * 125.0 * seconds;
            self.backlog_bytes = (self.backlog_bytes - sent).max(0.0);
            self.at = end;
        }
    }

    fn is_lost(&mut self) -> bool {
        match self.loss {
            Loss::None => false,
            Loss::Random(share) => self.random() < share,
            Loss::Bursts(..) if self.burst_left > 0 => {
                self.burst_left -= 1;
                true
            }
            Loss::Bursts(share, length) => {
                let begins = self.random() < share / f64::from(length);
                self.burst_left = if begins { length - 1 } else { 0 };
                begins
            }
        }
    }

    /// Return the next number of a xorshift generator, 0 to 1.
    pub fn random(&mut self) -> f64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }
}
