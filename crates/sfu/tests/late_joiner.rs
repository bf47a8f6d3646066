//! A late subscriber starts at a keyframe, with no more keyframe requests than needed.

mod common;

use common::payload::read_vp8;
use common::*;

/// A room with a publisher and a subscriber, long after the first keyframe.
fn running() -> (World, u32, usize) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let first = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    world.subscribe(first, camera);
    world.run_for(ms(2_000));
    world.cameras[camera].keyframe_requests.clear();
    (world, room, camera)
}

#[test]
fn the_first_packet_is_that_of_a_requested_keyframe() {
    let (mut world, room, camera) = running();
    let late = world.connect(room);
    let before = world.now;
    let sub = world.subscribe(late, camera);
    world.run_for(ms(1_000));
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 1);
    let received: Vec<_> = world.clients[late].stream(sub.ssrc).collect();
    assert!(read_vp8(received[0].payload()).keyframe);
    assert!(received[0].at.since(before) < ms(100));
    let indices = received
        .windows(2)
        .map(|pair| pair[1].index - pair[0].index);
    assert!(indices.into_iter().all(|step| step == 1));
}

#[test]
fn a_burst_of_joins_is_one_request() {
    let (mut world, room, camera) = running();
    let late = world.connect_many(room, 10);
    for client in &late {
        world.subscribe(*client, camera);
        world.run_for(ms(2));
    }
    world.run_for(ms(1_000));
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 1);
    for client in late {
        let first = &world.clients[client].rtp[0];
        assert!(read_vp8(first.payload()).keyframe);
    }
}

#[test]
fn a_recent_keyframe_is_used_without_a_request() {
    let (mut world, room, camera) = running();
    let late = world.connect(room);
    world.cameras[camera].encodings[0].keyframe_wanted = true;
    let next_frame = world.cameras[camera].next_frame;
    // Forty milliseconds later it stands in the history.
    world.run_for(next_frame.since(world.now) + ms(30));
    world.subscribe(late, camera);
    world.run_for(ms(500));
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 0);
    let first = &world.clients[late].rtp[0];
    assert!(read_vp8(first.payload()).keyframe);
}

#[test]
fn no_request_is_sent_for_the_keyframe_that_a_publisher_starts_with() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let early = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &["q", "h"], |camera| {
        camera.running = false;
    });
    let sub = world.subscribe_with(early, camera, |request| {
        request.target = Target::Index { index: 0 };
    });
    world.run_for(ms(500));
    world.cameras[camera].next_frame = world.now;
    world.cameras[camera].running = true;
    world.run_for(ms(1_000));
    let asked_for: Vec<usize> = world.cameras[camera]
        .keyframe_requests
        .iter()
        .map(|(_, encoding)| *encoding)
        .collect();
    assert!(asked_for.is_empty(), "{asked_for:?}");
    assert!(world.clients[early].stream(sub.ssrc).count() > 40);
}

#[test]
fn a_subscriber_that_connects_after_subscribing_starts_at_a_keyframe() {
    let (mut world, room, camera) = running();
    let late = world.join(room);
    let sub = world.subscribe(late, camera);
    world.wait_connected(&[late]);
    world.run_for(ms(500));
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 1);
    let first = world.clients[late].stream(sub.ssrc).next().expect("media");
    assert!(read_vp8(first.payload()).keyframe);
}

#[test]
fn requests_of_subscribers_are_coalesced() {
    use wire::id::Ssrc;
    use wire::rtcp::write;
    let (mut world, room, camera) = running();
    let others = world.connect_many(room, 5);
    let subs: Vec<Sub> = others
        .iter()
        .map(|it| world.subscribe(*it, camera))
        .collect();
    world.run_for(ms(1_000));
    world.cameras[camera].keyframe_requests.clear();
    for _ in 0..10 {
        for sub in &subs {
            let mut rtcp = Vec::new();
            write::pli(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc));
            world.clients[sub.client].send_rtcp(&rtcp);
        }
        world.run_for(ms(10));
    }
    world.run_for(ms(1_000));
    // One at once, one for the requests after its keyframe.
    assert!(world.cameras[camera].keyframe_requests.len() <= 2);
    assert_eq!(world.engine.counters().keyframe_requests_received, 50);
}

#[test]
fn publishers_without_pli_get_fir() {
    use wire::rtcp::Packet;
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.feedback = vec!["ccm fir"];
    });
    world.run_for(ms(1_000));
    let late = world.connect(room);
    world.subscribe(late, camera);
    world.run_for(ms(500));
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 1);
    let is_pli = |packet: &Packet<'_>| matches!(packet, Packet::Pli { .. });
    let mut packets = world.clients[publisher].rtcp_packets();
    assert!(!packets.any(|(_, packet)| is_pli(&packet)));
}

#[test]
fn a_publisher_that_does_not_answer_gets_five_requests() {
    let (mut world, room, camera) = running();
    world.cameras[camera].answers_keyframe_requests = false;
    let late = world.connect(room);
    let sub = world.subscribe(late, camera);
    let asked = world.now;
    world.run_for(ms(20_000));
    let requests = &world.cameras[camera].keyframe_requests;
    let after: Vec<u64> = requests
        .iter()
        .map(|(at, _)| at.since(asked).as_millis() as u64)
        .collect();
    assert_eq!(after.len(), 5, "{after:?}");
    assert!(
        after.windows(2).all(|pair| pair[1] - pair[0] >= 300),
        "{after:?}"
    );
    let gaps: Vec<u64> = after.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.windows(2).all(|pair| pair[1] > pair[0]), "{gaps:?}");
    assert_eq!(world.clients[late].stream(sub.ssrc).count(), 0);
}

#[test]
fn a_keyframe_whose_first_packet_comes_last_arrives_whole() {
    let (mut world, room, camera) = running();
    let late = world.connect(room);
    let sub = world.subscribe(late, camera);
    world.run_until(ms(100), |world| {
        world.cameras[camera].encodings[0].keyframe_wanted
    });
    let source = &world.cameras[camera].encodings[0];
    let (first, packets) = (source.index, source.keyframe_packets);
    let held = world.hold_once(Direction::Up, source.ssrc, first as u16);
    world.run_until(ms(100), |_| !held.borrow().is_empty());
    // Soon enough not to be requested again.
    world.run_for(ms(15));
    let publisher = world.clients[world.cameras[camera].client].address;
    world.inject(publisher, &held.take());
    world.run_for(ms(15));
    let mut received: Vec<_> = world.clients[late].stream(sub.ssrc).collect();
    received.sort_by_key(|arrived| arrived.index);
    assert_eq!(received.len(), usize::from(packets));
    assert!(read_vp8(received[0].payload()).keyframe);
    let marks: Vec<u8> = received
        .iter()
        .map(|arrived| read_vp8(arrived.payload()).mark.packet)
        .collect();
    assert_eq!(marks, [0, 1, 2, 3]);
}
