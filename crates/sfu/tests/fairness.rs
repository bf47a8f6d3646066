//! A worker that cannot follow: everybody waits alike.

mod common;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use common::stage::{Play, Stage};
use sfu::config::Config;

const SPAN: Duration = Duration::from_millis(2_500);

/// How often each participant was sent pictures, the least first.
fn turns(stage: &mut Stage, looks_per_outbox: usize) -> Vec<u32> {
    let mut turns: HashMap<SocketAddr, u32> = HashMap::new();
    stage.play_overloaded(SPAN, looks_per_outbox, |outbox| {
        let mut last = None;
        let pictures = outbox.runs().iter().filter(|run| run.segment_len > 500);
        for remote in pictures.map(|run| run.path.remote) {
            if last.replace(remote) != Some(remote) {
                *turns.entry(remote).or_default() += 1;
            }
        }
    });
    let mut turns: Vec<u32> = turns.into_values().collect();
    turns.sort_unstable();
    turns
}

#[test]
fn nobody_in_a_large_room_waits_for_the_others_second_turn() {
    let mut stage = Stage::new(Config::default(), &Play::video(150, Duration::ZERO));
    let turns = turns(&mut stage, 20);
    assert_eq!(turns.len(), 150);
    let (least, most) = (turns[0], turns[149]);
    assert!(least + 2 >= most && least > 10, "{turns:?}");
}

#[test]
fn no_room_waits_for_the_others_second_turn() {
    let mut stage = Stage::rooms_of_five(Config::default(), 20, SPAN + SPAN / 2);
    let turns = turns(&mut stage, 20);
    assert_eq!(turns.len(), 100);
    assert!(turns[0] * 2 >= turns[99], "{turns:?}");
}
