//! Replay of the committed fuzz corpus: inputs of past failures, and inputs of high coverage.

#[allow(dead_code, reason = "other crates' targets use the rest")]
#[path = "../../../fuzz/src/input.rs"]
mod input;
#[path = "../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../fuzz/src/swarm.rs"]
mod targets;

#[test]
fn clip() {
    replay::corpus("clip", targets::clip);
}

#[test]
fn impairment() {
    replay::corpus("impairment", targets::impairment);
}

#[test]
fn assembly() {
    replay::corpus("assembly", targets::assembly);
}
