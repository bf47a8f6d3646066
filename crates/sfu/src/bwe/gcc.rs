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
use super::reference::ReferenceTime;
use super::trendline::{Trendline, Usage};

/// Rate of a new transport, bit/s.
pub const START_BPS: f64 = 300_000.0;
/// No estimate is below this.
pub const FLOOR_BPS: f64 = 30_000.0;
/// A transport that sends less than this share of its estimate is application-limited.
const LIMITED_BELOW: f64 = 0.8;
/// Time over which the bitrate sent is measured.
const SENT_WINDOW: Duration = Duration::from_millis(250);
/// A receiver is silent when packets have waited for feedback for so long; the estimate is frozen
/// meanwhile and then halved in these steps.
const SILENT_AFTER: Duration = Duration::from_secs(1);
const HALVED_EVERY: Duration = Duration::from_millis(500);
/// Between two trials of the next step without probes; doubled by each failure.
const TRIAL_EVERY: Duration = Duration::from_secs(10);
const MAX_TRIAL_FAILURES: u32 = 4;

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
    rtt: Option<Duration>,
    sent: SentRate,
    silence: Silence,
    trial: Trial,
}

/// What a feedback newly reports.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    received: u32,
    lost: i64,
    newest_sent_us: Option<u64>,
    is_over: bool,
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
            rtt: None,
            sent: SentRate::new(now),
            silence: Silence::default(),
            trial: Trial::default(),
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

    /// Return how long packets wait in the queue of the bottleneck.
    #[must_use]
    pub fn queueing(&self) -> Duration {
        Duration::from_secs_f64(self.trendline.queueing_ms().clamp(0.0, 1e4) / 1e3)
    }

    /// Return once whether a probe has raised the estimate.
    pub fn take_passed_probe(&mut self) -> bool {
        std::mem::take(&mut self.has_passed_probe)
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
    pub fn set_wants(&mut self, wants: Wants, max_bps: f64) {
        self.probes.set_wants(wants);
        self.max_bps = max_bps.max(FLOOR_BPS);
        self.apply_bounds();
    }

    /// Process a feedback.
    pub fn on_feedback(&mut self, now: Time, ledger: &mut Ledger, feedback: &TwccFeedback<'_>) {
        let Some(summary) = self.read(ledger, feedback) else {
            return;
        };
        self.sent.update(now, ledger.sent_bytes());
        let is_resumed = self.silence.ended(ledger.sent_packets());
        if let Some(sent_us) = summary.newest_sent_us {
            let sample = Duration::from_micros(now.as_micros().saturating_sub(sent_us));
            self.rtt = Some(smoothed(self.rtt, sample));
        }
        self.loss.add(now, summary.received, summary.lost);
        let usage = match summary.is_over {
            true => Usage::Overuse,
            false => self.trendline.usage(),
        };
        let observed = Observed {
            queueing_bps: summary.queueing_bps,
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
        self.estimate(now);
    }

    /// Handle the silence of a receiver; call every few hundred milliseconds.
    pub fn tick(&mut self, now: Time, ledger: &Ledger) {
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

    /// Start a probe cluster where one is due: its packets are recorded in the ledger as its own.
    pub fn poll_probe(&mut self, now: Time, ledger: &mut Ledger) -> bool {
        if self.silence.is_silent() {
            return false;
        }
        let is_normal = self.trendline.usage() != Usage::Overuse;
        let jitter = Duration::from_secs_f64(self.trendline.jitter_ms().min(1e3) / 1e3);
        self.probes.set_jitter(jitter);
        let Some((id, rate_bps)) = self.probes.poll(now, self.estimate_bps, is_normal) else {
            return false;
        };
        self.clusters.begin(id, rate_bps);
        ledger.set_cluster(id);
        true
    }

    /// Try the next step itself, where no subscription can carry probes.
    pub fn poll_trial(&mut self, now: Time) {
        let is_normal = self.trendline.usage() != Usage::Overuse && !self.silence.is_silent();
        let target_bps = self.probes.target_bps();
        if is_normal && self.estimate_bps < target_bps && self.trial.is_due(now) {
            self.aimd.on_probe(now, target_bps, false);
            self.estimate(now);
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
        // Jitter makes a short probe look slow: it lowers the estimate only where nothing is known.
        let is_lower = self.is_unverified && found.is_saturated;
        self.is_unverified = false;
        if found.rate_bps > self.aimd.rate_bps() || self.is_start {
            self.aimd.on_probe(now, found.rate_bps, found.is_saturated);
            self.loss.on_probe(found.rate_bps);
            self.has_passed_probe = true;
            self.is_start = false;
        } else if is_lower {
            self.aimd.on_probe(now, found.rate_bps, true);
        }
    }

    fn observed(&self) -> Observed {
        Observed {
            acknowledged_bps: self.acknowledged.bps(),
            queueing_bps: None,
            sent_bps: self.sent.bps,
            rtt: self.rtt.unwrap_or(Duration::from_millis(200)),
            is_limited: self.is_limited(),
        }
    }

    fn estimate(&mut self, now: Time) {
        let observed = self.observed();
        let rate_bps = self.aimd.rate_bps();
        self.estimate_bps = self
            .loss
            .bound(now, rate_bps, observed.acknowledged_bps, observed.rtt);
        self.apply_bounds();
    }

    fn apply_bounds(&mut self) {
        let bounded = |bps: f64, max_bps: f64| bps.clamp(FLOOR_BPS, max_bps);
        self.aimd
            .set_rate_bps(bounded(self.aimd.rate_bps(), self.max_bps));
        self.estimate_bps = bounded(self.estimate_bps, self.max_bps);
    }
}

/// Steps that are taken without a probe.
#[derive(Debug, Default)]
struct Trial {
    begun: Option<Time>,
    failures: u32,
}

impl Trial {
    fn is_due(&mut self, now: Time) -> bool {
        let hold = TRIAL_EVERY * (1 << self.failures);
        if self.begun.is_some_and(|at| now.since(at) < hold) {
            return false;
        }
        self.begun = Some(now);
        true
    }

    /// A decrease soon after a trial is its failure: the next one comes later.
    fn on_decrease(&mut self, now: Time) {
        let Some(begun) = self.begun else {
            return;
        };
        let has_failed = now.since(begun) < TRIAL_EVERY / 2;
        self.failures = match has_failed {
            true => (self.failures + 1).min(MAX_TRIAL_FAILURES),
            false => 0,
        };
    }
}

/// The bitrate sent, of the packets that carry numbers.
#[derive(Debug)]
struct SentRate {
    since: Time,
    bytes: u64,
    bps: Option<f64>,
}

impl SentRate {
    fn new(now: Time) -> Self {
        Self {
            since: now,
            bytes: 0,
            bps: None,
        }
    }

    fn update(&mut self, now: Time, sent_bytes: u64) {
        let elapsed = now.since(self.since);
        if elapsed < SENT_WINDOW {
            return;
        }
        let bps = (sent_bytes - self.bytes) as f64 * 8.0 / elapsed.as_secs_f64();
        self.bps = Some(self.bps.map_or(bps, |before| (before + bps) / 2.0));
        self.since = now;
        self.bytes = sent_bytes;
    }
}

/// Packets that wait for feedback.
#[derive(Debug, Default)]
struct Silence {
    /// Packets sent before the last feedback.
    reported: u64,
    waiting: Option<Time>,
    halvings: u32,
}

impl Silence {
    fn is_silent(&self) -> bool {
        self.halvings > 0
    }

    /// Note a feedback; return whether the receiver had been silent.
    fn ended(&mut self, sent_packets: u64) -> bool {
        self.reported = sent_packets;
        self.waiting = None;
        std::mem::take(&mut self.halvings) > 0
    }

    /// Return whether the estimate is to be halved.
    fn is_due(&mut self, now: Time, sent_packets: u64) -> bool {
        if sent_packets == self.reported {
            self.waiting = None;
            return false;
        }
        let waiting = *self.waiting.get_or_insert(now);
        let at = waiting + SILENT_AFTER + HALVED_EVERY * self.halvings;
        let is_due = now >= at;
        self.halvings += u32::from(is_due);
        is_due
    }
}

/// Follow shorter round trips at once, longer ones slowly: most of the difference is the delay of
/// the feedback.
fn smoothed(rtt: Option<Duration>, sample: Duration) -> Duration {
    rtt.filter(|rtt| *rtt < sample)
        .map_or(sample, |rtt| rtt + (sample - rtt) / 8)
}
