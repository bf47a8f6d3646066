//! The stream that a packet belongs to: by declared SSRC, MID and RID, or payload type.

mod common;

use common::*;

fn received(world: &mut World, change: impl FnOnce(&mut common::camera::Camera)) -> usize {
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], change);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    world.clients[subscriber].stream(sub.ssrc).count()
}

#[test]
fn declared_ssrcs_need_no_extensions() {
    let mut world = World::default();
    let count = received(&mut world, |camera| {
        camera.declares_ssrcs = true;
        camera.names_itself = false;
    });
    assert!(count > 40);
}

#[test]
fn one_stream_of_its_payload_type_needs_neither_ssrc_nor_mid() {
    let mut world = World::default();
    assert!(received(&mut world, |camera| camera.names_itself = false) > 40);
}

#[test]
fn simulcast_without_rid_is_dropped_and_counted() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    world.publish_with(publisher, Codec::Vp8, &["q", "h", "f"], |camera| {
        camera.names_itself = false;
    });
    world.run_for(ms(1_000));
    assert!(world.engine.counters().packets_unbound > 100);
    let started = |event: &&Event| matches!(event, Event::PublicationStarted { .. });
    assert_eq!(world.events.iter().filter(started).count(), 0);
}

#[test]
fn mid_and_rid_are_needed_only_on_the_first_packets() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &["q", "h"]);
    world.run_for(ms(100));
    world.cameras[camera].names_itself = false;
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() > 80);
    assert_eq!(world.engine.counters().packets_unbound, 0);
}

#[test]
fn audio_and_video_of_one_transport_keep_their_extensions() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    // As in an offer: the audio m-line has the audio level, the video m-line has not.
    let audio = world.publish(publisher, Codec::Opus, &[]);
    let video = common::camera::Camera::new(world.now, publisher, 900, Codec::Vp8, &[]);
    let transport = world.clients[publisher].transport_id;
    let without_level = &UP_IDS[1..];
    world.command(Request::Publish(
        video.publish_request(transport, without_level),
    ));
    world.cameras.push(video);
    let sub = world.subscribe(subscriber, audio);
    world.cameras[audio].running = false;
    let mut packet = common::plain_packet(&world.cameras[audio], 500);
    packet
        .extensions
        .push((wire::extension::Extension::AudioLevel, vec![0x80 | 30]));
    world.clients[publisher].send_rtp(&packet);
    world.run_for(ms(100));
    let ids = id_map(&DOWN_IDS);
    let received = world.clients[subscriber]
        .stream(sub.ssrc)
        .next()
        .expect("one");
    let level = received.values(&ids).audio_level.expect("a level");
    assert_eq!((level.voice, level.minus_dbov), (true, 30));
}

/// Count the packets that a subscriber got since `at`.
fn received_since(world: &World, sub: Sub, at: wire::time::Time) -> usize {
    let stream = world.clients[sub.client].stream(sub.ssrc);
    stream.filter(|arrived| arrived.at >= at).count()
}

#[test]
fn a_declared_ssrc_that_changes_is_followed_without_mid() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.declares_ssrcs = true;
        camera.names_itself = false;
    });
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(2_000));
    let source = &mut world.cameras[camera].encodings[0];
    (source.ssrc, source.rtx_ssrc) = (0xaaaa_0001, 0xaaaa_0002);
    let changed = world.now;
    world.run_for(ms(3_000));
    // Half a second of silence, a keyframe and its way; 50 packets a second then.
    let received = received_since(&world, sub, changed + ms(1_000));
    assert!(received >= 98, "{received}");
    // Later losses are retransmitted under the new RTX SSRC.
    let source = &world.cameras[camera].encodings[0];
    world.lose(Direction::Up, source.ssrc, [source.index as u16]);
    let before = world.engine.counters().retransmitted_packets_received;
    world.run_for(ms(500));
    let repaired = world.engine.counters().retransmitted_packets_received - before;
    assert_eq!(repaired, 1);
}

#[test]
fn an_unbound_ssrc_is_reported_with_its_reason() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &["q", "h"], |camera| {
        camera.names_itself = false;
    });
    world.run_for(ms(3_500));
    let ssrcs: Vec<u32> = world.cameras[camera]
        .encodings
        .iter()
        .map(|it| it.ssrc)
        .collect();
    let told: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::SsrcUnbound {
                transport,
                ssrc,
                payload_type,
                reason,
                ..
            } => Some((*transport, *ssrc, *payload_type, *reason)),
            _ => None,
        })
        .collect();
    let transport = world.clients[publisher].transport_id;
    let expected = |nth: usize| (transport, ssrcs[nth], 96, "encoding_ambiguous");
    assert_eq!(told, [expected(0), expected(1)]);
    let stats = world.command(Request::RoomStats { room });
    let unbound = &stats["transports"][0]["ssrcs_unbound"];
    for (nth, sent) in ssrcs.iter().enumerate() {
        assert_eq!(unbound[nth]["ssrc"], *sent);
        assert_eq!(unbound[nth]["reason"], "encoding_ambiguous");
    }
    let packets = |nth: usize| unbound[nth]["packets"].as_u64().expect("a count");
    assert_eq!(
        packets(0) + packets(1),
        world.engine.counters().packets_unbound
    );
}

#[test]
fn retransmissions_of_rid_streams_are_bound_by_their_declared_groups() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &["q", "h"], |camera| {
        camera.declares_repairs = true;
    });
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    let source = &world.cameras[camera].encodings[1];
    let lost = [source.index as u16, source.index as u16 + 7];
    world.lose(Direction::Up, source.ssrc, lost);
    world.run_for(ms(1_000));
    assert_eq!(world.engine.counters().retransmitted_packets_received, 2);
    assert_eq!(world.engine.counters().packets_unbound, 0);
    assert_whole(&repaired(&world, sub));
}

#[test]
fn encodings_identified_by_ssrc_alone_are_selected_and_follow_a_change() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &["0", "1", "2"], |camera| {
        camera.declares_ssrcs = true;
        camera.names_itself = false;
    });
    let sub = world.subscribe_with(subscriber, camera, |request| {
        request.target = Target::Index { index: 2 };
    });
    world.run_for(ms(2_000));
    let encoding = |world: &World| {
        let last = world.clients[subscriber].stream(sub.ssrc).last();
        common::payload::read_vp8(last.expect("media").payload())
            .mark
            .encoding
    };
    assert_eq!(encoding(&world), 2);
    for source in &mut world.cameras[camera].encodings {
        source.ssrc += 5;
        source.rtx_ssrc += 5;
    }
    let changed = world.now;
    world.run_for(ms(3_000));
    assert_eq!(encoding(&world), 2);
    assert!(received_since(&world, sub, changed + ms(1_500)) > 100);
}

#[test]
fn a_stream_that_begins_below_a_wrap_may_lose_its_first_packets() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.encodings[0].index = 65_530;
    });
    let ssrc = world.cameras[camera].encodings[0].ssrc;
    world.lose(Direction::Up, ssrc, 65_530..=65_535);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(2_000));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() > 80);
    assert_eq!(world.engine.counters().datagrams_dropped, 0);
}
