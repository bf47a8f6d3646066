//! An overloaded worker: all participants and rooms wait alike.

mod common;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use common::replay::{Load, Replay};
use sfu::config::Config;

const SPAN: Duration = Duration::from_millis(2_500);

/// How often each participant was sent video, the least first.
fn turns(replay: &mut Replay, reads_per_outbox: usize) -> Vec<u32> {
    let mut turns: HashMap<SocketAddr, u32> = HashMap::new();
    replay.run_overloaded(SPAN, reads_per_outbox, |outbox| {
        let mut last = None;
        let videos = outbox.runs().iter().filter(|run| run.segment_len > 500);
        for remote in videos.map(|run| run.path.remote) {
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
fn no_participant_of_a_large_room_waits_for_a_second_turn_of_others() {
    let mut replay = Replay::new(Config::default(), &Load::video(150, Duration::ZERO));
    let turns = turns(&mut replay, 20);
    assert_eq!(turns.len(), 150);
    let (least, most) = (turns[0], turns[149]);
    assert!(least + 2 >= most && least > 10, "{turns:?}");
}

#[test]
fn no_room_waits_for_a_second_turn_of_others() {
    let mut replay = Replay::rooms_of_five(Config::default(), 20, SPAN + SPAN / 2);
    let turns = turns(&mut replay, 20);
    assert_eq!(turns.len(), 100);
    assert!(turns[0] * 2 >= turns[99], "{turns:?}");
}
