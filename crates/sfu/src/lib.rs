//! Rooms, publications, subscriptions and the selection between them.
//!
//! An [`engine::Engine`] owns the rooms of one worker. It is driven as `rtc` describes: datagrams,
//! commands and the time go in, an outbox and events come out; no socket, clock or thread is here.
//!
//! The path of a packet: [`engine`] finds its room, `room::receive` decrypts and parses it and puts
//! it into its encoding's history, `room::flush` iterates over the subscribers of the encoding, and
//! [`forward`] writes and encrypts each copy.

pub mod batching;
pub mod bwe;
pub mod config;
pub mod context;
pub mod counters;
mod deadline;
pub mod dynacast;
pub mod engine;
mod extensions;
pub mod forward;
pub mod keyframe;
pub mod message;
pub mod meter;
pub mod policy;
pub mod publication;
mod publish_limit;
mod repair;
pub mod room;
mod round_robin;
pub mod select;
mod stun;
pub mod subscription;
pub mod template;
