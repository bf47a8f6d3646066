//! Rooms, publications, subscriptions and the selection between them.
//!
//! An [`engine::Engine`] owns the rooms of one worker. It is driven as `rtc` describes: datagrams,
//! commands and the time go in, an outbox and events come out; no socket, clock or thread is here.
//!
//! The way of a packet: [`engine`] finds its room, `room::receive` opens and describes it and puts
//! it into its encoding's history, `room::flush` walks over the subscribers that wait for it, and
//! [`forward`] writes and seals each copy.

mod alarm;
pub mod config;
pub mod context;
pub mod counters;
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
pub mod rest;
pub mod room;
pub mod select;
mod stun;
pub mod subscription;
pub mod template;
mod turns;
pub mod window;
