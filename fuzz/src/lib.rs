//! Fuzz targets, one function each.
//!
//! A target takes any bytes: either a datagram of an unauthenticated peer, or a script of events
//! for a state machine ([`input::Input`]). It panics where an invariant breaks. The crates'
//! ordinary tests include these files and replay the committed corpus against the same functions,
//! so no target needs more than the crate that it is about.

pub mod input;
pub mod rtc;
pub mod sfu;
pub mod swarm;
pub mod wire;
