//! Two endpoints on virtual time with a seeded network between them.
//!
//! [`network`] is independent of transports: anything that is an [`network::Endpoint`] can be
//! driven. [`pair`] is a server's transport and a bot's, joined by it. [`stun`] writes checks by
//! hand, and [`lite`] is an agent that receives them.

// Every test file compiles this for itself and uses only a part.
#![allow(dead_code)]

pub mod counting;
pub mod link;
pub mod lite;
pub mod network;
pub mod pair;
pub mod stun;
