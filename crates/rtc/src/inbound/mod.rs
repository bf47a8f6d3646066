//! Inbound RTP streams: SSRC binding, loss, jitter, NACK, reports and transport-wide feedback.
//!
//! Every index here is `ROC || SEQ`, as [`crate::srtp`] returns it with an authenticated packet.

pub mod bind;
pub mod frames;
pub mod jitter;
pub mod loss;
pub mod nack;
pub mod reference;
pub mod report;
pub mod rtx;
pub mod twcc;
pub mod unbound;
