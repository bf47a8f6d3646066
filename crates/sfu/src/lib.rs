//! Rooms, publications, subscriptions and the selection between them.
//!
//! An [`engine::Engine`] owns the rooms of one worker. It is driven as `rtc` describes: datagrams,
//! commands and the time go in, an outbox and events come out; no socket, clock or thread is here.
//!
//! The path of a packet: [`engine`] finds its room, [`room`] decrypts it, [`ingress`] puts it into
//! the history of its encoding, and [`egress`] iterates over the subscribers of the encoding and
//! writes and encrypts each copy.

pub mod allocate;
pub mod bwe;
pub mod config;
pub mod context;
pub mod counters;
pub mod data;
mod deadline;
pub mod egress;
pub mod engine;
mod extensions;
pub mod ingress;
pub mod keys;
pub mod message;
pub mod reasons;
pub mod room;
pub mod slab;
pub mod speakers;
