//! The committed fuzz corpus, replayed: what once broke something, and what reaches far.

#[path = "../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../fuzz/src/wire.rs"]
mod targets;

#[test]
fn stun() {
    replay::corpus("stun", targets::stun);
}

#[test]
fn rtp() {
    replay::corpus("rtp", targets::rtp);
}

#[test]
fn rtcp() {
    replay::corpus("rtcp", targets::rtcp);
}

#[test]
fn demux() {
    replay::corpus("demux", targets::demux);
}
