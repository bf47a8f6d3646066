//! What WebRTC puts on the wire, parsed and written, without any state.
//!
//! Every parser takes bytes that a stranger sent: it never panics, never allocates in proportion
//! to a length the peer claims, and reports what is wrong as a typed error.

pub mod error;
pub mod extension;
pub mod id;
pub mod rtcp;
pub mod rtp;
pub mod stun;
pub mod time;
