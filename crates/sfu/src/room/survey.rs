//! Which encodings send, how much, and who needs a keyframe of them.

use std::time::Duration;

use wire::id::Rid;
use wire::time::Time;

use super::Room;
use crate::context::{Context, Timer};
use crate::message::Event;
use crate::publication::Publication;

/// Time between two looks at a publication.
const SURVEY_EVERY: Duration = Duration::from_millis(250);

/// Let a publication be looked at again.
pub(super) fn set_survey(context: &mut Context<'_>, publication: &mut Publication, key: usize) {
    let at = context.now + SURVEY_EVERY;
    publication.survey.set(at);
    context.set_timer(at, Timer::Survey(key));
}

/// Tell a publisher which of its encodings it should send.
pub(super) fn tell_wanted(context: &mut Context<'_>, publication: &Publication) {
    let wanted = publication
        .encodings
        .iter()
        .filter(|of| !of.rest.is_resting());
    context.events.push(Event::EncodingsWanted {
        publication: publication.id,
        rids: wanted
            .filter_map(|of| Some(of.rid.as_ref()?.to_string()))
            .collect(),
    });
}

impl Room {
    /// Look at a publication: silence, sizes and order of its encodings, age of its histories.
    pub(super) fn survey(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(publication) = self.publications.get_mut(key) else {
            return;
        };
        if !publication.survey.rings(context.now) {
            return;
        }
        set_survey(context, publication, key);
        let reordered = publication.reorder(context.now);
        let keep = context.config.keep(publication.longest_rtt);
        let (mut silent, mut repaced) = (false, Vec::new());
        for encoding in &mut publication.encodings {
            encoding.history.expire(context.now, keep, context.pool);
            if encoding.measure(context.now) {
                repaced.extend_from_slice(&encoding.subscribers);
            }
            if let Some(reason) = encoding.fell_silent(context.now) {
                silent = true;
                context.events.push(Event::EncodingState {
                    publication: publication.id,
                    rid: encoding.rid.as_ref().map(Rid::to_string),
                    active: false,
                    reason,
                });
            }
        }
        if publication.let_rest(context.now) {
            tell_wanted(context, publication);
        }
        for subscription in repaced {
            self.measure_media(self.subscriptions[subscription].peer);
        }
        if silent || reordered {
            self.choose_all(context, key);
        }
    }

    /// A packet came: an encoding that was silent sends again.
    pub(super) fn wake_encoding(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        nth: usize,
    ) {
        let of = &mut self.publications[publication];
        let id = of.id;
        let encoding = &mut of.encodings[nth];
        encoding.active = true;
        encoding.rest.sends();
        context.events.push(Event::EncodingState {
            publication: id,
            rid: encoding.rid.as_ref().map(Rid::to_string),
            active: true,
            reason: "first_packet",
        });
        self.choose_all(context, publication);
        if self.is_waited_for(publication, nth) {
            // While it slept nobody asked on their behalf.
            self.want_keyframe(context, publication, nth);
        }
    }

    fn is_waited_for(&self, publication: usize, nth: usize) -> bool {
        let waits = |key: &usize| {
            let wanted = self.subscriptions[*key].wanted;
            wanted.is_some_and(|wanted| wanted.encoding == nth)
        };
        let of = &self.publications[publication];
        !of.audio && of.encodings[nth].subscribers.iter().any(waits)
    }

    /// Somebody needs a keyframe of an encoding.
    pub(super) fn want_keyframe(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        match self.encoding_mut(publication, encoding) {
            Some(of) if !of.keyframe_arriving => of.keyframes.want(),
            _ => return,
        }
        self.request_keyframe_if_due(context, publication, encoding);
    }

    /// Ask the publisher for a keyframe where one is wanted and the last request is old enough.
    pub(super) fn request_keyframe_if_due(
        &mut self,
        context: &mut Context<'_>,
        publication: usize,
        encoding: usize,
    ) {
        let now = context.now;
        let Some(of) = self.encoding_mut(publication, encoding) else {
            return;
        };
        // A silent encoding is not asked: it would answer nothing.
        if of.active && of.keyframes.send_now(now) {
            of.counters.keyframe_requests += 1;
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
        let Some(of) = self.encoding_mut(publication, encoding) else {
            return;
        };
        let Some(next) = of.keyframes.next().filter(|_| of.active) else {
            return;
        };
        let is_set = |set: Time| context.now < set && set <= next;
        if !of.keyframe_timer.is_some_and(is_set) {
            of.keyframe_timer = Some(next);
            context.set_timer(next, Timer::Keyframe(publication, encoding));
        }
    }
}
