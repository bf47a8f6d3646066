//! The committed fuzz corpus, replayed: what once broke something, and what reaches far.

#[path = "../../../fuzz/src/input.rs"]
mod input;
#[path = "../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../fuzz/src/rtc/mod.rs"]
mod targets;

#[test]
fn codec() {
    replay::corpus("codec", targets::codec::codec);
}

#[test]
fn dependency() {
    replay::corpus("dependency", targets::codec::dependency);
}

#[test]
fn layers() {
    replay::corpus("layers", targets::layers::layers);
}

#[test]
fn srtp() {
    replay::corpus("srtp", targets::srtp::srtp);
}

#[test]
fn dtls() {
    replay::corpus("dtls", targets::dtls::dtls);
}

#[test]
fn ice_lite() {
    replay::corpus("ice_lite", targets::ice::ice_lite);
}

#[test]
fn ice_controlling() {
    replay::corpus("ice_controlling", targets::ice::ice_controlling);
}

#[test]
fn transport() {
    replay::corpus("transport", targets::transport::transport);
}

#[test]
fn sequence() {
    replay::corpus("sequence", targets::sequence::sequence);
}

#[test]
fn history() {
    replay::corpus("history", targets::history::history);
}

#[test]
fn binder() {
    replay::corpus("binder", targets::inbound::binder);
}

#[test]
fn nack() {
    replay::corpus("nack", targets::inbound::nack);
}

#[test]
fn twcc() {
    replay::corpus("twcc", targets::inbound::twcc);
}

#[test]
fn reception() {
    replay::corpus("reception", targets::inbound::reception);
}

#[test]
fn timeline() {
    replay::corpus("timeline", targets::timeline::timeline);
}

#[test]
fn turn() {
    replay::corpus("turn", targets::turn::turn);
}

#[test]
fn sctp() {
    replay::corpus("sctp", targets::sctp::sctp);
}
