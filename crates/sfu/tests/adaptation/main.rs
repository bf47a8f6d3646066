//! The server with bots of the swarm behind bottlenecks, on virtual time: the cases that adaptation
//! has to follow, RFC 8867 among them. docs/adaptation.md has the same cases in real time.
//!
//! `ADAPTATION_TRACE=1 cargo test --test adaptation CASE -- --nocapture` prints what was measured;
//! `ADAPTATION_SEEDS=20` runs each case with more arrivals and losses.

mod audio_only;
mod call;
mod figures;
mod net;
mod one;
mod repair;
mod seeds;
mod several;
