//! Bulk data beside media behind a narrow link.

mod common;

use common::data::{both, labelled};
use common::*;
use std::time::Duration;

const LINK_BPS: u64 = 3_000_000;
const MEASURED: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Figures {
    /// Time that video packets took, ms.
    p50_ms: f64,
    p99_ms: f64,
    video_bytes: usize,
    switches: usize,
    data_bytes: u64,
}

/// Send video, and with it as much data as possible, over a link for some time.
fn beside(is_bulk: bool) -> Figures {
    let mut world = World::default();
    let room = world.open_room();
    let keys = world.connect_many(room, 2);
    for key in &keys {
        world.enable_data(*key, both(*key as u32));
    }
    let camera = world.publish(keys[0], Codec::Vp8, &["q", "h", "f"]);
    world.enable_feedback(keys[1]);
    let down = &mut world.clients[keys[1]].down.conditions;
    down.rate_bps = Some(LINK_BPS);
    down.queue = Duration::from_millis(300);
    let sub = world.subscribe_with(keys[1], camera, |request| {
        request.feedback = vec!["transport-cc".into()];
    });
    let bulk = world.open_channel(keys[0], labelled("bulk"));
    world.run_for(Duration::from_secs(10));
    let before = (
        world.clients[keys[1]].stream(sub.ssrc).count(),
        world.engine.counters().data_bytes_sent,
        world.events.len(),
    );
    let end = world.now + MEASURED;
    while world.now < end {
        if is_bulk {
            let now = world.now;
            let association = &mut world.clients[keys[0]].data_mut().association;
            let _ = association.send(now, bulk, false, &[1; 50_000]);
            world.settle_data(keys[0]);
        }
        world.run_for(ms(20));
    }
    let arrived: Vec<_> = world.clients[keys[1]]
        .stream(sub.ssrc)
        .skip(before.0)
        .collect();
    let clock = |it: &&Arrived| f64::from(it.header.timestamp) / 90.0;
    let at = |it: &&Arrived| it.at.since(wire::time::Time::ZERO).as_secs_f64() * 1e3;
    let least = arrived
        .iter()
        .map(|it| at(it) - clock(it))
        .fold(f64::MAX, f64::min);
    let mut waits: Vec<f64> = arrived
        .iter()
        .map(|it| at(it) - clock(it) - least)
        .collect();
    waits.sort_by(f64::total_cmp);
    let switches = world.events[before.2..].iter();
    let is_switch = |event: &&Event| matches!(event, Event::LayerSwitch { .. });
    Figures {
        p50_ms: waits[waits.len() / 2],
        p99_ms: waits[waits.len() * 99 / 100],
        video_bytes: arrived.iter().map(|it| it.len()).sum(),
        switches: switches.filter(is_switch).count(),
        data_bytes: world.engine.counters().data_bytes_sent - before.1,
    }
}

#[test]
fn bulk_data_leaves_media_undisturbed() {
    let (alone, with) = (beside(false), beside(true));
    assert_eq!(with.switches, alone.switches, "{with:?}");
    assert!(with.video_bytes as f64 > 0.97 * alone.video_bytes as f64);
    assert!(with.p50_ms < 1.1 * alone.p50_ms, "{alone:?} {with:?}");
    // A packet of data that has begun to leave takes 3.2 ms.
    assert!(with.p99_ms < 1.1 * alone.p99_ms + 3.2, "{alone:?} {with:?}");
    assert!(with.data_bytes > 200_000, "{with:?}");
}
