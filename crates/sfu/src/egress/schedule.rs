//! When packets are sent: the batching window of a room, and its round of sending.
//!
//! A send call costs more than the packets in it. So the first packet opens a window for the whole
//! room, and the packets of all its streams that arrive in it are sent together: each subscriber is
//! served once, with runs as long as possible.

use std::collections::VecDeque;

use super::Egress;
use crate::context::{Context, Timer};
use crate::deadline::Deadline;
use crate::keys::{EncodingKey, PublicationKey, SubscriberKey};

/// What the next round of sending serves.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Encodings whose packets are sent in the next round.
    pub ready: Vec<EncodingKey>,
    /// Encodings whose packets wait for the end of the batching window.
    waiting: Vec<EncodingKey>,
    /// Queue of the subscribers with packets to send.
    pub queue: VecDeque<SubscriberKey>,
    /// Whether the engine has been requested to run a round.
    scheduled: bool,
    /// Whether the engine has yet to take that request.
    requested: bool,
    /// End of the batching window.
    window: Deadline,
}

impl Schedule {
    /// Request a round of sending from the engine.
    pub fn request_round(&mut self) {
        if !self.scheduled {
            self.scheduled = true;
            self.requested = true;
        }
    }

    /// Return once whether a round of sending is requested.
    pub fn take_request(&mut self) -> bool {
        std::mem::take(&mut self.requested)
    }

    /// Note that a round has sent everything.
    pub fn end_round(&mut self) {
        self.scheduled = false;
    }

    /// Remove the encodings of a publication.
    pub fn remove(&mut self, publication: PublicationKey) {
        self.ready.retain(|key| key.publication != publication);
        self.waiting.retain(|key| key.publication != publication);
    }
}

impl Egress {
    /// Queue an encoding with a new packet, or open the batching window (egress batching).
    pub fn note_arrival(&mut self, context: &mut Context<'_>, key: EncodingKey) {
        if context.window.is_zero() {
            return self.make_ready(key);
        }
        if self.set_ready(key) {
            self.schedule.waiting.push(key);
        }
        let window = &mut self.schedule.window;
        if !window.is_set() {
            let at = context.now + context.window;
            window.set(at);
            context.set_timer(at, Timer::Batching);
        }
    }

    /// End the batching window.
    pub fn end_batching(&mut self, context: &Context<'_>) {
        let schedule = &mut self.schedule;
        if schedule.window.expired(context.now) && !schedule.waiting.is_empty() {
            schedule.ready.append(&mut schedule.waiting);
            schedule.request_round();
        }
    }

    /// Queue an encoding for the next round, without a window.
    pub fn make_ready(&mut self, key: EncodingKey) {
        if self.set_ready(key) {
            self.schedule.ready.push(key);
            self.schedule.request_round();
        }
    }

    /// Mark an encoding as queued; return whether it was not.
    fn set_ready(&mut self, key: EncodingKey) -> bool {
        let subscribers = self.subscribers_of_mut(key);
        subscribers.is_some_and(|subscribers| !std::mem::replace(&mut subscribers.ready, true))
    }

    /// Queue a subscriber for the next round.
    pub fn queue_subscriber(&mut self, key: SubscriberKey) {
        let Some(subscriber) = self.subscribers.get_mut(key) else {
            return;
        };
        if !subscriber.queued {
            subscriber.queued = true;
            self.schedule.queue.push_back(key);
            self.schedule.request_round();
        }
    }

    /// Queue a subscriber again whose pacer allows more.
    pub fn resume_paced(&mut self, context: &Context<'_>, key: SubscriberKey) {
        let subscriber = self.subscribers.get_mut(key);
        if subscriber.is_some_and(|subscriber| subscriber.pace.expired(context.now)) {
            self.queue_subscriber(key);
        }
    }
}
