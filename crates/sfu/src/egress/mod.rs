//! What leaves: subscribers, their subscriptions, and the rounds in which these are served.
//!
//! Ingress is read and never changed. What the publishers have to know of it (an encoding is
//! wanted, a keyframe is needed) is a list of [`Demand`]s, which the room passes on.

mod allocation;
pub mod audience;
mod budget;
pub mod control;
mod copies;
pub mod descriptors;
mod feedback;
mod flush;
pub mod forward;
pub mod keyframe_limit;
mod layers;
pub mod markers;
mod nack;
mod prefetch;
mod probe;
mod quality;
mod redundancy;
pub mod repair;
mod reports;
mod schedule;
mod selection;
mod service;
pub mod sink;
mod speakers;
pub mod subscriber;
pub mod subscription;
mod subscriptions;
mod switch;
pub mod template;
mod wishes;

use std::time::Duration;

use crate::keys::{EncodingKey, PublicationKey, SubscriberKey, SubscriptionKey};
use crate::slab::{Slab, SlabMap};
use audience::{Audience, Subscribers};
use schedule::Schedule;
use service::NextLen;
use subscriber::Subscriber;
use subscription::Subscription;

/// The subscriptions of a room.
type Subscriptions = Slab<SubscriptionKey, Subscription>;

/// What subscribers need of publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// An encoding is sent on, or will be from its next keyframe.
    Watched(EncodingKey),
    /// No subscription sends an encoding or waits for it.
    Unwatched(EncodingKey),
    /// A decoder needs a keyframe of an encoding.
    Keyframe(EncodingKey),
}

/// What leaves a room.
#[derive(Default)]
pub struct Egress {
    /// Who receives media.
    pub subscribers: Slab<SubscriberKey, Subscriber>,
    /// What they receive.
    pub subscriptions: Subscriptions,
    /// Who gets each publication.
    audiences: SlabMap<PublicationKey, Audience>,
    /// What the next round of sending serves.
    schedule: Schedule,
    /// What publishers have to know.
    demands: Vec<Demand>,
    /// Memory for one packet to a sink.
    buffer: Vec<u8>,
    /// Memory for sorting.
    lens: Vec<NextLen>,
}

impl Egress {
    /// Request a round of sending for what is sent beside media.
    pub fn request_round(&mut self) {
        self.schedule.request_round();
    }

    /// Return how long the media to a subscriber waits at its bottleneck, where that is measured.
    #[must_use]
    pub fn queueing(&self, key: SubscriberKey) -> Option<Duration> {
        let subscriber = self.subscribers.get(key).filter(|it| it.media_bps > 0)?;
        subscriber.budget.estimator.as_ref()?.queueing()
    }

    /// Return once whether a round of sending is requested.
    pub fn take_round_request(&mut self) -> bool {
        self.schedule.take_request()
    }

    /// Return whether there are demands.
    #[inline]
    #[must_use]
    pub fn has_demands(&self) -> bool {
        !self.demands.is_empty()
    }

    /// Take the demands; [`return_demands`](Self::return_demands) gives their memory back.
    #[must_use]
    pub fn take_demands(&mut self) -> Vec<Demand> {
        std::mem::take(&mut self.demands)
    }

    /// Give back the memory of demands that have been passed on.
    pub fn return_demands(&mut self, mut demands: Vec<Demand>) {
        demands.clear();
        if self.demands.is_empty() {
            self.demands = demands;
        }
    }

    fn subscribers_of(&self, key: EncodingKey) -> &[SubscriptionKey] {
        let audience = self.audiences.get(key.publication);
        let subscribers = audience.and_then(|audience| audience.encodings.get(key.encoding));
        subscribers.map_or(&[], |subscribers| &subscribers.keys)
    }

    fn subscribers_of_mut(&mut self, key: EncodingKey) -> Option<&mut Subscribers> {
        let audience = self.audiences.get_mut(key.publication)?;
        audience.encodings.get_mut(key.encoding)
    }
}
