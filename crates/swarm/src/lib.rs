//! Synthetic participants: clips, frame assembly, measuring, impairment.
//!
//! Nothing here reads a clock or opens a socket: the caller passes in time and datagrams, as in
//! `rtc`, and every random number comes from a seed.

pub mod assemble;
pub mod clip;
pub mod frame_id;
pub mod impair;
pub mod measure;
pub mod message;
pub mod nal;
pub mod random;
