//! Packets of padding alone are not forwarded and leave no gap.

mod common;

use common::*;

/// A publisher that sends this packet between two frames.
fn with_probe(world: &mut World, camera: usize, padding: u8) {
    let source = &mut world.cameras[camera].encodings[0];
    let index = source.index;
    source.index += 1;
    let mut packet = plain_packet(&world.cameras[camera], index);
    packet.payload.clear();
    packet.marker = false;
    packet.padding = padding;
    let client = world.cameras[camera].client;
    world.clients[client].send_rtp(&packet);
}

#[test]
fn sequence_numbers_leave_no_gap() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(500));
    for _ in 0..10 {
        with_probe(&mut world, camera, 200);
        with_probe(&mut world, camera, 255);
        world.run_for(ms(100));
    }
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    let received: Vec<_> = world.clients[subscriber].stream(sub.ssrc).collect();
    assert_eq!(received.len(), world.cameras[camera].sent.len());
    for pair in received.windows(2) {
        assert_eq!(pair[1].index, pair[0].index + 1);
    }
    assert_eq!(world.cameras[camera].nacks.len(), 0);
}

#[test]
fn the_first_packet_of_an_encoding_may_be_padding_only() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &["q", "h"], |camera| {
        camera.running = false;
    });
    let sub = world.subscribe(subscriber, camera);
    let mut packet = plain_packet(&world.cameras[camera], 999);
    packet.payload.clear();
    packet.padding = 100;
    packet
        .extensions
        .push((wire::extension::Extension::Rid, b"q".to_vec()));
    world.clients[publisher].send_rtp(&packet);
    // Its names stood on that packet only.
    world.cameras[camera].names_itself = false;
    world.cameras[camera].encodings[1].enabled = false;
    world.cameras[camera].next_frame = world.now + ms(20);
    world.cameras[camera].running = true;
    world.run_for(ms(500));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() > 20);
}

#[test]
fn padding_behind_a_payload_is_stripped() {
    let mut world = World::new(Config {
        pad: false,
        ..Config::default()
    });
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.running = false;
    });
    let sub = world.subscribe(subscriber, camera);
    let mut packet = plain_packet(&world.cameras[camera], 5);
    packet.padding = 30;
    world.clients[publisher].send_rtp(&packet);
    world.run_for(ms(100));
    let received = world.clients[subscriber]
        .stream(sub.ssrc)
        .next()
        .expect("one");
    assert_eq!(
        (received.padding, received.payload()),
        (0, &packet.payload[..])
    );
    assert!(!received.header.has_padding);
}
