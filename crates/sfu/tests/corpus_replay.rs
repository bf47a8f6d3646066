//! The committed fuzz corpus, replayed: what once broke something, and what reaches far.

#[path = "../../../fuzz/src/input.rs"]
mod input;
#[path = "../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../fuzz/src/sfu/mod.rs"]
mod targets;

#[test]
fn allocate() {
    replay::corpus("allocate", targets::allocate);
}

#[test]
fn commands() {
    replay::corpus("commands", targets::commands);
}

#[test]
fn engine() {
    replay::corpus("engine", targets::engine);
}

#[test]
fn feedback() {
    replay::corpus("feedback", targets::feedback);
}
