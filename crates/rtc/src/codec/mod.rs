//! What the SFU needs to know of a payload, and what it must rewrite, per codec.

pub mod av1;
pub mod h264;
pub mod opus;
pub mod vp8;
pub mod vp9;
