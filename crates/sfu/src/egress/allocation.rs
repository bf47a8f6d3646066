//! The layers of a subscriber within its estimate: [`allocate`] divides it, and what it grants is
//! selected here.

use wire::time::Time;

use super::Egress;
use super::quality::QualityReport;
use super::wishes::{Layers, Videos, layers, wish};
use crate::allocate::hysteresis::{Hysteresis, Rise, Signals};
use crate::allocate::{Grant, Held, Limits, NextStep, Wish, allocate, present_bps, wanted_bps};
use crate::bwe::control::Bandwidth;
use crate::context::{Context, Timer};
use crate::deadline::Deadline;
use crate::ingress::Ingress;
use crate::keys::{EncodingKey, SubscriberKey, SubscriptionKey};
use crate::reasons::{BANDWIDTH, LAST_N};

/// What the allocations of a subscriber's estimate remember.
#[derive(Debug, Default)]
pub struct Allocator {
    hysteresis: Hysteresis,
    /// When the next one is due though nothing changes.
    timer: Deadline,
    /// What was reported of the last one.
    report: QualityReport,
    /// The step that a probe should try.
    pub next: Option<NextStep>,
}

/// Bitrates on the wire of a subscriber without retransmissions, bit/s.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WireLoad {
    /// All that is sent.
    pub sent_bps: u64,
    /// All that its requests admit.
    pub wanted_bps: u64,
    /// Whether there is audio, and every video is paused.
    pub is_audio_only: bool,
}

/// Return whether a subscription without a layer is paused, and not only without an encoding.
fn is_pause(reason: &str) -> bool {
    [BANDWIDTH, LAST_N].contains(&reason)
}

impl Allocator {
    /// Return whether a step has failed not long ago.
    #[must_use]
    pub fn has_failed(&self, now: Time) -> bool {
        self.hysteresis.is_held(now)
    }

    /// Return whether the estimate limits a video.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.report.is_limited()
    }
}

impl Egress {
    /// Divide the estimate of a subscriber among its video subscriptions.
    pub(super) fn allocate_estimate(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        let audio_bps = self.audio_bps(ingress, key);
        let loss = self.reported_loss(key);
        let (mut videos, excluded) = self.split_by_last_n(ingress, key, self.videos(ingress, key));
        let wishes = self.wishes(ingress, &videos);
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        if !subscriber.connected {
            return;
        }
        let resent_bps = subscriber.control.resent_bps(context.now);
        let budget = &mut subscriber.budget;
        let estimator = budget.estimator.as_mut();
        let probed = estimator.map(|it| (it.take_passed_probe(), it.take_probed_bps()));
        let (probe_passed, probed_bps) = probed.unwrap_or_default();
        let queueing = budget.estimator.as_ref().and_then(Bandwidth::queueing);
        let estimator = budget.estimator.as_ref();
        let is_queue_foreign = estimator.is_some_and(Bandwidth::is_queue_foreign);
        let reserved_bps = audio_bps.saturating_add(budget.reserved_for(resent_bps));
        let video_bps = present_bps(&wishes);
        let measured_loss = budget.estimator.as_ref().and_then(Bandwidth::loss);
        let signals = Signals {
            estimate_bps: budget.bps,
            need_bps: reserved_bps.saturating_add(video_bps),
            video_bps,
            queueing,
            is_queue_foreign,
            loss: measured_loss.map_or(loss, |it| it as f32),
            probe_passed,
            probed_bps,
        };
        let allocator = &mut budget.allocator;
        let decision = allocator.hysteresis.update(context.now, &signals);
        let limits = Limits {
            estimate_bps: decision.estimate_bps,
            reserved_bps,
            sent_bps: decision.sent_bps,
            rise: decision.rise,
        };
        let mut allocation = allocate(&limits, &wishes);
        allocator.next = allocation.next;
        if let Some(due) = allocator.hysteresis.due() {
            allocator.timer.set(due);
            context.set_timer(due, Timer::Allocation(key));
        }
        videos.extend(excluded.iter().map(|it| (it.0, Layers::default())));
        allocation.grants.extend(excluded.iter().map(|it| it.1));
        let is_reported = allocator
            .report
            .is_due(context.now, budget.bps, &allocation.grants);
        for ((subscription, layers), grant) in videos.iter().zip(&allocation.grants) {
            self.apply_grant(context, ingress, *subscription, layers, grant);
        }
        if is_reported {
            let sent_bps = allocation.granted_bps.saturating_add(reserved_bps);
            self.report_quality(
                context,
                ingress,
                key,
                (&videos, &allocation.grants),
                sent_bps,
            );
        }
    }

    /// Allocate again where that is due though nothing has changed.
    pub fn allocate_if_due(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
    ) {
        let subscriber = self.subscribers.get_mut(key);
        let is_due = subscriber.is_some_and(|it| it.budget.allocator.timer.expired(context.now));
        if is_due {
            self.allocate_estimate(context, ingress, key);
        }
    }

    /// Select what one subscription gets without a limit.
    pub(super) fn allocate_unlimited(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
    ) {
        let unlimited = Limits {
            estimate_bps: None,
            reserved_bps: 0,
            sent_bps: 0,
            rise: Rise::ANY,
        };
        let Some(subscription) = self.subscriptions.get(key) else {
            return;
        };
        let Some(publication) = ingress.publications.get(subscription.publication) else {
            return;
        };
        let candidates = layers(publication, subscription);
        let wishes = [wish(subscription, publication, &candidates)];
        for grant in allocate(&unlimited, &wishes).grants {
            self.apply_grant(context, ingress, key, &candidates, &grant);
        }
    }

    /// Return the bitrates of a subscriber.
    pub(super) fn wire_load(&self, ingress: &Ingress, key: SubscriberKey) -> WireLoad {
        let audio_bps = self.audio_bps(ingress, key);
        let mut load = WireLoad {
            sent_bps: audio_bps,
            wanted_bps: audio_bps,
            is_audio_only: audio_bps > 0,
        };
        let keys = self.subscribers.get(key).map(|it| &it.subscriptions);
        for key in keys.into_iter().flatten() {
            let subscription = self.subscriptions.get(*key);
            let Some(subscription) = subscription.filter(|it| !it.audio && !it.is_excluded())
            else {
                continue;
            };
            let publication = ingress.publications.get(subscription.publication);
            let Some(publication) = publication.filter(|it| !it.muted) else {
                continue;
            };
            let layers = layers(publication, subscription);
            let wish = wish(subscription, publication, &layers);
            load.sent_bps = load.sent_bps.saturating_add(present_bps(&[wish]));
            load.wanted_bps = load.wanted_bps.saturating_add(wanted_bps(&wish));
            load.is_audio_only &= wish.held == Held::Paused;
        }
        load
    }

    fn apply_grant(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
        layers: &Layers,
        grant: &Grant,
    ) {
        match grant.candidate {
            Some(nth) => {
                let rank = usize::from(layers[nth].encoding);
                self.select(context, ingress, key, rank, grant.reason);
                let layer = (layers.layer(nth), layers.selected(nth));
                self.select_layer(context, ingress, key, layer, grant.reason);
            }
            None if is_pause(grant.reason) => self.pause(ingress, key, grant.reason),
            // What is sent continues until an encoding is active.
            None => {}
        }
    }

    /// Stop sending until an encoding is granted again.
    fn pause(&mut self, ingress: &Ingress, key: SubscriptionKey, reason: &'static str) {
        if let Some(subscription) = self.subscriptions.get_mut(key) {
            subscription.selection.is_paused = true;
            subscription.selection.last_reason = reason;
        }
        self.stop(ingress, key);
    }

    fn videos(&self, ingress: &Ingress, key: SubscriberKey) -> Videos {
        let keys = self.subscribers.get(key).map(|it| &it.subscriptions);
        let video = |key: &SubscriptionKey| {
            let subscription = self.subscriptions.get(*key).filter(|it| !it.audio)?;
            let publication = ingress.publications.get(subscription.publication)?;
            (!publication.muted).then(|| (*key, layers(publication, subscription)))
        };
        keys.into_iter().flatten().filter_map(video).collect()
    }

    fn wishes<'a>(&self, ingress: &Ingress, videos: &'a Videos) -> Vec<Wish<'a>> {
        let speaker = self.speaker_among(ingress, videos.iter().map(|(key, _)| *key));
        let wish = |(key, layers): &'a (SubscriptionKey, Layers)| {
            let subscription = self.subscriptions.get(*key)?;
            let publication = ingress.publications.get(subscription.publication)?;
            let mut wish = wish(subscription, publication, layers);
            let spoke = ingress.speaker_rank(subscription.publication);
            wish.rank.speaker = spoke.is_some() && spoke == speaker;
            Some(wish)
        };
        videos.iter().filter_map(wish).collect()
    }

    /// Return the bitrate of audio.
    fn audio_bps(&self, ingress: &Ingress, key: SubscriberKey) -> u64 {
        let keys = self.subscribers.get(key).map(|it| &it.subscriptions);
        let audio_bps = |key: &SubscriptionKey| {
            let subscription = self.subscriptions.get(*key).filter(|it| it.audio)?;
            let encoding = EncodingKey {
                publication: subscription.publication,
                encoding: subscription.position.current?,
            };
            // RED carries each packet twice.
            let copies = 1 + u64::from(subscription.stream.red_block.is_some());
            Some(ingress.encoding(encoding)?.rates.wire.bps() * copies)
        };
        keys.into_iter().flatten().filter_map(audio_bps).sum()
    }

    /// Return the highest ratio of packets lost that the reports about its videos have.
    fn reported_loss(&self, key: SubscriberKey) -> f32 {
        let keys = self.subscribers.get(key).map(|it| &it.subscriptions);
        let lost = |key: &SubscriptionKey| {
            let subscription = self.subscriptions.get(*key).filter(|it| !it.audio)?;
            Some(subscription.counters.fraction_lost)
        };
        let highest = keys.into_iter().flatten().filter_map(lost).max();
        f32::from(highest.unwrap_or(0)) / 256.0
    }
}
