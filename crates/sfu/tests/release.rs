//! Closing a room releases all: entities, routes and timers.

mod common;

use common::*;

fn assert_empty(world: &World) {
    let counters = world.engine.counters();
    let live = [
        counters.rooms,
        counters.transports,
        counters.publications,
        counters.subscriptions,
    ];
    assert_eq!(live, [0; 4]);
    assert_eq!(counters.routes, 0);
}

/// Two in a room, each publishing and receiving both kinds.
fn meeting(world: &mut World) -> u32 {
    let room = world.open_room();
    let clients = world.connect_many(room, 2);
    for (publisher, subscriber) in [(clients[0], clients[1]), (clients[1], clients[0])] {
        let video = world.publish(publisher, Codec::Vp8, &["q", "h", "f"]);
        let audio = world.publish(publisher, Codec::Opus, &[]);
        world.subscribe(subscriber, video);
        world.subscribe(subscriber, audio);
    }
    world.run_for(ms(1_000));
    for camera in &mut world.cameras {
        camera.running = false;
    }
    room
}

#[test]
fn closing_a_room_leaves_nothing() {
    let mut world = World::default();
    let room = meeting(&mut world);
    world.close_room(room);
    assert_empty(&world);
    world.run_for(ms(60_000));
    assert_eq!(world.engine.next_timeout(), None);
}

#[test]
fn closing_all_transports_leaves_an_empty_room() {
    let mut world = World::default();
    let room = meeting(&mut world);
    world.leave(0);
    world.leave(1);
    let counters = world.engine.counters();
    assert_eq!((counters.rooms, counters.transports), (1, 0));
    assert_eq!((counters.publications, counters.subscriptions), (0, 0));
    world.close_room(room);
    assert_empty(&world);
}

#[test]
fn timers_do_not_accumulate() {
    let mut world = World::default();
    let mut timers = Vec::new();
    for _ in 0..60 {
        let room = meeting(&mut world);
        timers.push(world.engine.counters().timers);
        world.close_room(room);
        assert_empty(&world);
    }
    // Those of the dead ring within 30 s, which is what ICE waits for.
    let most = |generations: &[u64]| generations.iter().copied().max();
    let (settled, later) = (most(&timers[28..44]), most(&timers[44..]));
    assert!(later <= settled.map(|timers| timers + 8), "{timers:?}");
}

#[test]
fn ids_are_free_again_and_unknown_ones_are_refused() {
    let mut world = World::default();
    let room = meeting(&mut world);
    let duplicate = world.try_command(Request::OpenRoom { room });
    assert_eq!(duplicate.expect_err("exists").code, ErrorCode::Duplicate);
    world.close_room(room);
    let of_closing = |event: &Event| matches!(event, Event::RoomClosed { .. });
    assert!(!world.events.iter().any(of_closing), "its done is enough");
    let gone = world.try_command(Request::CloseRoom { room });
    assert_eq!(gone.expect_err("gone").code, ErrorCode::NotFound);
    world.command(Request::OpenRoom { room });
}

#[test]
fn a_silent_participant_is_reported_when_consent_expires() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(500));
    world.set_filter(move |_, _, client, _| client != subscriber);
    world.run_for(ms(35_000));
    let gone = |event: &&Event| match event {
        Event::TransportState { state, .. } => *state == sfu::message::TransportState::Disconnected,
        _ => false,
    };
    assert_eq!(world.events.iter().filter(gone).count(), 1);
    // It comes back, at a keyframe.
    let before = world.clients[subscriber].stream(sub.ssrc).count();
    world.clear_filter();
    world.run_for(ms(15_000));
    let after: Vec<_> = world.clients[subscriber]
        .stream(sub.ssrc)
        .skip(before)
        .collect();
    assert!(after.len() > 100);
    assert!(common::payload::read_vp8(after[0].payload()).keyframe);
}

#[test]
fn many_rooms_are_independent() {
    let mut world = World::default();
    let rooms: Vec<u32> = (0..30).map(|_| world.open_room()).collect();
    let clients: Vec<usize> = rooms
        .iter()
        .flat_map(|room| [world.join(*room), world.join(*room)])
        .collect();
    world.wait_connected(&clients);
    let subs: Vec<(usize, Sub)> = clients
        .chunks(2)
        .map(|pair| {
            let camera = world.publish(pair[0], Codec::Vp8, &[]);
            (camera, world.subscribe(pair[1], camera))
        })
        .collect();
    world.run_for(ms(1_000));
    for camera in &mut world.cameras {
        camera.running = false;
    }
    world.run_for(ms(100));
    for (camera, sub) in subs {
        let received = world.clients[sub.client].stream(sub.ssrc);
        let payloads: Vec<_> = received.map(|it| it.payload().to_vec()).collect();
        let sent = &world.cameras[camera].sent;
        assert!(sent.len() > 50);
        assert!(
            payloads
                .iter()
                .eq(sent.iter().map(|sent| &sent.packet.payload))
        );
    }
    for room in rooms {
        world.close_room(room);
    }
    assert_empty(&world);
}
