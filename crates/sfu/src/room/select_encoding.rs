//! Switches of encoding: [`select`](crate::allocate::select) selects one, and subscriptions switch here, at
//! the next keyframe of the selected encoding.

use std::time::Duration;

use rtc::codec::h264::MAX_STAP_A_LEN;
use rtc::outbound::history::{History, Slot};
use rtc::outbound::sequence::Shift;
use rtc::timeline::{Alignment, REPORT_WAIT, SourceClock};
use wire::id::Rid;
use wire::time::Time;

use super::Room;
use super::active_encodings::report_wanted_encodings;
use crate::allocate::select::select_encoding;
use crate::context::{Context, Timer};
use crate::egress::subscription::{Inserted, PendingSwitch, Subscription};
use crate::ingress::encoding::Encoding;
use crate::ingress::publication::Publication;
use crate::message::{Event, Target};
use crate::reasons::ENCODING_INACTIVE;

/// A keyframe up to this age is used: less than a request for a new one would take.
const FRESH_KEYFRAME: Duration = Duration::from_millis(100);
/// A switch that takes longer is reported.
const SWITCH_DEADLINE: Duration = Duration::from_secs(3);
/// Packets of a keyframe that may arrive before its first one: as many as a large keyframe has.
const MAX_OVERTAKING: u64 = 256;

impl Room {
    /// Update the selection of every subscription of a publication.
    pub(super) fn update_selections(&mut self, context: &mut Context<'_>, publication: usize) {
        let Some(track) = self.publications.get(publication) else {
            return;
        };
        for key in track.subscriptions.clone() {
            self.update_selection(context, key);
        }
    }

    /// Select the encoding that a subscription should receive, and start a switch if it is another.
    pub(super) fn update_selection(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(subscription) = self.subscriptions.get(key) else {
            return;
        };
        let publication = &mut self.publications[subscription.publication];
        if publication.muted {
            return self.stop(key);
        }
        // The selection is made when the transport connects.
        if !self.peers[subscription.peer].connected {
            return;
        }
        let order = publication.order.clone();
        let rank_of = |encoding: Option<usize>| order.iter().position(|nth| Some(*nth) == encoding);
        let selection = select_encoding(
            &publication.candidates(),
            &subscription.target,
            subscription.budget_bps,
            rank_of(subscription.current),
        );
        let Some(encoding) = selection.encoding.map(|rank| order[rank]) else {
            return;
        };
        if subscription
            .pending_switch
            .is_some_and(|switch| switch.encoding == encoding)
        {
            return;
        }
        self.cancel_switch(key);
        if self.subscriptions[key].current != Some(encoding) {
            self.start_switch(context, key, encoding, selection.reason);
        } else {
            self.keep_current(context, key, selection.reason);
        }
    }

    /// Keep the current encoding; report once where the requested encoding is inactive.
    fn keep_current(&mut self, context: &mut Context<'_>, key: usize, reason: &'static str) {
        let subscription = &mut self.subscriptions[key];
        let is_missed = reason == ENCODING_INACTIVE && subscription.target != Target::Auto;
        let was_missed = subscription.last_reason == ENCODING_INACTIVE;
        if is_missed == was_missed {
            return;
        }
        subscription.last_reason = reason;
        if is_missed {
            let publication = &self.publications[subscription.publication];
            let rid_of = |nth: usize| publication.encodings[nth].rid.as_ref().map(Rid::to_string);
            let current = subscription.current.and_then(rid_of);
            context.events.push(Event::LayerSwitch {
                subscription: subscription.id,
                from: current.clone(),
                to: current,
                reason,
                wait_ms: None,
            });
        }
    }

    /// Stop sending until an encoding is selected again.
    pub(super) fn stop(&mut self, key: usize) {
        self.cancel_switch(key);
        let subscription = &mut self.subscriptions[key];
        if let Some(current) = subscription.current.take() {
            let (publication, peer) = (subscription.publication, subscription.peer);
            self.remove_subscriber(publication, current, key);
            self.update_media_rate(peer);
        }
    }

    fn start_switch(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        encoding: usize,
        reason: &'static str,
    ) {
        let subscription = &mut self.subscriptions[key];
        let publication = subscription.publication;
        let stream = &mut self.publications[publication].encodings[encoding];
        let fresh = stream
            .last_keyframe
            .filter(|start| context.now.since(start.arrived) <= FRESH_KEYFRAME)
            .filter(|start| stream.history.slot(start.position).is_some());
        subscription.pending_switch = Some(PendingSwitch {
            encoding,
            since: context.now,
            from: fresh.map_or(stream.history.end(), |start| start.position),
            reason,
        });
        stream.subscribers.push(key);
        if subscription.audio {
            return;
        }
        if stream.dynacast.activate(context.now) {
            report_wanted_encodings(context, &self.publications[publication]);
        }
        context.set_timer(context.now + SWITCH_DEADLINE, Timer::SwitchDeadline(key));
        if fresh.is_some() {
            self.make_ready(publication, encoding);
        } else {
            self.request_keyframe(context, publication, encoding);
        }
    }

    fn cancel_switch(&mut self, key: usize) {
        let subscription = &mut self.subscriptions[key];
        if let Some(switch) = subscription.pending_switch.take() {
            let publication = subscription.publication;
            self.remove_subscriber(publication, switch.encoding, key);
        }
    }

    fn remove_subscriber(&mut self, publication: usize, encoding: usize, key: usize) {
        if let Some(stream) = self.encoding_mut(publication, encoding) {
            stream.subscribers.retain(|subscriber| *subscriber != key);
        }
    }

    /// Execute the pending switch of a subscription where a keyframe of the encoding is available.
    pub(super) fn switch_if_possible(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        encoding: usize,
    ) {
        let subscription = &self.subscriptions[key];
        let Some(pending) = subscription
            .pending_switch
            .filter(|switch| switch.encoding == encoding)
        else {
            return;
        };
        let publication = &self.publications[subscription.publication];
        let Some(start) = publication.encodings[encoding].last_keyframe else {
            return;
        };
        if start.position < pending.from
            || must_wait_for_report(context.now, publication, subscription, &pending)
        {
            return;
        }
        self.switch(context, key, pending, start.position);
    }

    fn switch(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        pending: PendingSwitch,
        position: u64,
    ) {
        let subscription = &mut self.subscriptions[key];
        let publication = &self.publications[subscription.publication];
        let encoding = &publication.encodings[pending.encoding];
        let Some(slot) = encoding.history.slot(position) else {
            return;
        };
        let source = encoding.source(pending.encoding);
        // A source that resumes has continued meanwhile, and so have its timestamps.
        let alignment = match subscription.last_source.replace(source) {
            Some(last) if last == source => Alignment::First,
            last => {
                let from = last
                    .and_then(|last| publication.clock_of(last))
                    .unwrap_or(SourceClock::new(publication.clock_rate));
                subscription
                    .timeline
                    .switch(slot.arrival, &from, &encoding.clock, slot.timestamp)
            }
        };
        let shift = Shift {
            timestamp: subscription.timeline.shift(),
            picture_ids: subscription.rewriter.switch(&slot.described),
        };
        subscription.map.switch_source(source, slot.index, shift);
        subscription.inserted = missing_parameter_sets(encoding, slot).map(|payload| {
            Box::new(Inserted {
                placed: subscription.map.insert(),
                timestamp: slot.timestamp.wrapping_add(shift.timestamp),
                payload,
                is_due: true,
            })
        });
        subscription.cursor = first_of_frame(&encoding.history, position, slot.index);
        let previous = subscription.current.replace(pending.encoding);
        subscription.pending_switch = None;
        subscription.last_reason = alignment.reason().unwrap_or(pending.reason);
        subscription.counters.switches += 1;
        context.counters.layer_switches += u64::from(previous.is_some());
        if !subscription.audio {
            context.events.push(layer_switch_event(
                context.now,
                subscription,
                publication,
                previous,
                &pending,
            ));
        }
        let (publication, peer) = (subscription.publication, subscription.peer);
        if let Some(previous) = previous {
            self.remove_subscriber(publication, previous, key);
        }
        self.update_media_rate(peer);
    }

    /// Mark a switch as late and request a keyframe again; the switch stays pending.
    pub(super) fn report_late_switch(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        let Some(pending) = subscription.pending_switch.as_mut() else {
            return;
        };
        if context.now.since(pending.since) < SWITCH_DEADLINE {
            return;
        }
        pending.reason = "keyframe_timeout";
        let (publication, encoding) = (subscription.publication, pending.encoding);
        self.request_keyframe(context, publication, encoding);
    }

    /// Update the bitrate that a peer's subscriptions send, for its pacer.
    pub(super) fn update_media_rate(&mut self, peer: usize) {
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        let rate = |key: &usize| {
            let subscription = &self.subscriptions[*key];
            let encodings = &self.publications[subscription.publication].encodings;
            subscription.current.map(|nth| encodings[nth].paced_bps)
        };
        peer.media_bps = peer.subscriptions.iter().filter_map(rate).sum();
    }
}

/// Return whether a switch waits for the sender reports that align timestamps, up to a limit.
fn must_wait_for_report(
    now: Time,
    publication: &Publication,
    subscription: &Subscription,
    pending: &PendingSwitch,
) -> bool {
    let Some(current) = subscription.current else {
        return false;
    };
    let clock = |nth: usize| -> &SourceClock { &publication.encodings[nth].clock };
    now.since(pending.since) < REPORT_WAIT && !clock(current).aligns_with(clock(pending.encoding))
}

/// Return the parameter sets that a keyframe lacks, as a payload of their own (H.264).
fn missing_parameter_sets(encoding: &Encoding, start: &Slot) -> Option<Vec<u8>> {
    if start.described.parameter_sets {
        return None;
    }
    let mut payload = vec![0; MAX_STAP_A_LEN];
    let len = encoding.parameter_sets.write_stap_a(&mut payload)?;
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
        reason: subscription.last_reason,
        wait_ms: Some(now.since(pending.since).as_secs_f64() * 1e3),
    }
}
