//! TURN client of one allocation (RFC 8656): everything a bot sends and receives passes a relay.
//!
//! Over UDP a datagram is one message. Over TCP and TLS the caller splits the stream into messages
//! by [`stream::Deframer`], and what is sent is padded for the stream already.

mod client;
mod peers;
mod reasons;
mod requests;
pub mod stream;

pub use client::{Alternate, TurnClient, TurnConfig, TurnEvent, Unwrapped};
pub use reasons::{REASON_ALTERNATE, REASON_CLOSED, REASON_LOOP, REASON_NOT_ALLOWED};
