//! The switch of a subscription to another encoding, at a keyframe of that.

use rtc::codec::h264::MAX_STAP_A_LEN;
use rtc::outbound::history::{History, Slot};
use rtc::outbound::sequence::Shift;
use rtc::timeline::{Alignment, REPORT_WAIT, SourceClock};
use wire::dependency::frame_number;
use wire::id::Rid;
use wire::time::Time;

use super::selection::FRESH_KEYFRAME;
use super::subscription::{Inserted, PendingSwitch, Subscription};
use super::{Demand, Egress};
use crate::context::Context;
use crate::ingress::Ingress;
use crate::ingress::encoding::Encoding;
use crate::ingress::publication::Publication;
use crate::keys::{EncodingKey, SubscriberKey, SubscriptionKey};
use crate::message::Event;

/// Packets of a keyframe that may arrive before its first one: as many as a large keyframe has.
const MAX_OVERTAKING: u64 = 256;

impl Egress {
    /// Execute the pending switch of a subscription where a keyframe of the encoding is available.
    pub(super) fn switch_if_possible(
        &mut self,
        context: &mut Context<'_>,
        ingress: &Ingress,
        key: SubscriptionKey,
        encoding: EncodingKey,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        let Some(pending) = subscription
            .position
            .pending_switch
            .filter(|switch| switch.encoding == encoding.encoding)
        else {
            return;
        };
        let Some(publication) = ingress.publications.get(encoding.publication) else {
            return;
        };
        let Some(start) = publication.encodings[encoding.encoding].keyframes.last else {
            return;
        };
        if start.position < pending.from
            || must_wait_for_report(context.now, publication, subscription, &pending)
        {
            return;
        }
        if !subscription.audio && context.now.since(start.arrived) > FRESH_KEYFRAME {
            // What has arrived since would be sent late, and paced above its bitrate for long.
            let stream = &publication.encodings[encoding.encoding];
            restart_wait(subscription, stream.history.end());
            self.demands.push(Demand::Keyframe(encoding));
            return;
        }
        let previous = subscription.position.current;
        if !switch(context, publication, subscription, pending, start.position) {
            return;
        }
        let subscriber = subscription.subscriber;
        if let Some(previous) = previous {
            let publication = encoding.publication;
            let encoding = previous;
            let left = EncodingKey {
                publication,
                encoding,
            };
            self.leave(left, key);
        }
        self.update_media_rate(ingress, subscriber);
    }

    /// Update the bitrate that a subscriber's subscriptions send, for its pacer.
    pub fn update_media_rate(&mut self, ingress: &Ingress, key: SubscriberKey) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        let rate = |key: &SubscriptionKey| {
            let subscription = self.subscriptions.get(*key)?;
            let encoding = super::service::sent_encoding(ingress, subscription)?;
            Some(encoding.rates.paced_bps)
        };
        subscriber.media_bps = subscriber.subscriptions.iter().filter_map(rate).sum();
    }

    /// Update the bitrates of all that get an encoding, for their pacers.
    pub fn update_media_rates(&mut self, ingress: &Ingress, key: EncodingKey) {
        for nth in 0..self.subscribers_of(key).len() {
            let subscription = self.subscribers_of(key)[nth];
            if let Some(subscription) = self.subscriptions.get(subscription) {
                self.update_media_rate(ingress, subscription.subscriber);
            }
        }
    }
}

/// Wait for a keyframe that arrives from now on.
fn restart_wait(subscription: &mut Subscription, end: u64) {
    if let Some(pending) = subscription.position.pending_switch.as_mut() {
        pending.from = end;
    }
}

/// Switch to an encoding whose keyframe starts at `position`; return whether that is still stored.
fn switch(
    context: &mut Context<'_>,
    publication: &Publication,
    subscription: &mut Subscription,
    pending: PendingSwitch,
    position: u64,
) -> bool {
    let encoding = &publication.encodings[pending.encoding];
    let Some(slot) = encoding.history.slot(position) else {
        return false;
    };
    let source = encoding.source(pending.encoding);
    let numbers = &mut subscription.numbers;
    // A source that resumes has continued meanwhile, and so have its timestamps.
    let alignment = match numbers.last_source.replace(source) {
        Some(last) if last == source => Alignment::First,
        last => {
            let from = last
                .and_then(|last| publication.clock_of(last))
                .unwrap_or(SourceClock::new(publication.clock_rate));
            let clock = &encoding.stream.clock;
            numbers
                .timeline
                .switch(slot.arrival, &from, clock, slot.timestamp)
        }
    };
    let shift = Shift {
        timestamp: numbers.timeline.shift(),
        picture_ids: numbers.rewriter.switch(&slot.described),
    };
    numbers.map.switch_source(source, slot.index, shift);
    if let Some(number) = frame_number(encoding.history.descriptor(slot)) {
        let descriptors = numbers.descriptors.get_or_insert_default();
        descriptors.switch(number, numbers.map.next_index());
    }
    let inserted = missing_parameter_sets(encoding, slot).map(|payload| {
        Box::new(Inserted {
            placed: numbers.map.insert(),
            timestamp: slot.timestamp.wrapping_add(shift.timestamp),
            payload,
            is_due: true,
        })
    });
    subscription.start_layers(encoding);
    let standing = &mut subscription.position;
    standing.inserted = inserted;
    standing.cursor = first_of_frame(&encoding.history, position, slot.index);
    let previous = standing.current.replace(pending.encoding);
    standing.pending_switch = None;
    subscription.selection.last_reason = alignment.reason().unwrap_or(pending.reason);
    subscription.counters.switches += 1;
    context.counters.layer_switches += u64::from(previous.is_some());
    if !subscription.audio {
        let now = context.now;
        let event = layer_switch_event(now, subscription, publication, previous, &pending);
        context.events.push(event);
    }
    true
}

/// Return whether a switch waits for the sender reports that align timestamps, up to a limit.
fn must_wait_for_report(
    now: Time,
    publication: &Publication,
    subscription: &Subscription,
    pending: &PendingSwitch,
) -> bool {
    let Some(current) = subscription.position.current else {
        return false;
    };
    let clock = |nth: usize| -> &SourceClock { &publication.encodings[nth].stream.clock };
    now.since(pending.since) < REPORT_WAIT && !clock(current).aligns_with(clock(pending.encoding))
}

/// Return the parameter sets that a keyframe lacks, as a payload of their own (H.264).
fn missing_parameter_sets(encoding: &Encoding, start: &Slot) -> Option<Vec<u8>> {
    if start.described.parameter_sets {
        return None;
    }
    let mut payload = vec![0; MAX_STAP_A_LEN];
    let parameter_sets = &encoding.stream.remembered.parameter_sets;
    let len = parameter_sets.write_stap_a(&mut payload)?;
    payload.truncate(len);
    Some(payload)
}

/// Return the first position of a keyframe, including its packets that arrived before its first
/// one, `start`.
fn first_of_frame(history: &History, start: u64, index: u64) -> u64 {
    let overtook = |position: &u64| {
        let slot = history.slot(*position);
        slot.is_some_and(|slot| slot.index > index)
    };
    (start.saturating_sub(MAX_OVERTAKING)..start)
        .find(overtook)
        .unwrap_or(start)
}

fn layer_switch_event(
    now: Time,
    subscription: &Subscription,
    publication: &Publication,
    previous: Option<usize>,
    pending: &PendingSwitch,
) -> Event {
    let rid = |nth: usize| publication.encodings[nth].rid.as_ref().map(Rid::to_string);
    Event::LayerSwitch {
        subscription: subscription.id,
        from: previous.and_then(rid),
        to: rid(pending.encoding),
        reason: subscription.selection.last_reason,
        wait_ms: Some(now.since(pending.since).as_secs_f64() * 1e3),
        layers: subscription.selection.layers,
    }
}
