//! What a subscriber is told of its estimate: which layers it gets, and what is paused.

use std::time::Duration;

use wire::id::Rid;
use wire::time::Time;

use super::Egress;
use super::wishes::{Layers, Videos};
use crate::allocate::Grant;
use crate::context::Context;
use crate::ingress::Ingress;
use crate::ingress::encoding::Encoding;
use crate::keys::{SubscriberKey, SubscriptionKey};
use crate::message::{Event, VideoQuality};
use crate::reasons::{BANDWIDTH, LAST_N};

/// A change of the estimate alone is reported at most this often,
const ESTIMATE_INTERVAL: Duration = Duration::from_secs(2);
/// and where it differs by more than this.
const ESTIMATE_PERCENT: u64 = 10;

/// What was reported last.
#[derive(Debug, Default)]
pub struct QualityReport {
    grants: Vec<Grant>,
    is_limited: bool,
    is_incomplete: bool,
    estimate_bps: u64,
    reported: Time,
}

impl QualityReport {
    /// Return whether the estimate limited a video when that was reported last.
    pub(super) fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Return whether an allocation is to be reported: one that the estimate or last-N limits,
    /// where it differs from the last one reported, and the first one without a limit.
    pub(super) fn is_due(
        &mut self,
        now: Time,
        estimate_bps: Option<u64>,
        grants: &[Grant],
    ) -> bool {
        let is_limited = grants.iter().any(|grant| grant.reason == BANDWIDTH);
        let is_incomplete = is_limited || grants.iter().any(|grant| grant.reason == LAST_N);
        let estimate_bps = estimate_bps.unwrap_or(u64::MAX);
        let difference = estimate_bps.abs_diff(self.estimate_bps);
        let differs = difference > self.estimate_bps / 100 * ESTIMATE_PERCENT;
        let is_late = now.since(self.reported) >= ESTIMATE_INTERVAL;
        let has_changed = self.grants != grants || (is_limited && differs && is_late);
        if !has_changed || !(is_incomplete || self.is_incomplete) {
            return false;
        }
        self.grants.clear();
        self.grants.extend_from_slice(grants);
        self.is_limited = is_limited;
        self.is_incomplete = is_incomplete;
        self.estimate_bps = estimate_bps;
        self.reported = now;
        true
    }
}

impl Egress {
    /// Report an allocation to the control plane.
    pub(super) fn report_quality(
        &self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriberKey,
        (videos, grants): (&Videos, &[Grant]),
        sent_bps: u64,
    ) {
        let Some(subscriber) = self.subscribers.get(key) else {
            return;
        };
        let video = videos.iter().zip(grants);
        let video = video
            .filter_map(|((key, layers), grant)| self.video_quality(ingress, *key, layers, grant));
        let event = Event::Quality {
            estimate_bps: subscriber.budget.bps,
            sent_bps,
            video: video.collect(),
        };
        context.events.push(event);
    }

    fn video_quality(
        &self,
        ingress: &Ingress,
        key: SubscriptionKey,
        layers: &Layers,
        grant: &Grant,
    ) -> Option<VideoQuality> {
        let subscription = self.subscriptions.get(key)?;
        let publication = ingress.publications.get(subscription.publication)?;
        let granted = grant.candidate.and_then(|nth| layers.get(nth));
        let encoding = granted.map(|layer| {
            let nth = publication.order[usize::from(layer.encoding)];
            &publication.encodings[nth]
        });
        // Without layers the encoding says it all.
        let layer = granted.filter(|_| encoding.is_some_and(Encoding::has_layers));
        Some(VideoQuality {
            subscription: grant.id,
            rid: encoding.and_then(|encoding| encoding.rid.as_ref().map(Rid::to_string)),
            spatial: layer.map(|layer| layer.spatial),
            temporal: layer.map(|layer| layer.temporal),
            paused: subscription.selection.is_paused,
            bitrate_bps: match (layer, encoding) {
                (Some(layer), _) => layer.wire_bps,
                (None, encoding) => encoding.map_or(0, |it| it.rates.wire.bps()),
            },
            reason: grant.reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasons::BEST;

    fn grant(candidate: Option<usize>, reason: &'static str) -> Grant {
        Grant {
            id: 1,
            candidate,
            reason,
        }
    }

    #[test]
    fn only_what_the_estimate_limits_is_reported() {
        let mut report = QualityReport::default();
        let (free, limited) = ([grant(Some(2), BEST)], [grant(Some(1), BANDWIDTH)]);
        let mut due = |ms, estimate, grants: &[Grant]| {
            report.is_due(Time::from_millis(ms), Some(estimate), grants)
        };
        assert!(!due(0, 3_000_000, &free));
        assert!(due(10, 1_000_000, &limited));
        assert!(!due(20, 1_000_000, &limited));
        assert!(!due(1_000, 800_000, &limited), "too soon");
        assert!(!due(2_010, 950_000, &limited), "too little");
        assert!(due(2_020, 800_000, &limited));
        assert!(due(2_030, 800_000, &[grant(None, BANDWIDTH)]));
        assert!(due(2_040, 3_000_000, &free));
        assert!(!due(9_000, 9_000_000, &free));
    }
}
