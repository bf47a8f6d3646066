//! Parsers and writers of RTP, RTCP and STUN packets, without any state.
//!
//! Every parser accepts bytes of an unauthenticated peer: it never panics, never allocates in
//! proportion to a length the peer claims, and returns a typed error.

pub mod bits;
pub mod dependency;
pub mod error;
pub mod extension;
pub mod id;
pub mod rtcp;
pub mod rtp;
pub mod stun;
pub mod time;
