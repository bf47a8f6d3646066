//! A call on virtual time: a sender of simulcast steps, its pacer and probes, a link, a receiver
//! that returns transport-wide feedback as bytes.

use std::collections::BinaryHeap;
use std::time::Duration;

use rtc::inbound::twcc::TwccReceiver;
use sfu::bwe::gcc::Gcc;
use sfu::bwe::ledger::Ledger;
use sfu::bwe::probe::Wants;
use wire::id::Ssrc;
use wire::rtcp::{Packet, compound};
use wire::time::Time;

use super::link::Link;

/// Wire rates of the encodings with audio, kb/s: 150, 500 and 1700 kb/s of video.
pub const STEPS: [f64; 3] = [215.0, 585.0, 1_830.0];
const TICK: Duration = Duration::from_micros(500);
const ROUND: Duration = Duration::from_millis(5);
const FRAME: Duration = Duration::from_micros(33_333);
const PADDING_LEN: usize = 300;
/// Bytes of a keyframe, beside those of a second: 30 kB of 1.7 Mb/s.
const KEYFRAME_SHARE: f64 = 0.14;

/// What happened in one tick of 100 ms.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub ms: u64,
    pub capacity_kbps: f64,
    pub estimate_kbps: f64,
    pub sent_kbps: f64,
    pub step: usize,
    pub queue_ms: f64,
}

pub struct Call {
    pub now: Time,
    pub down: Link,
    pub up: Link,
    pub gcc: Gcc,
    pub ledger: Ledger,
    /// Most steps of the publisher.
    pub steps: usize,
    pub is_paused: bool,
    pub samples: Vec<Sample>,
    pub sent: u64,
    pub lost: u64,
    pub probe_bytes: u64,
    pub switches: Vec<(u64, usize)>,
    pub is_silent: bool,
    /// When each packet was sent and how long it waited, ms.
    pub queueing: Vec<(u64, f64)>,
    receiver: TwccReceiver,
    arrivals: BinaryHeap<std::cmp::Reverse<(Time, u16)>>,
    feedback: Vec<(Time, Vec<u8>)>,
    step: usize,
    below_since: Option<Time>,
    switch_at: Option<(Time, usize)>,
    next_frame: Time,
    frames: u64,
    queued: Vec<usize>,
    next_round: Time,
    tokens: f64,
    window_bytes: u64,
    worst_queue: Duration,
    next_sample: Time,
    next_tick: Time,
}

impl Call {
    pub fn new(down: Link) -> Self {
        let now = Time::ZERO;
        let up = Link {
            delay: down.delay,
            ..Link::default()
        };
        Self {
            now,
            down,
            up,
            gcc: Gcc::new(now),
            ledger: Ledger::new(),
            steps: STEPS.len(),
            is_paused: false,
            samples: Vec::new(),
            sent: 0,
            lost: 0,
            probe_bytes: 0,
            switches: Vec::new(),
            is_silent: false,
            queueing: Vec::new(),
            receiver: TwccReceiver::new(),
            arrivals: BinaryHeap::new(),
            feedback: Vec::new(),
            step: 0,
            below_since: None,
            switch_at: None,
            next_frame: now,
            frames: 0,
            queued: Vec::new(),
            next_round: now,
            tokens: 0.0,
            window_bytes: 0,
            worst_queue: Duration::ZERO,
            next_sample: now,
            next_tick: now,
        }
    }

    pub fn run(&mut self, until_ms: u64) -> &mut Self {
        while self.now < Time::from_millis(until_ms) {
            self.now = self.now + TICK;
            self.receive();
            self.take_feedback();
            self.select();
            self.make_frame();
            self.send_round();
            self.send_probe();
            self.note();
        }
        self
    }

    /// Return the step that fits 85 % of the capacity.
    pub fn ideal(kbps: f64) -> usize {
        STEPS
            .iter()
            .rposition(|step| *step <= 0.85 * kbps)
            .unwrap_or(0)
    }

    /// Return the share of samples between two instants for which this holds.
    pub fn share(&self, from_ms: u64, until_ms: u64, holds: impl Fn(&Sample) -> bool) -> f64 {
        let within: Vec<_> = self.between(from_ms, until_ms).collect();
        within.iter().filter(|it| holds(it)).count() as f64 / within.len() as f64
    }

    pub fn ideal_share(&self, from_ms: u64, until_ms: u64) -> f64 {
        self.share(from_ms, until_ms, |it| {
            it.step == Self::ideal(it.capacity_kbps)
        })
    }

    /// Return the 95th percentile of the packets' queueing delay, ms.
    pub fn queue_p95_ms(&self, from_ms: u64, until_ms: u64) -> f64 {
        let is_within = |it: &&(u64, f64)| (from_ms..until_ms).contains(&it.0);
        let mut queues: Vec<f64> = self
            .queueing
            .iter()
            .filter(is_within)
            .map(|it| it.1)
            .collect();
        queues.sort_unstable_by(f64::total_cmp);
        queues[queues.len() * 95 / 100]
    }

    /// Return after how many ms from an instant on the ideal step is reached.
    pub fn ideal_after(&self, from_ms: u64) -> u64 {
        let is_ideal = |it: &&Sample| it.step == Self::ideal(it.capacity_kbps);
        let first = self.between(from_ms, u64::MAX).find(is_ideal);
        first.map_or(u64::MAX, |it| it.ms - from_ms)
    }

    pub fn print(&self) {
        if std::env::var_os("BWE_TRACE").is_none() {
            return;
        }
        for it in &self.samples {
            println!(
                "{:6} cap {:6.0} est {:6.0} sent {:6.0} step {} queue {:5.1}",
                it.ms, it.capacity_kbps, it.estimate_kbps, it.sent_kbps, it.step, it.queue_ms
            );
        }
        println!(
            "loss {:.4} probes {} kB switches {:?}",
            self.lost as f64 / self.sent as f64,
            self.probe_bytes / 1000,
            self.switches
        );
    }

    fn between(&self, from_ms: u64, until_ms: u64) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |it| (from_ms..until_ms).contains(&it.ms))
    }

    fn receive(&mut self) {
        while let Some(std::cmp::Reverse((at, sequence))) = self.arrivals.peek().copied() {
            if at > self.now {
                break;
            }
            self.arrivals.pop();
            self.receiver.received(sequence, at);
        }
        if self
            .receiver
            .poll_timeout()
            .is_some_and(|due| due <= self.now)
        {
            loop {
                let mut out = Vec::new();
                if !self.receiver.build_feedback(&mut out, Ssrc(1), Ssrc(2)) {
                    break;
                }
                let arrival = self.up.send(self.now, out.len() + 60);
                if let Some(at) = arrival.filter(|_| !self.is_silent) {
                    self.feedback.push((at, out));
                }
            }
        }
    }

    fn take_feedback(&mut self) {
        let now = self.now;
        for (_, bytes) in self.feedback.extract_if(.., |it| it.0 <= now) {
            let Some(Ok(Packet::TransportFeedback(feedback))) = compound(&bytes).next() else {
                panic!("no feedback");
            };
            self.gcc.on_feedback(now, &mut self.ledger, &feedback);
        }
        if now >= self.next_tick {
            self.next_tick = now + Duration::from_millis(250);
            self.gcc.tick(now, &self.ledger);
        }
    }

    /// Choose the step: up with 5 % to spare, down when the estimate is below for 300 ms.
    fn select(&mut self) {
        let kbps = self.gcc.estimate_bps() as f64 / 1_000.0;
        let next = STEPS[..self.steps].get(self.step + 1).copied();
        let most_bps = STEPS[self.steps - 1] * 1_000.0;
        let wants = Wants {
            next_step_bps: next.map(|it| it * 1_000.0),
            most_bps: if self.is_paused { 0.0 } else { most_bps },
            has_failed: false,
            is_audio_only: false,
            sent_bps: STEPS[self.step] * 1_000.0,
        };
        self.gcc.set_wants(self.now, wants, 2.5 * most_bps);
        if let Some((at, step)) = self.switch_at {
            if self.now >= at {
                self.step = step;
                self.frames = 0;
                self.switch_at = None;
                self.switches.push((self.now.as_millis(), step));
            }
            return;
        }
        let fits = STEPS[..self.steps]
            .iter()
            .rposition(|it| it * 1.05 <= kbps)
            .unwrap_or(0);
        if fits > self.step {
            // The keyframe comes after a round trip to the publisher.
            self.switch_at = Some((self.now + Duration::from_millis(100), fits));
        }
        if kbps >= STEPS[self.step] {
            self.below_since = None;
            return;
        }
        let since = *self.below_since.get_or_insert(self.now);
        if self.step > 0 && self.now.since(since) >= Duration::from_millis(300) {
            let fits = STEPS.iter().rposition(|it| *it <= kbps).unwrap_or(0);
            self.switch_at = Some((
                self.now + Duration::from_millis(100),
                fits.min(self.step - 1),
            ));
            self.below_since = None;
        }
    }

    fn make_frame(&mut self) {
        if self.now < self.next_frame {
            return;
        }
        self.next_frame = self.next_frame + FRAME;
        if self.is_paused {
            return;
        }
        let per_second = STEPS[self.step] * 125.0;
        let mut bytes = per_second * (1.0 - KEYFRAME_SHARE) / 30.0;
        if self.frames.is_multiple_of(30) {
            bytes += per_second * KEYFRAME_SHARE;
        }
        self.frames += 1;
        let packets = (bytes / 1_200.0).ceil() as usize;
        self.queued
            .extend(std::iter::repeat_n(bytes as usize / packets, packets));
    }

    /// Send a round of the pacer: 1.5 times the estimate, a queue within 250 ms.
    fn send_round(&mut self) {
        if self.now < self.next_round {
            return;
        }
        self.next_round = self.now + ROUND;
        let estimate = self.gcc.estimate_bps() as f64 / 8.0;
        let queued: usize = self.queued.iter().sum();
        let rate = (1.5 * estimate).max(queued as f64 / 0.25);
        let burst = (0.02 * estimate).max(2_500.0);
        self.tokens = (self.tokens + rate * ROUND.as_secs_f64()).min(burst.max(rate * 0.005));
        let (mut packets, mut bytes) = (0, 0);
        while self.tokens > 0.0 && !self.queued.is_empty() {
            let len = self.queued.remove(0);
            self.tokens -= len as f64;
            self.send(len);
            packets += 1;
            bytes += len as u64;
        }
        if packets > 0 && self.gcc.is_probing() {
            self.gcc
                .probe_sent(self.now, &mut self.ledger, packets, bytes);
        }
    }

    fn send_probe(&mut self) {
        self.gcc.poll_probe(self.now, &mut self.ledger);
        if self.gcc.next_probe_round().is_none_or(|at| at > self.now) {
            return;
        }
        let (mut packets, mut bytes) = (0, 0);
        while self.gcc.probe_bytes(self.now) > bytes as usize && packets < 10 {
            self.send(PADDING_LEN);
            packets += 1;
            bytes += PADDING_LEN as u64;
        }
        self.probe_bytes += bytes;
        self.gcc
            .probe_sent(self.now, &mut self.ledger, packets, bytes);
    }

    fn send(&mut self, len: usize) {
        let sequence = self.ledger.sent(self.now, len);
        self.sent += 1;
        self.window_bytes += len as u64;
        let queueing_ms = self.down.queueing(self.now).as_secs_f64() * 1_000.0;
        self.queueing.push((self.now.as_millis(), queueing_ms));
        match self.down.send(self.now, len) {
            Some(at) => self.arrivals.push(std::cmp::Reverse((at, sequence))),
            None => self.lost += 1,
        }
    }

    fn note(&mut self) {
        self.worst_queue = self.worst_queue.max(self.down.queueing(self.now));
        if self.now < self.next_sample {
            return;
        }
        self.next_sample = self.now + Duration::from_millis(100);
        self.samples.push(Sample {
            ms: self.now.as_millis(),
            capacity_kbps: self.down.kbps(self.now),
            estimate_kbps: self.gcc.estimate_bps() as f64 / 1_000.0,
            sent_kbps: self.window_bytes as f64 * 0.08,
            step: self.step,
            queue_ms: self.worst_queue.as_secs_f64() * 1_000.0,
        });
        self.window_bytes = 0;
        self.worst_queue = Duration::ZERO;
    }
}
