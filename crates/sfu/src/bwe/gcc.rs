//! The estimator of one send transport: feedback in, estimate and probes out.

use std::time::Duration;

use wire::rtcp::{TWCC_TICK, TwccFeedback};
use wire::time::Time;

use super::acknowledged::Acknowledged;
use super::aimd::{Aimd, Observed};
use super::groups::Groups;
use super::ledger::{Ledger, Reported};
use super::loss::LossBound;
use super::probe::{Clusters, Controller, Found, Wants};
use super::queue::Queue;
use super::reference::ReferenceTime;
use super::sent_rate::SentRate;
use super::silence::Silence;
use super::trendline::{Trendline, Usage};
use super::trial::Trial;

/// Rate of a new transport, bit/s.
pub const START_BPS: f64 = 300_000.0;
/// No estimate is below this.
pub const FLOOR_BPS: f64 = 30_000.0;
/// A transport that sends less than this share of its estimate is application-limited.
const LIMITED_BELOW: f64 = 0.8;
/// What the queue was is forgotten after so long without feedback. A video that was paused while the
/// queue grew sends nothing that would show that it has drained.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);
/// Round-trip time until one is measured.
const FIRST_RTT: Duration = Duration::from_millis(200);

/// Beside flows that fill the queue no more than this share of the link is tried.
const FAIR_SHARE: f64 = 0.5;
const ABOVE_TRIED_STEP: f64 = 1.3;

/// Google congestion control of one send transport.
#[derive(Debug)]
pub struct Gcc {
    reference: ReferenceTime,
    groups: Groups,
    trendline: Trendline,
    acknowledged: Acknowledged,
    aimd: Aimd,
    loss: LossBound,
    clusters: Clusters,
    probes: Controller,
    estimate_bps: f64,
    max_bps: f64,
    /// Neither a probe nor a decrease has replaced the start rate yet.
    is_start: bool,
    /// The estimate is that of another path: a probe that fills this one replaces it.
    is_unverified: bool,
    /// A probe has raised the estimate since that was last asked.
    has_passed_probe: bool,
    /// The most that has passed this path, bit/s.
    passed_bps: f64,
    /// What the last probe found, until that was asked, bit/s.
    probed_bps: Option<f64>,
    rtt: Option<Duration>,
    sent: SentRate,
    queue: Queue,
    silence: Silence,
    trial: Trial,
    /// When a feedback last had news.
    informed: Time,
}

/// What a feedback newly reports.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    received: u32,
    lost: i64,
    newest_sent_us: Option<u64>,
    is_over: bool,
    /// Longest wait in the queue of the bottleneck, ms.
    waited_ms: f64,
    /// Rate of arrivals when the overuse was detected, bit/s.
    queueing_bps: Option<f64>,
}

impl Gcc {
    /// Start without knowledge about the path.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            reference: ReferenceTime::default(),
            groups: Groups::default(),
            trendline: Trendline::default(),
            acknowledged: Acknowledged::default(),
            aimd: Aimd::new(START_BPS),
            loss: LossBound::default(),
            clusters: Clusters::default(),
            probes: Controller::new(START_BPS),
            estimate_bps: START_BPS,
            max_bps: f64::INFINITY,
            is_start: true,
            is_unverified: false,
            has_passed_probe: false,
            passed_bps: 0.0,
            probed_bps: None,
            rtt: None,
            sent: SentRate::new(now),
            queue: Queue::default(),
            silence: Silence::default(),
            trial: Trial::default(),
            informed: now,
        }
    }

    /// Return the estimate, bit/s.
    #[must_use]
    pub fn estimate_bps(&self) -> u64 {
        self.estimate_bps as u64
    }

    /// Return the round-trip time by feedback, which includes the receiver's delay of it.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Return the share of lost packets, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        self.loss.ratio()
    }

    /// Return whether the queue of the bottleneck is that of flows that fill it whatever is sent here.
    #[must_use]
    pub fn is_queue_foreign(&self) -> bool {
        self.queue.is_foreign()
    }

    /// Return how long packets wait in the queue of the bottleneck, as far as it is ours.
    #[must_use]
    pub fn queueing(&self) -> Duration {
        if self.queue.is_foreign() {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(self.trendline.waited_ms().clamp(0.0, 1e4) / 1e3)
    }

    /// Return once whether a probe has raised the estimate.
    pub fn take_passed_probe(&mut self) -> bool {
        std::mem::take(&mut self.has_passed_probe)
    }

    /// Return once what a probe has found, bit/s.
    pub fn take_probed_bps(&mut self) -> Option<u64> {
        self.probed_bps.take().map(|it| it as u64)
    }

    /// Return what the receiver acknowledges, bit/s.
    #[must_use]
    pub fn acknowledged_bps(&self) -> Option<u64> {
        self.acknowledged.bps().map(|it| it as u64)
    }

    /// Return whether the queue of the bottleneck grows.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.trendline.usage()
    }

    /// Return whether the transport sends less than its estimate allows.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.sent
            .bps
            .is_none_or(|sent| sent < LIMITED_BELOW * self.estimate_bps)
    }

    /// Set what the subscriptions could use, and the most that an estimate may be.
    pub fn set_wants(&mut self, now: Time, wants: Wants, max_bps: f64) {
        self.queue.set_sent_bps(now, wants.sent_bps);
        self.probes.set_wants(wants);
        self.max_bps = max_bps.max(FLOOR_BPS);
        self.apply_bounds();
    }

    /// Process a feedback.
    pub fn on_feedback(&mut self, now: Time, ledger: &mut Ledger, feedback: &TwccFeedback<'_>) {
        let Some(summary) = self.read(ledger, feedback) else {
            return;
        };
        self.informed = now;
        self.sent.update(now, ledger.sent_bytes());
        let is_resumed = self.silence.ended(ledger.sent_packets());
        if let Some(sent_us) = summary.newest_sent_us {
            let sample = Duration::from_micros(now.as_micros().saturating_sub(sent_us));
            self.rtt = Some(smoothed(self.rtt, sample));
        }
        self.loss.add(now, summary.received, summary.lost);
        let (waited_ms, jitter_ms) = (self.trendline.waited_ms(), self.trendline.jitter_ms());
        self.queue.on_feedback(now, waited_ms, jitter_ms);
        let usage = match summary.is_over || self.queue.is_filling() {
            // Losses alone tell then that too much is sent.
            _ if self.queue.is_foreign() => Usage::Normal,
            true => Usage::Overuse,
            false => self.trendline.usage(),
        };
        let arriving_bps = self.acknowledged.queueing_bps();
        let acknowledged_bps = self.acknowledged.bps();
        let observed = Observed {
            acknowledged_bps,
            queueing_bps: summary.queueing_bps.or(arriving_bps),
            tolerated: self.queue.tolerated(now, arriving_bps),
            waited: Duration::from_secs_f64(summary.waited_ms.clamp(0.0, 1e4) / 1e3),
            ..self.observed()
        };
        let before = self.aimd.decreased();
        self.aimd.update(now, usage, observed);
        if self.aimd.decreased() != before {
            self.is_start = false;
            self.probes.on_decrease(now);
            self.trial.on_decrease(now);
        }
        while let Some(found) = self.clusters.take() {
            self.on_probe(now, found);
        }
        if is_resumed {
            self.probes.reset();
        }
        self.estimate(now, acknowledged_bps);
    }

    /// Handle the silence of a receiver and a pause of all media; call every few hundred
    /// milliseconds.
    pub fn tick(&mut self, now: Time, ledger: &Ledger) {
        if now.since(self.informed) >= FORGOTTEN_AFTER {
            self.trendline.forget_usage();
            self.queue.forget();
        }
        if self.silence.is_given_up(now, ledger.sent_packets()) {
            self.probes.reset();
        }
        if self.silence.is_due(now, ledger.sent_packets()) {
            self.aimd
                .set_rate_bps((self.aimd.rate_bps() / 2.0).max(FLOOR_BPS));
            self.estimate_bps = self.estimate_bps.min(self.aimd.rate_bps());
            self.is_start = false;
            self.probes.on_decrease(now);
        }
    }

    /// Measure another path from the start; call with [`Ledger::change_path`].
    ///
    /// The estimate is kept until something is known: most changes are between paths of similar
    /// rates, and a video that stops until probes have passed is worse than a queue for a moment.
    /// The first probe goes to the estimate, and a full link lowers it at once.
    pub fn change_path(&mut self, now: Time) {
        // The first path: nothing was measured on another one.
        if self.is_start {
            return;
        }
        let (estimate_bps, max_bps) = (self.estimate_bps, self.max_bps);
        let mut probes = std::mem::replace(&mut self.probes, Controller::new(START_BPS));
        probes.verify(estimate_bps);
        *self = Self::new(now);
        (self.probes, self.max_bps) = (probes, max_bps);
        self.is_start = false;
        self.is_unverified = true;
        self.aimd.set_rate_bps(estimate_bps);
        self.estimate_bps = estimate_bps;
    }

    /// Return whether a probe or a trial may be due; what they need else is loaded only then.
    #[must_use]
    pub fn may_probe(&self, now: Time) -> bool {
        self.queue.is_foreign() || self.probes.may_start(now, self.estimate_bps)
    }

    /// Load the arrivals that those of the next feedback are compared with.
    pub fn prefetch_arrivals(&self) {
        self.acknowledged.prefetch();
    }

    /// Start a probe cluster where one is due: its packets are recorded in the ledger as its own.
    pub fn poll_probe(&mut self, now: Time, ledger: &mut Ledger) -> bool {
        if self.silence.is_silent() {
            return false;
        }
        if self.queue.is_foreign() {
            self.try_beside_others(now);
            return false;
        }
        let is_normal = self.trendline.usage() != Usage::Overuse;
        let jitter = Duration::from_secs_f64(self.trendline.jitter_ms().min(1e3) / 1e3);
        self.probes.set_jitter(jitter);
        let Some((id, rate_bps)) = self.probes.poll(now, self.estimate_bps, is_normal) else {
            return false;
        };
        self.clusters.begin(id, rate_bps, self.probes.warm_up());
        ledger.set_cluster(id);
        true
    }

    /// Try the next step itself, where no subscription can carry probes.
    pub fn poll_trial(&mut self, now: Time) {
        let is_normal = self.trendline.usage() != Usage::Overuse && !self.silence.is_silent();
        let target_bps = self.probes.target_bps();
        if is_normal && self.estimate_bps < target_bps && self.trial.is_due(now) {
            self.aimd.on_probe(now, target_bps, false);
            self.estimate(now, self.acknowledged.bps());
        }
    }

    /// Try the next step where others fill the queue: no probe passes there. It is no more than half of
    /// the link.
    fn try_beside_others(&mut self, now: Time) {
        let step_bps = self.probes.next_step_bps();
        let is_fair = |step: f64| step <= FAIR_SHARE * self.passed_bps;
        let Some(step_bps) = step_bps.filter(|step| is_fair(*step)) else {
            return;
        };
        let target_bps = ABOVE_TRIED_STEP * step_bps;
        if self.estimate_bps < target_bps && self.trial.is_due(now) {
            self.aimd.set_rate_bps(target_bps);
            self.has_passed_probe = true;
            self.estimate(now, self.acknowledged.bps());
        }
    }

    /// Return whether a cluster is being sent.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.probes.active().is_some()
    }

    /// Return the bytes that the cluster being sent is behind its rate.
    #[must_use]
    pub fn probe_bytes(&self, now: Time) -> usize {
        self.probes.due_bytes(now)
    }

    /// Return when the next round of the cluster being sent is due.
    #[must_use]
    pub fn next_probe_round(&self) -> Option<Time> {
        self.probes.next_round()
    }

    /// Record a round of the cluster being sent, media included.
    pub fn probe_sent(&mut self, now: Time, ledger: &mut Ledger, packets: u32, bytes: u64) {
        if let Some(complete) = self.probes.sent(now, packets, bytes) {
            self.clusters.complete(complete);
            ledger.set_cluster(super::probe::ClusterId::NONE);
        }
    }

    /// Read a feedback; `None` where it is about no packet that is kept.
    fn read(&mut self, ledger: &mut Ledger, feedback: &TwccFeedback<'_>) -> Option<Summary> {
        // Forty bytes can report 65,535 packets: those never sent are not read.
        let reported = ledger.reported_len(feedback.base_sequence)?;
        let offset = self.reference.offset_ticks(feedback.reference_time);
        let mut summary = Summary::default();
        for (sequence, ticks) in feedback.packets().take(reported) {
            match ticks {
                Some(ticks) => {
                    if let Some(packet) = ledger.received(sequence) {
                        let arrived_us = (ticks + offset) * TWCC_TICK.as_micros() as i64;
                        self.on_received(&mut summary, packet, arrived_us);
                    }
                }
                None => summary.lost += i64::from(ledger.lost(sequence).is_some()),
            }
        }
        let is_news = summary.received > 0 || summary.lost > 0;
        is_news.then_some(summary)
    }

    fn on_received(&mut self, summary: &mut Summary, packet: Reported, arrived_us: i64) {
        summary.received += 1;
        summary.lost -= i64::from(packet.was_lost);
        summary.newest_sent_us = summary.newest_sent_us.max(Some(packet.sent_us));
        self.acknowledged.add(arrived_us, packet.len_bytes);
        self.clusters
            .add(packet.cluster, packet.sent_us, arrived_us, packet.len_bytes);
        if let Some(variation) = self.groups.add(packet.sent_us, arrived_us) {
            self.trendline.add(variation);
            summary.waited_ms = summary.waited_ms.max(self.trendline.waited_ms());
            summary.is_over = self.trendline.usage() == Usage::Overuse;
            if summary.is_over {
                let queueing_bps = self.acknowledged.queueing_bps();
                summary.queueing_bps = match summary.queueing_bps {
                    Some(before) => queueing_bps.map(|it| it.max(before)),
                    None => queueing_bps,
                };
            }
        }
    }

    fn on_probe(&mut self, now: Time, found: Found) {
        self.probes.on_found(found);
        self.probed_bps = Some(found.rate_bps);
        self.passed_bps = self.passed_bps.max(found.rate_bps);
        // Jitter makes a short probe look slow: it lowers the estimate only where nothing is known.
        let is_lower = self.is_unverified && found.is_saturated;
        self.is_unverified = false;
        // The estimate, not the rate by delay alone: a bound by loss is lifted too.
        if found.rate_bps > self.estimate_bps || self.is_start {
            if found.rate_bps > self.aimd.rate_bps() || self.is_start {
                self.aimd.on_probe(now, found.rate_bps, found.is_saturated);
            }
            self.loss.on_probe(found.rate_bps);
            self.has_passed_probe = true;
            self.is_start = false;
        } else if is_lower {
            self.aimd.on_probe(now, found.rate_bps, true);
        }
    }

    fn observed(&self) -> Observed {
        Observed {
            acknowledged_bps: None,
            queueing_bps: None,
            sent_bps: self.queue.sent_bps().or(self.sent.bps),
            waited: Duration::ZERO,
            tolerated: Duration::ZERO,
            rtt: self.round_trip(),
            is_limited: self.is_limited(),
        }
    }

    fn round_trip(&self) -> Duration {
        self.rtt.unwrap_or(FIRST_RTT)
    }

    fn estimate(&mut self, now: Time, acknowledged_bps: Option<f64>) {
        let rate_bps = self.aimd.rate_bps();
        self.estimate_bps = self
            .loss
            .bound(now, rate_bps, acknowledged_bps, self.round_trip());
        self.apply_bounds();
    }

    fn apply_bounds(&mut self) {
        let bounded = |bps: f64, max_bps: f64| bps.clamp(FLOOR_BPS, max_bps);
        self.aimd
            .set_rate_bps(bounded(self.aimd.rate_bps(), self.max_bps));
        self.estimate_bps = bounded(self.estimate_bps, self.max_bps);
    }
}

/// Follow shorter round trips at once, longer ones slowly: most of the difference is the delay of
/// the feedback.
fn smoothed(rtt: Option<Duration>, sample: Duration) -> Duration {
    rtt.filter(|rtt| *rtt < sample)
        .map_or(sample, |rtt| rtt + (sample - rtt) / 8)
}
