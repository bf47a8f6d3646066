//! A channel of an association.

use dcsctp::api::SendOptions;

use super::dcep::{ChannelParameters, Reliability};
use super::events::CloseReason;

/// A channel of an association.
#[derive(Debug)]
pub struct Channel {
    /// What it was opened with.
    pub parameters: ChannelParameters,
    /// The peer has opened or acknowledged it: unordered messages cannot overtake its opening.
    pub is_known_to_peer: bool,
    /// Its outgoing stream is being reset, for this reason.
    pub closing: Option<CloseReason>,
    /// Its outgoing, and its incoming stream is reset; after both its id is free.
    pub is_reset: (bool, bool),
}

impl Channel {
    /// Make a channel that is open.
    pub fn new(parameters: ChannelParameters, is_known_to_peer: bool) -> Self {
        Self {
            parameters,
            is_known_to_peer,
            closing: None,
            is_reset: (false, false),
        }
    }

    /// Return how its messages are sent.
    pub fn send_options(&self) -> SendOptions {
        let (lifetime, max_retransmissions) = match self.parameters.reliability {
            Reliability::Reliable => (None, None),
            Reliability::Retransmits(most) => (None, Some(most)),
            Reliability::Lifetime(span) => (Some(span), None),
        };
        SendOptions {
            // Until the peer knows the channel its messages are ordered (RFC 8832 section 6).
            unordered: self.parameters.unordered && self.is_known_to_peer,
            lifetime,
            max_retransmissions,
            lifecycle_id: None,
        }
    }
}
