//! Keys of the objects of a room, and of the rooms of an engine.

use crate::slab::key_type;

/// Most encodings of a publication; browsers send three.
pub const MAX_ENCODINGS: usize = 8;

key_type! {
    /// A room of an engine.
    RoomKey;
    /// A transport of a room.
    TransportKey;
    /// A party that sends media to a room.
    PublisherKey;
    /// A party that receives media of a room.
    SubscriberKey;
    /// A track offered to a room.
    PublicationKey;
    /// A track on its way to a subscriber.
    SubscriptionKey;
}

/// An encoding of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncodingKey {
    /// The publication.
    pub publication: PublicationKey,
    /// Index of the encoding, in the order of the offer.
    pub encoding: usize,
}
