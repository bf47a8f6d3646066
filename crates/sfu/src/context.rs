//! The engine's state that a room uses during one call.

use std::fmt;
use std::time::Duration;

use rtc::dtls;
use rtc::outbound::history::ChunkPool;
use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::time::{Time, WallClock};

use crate::config::Config;
use crate::counters::Counters;
use crate::keys::{
    EncodingKey, PublicationKey, PublisherKey, SubscriberKey, SubscriptionKey, TransportKey,
};
use crate::message::{Event, PublicationId, RoomId, SubscriptionId, TransportId};

/// What a timer of a room is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// ICE and DTLS of a transport.
    Transport(TransportKey),
    /// Transport-wide feedback and NACKs to a publisher.
    Feedback(PublisherKey),
    /// Sender and receiver reports to a transport.
    Reports(TransportKey),
    /// The pacer of a subscriber allows more.
    Pace(SubscriberKey),
    /// A new budget of a subscriber.
    Budget(SubscriberKey),
    /// An allocation to a subscriber is due though nothing has changed.
    Allocation(SubscriberKey),
    /// The next round of a bandwidth probe to a subscriber.
    Probe(SubscriberKey),
    /// The batching window of the room ends.
    Batching,
    /// An update of the encodings of a publication: bitrates and activity.
    Encodings(PublicationKey),
    /// A keyframe request may have to be repeated.
    Keyframe(EncodingKey),
    /// The deadline of a switch of encoding.
    SwitchDeadline(SubscriptionKey),
    /// The deadline of a change of layer without a keyframe.
    LayerDeadline(SubscriptionKey),
    /// An update of the active speakers.
    Speakers,
    /// The data channels of a transport.
    Data(TransportKey),
}

/// An entity that commands refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityId {
    /// A room.
    Room(RoomId),
    /// A transport.
    Transport(TransportId),
    /// A publication.
    Publication(PublicationId),
    /// A subscription.
    Subscription(SubscriptionId),
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(id) => write!(f, "room {id}"),
            Self::Transport(id) => write!(f, "transport {id}"),
            Self::Publication(id) => write!(f, "publication {id}"),
            Self::Subscription(id) => write!(f, "subscription {id}"),
        }
    }
}

/// A change of the routes of datagrams and commands to rooms.
#[derive(Clone, Debug)]
pub enum Route {
    /// Datagrams from this path belong to this transport.
    AddPath(PathId, TransportKey),
    /// They no longer do.
    RemovePath(PathId, TransportKey),
    /// Binding requests for this username fragment belong to this transport.
    AddUfrag(String, TransportKey),
    /// They no longer do.
    RemoveUfrag(String),
    /// Commands about this entity belong to this room.
    AddEntity(EntityId),
    /// They no longer do.
    RemoveEntity(EntityId),
}

/// The engine's state that a room uses during one call.
pub struct Context<'a> {
    /// The instant.
    pub now: Time,
    /// Monotonic to wall time.
    pub wall: WallClock,
    /// This worker has lost datagrams, since it did not read them in time.
    pub overloaded: bool,
    /// Batching window: how long the first packet of a room waits for others.
    pub window: Duration,
    /// Settings.
    pub config: &'a Config,
    /// Certificate and DTLS settings.
    pub dtls: &'a dtls::Context,
    /// Datagrams to send.
    pub out: &'a mut Outbox,
    /// Events to report.
    pub events: &'a mut Vec<Event>,
    /// Memory for histories.
    pub pool: &'a mut ChunkPool,
    /// Counters of the engine.
    pub counters: &'a mut Counters,
    /// Timers to set.
    pub timers: &'a mut Vec<(Time, Timer)>,
    /// Routes to change.
    pub routes: &'a mut Vec<Route>,
    /// Unguessable numbers, for first sequence numbers and timestamps.
    pub random: &'a mut Random,
}

impl Context<'_> {
    /// Set a timer.
    pub fn set_timer(&mut self, at: Time, timer: Timer) {
        self.timers.push((at, timer));
    }

    /// Have commands about an entity passed to this room.
    pub fn add_entity(&mut self, entity: EntityId) {
        self.routes.push(Route::AddEntity(entity));
    }

    /// End that.
    pub fn remove_entity(&mut self, entity: EntityId) {
        self.routes.push(Route::RemoveEntity(entity));
    }
}

/// SplitMix64: spreads a seed that the owner of the engine draws; not for secrets.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Return the next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
