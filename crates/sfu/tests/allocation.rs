//! Forwarding allocates nothing once its buffers have grown.

mod common;

use common::counting::Counting;
use common::stage::{Play, Stage};
use common::*;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Play for some seconds after a warm-up; return the allocations and the packets sent.
fn played(config: Config, play: &Play) -> (u64, u64) {
    let mut stage = Stage::new(config, play);
    stage.play(ms(5_000));
    let (allocations, packets) = (Counting::allocations(), stage.counters().packets_sent);
    stage.play(ms(3_000));
    let allocations = Counting::allocations() - allocations;
    (allocations, stage.counters().packets_sent - packets)
}

#[test]
fn frames_that_arrive_whole() {
    let (allocations, packets) = played(Config::default(), &Play::video(40, ms(0)));
    assert!(packets > 20_000);
    assert_eq!(allocations, 0, "for {packets} packets");
}

#[test]
fn frames_that_arrive_piecemeal() {
    let (allocations, packets) = played(Config::default(), &Play::video(40, ms(13)));
    assert!(packets > 20_000);
    assert_eq!(allocations, 0, "for {packets} packets");
}

#[test]
fn sound() {
    let (allocations, packets) = played(Config::default(), &Play::audio());
    assert!(packets > 40_000);
    assert_eq!(allocations, 0, "for {packets} packets");
}
