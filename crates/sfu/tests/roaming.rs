//! Paths: who moves is followed, and an address that turns up elsewhere moves with its owner.

mod common;

use common::*;
use std::net::SocketAddr;

#[test]
fn a_participant_whose_address_changes_is_followed() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    world.move_client(subscriber, "203.0.113.9:5555");
    world.move_client(publisher, "203.0.113.10:5556");
    // Its next checks come from there.
    world.run_for(ms(15_000));
    let before = world.clients[subscriber].stream(sub.ssrc).count();
    world.run_for(ms(1_000));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() >= before + 45);
}

#[test]
fn an_address_with_another_username_moves_to_the_other_transport() {
    let mut world = World::default();
    let (one, other) = (world.open_room(), world.open_room());
    let first = world.connect(one);
    let publisher = world.connect(other);
    let address = world.clients[first].address;
    let camera_before = world.publish(first, Codec::Vp8, &[]);
    world.run_for(ms(200));
    let received = world.engine.counters().packets_received;
    assert!(received > 0);
    world.cameras[camera_before].running = false;

    // The page was loaded anew: the same socket address, another transport, another room.
    let second = world.join(other);
    let moved: SocketAddr = address;
    world.take_address(second, moved);
    world.wait_connected(&[second]);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(second, camera);
    world.run_for(ms(1_000));
    assert!(world.clients[second].stream(sub.ssrc).count() > 40);

    // The first transport lost its only path: it neither sends nor is it heard.
    let stats = world.room_stats(one);
    assert!(stats["transports"][0]["remote"].is_null(), "{stats}");
    // Closing it takes no path away from the second.
    world.leave(first);
    let before = world.clients[second].stream(sub.ssrc).count();
    world.run_for(ms(1_000));
    assert!(world.clients[second].stream(sub.ssrc).count() > before + 40);
}

#[test]
fn an_ice_restart_goes_on_without_a_gap() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    world.restart_ice(subscriber);
    world.run_for(ms(2_000));
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    assert_eq!(
        world.clients[subscriber].stream(sub.ssrc).count(),
        world.cameras[camera].sent.len()
    );
}
