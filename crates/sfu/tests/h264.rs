//! H.264: a new subscriber gets SPS and PPS, whether or not the next keyframe repeats them.

mod common;

use common::payload::{h264_parameter_sets, read_h264};
use common::*;
use wire::id::Ssrc;
use wire::rtcp::write;

/// A publisher whose first keyframe had parameter sets, and a late subscriber.
fn joined(repeats_parameter_sets: bool) -> (World, usize, Sub) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::H264, &[], |camera| {
        camera.repeats_parameter_sets = repeats_parameter_sets;
    });
    world.run_for(ms(1_000));
    let subscriber = world.connect(room);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    (world, camera, sub)
}

fn stream(world: &World, sub: Sub) -> Vec<&Arrived> {
    world.clients[sub.client].stream(sub.ssrc).collect()
}

#[test]
fn parameter_sets_of_a_keyframe_come_first_and_once() {
    let (world, _, sub) = joined(true);
    let received = stream(&world, sub);
    assert_eq!(received[0].payload(), h264_parameter_sets());
    assert_eq!(read_h264(received[1].payload()).packet, 0);
    assert_eq!(received[0].header.timestamp, received[1].header.timestamp);
}

#[test]
fn a_keyframe_without_them_gets_the_last_ones_in_front() {
    let (world, camera, sub) = joined(false);
    let received = stream(&world, sub);
    assert_eq!(received[0].payload(), h264_parameter_sets());
    assert!(!received[0].header.marker);
    assert_eq!(received[0].header.timestamp, received[1].header.timestamp);
    assert_eq!(read_h264(received[1].payload()).packet, 0);
    assert!(received.len() > 30);
    for (nth, arrived) in received.iter().enumerate() {
        assert_eq!(arrived.index, received[0].index + nth as u64);
    }
    let keyframe = read_h264(received[1].payload()).frame;
    let mut sent = world.cameras[camera]
        .sent
        .iter()
        .filter(|sent| sent.keyframe);
    assert!(sent.any(|sent| read_h264(&sent.packet.payload).frame == keyframe));
}

#[test]
fn inserted_parameter_sets_are_retransmitted() {
    let (mut world, _, sub) = joined(false);
    let (first, timestamp) = {
        let received = stream(&world, sub);
        (received[0].header.sequence, received[0].header.timestamp)
    };
    let mut rtcp = Vec::new();
    write::nack(
        &mut rtcp,
        Ssrc(7),
        Ssrc(sub.ssrc),
        &[first, first.wrapping_add(1)],
    );
    world.clients[sub.client].send_rtcp(&rtcp);
    world.run_for(ms(100));
    let again: Vec<_> = world.clients[sub.client].stream(sub.rtx_ssrc).collect();
    assert_eq!(again.len(), 2, "and the keyframe behind it");
    assert_eq!(again[0].payload()[..2], first.to_be_bytes());
    assert_eq!(again[0].payload()[2..], h264_parameter_sets());
    assert_eq!(again[0].header.timestamp, timestamp);
    let bytes: usize = again.iter().map(|it| it.payload()[2..].len()).sum();
    let counters = world.engine.counters();
    assert_eq!(counters.retransmitted_packets_sent, 2);
    assert_eq!(counters.retransmitted_bytes_sent, bytes as u64);
}
