//! Packets lost on the way to the server are requested by NACK and forwarded in their place.

mod common;

use common::payload::read_vp8;
use common::*;

fn playing(subscribers: usize) -> (World, usize, Vec<Sub>) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscribers = world.connect_many(room, subscribers);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let subs = subscribers
        .into_iter()
        .map(|client| world.subscribe(client, camera))
        .collect();
    world.run_for(ms(1_000));
    (world, camera, subs)
}

#[test]
fn a_lost_packet_reaches_every_subscriber_in_its_place() {
    let (mut world, camera, subs) = playing(3);
    let source = &world.cameras[camera].encodings[0];
    let next = source.index as u16;
    world.lose(Direction::Up, source.ssrc, [next + 1, next + 4, next + 5]);
    world.run_for(ms(2_000));
    let mut asked: Vec<u16> = world.cameras[camera].nacks.iter().map(|it| it.2).collect();
    asked.sort_unstable();
    assert_eq!(asked, [next + 1, next + 4, next + 5], "each once");
    for sub in subs {
        let payloads = repaired(&world, sub);
        assert_whole(&payloads);
        assert_eq!(world.clients[sub.client].stream(sub.rtx_ssrc).count(), 0);
        let marks: Vec<_> = payloads
            .values()
            .map(|payload| read_vp8(payload).mark)
            .collect();
        assert!(marks.is_sorted(), "in the publisher's order");
    }
    assert_eq!(world.engine.counters().retransmitted_packets_received, 3);
}

#[test]
fn a_packet_received_twice_is_forwarded_once() {
    let (mut world, camera, subs) = playing(1);
    let source = &world.cameras[camera].encodings[0];
    let held = world.hold_once(Direction::Up, source.ssrc, source.index as u16);
    world.run_for(ms(300));
    let publisher = world.clients[world.cameras[camera].client].address;
    world.inject(publisher, &held.take());
    world.run_for(ms(300));
    let stream = world.clients[subs[0].client].stream(subs[0].ssrc);
    let mut indices: Vec<u64> = stream.map(|arrived| arrived.index).collect();
    let count = indices.len();
    indices.sort_unstable();
    indices.dedup();
    assert_eq!(indices.len(), count);
    assert_eq!(world.engine.counters().packets_duplicate, 1);
}

#[test]
fn a_packet_that_never_arrives_is_given_up_and_a_keyframe_requested() {
    let (mut world, camera, subs) = playing(1);
    world.cameras[camera].answers_nacks = false;
    world.cameras[camera].keyframe_requests.clear();
    let source = &world.cameras[camera].encodings[0];
    world.lose(Direction::Up, source.ssrc, [source.index as u16]);
    world.run_for(ms(5_000));
    assert_eq!(world.cameras[camera].nacks.len(), 10);
    assert_eq!(world.engine.counters().packets_lost, 1);
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 1);
    assert!(world.clients[subs[0].client].stream(subs[0].ssrc).count() > 200);
}

#[test]
fn reordering_is_no_loss() {
    let (mut world, camera, subs) = playing(1);
    let publisher = world.cameras[camera].client;
    world.clients[publisher].up.conditions.jitter = ms(6);
    world.run_for(ms(3_000));
    assert_eq!(world.cameras[camera].nacks.len(), 0);
    assert_whole(&repaired(&world, subs[0]));
}

#[test]
fn publishers_without_nack_get_none() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.feedback = vec!["nack pli"];
    });
    world.clients[publisher].up.conditions.loss = 0.1;
    world.run_for(ms(2_000));
    assert_eq!(world.cameras[camera].nacks.len(), 0);
}

#[test]
fn a_bad_network_on_both_sides_is_repaired() {
    let (mut world, camera, subs) = playing(2);
    let bad = Conditions {
        loss: 0.03,
        duplication: 0.02,
        delay: ms(20),
        jitter: ms(10),
        ..Conditions::default()
    };
    for client in 0..world.clients.len() {
        world.clients[client].up.conditions = bad;
        world.clients[client].down.conditions = bad;
    }
    for sub in &subs {
        world.enable_feedback(sub.client);
        let viewer = world.clients[sub.client]
            .viewer
            .as_mut()
            .expect("feedback enabled");
        viewer.add_stream(sub.ssrc, Some(sub.rtx_ssrc), 90_000);
    }
    world.run_for(ms(20_000));
    world.cameras[camera].running = false;
    world.run_for(ms(2_000));
    for sub in subs {
        assert_whole(&repaired(&world, sub));
    }
}

#[test]
fn retries_are_a_round_trip_apart() {
    let (mut world, camera, _) = playing(1);
    let publisher = world.cameras[camera].client;
    world.clients[publisher].up.conditions.delay = ms(150);
    world.clients[publisher].down.conditions.delay = ms(100);
    // Until the round trip is known by the echo of a reference time.
    world.run_for(ms(3_000));
    world.cameras[camera].answers_nacks = false;
    let source = &world.cameras[camera].encodings[0];
    world.lose(Direction::Up, source.ssrc, [source.index as u16]);
    world.run_for(ms(5_000));
    let asked: Vec<_> = world.cameras[camera].nacks.iter().map(|it| it.0).collect();
    assert_eq!(asked.len(), 10);
    for pair in asked.windows(2) {
        let apart = pair[1].since(pair[0]);
        assert!(apart >= ms(249) && apart <= ms(260), "{apart:?}");
    }
}
