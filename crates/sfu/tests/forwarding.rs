//! What one participant publishes another receives: whole, in order, under its own names.

mod common;

use common::payload::read_vp8;
use common::*;

#[test]
fn everything_arrives_in_order_under_the_subscribers_names() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(3_000));
    world.cameras[camera].running = false;
    world.run_for(ms(200));

    let sent: Vec<_> = world.cameras[camera].sent.iter().collect();
    let received: Vec<_> = world.clients[subscriber].stream(sub.ssrc).collect();
    assert!(sent.len() > 100);
    assert_eq!(received.len(), sent.len());
    let ids = id_map(&DOWN_IDS);
    let shift = received[0]
        .header
        .timestamp
        .wrapping_sub(sent[0].packet.timestamp);
    for (nth, (arrived, sent)) in received.iter().zip(&sent).enumerate() {
        assert_eq!(arrived.payload(), sent.packet.payload);
        assert_eq!(arrived.index, received[0].index + nth as u64);
        assert_eq!(
            arrived.header.timestamp,
            sent.packet.timestamp.wrapping_add(shift)
        );
        assert_eq!(arrived.header.marker, sent.packet.marker);
        assert_eq!(arrived.header.payload_type.0, sub.payload_type);
        let values = arrived.values(&ids);
        assert_eq!(
            values.mid.map(|mid| mid.to_string()),
            Some(format!("s{}", sub.id))
        );
        assert_eq!(arrived.extension_ids(), received[0].extension_ids());
    }
    assert!(received[0].index < 1 << 15, "a first number below 2^15");
    assert!(read_vp8(received[0].payload()).keyframe);
}

#[test]
fn every_subscriber_receives_the_same() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscribers = world.connect_many(room, 8);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let subs: Vec<Sub> = subscribers
        .iter()
        .map(|subscriber| world.subscribe(*subscriber, camera))
        .collect();
    world.run_for(ms(2_000));
    let payloads = |sub: &Sub| -> Vec<Vec<u8>> {
        let stream = world.clients[sub.client].stream(sub.ssrc);
        stream.map(|arrived| arrived.payload().to_vec()).collect()
    };
    let first = payloads(&subs[0]);
    assert!(first.len() > 80);
    for sub in &subs[1..] {
        assert_eq!(payloads(sub), first);
    }
}

#[test]
fn rooms_do_not_hear_each_other() {
    let mut world = World::default();
    let (one, other) = (world.open_room(), world.open_room());
    let publisher = world.connect(one);
    let stranger = world.connect(other);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let request = world.subscribe_request(stranger, camera, 99);
    let refused = world.try_command(Request::Subscribe(request));
    assert_eq!(refused.expect_err("another room").code, ErrorCode::NotFound);
    world.run_for(ms(500));
    assert!(world.clients[stranger].rtp.is_empty());
}
