//! An engine and participants around it, on virtual time: see [`world::World`].

// Every test file compiles this for itself and uses only a part.
#![allow(dead_code, unused_imports)]

pub mod camera;
pub mod client;
pub mod network;
pub mod payload;
pub mod viewer;
pub mod world;

use std::time::Duration;

pub use client::{Arrived, Client, Outgoing};
pub use network::Conditions;
pub use rtc::codec::Codec;
pub use sfu::config::Config;
pub use sfu::message::{ErrorCode, Event, Request, Target};
pub use world::{DOWN_IDS, Sub, UP_IDS, Way, World, id_map};

/// Milliseconds, since tests speak of little else.
pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
