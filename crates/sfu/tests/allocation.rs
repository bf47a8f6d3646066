//! Forwarding allocates nothing once its buffers have grown.

mod common;

use common::counting::Counting;
use common::replay::{Load, Replay};
use common::*;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Load for some seconds after a warm-up; return the allocations and the packets sent.
fn forwarded(config: Config, load: &Load) -> (u64, u64) {
    let mut replay = Replay::new(config, load);
    replay.run(ms(5_000));
    let (allocations, packets) = (Counting::allocations(), replay.counters().packets_sent);
    replay.run(ms(3_000));
    let allocations = Counting::allocations() - allocations;
    (allocations, replay.counters().packets_sent - packets)
}

#[test]
fn frames_that_arrive_whole() {
    let (allocations, packets) = forwarded(Config::default(), &Load::video(40, ms(0)));
    assert!(packets > 20_000);
    assert_eq!(allocations, 0, "for {packets} packets");
}

#[test]
fn frames_that_arrive_piecemeal() {
    let (allocations, packets) = forwarded(Config::default(), &Load::video(40, ms(13)));
    assert!(packets > 20_000);
    assert_eq!(allocations, 0, "for {packets} packets");
}

#[test]
fn audio() {
    let (allocations, packets) = forwarded(Config::default(), &Load::audio());
    assert!(packets > 40_000);
    assert_eq!(allocations, 0, "for {packets} packets");
}
