//! Packets that no Ethernet carries once they are forwarded are left out, and their numbers closed.

mod common;

use common::*;

/// A camera whose packets have payloads of this length.
fn playing(payload_len: usize) -> (World, usize, Sub) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.encodings[0].payload_len = payload_len;
    });
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(500));
    (world, camera, sub)
}

/// Send a packet with a payload of this length between two frames.
fn send(world: &mut World, camera: usize, payload_len: usize) {
    let source = &mut world.cameras[camera].encodings[0];
    let index = source.index;
    source.index += 1;
    let mut packet = plain_packet(&world.cameras[camera], index);
    packet.payload.resize(payload_len, 7);
    packet.marker = false;
    let client = world.cameras[camera].client;
    world.clients[client].send_rtp(&packet);
}

#[test]
fn a_packet_that_is_too_long_is_dropped_without_a_gap() {
    let (mut world, camera, sub) = playing(1_000);
    for _ in 0..10 {
        send(&mut world, camera, 1_480);
        world.run_for(ms(100));
    }
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    let received: Vec<_> = world.clients[sub.client].stream(sub.ssrc).collect();
    assert_eq!(received.len(), world.cameras[camera].sent.len());
    for pair in received.windows(2) {
        assert_eq!(pair[1].index, pair[0].index + 1);
    }
    assert_eq!(world.engine.counters().packets_over_mtu, 10);
    assert!(
        world
            .runs
            .iter()
            .all(|run| run.len.div_ceil(run.segments) <= 1_472)
    );
}

#[test]
fn packets_up_to_the_ethernet_mtu_are_forwarded() {
    let (mut world, camera, sub) = playing(1_000);
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    // 1472 bytes, less 12 of header, 24 of extensions and 16 of tag.
    for payload_len in 1_380..1_472 {
        send(&mut world, camera, payload_len);
    }
    world.run_for(ms(100));
    let received = world.clients[sub.client].stream(sub.ssrc);
    let longest = received.map(|arrived| arrived.len() + 16).max();
    assert_eq!(longest, Some(1_472));
    let forwarded = world.runs.iter().map(|run| run.len.div_ceil(run.segments));
    assert_eq!(forwarded.max(), Some(1_472));
}
