//! A publisher that sends a hundred times its bitrate harms neither memory nor other rooms.

mod common;

use common::*;
use std::time::Duration;

fn delays(world: &World, camera: usize, sub: Sub) -> Vec<Duration> {
    let received = world.clients[sub.client].stream(sub.ssrc);
    let sent = &world.cameras[camera].sent;
    let mut delays: Vec<_> = received
        .zip(sent)
        .map(|(arrived, sent)| arrived.at.since(sent.at))
        .collect();
    delays.sort_unstable();
    delays
}

fn quiet_room(world: &mut World) -> (usize, Sub) {
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    (camera, sub)
}

/// Run a quiet room beside another one; return what stood in the other's history at most.
fn run(world: &mut World, packets_per_frame: u8) -> (usize, Sub, u64) {
    let (camera, sub) = quiet_room(world);
    let loud = world.open_room();
    let flooder = world.connect(loud);
    let victim = world.connect(loud);
    world.clients[flooder].forgetful = true;
    world.clients[victim].forgetful = true;
    let flood = world.publish_with(flooder, Codec::Vp8, &[], |camera| {
        camera.encodings[0].packets = packets_per_frame;
    });
    world.subscribe(victim, flood);
    let mut largest = 0;
    for _ in 0..30 {
        world.run_for(ms(100));
        let stats = world.room_stats(loud);
        let bytes = stats["publications"][0]["encodings"][0]["history_bytes"].as_u64();
        largest = largest.max(bytes.expect("a number"));
    }
    (camera, sub, largest)
}

#[test]
fn a_history_stays_within_its_cap_without_effect_on_others() {
    let mut calm = World::default();
    let (camera, sub, largest) = run(&mut calm, 2);
    assert!(largest < 128 * 1024, "{largest}");
    let undisturbed = delays(&calm, camera, sub);

    let mut world = World::default();
    let (camera, sub, largest) = run(&mut world, 200);
    assert!(largest > 400 * 1024, "{largest}: no flood");
    assert!(largest <= 512 * 1024, "{largest}");
    let disturbed = delays(&world, camera, sub);
    assert!(disturbed.len() > 100);
    assert_eq!(disturbed, undisturbed);
}

/// Lose every third packet of a publisher; return the number of sequence numbers in NACKs.
fn nacks_sent(world: &mut World, watched: bool, overloaded: bool) -> u64 {
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    if watched {
        world.subscribe(subscriber, camera);
    }
    world.run_for(ms(1_000));
    let mut nth = 0;
    world.set_filter(move |_, way, client, bytes| {
        let media = way == Direction::Up && client == publisher && rtp_name(bytes).is_some();
        nth += u64::from(media);
        !media || nth % 3 != 0
    });
    for _ in 0..10 {
        if overloaded {
            world.engine.note_overload(world.now);
        }
        world.run_for(ms(100));
    }
    world.engine.counters().nacks_sent
}

#[test]
fn nacks_are_sent_only_for_encodings_with_subscribers() {
    assert!(nacks_sent(&mut World::default(), true, false) > 10);
    assert_eq!(nacks_sent(&mut World::default(), false, false), 0);
}

#[test]
fn packets_lost_by_overload_are_not_requested() {
    assert_eq!(nacks_sent(&mut World::default(), true, true), 0);
}
