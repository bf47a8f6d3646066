//! Where a layer is chosen and switched: facts go to [`select`](crate::select), its choice is
//! carried out here, at the next keyframe of the chosen encoding.

use std::time::Duration;

use rtc::codec::h264::MAX_STAP_A_LEN;
use rtc::outbound::history::{History, Slot};
use rtc::outbound::sequence::Shift;
use rtc::timeline::{Alignment, REPORT_WAIT, SourceClock};
use wire::id::Rid;
use wire::time::Time;

use super::Room;
use super::survey::tell_wanted;
use crate::context::{Context, Timer};
use crate::message::{Event, Target};
use crate::publication::{Encoding, Publication};
use crate::select::{ENCODING_INACTIVE, choose};
use crate::subscription::{Inserted, Subscription, Wanted};

/// A keyframe that old is still a good start: less than a request for a new one would take.
const FRESH_KEYFRAME: Duration = Duration::from_millis(100);
/// A switch that takes longer is reported.
const SWITCH_DEADLINE: Duration = Duration::from_secs(3);
/// Packets that may arrive before the first one of their keyframe: as many as a large keyframe has.
const MOST_OVERTAKING: u64 = 256;

impl Room {
    /// Choose again for every subscription of a publication.
    pub(super) fn choose_all(&mut self, context: &mut Context<'_>, publication: usize) {
        let Some(of) = self.publications.get(publication) else {
            return;
        };
        for key in of.subscriptions.clone() {
            self.choose_for(context, key);
        }
    }

    /// Choose the encoding that a subscription should receive, and wait for it if it is another.
    pub(super) fn choose_for(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(subscription) = self.subscriptions.get(key) else {
            return;
        };
        let publication = &mut self.publications[subscription.publication];
        if publication.muted {
            return self.stop(key);
        }
        // Nothing can be sent yet: the choice is made when the transport connects.
        if !self.peers[subscription.peer].connected {
            return;
        }
        let order = publication.order.clone();
        let rank_of = |of: Option<usize>| order.iter().position(|nth| Some(*nth) == of);
        let choice = choose(
            &publication.candidates(),
            &subscription.target,
            subscription.budget_bps,
            rank_of(subscription.current),
        );
        let Some(encoding) = choice.encoding.map(|rank| order[rank]) else {
            return;
        };
        if subscription
            .wanted
            .is_some_and(|wanted| wanted.encoding == encoding)
        {
            return;
        }
        self.forget_wanted(key);
        if self.subscriptions[key].current != Some(encoding) {
            self.want(context, key, encoding, choice.reason);
        } else {
            self.stay(context, key, choice.reason);
        }
    }

    /// Go on as before; whoever asked for an encoding that does not send is told so, once.
    fn stay(&mut self, context: &mut Context<'_>, key: usize, reason: &'static str) {
        let subscription = &mut self.subscriptions[key];
        let is_missed = reason == ENCODING_INACTIVE && subscription.target != Target::Auto;
        let was_missed = subscription.last_reason == ENCODING_INACTIVE;
        if is_missed == was_missed {
            return;
        }
        subscription.last_reason = reason;
        if is_missed {
            let publication = &self.publications[subscription.publication];
            let of = |nth: usize| publication.encodings[nth].rid.as_ref().map(Rid::to_string);
            let current = subscription.current.and_then(of);
            context.events.push(Event::LayerSwitch {
                subscription: subscription.id,
                from: current.clone(),
                to: current,
                reason,
                wait_ms: None,
            });
        }
    }

    /// Stop sending until something is chosen again.
    pub(super) fn stop(&mut self, key: usize) {
        self.forget_wanted(key);
        let subscription = &mut self.subscriptions[key];
        if let Some(current) = subscription.current.take() {
            let (publication, peer) = (subscription.publication, subscription.peer);
            self.remove_interest(publication, current, key);
            self.measure_media(peer);
        }
    }

    fn want(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        encoding: usize,
        reason: &'static str,
    ) {
        let subscription = &mut self.subscriptions[key];
        let publication = subscription.publication;
        let of = &mut self.publications[publication].encodings[encoding];
        let fresh = of
            .last_keyframe
            .filter(|start| context.now.since(start.arrived) <= FRESH_KEYFRAME)
            .filter(|start| of.history.slot(start.position).is_some());
        subscription.wanted = Some(Wanted {
            encoding,
            since: context.now,
            from: fresh.map_or(of.history.end(), |start| start.position),
            reason,
        });
        of.subscribers.push(key);
        if subscription.audio {
            return;
        }
        if of.rest.wake(context.now) {
            tell_wanted(context, &self.publications[publication]);
        }
        context.set_timer(context.now + SWITCH_DEADLINE, Timer::SwitchDeadline(key));
        if fresh.is_some() {
            self.make_ready(publication, encoding);
        } else {
            self.want_keyframe(context, publication, encoding);
        }
    }

    fn forget_wanted(&mut self, key: usize) {
        let subscription = &mut self.subscriptions[key];
        if let Some(wanted) = subscription.wanted.take() {
            let publication = subscription.publication;
            self.remove_interest(publication, wanted.encoding, key);
        }
    }

    fn remove_interest(&mut self, publication: usize, encoding: usize, key: usize) {
        if let Some(of) = self.encoding_mut(publication, encoding) {
            of.subscribers.retain(|subscriber| *subscriber != key);
        }
    }

    /// Switch a subscription to the encoding it waits for where a keyframe of it stands ready.
    pub(super) fn switch_if_possible(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        encoding: usize,
    ) {
        let subscription = &self.subscriptions[key];
        let Some(wanted) = subscription
            .wanted
            .filter(|wanted| wanted.encoding == encoding)
        else {
            return;
        };
        let publication = &self.publications[subscription.publication];
        let Some(start) = publication.encodings[encoding].last_keyframe else {
            return;
        };
        if start.position < wanted.from
            || must_wait_for_report(context.now, publication, subscription, &wanted)
        {
            return;
        }
        self.switch(context, key, wanted, start.position);
    }

    fn switch(&mut self, context: &mut Context<'_>, key: usize, wanted: Wanted, position: u64) {
        let subscription = &mut self.subscriptions[key];
        let publication = &self.publications[subscription.publication];
        let encoding = &publication.encodings[wanted.encoding];
        let Some(slot) = encoding.history.slot(position) else {
            return;
        };
        let source = encoding.source(wanted.encoding);
        // A source that resumes went on meanwhile, and its timestamps with it.
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
        let previous = subscription.current.replace(wanted.encoding);
        subscription.wanted = None;
        subscription.last_reason = alignment.reason().unwrap_or(wanted.reason);
        subscription.counters.switches += 1;
        context.counters.layer_switches += u64::from(previous.is_some());
        if !subscription.audio {
            context.events.push(switched(
                context.now,
                subscription,
                publication,
                previous,
                &wanted,
            ));
        }
        let (publication, peer) = (subscription.publication, subscription.peer);
        if let Some(previous) = previous {
            self.remove_interest(publication, previous, key);
        }
        self.measure_media(peer);
    }

    /// Tell that a switch has not happened in time; it is still waited for.
    pub(super) fn report_late_switch(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        let Some(wanted) = subscription.wanted.as_mut() else {
            return;
        };
        if context.now.since(wanted.since) < SWITCH_DEADLINE {
            return;
        }
        wanted.reason = "keyframe_timeout";
        let (publication, encoding) = (subscription.publication, wanted.encoding);
        self.want_keyframe(context, publication, encoding);
    }

    /// Sum up what a peer's subscriptions send now, for its pacer.
    pub(super) fn measure_media(&mut self, peer: usize) {
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

/// Timestamps are aligned by sender reports: a switch waits for them, though not for long.
fn must_wait_for_report(
    now: Time,
    publication: &Publication,
    subscription: &Subscription,
    wanted: &Wanted,
) -> bool {
    let Some(current) = subscription.current else {
        return false;
    };
    let clock = |nth: usize| -> &SourceClock { &publication.encodings[nth].clock };
    now.since(wanted.since) < REPORT_WAIT && !clock(current).aligns_with(clock(wanted.encoding))
}

/// Return the parameter sets that a keyframe came without, as a payload of their own (H.264).
fn missing_parameter_sets(encoding: &Encoding, start: &Slot) -> Option<Vec<u8>> {
    if start.described.parameter_sets {
        return None;
    }
    let mut payload = vec![0; MAX_STAP_A_LEN];
    let len = encoding.parameter_sets.write_stap_a(&mut payload)?;
    payload.truncate(len);
    Some(payload)
}

/// Return where to begin to read so that packets which overtook the first one of their keyframe,
/// `start`, are not left out.
fn first_of_frame(history: &History, start: u64, index: u64) -> u64 {
    let overtook = |position: &u64| {
        let slot = history.slot(*position);
        slot.is_some_and(|slot| slot.index > index)
    };
    (start.saturating_sub(MOST_OVERTAKING)..start)
        .find(overtook)
        .unwrap_or(start)
}

fn switched(
    now: Time,
    subscription: &Subscription,
    publication: &Publication,
    previous: Option<usize>,
    wanted: &Wanted,
) -> Event {
    let rid = |nth: usize| publication.encodings[nth].rid.as_ref().map(Rid::to_string);
    Event::LayerSwitch {
        subscription: subscription.id,
        from: previous.and_then(rid),
        to: rid(wanted.encoding),
        reason: subscription.last_reason,
        wait_ms: Some(now.since(wanted.since).as_secs_f64() * 1e3),
    }
}
