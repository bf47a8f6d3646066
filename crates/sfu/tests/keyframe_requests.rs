//! Rate limit of the keyframe requests of each subscriber.

mod common;

use common::*;
use wire::id::Ssrc;
use wire::rtcp::{FirEntry, write};
use wire::time::Time;

/// A camera and its subscribers, after two seconds.
fn playing(subscribers: usize) -> (World, usize, Vec<Sub>) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let clients = world.connect_many(room, subscribers);
    let subs = clients
        .iter()
        .map(|it| world.subscribe(*it, camera))
        .collect();
    world.run_for(ms(2_000));
    world.cameras[camera].keyframe_requests.clear();
    (world, camera, subs)
}

fn send_pli(world: &mut World, sub: Sub) {
    let mut rtcp = Vec::new();
    write::pli(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc));
    world.clients[sub.client].send_rtcp(&rtcp);
}

fn send_fir(world: &mut World, sub: Sub, sequence: u8) {
    let (mut rtcp, ssrc) = (Vec::new(), Ssrc(sub.ssrc));
    write::fir(&mut rtcp, Ssrc(7), &[FirEntry { ssrc, sequence }]);
    world.clients[sub.client].send_rtcp(&rtcp);
}

fn request_times(world: &World, camera: usize) -> Vec<Time> {
    let requests = world.cameras[camera].keyframe_requests.iter();
    requests.map(|(at, _)| *at).collect()
}

#[test]
fn one_a_second_after_the_first_three() {
    let (mut world, camera, subs) = playing(1);
    let began = world.now;
    // Further apart than the spacing of requests to a publisher.
    for nth in 0..30 {
        match nth % 2 {
            0 => send_pli(&mut world, subs[0]),
            _ => send_fir(&mut world, subs[0], nth),
        }
        world.run_for(ms(350));
    }
    let asked = request_times(&world, camera);
    // Ten seconds: the three, and one for each second from the first to the tenth.
    assert_eq!(asked.len(), 13, "{asked:?}");
    let first_second = asked.iter().filter(|at| at.since(began) < ms(1_000));
    assert_eq!(first_second.count(), 3);
    let counters = world.engine.counters();
    assert_eq!(counters.keyframe_requests_received, 30);
    assert_eq!(counters.keyframe_requests_rate_limited, 17);
    let room = world.clients[subs[0].client].room;
    let stats = world.command(Request::RoomStats { room });
    assert_eq!(stats["subscriptions"][0]["pli_rate_limited"], 17);
}

#[test]
fn the_requests_of_another_subscriber_are_not_delayed() {
    let (mut world, camera, subs) = playing(2);
    for _ in 0..100 {
        send_pli(&mut world, subs[0]);
        world.run_for(ms(30));
    }
    // Half a second after the last one that was passed on.
    let last = *request_times(&world, camera).last().expect("requests");
    while world.now < last + ms(500) {
        send_pli(&mut world, subs[0]);
        world.run_for(ms(30));
    }
    let before = request_times(&world, camera).len();
    send_pli(&mut world, subs[1]);
    let sent = world.now;
    assert!(world.run_until(ms(50), |world| request_times(world, camera).len() > before));
    assert!(world.now.since(sent) <= ms(25), "two ways of 10 ms");
}

#[test]
fn occasional_requests_of_a_subscriber_are_all_forwarded() {
    let (mut world, camera, subs) = playing(1);
    for _ in 0..10 {
        send_pli(&mut world, subs[0]);
        world.run_for(ms(1_100));
    }
    assert_eq!(request_times(&world, camera).len(), 10);
    assert_eq!(world.engine.counters().keyframe_requests_rate_limited, 0);
}
