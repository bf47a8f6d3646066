//! Streams we receive: which stream a packet is of, what is lost, what to report and ask for.
//!
//! Every index here is `ROC || SEQ`, as [`crate::srtp`] gives it with an authenticated packet.

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
