//! Activity and bitrate of encodings, dynacast, and keyframe requests to publishers.

use std::time::Duration;

use wire::id::Rid;
use wire::time::Time;

use super::Room;
use crate::context::{Context, Timer};
use crate::ingress::publication::Publication;
use crate::message::Event;

/// Time between two updates of a publication's encodings.
const UPDATE_INTERVAL: Duration = Duration::from_millis(250);

/// Schedule the next update of a publication's encodings.
pub(super) fn schedule_update(
    context: &mut Context<'_>,
    publication: &mut Publication,
    key: usize,
) {
    let at = context.now + UPDATE_INTERVAL;
    publication.update_timer.set(at);
    context.set_timer(at, Timer::Encodings(key));
}

/// Report to the publisher which encodings it should send (dynacast).
pub(super) fn report_wanted_encodings(context: &mut Context<'_>, publication: &Publication) {
    let active = publication
        .encodings
        .iter()
        .filter(|encoding| !encoding.dynacast.is_inactive());
    context.events.push(Event::EncodingsWanted {
        publication: publication.id,
        rids: active
            .filter_map(|encoding| Some(encoding.rid.as_ref()?.to_string()))
            .collect(),
    });
}

impl Room {
    /// Update a publication: activity, bitrates and order of its encodings, age of its histories.
    pub(super) fn update_encodings(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(publication) = self.publications.get_mut(key) else {
            return;
        };
        if !publication.update_timer.expired(context.now) {
            return;
        }
        schedule_update(context, publication, key);
        let reordered = publication.reorder(context.now);
        let keep = context.config.keep(publication.longest_rtt);
        let (mut inactive, mut rate_changed) = (false, Vec::new());
        for encoding in &mut publication.encodings {
            encoding.history.expire(context.now, keep, context.pool);
            if encoding.update_rates(context.now) {
                rate_changed.extend_from_slice(&encoding.subscribers);
            }
            if let Some(reason) = encoding.detect_inactive(context.now) {
                inactive = true;
                context.events.push(Event::EncodingState {
                    publication: publication.id,
                    rid: encoding.rid.as_ref().map(Rid::to_string),
                    active: false,
                    reason,
                });
            }
        }
        if publication.update_dynacast(context.now) {
            report_wanted_encodings(context, publication);
        }
        for subscription in rate_changed {
            self.update_media_rate(self.subscriptions[subscription].peer);
        }
        if inactive || reordered {
            self.update_selections(context, key);
        }
    }

    /// Mark an encoding as active: its first packet after silence arrived.
    pub(super) fn activate_encoding(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        nth: usize,
    ) {
        let track = &mut self.publications[publication];
        let id = track.id;
        let encoding = &mut track.encodings[nth];
        encoding.active = true;
        encoding.dynacast.started();
        context.events.push(Event::EncodingState {
            publication: id,
            rid: encoding.rid.as_ref().map(Rid::to_string),
            active: true,
            reason: "first_packet",
        });
        self.update_selections(context, publication);
        if self.has_waiting_subscribers(publication, nth) {
            // While the encoding was inactive no request was sent for these subscribers.
            self.request_keyframe(context, publication, nth);
        }
    }

    fn has_waiting_subscribers(&self, publication: usize, nth: usize) -> bool {
        let waits = |key: &usize| {
            let pending = self.subscriptions[*key].pending_switch;
            pending.is_some_and(|switch| switch.encoding == nth)
        };
        let track = &self.publications[publication];
        !track.audio && track.encodings[nth].subscribers.iter().any(waits)
    }

    /// Request a keyframe of an encoding for a subscriber.
    pub(super) fn request_keyframe(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        match self.encoding_mut(publication, encoding) {
            Some(stream) if !stream.keyframe_arriving => stream.keyframes.request(),
            _ => return,
        }
        self.request_keyframe_if_due(context, publication, encoding);
    }

    /// Send a pending keyframe request where the last one is old enough.
    pub(super) fn request_keyframe_if_due(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        let now = context.now;
        let Some(stream) = self.encoding_mut(publication, encoding) else {
            return;
        };
        // No request is sent for an inactive encoding: it would not be answered.
        if stream.active && stream.keyframes.take_due(now) {
            stream.counters.keyframe_requests += 1;
            self.send_keyframe_request(context, publication, encoding);
        }
        self.set_keyframe_timer(context, publication, encoding);
    }

    fn set_keyframe_timer(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        let Some(stream) = self.encoding_mut(publication, encoding) else {
            return;
        };
        let Some(next) = stream.keyframes.next_due().filter(|_| stream.active) else {
            return;
        };
        let is_set = |set: Time| context.now < set && set <= next;
        if !stream.keyframe_timer.is_some_and(is_set) {
            stream.keyframe_timer = Some(next);
            context.set_timer(next, Timer::Keyframe(publication, encoding));
        }
    }
}
