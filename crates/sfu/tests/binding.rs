//! Which stream a packet belongs to: by what was declared, else by what it says of itself.

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
fn one_stream_of_its_payload_type_needs_neither() {
    let mut world = World::default();
    assert!(received(&mut world, |camera| camera.names_itself = false) > 40);
}

#[test]
fn simulcast_without_names_is_dropped_and_counted() {
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
fn names_are_needed_only_until_the_first_packets() {
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
