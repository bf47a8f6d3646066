//! The server with bots of the swarm behind bottlenecks, on virtual time: the cases that adaptation
//! has to follow, RFC 8867 among them. docs/adaptation.md has the same cases in real time.
//!
//! `ADAPTATION_TRACE=1 cargo test --test adaptation CASE -- --nocapture` prints what was measured;
//! `ADAPTATION_SEED=2` draws other losses and another jitter.

mod audio_only;
mod call;
mod figures;
mod net;
mod one;
mod repair;
mod several;
