//! Data channels: an SCTP association over DTLS (RFC 8831), and its channels (DCEP, RFC 8832).
//!
//! SCTP is the crate `dcsctp`; it holds `Rc`, so an [`Association`] stays on the thread that made
//! it. Packets, messages and the time are passed in; what it has to send is taken by
//! [`Association::poll_transmit`], what happened by [`Association::poll_event`].

mod association;
mod channel;
mod dcep;
mod events;
mod packet;

pub use association::Association;
pub use dcep::{ChannelParameters, Reliability};
pub use events::{AssociationEvent, CloseReason, SendError};

/// Longest message that is received or sent, bytes: `a=max-message-size` of our descriptions.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Streams of an association in each direction; also the number of channels of a browser.
pub const MAX_STREAMS: u16 = 1024;
/// Identifies a channel of an association: its SCTP stream.
pub type ChannelId = u16;
