//! Synthetic participants: clips, frame assembly, measuring, impairment.
//!
//! This crate reads no clock and opens no socket: the caller passes in time and datagrams, as in
//! `rtc`, and every random number comes from a seed.

pub mod assemble;
pub mod bot;
pub mod bottleneck;
mod buffers;
pub mod captures;
pub mod clip;
mod commands;
pub mod dependency;
pub mod engine;
mod extensions;
pub mod figures;
mod flows;
pub mod frame_id;
pub mod header;
pub mod ids;
pub mod impair;
pub mod measure;
pub mod message;
pub mod nal;
pub mod obu;
pub mod pacer;
pub mod playout;
pub mod publish;
pub mod quality;
pub mod random;
pub mod receive;
pub mod recorder;
pub mod relay;
pub mod sample;
mod shaping;
pub mod tcp_flow;
pub mod trace;
pub mod transport;
