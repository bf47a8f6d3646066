//! A room that panics is dropped whole; the others play on.

mod common;

use common::*;
use sfu::room::Fault;

fn playing_room(world: &mut World) -> (u32, usize, Sub) {
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    (room, camera, sub)
}

fn closed(world: &World) -> Vec<(u32, &'static str)> {
    let closed = |event: &Event| match event {
        Event::RoomClosed { room, reason } => Some((*room, *reason)),
        _ => None,
    };
    world.events.iter().filter_map(closed).collect()
}

fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let value = work();
    std::panic::set_hook(hook);
    value
}

fn breaks_alone(fault: Fault) {
    let mut world = World::default();
    let rooms: Vec<_> = (0..3).map(|_| playing_room(&mut world)).collect();
    world.run_for(ms(1_000));
    let broken = rooms[1].0;
    world.engine.inject_fault(broken, fault);
    quietly(|| world.run_for(ms(1_500)));
    assert_eq!(closed(&world), [(broken, "internal_error")]);
    let counters = world.engine.counters();
    assert_eq!((counters.rooms, counters.rooms_broken), (2, 1));
    assert_eq!((counters.transports, counters.subscriptions), (4, 2));
    for (room, camera, sub) in [&rooms[0], &rooms[2]] {
        world.cameras[*camera].running = false;
        world.run_for(ms(100));
        let sent = world.cameras[*camera].sent.len();
        let received = world.clients[sub.client].stream(sub.ssrc).count();
        assert_eq!(received, sent, "room {room}");
    }
    let gone = world.try_command(Request::RoomStats { room: broken });
    assert_eq!(gone.expect_err("gone").code, ErrorCode::NotFound);

    // Its place is free for others, and they inherit nothing.
    let (_, camera, sub) = playing_room(&mut world);
    world.run_for(ms(2_000));
    assert!(world.clients[sub.client].stream(sub.ssrc).count() > 90);
    let reports = world.clients[sub.client]
        .rtcp_packets()
        .filter(|(_, packet)| matches!(packet, wire::rtcp::Packet::SenderReport { .. }));
    assert!(reports.count() <= 3, "one report a second");
    assert!(world.cameras[camera].keyframe_requests.len() <= 1);
}

#[test]
fn at_a_datagram() {
    breaks_alone(Fault::Receive);
}

#[test]
fn at_a_timer() {
    breaks_alone(Fault::Timer);
}

#[test]
fn while_sending() {
    breaks_alone(Fault::Flush);
}

#[test]
fn at_a_command_which_fails() {
    let mut world = World::default();
    let (room, ..) = playing_room(&mut world);
    let (_, _, other) = playing_room(&mut world);
    world.run_for(ms(500));
    world.engine.inject_fault(room, Fault::Command);
    let refused = quietly(|| world.try_command(Request::RoomStats { room }));
    assert_eq!(refused.expect_err("broken").code, ErrorCode::InternalError);
    assert_eq!(closed(&world).len(), 1);
    let before = world.clients[other.client].rtp.len();
    world.run_for(ms(500));
    assert!(world.clients[other.client].rtp.len() > before + 20);
}

#[test]
fn while_closing() {
    let mut world = World::default();
    let (room, ..) = playing_room(&mut world);
    let (_, _, other) = playing_room(&mut world);
    world.run_for(ms(500));
    world.engine.inject_fault(room, Fault::Close);
    quietly(|| world.close_room(room));
    assert_eq!(closed(&world), [(room, "internal_error")]);
    let before = world.clients[other.client].rtp.len();
    world.run_for(ms(500));
    assert!(world.clients[other.client].rtp.len() > before + 20);
}
