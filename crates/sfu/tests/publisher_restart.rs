//! A publisher that restarts under another SSRC continues the same publication.

mod common;

use common::payload::read_vp8;
use common::*;

/// A subscriber that has received the lower of two encodings for two seconds.
fn playing() -> (World, usize, Sub) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &["q", "h"]);
    let sub = world.subscribe_with(subscriber, camera, |request| {
        request.target = Target::Index { index: 0 };
    });
    world.run_for(ms(2_000));
    (world, camera, sub)
}

#[test]
fn subscribers_continue_at_its_next_keyframe() {
    let (mut world, camera, sub) = playing();
    let subscriber = sub.client;
    let before = world.clients[subscriber].stream(sub.ssrc).count();
    let source = &mut world.cameras[camera].encodings[0];
    (source.ssrc, source.rtx_ssrc) = (0xaaaa_0001, 0xaaaa_0002);
    // The same numbers as before mean other packets now.
    source.index -= 20;
    source.picture_id = 20_000;
    source.timestamp_offset = 5;
    source.frame += 1_000;
    world.run_for(ms(2_000));

    let received: Vec<_> = world.clients[subscriber].stream(sub.ssrc).collect();
    assert!(received.len() > before + 60);
    for pair in received.windows(2) {
        assert_eq!(pair[1].index, pair[0].index + 1);
    }
    let fresh = received
        .iter()
        .position(|it| read_vp8(it.payload()).mark.frame > 1_000)
        .expect("it goes on");
    let (last, first) = (received[fresh - 1], received[fresh]);
    let (old, new) = (read_vp8(last.payload()), read_vp8(first.payload()));
    assert!(new.keyframe);
    assert_eq!(new.picture_id, old.picture_id + 1);
    let ticks = first.header.timestamp.wrapping_sub(last.header.timestamp);
    assert!((1..=90_000).contains(&ticks), "{ticks}");
    let started = |event: &&Event| matches!(event, Event::PublicationStarted { .. });
    assert_eq!(world.events.iter().filter(started).count(), 3);
}

#[test]
fn sequence_numbers_of_the_old_stream_find_no_packets_of_the_new_one() {
    use wire::id::Ssrc;
    use wire::rtcp::write;
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    let old: Vec<u16> = world.clients[subscriber]
        .stream(sub.ssrc)
        .map(|it| it.header.sequence)
        .collect();
    let source = &mut world.cameras[camera].encodings[0];
    source.ssrc += 5;
    source.index -= 40;
    source.keyframe_wanted = true;
    world.run_for(ms(300));
    let mut rtcp = Vec::new();
    write::nack(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc), &old[old.len() - 10..]);
    world.clients[subscriber].send_rtcp(&rtcp);
    world.run_for(ms(100));
    assert_eq!(world.clients[subscriber].stream(sub.rtx_ssrc).count(), 0);
    assert_eq!(world.engine.counters().nacks_unanswered, 10);
}

#[test]
fn late_packets_of_the_old_stream_do_not_restart_it() {
    let (mut world, camera, sub) = playing();
    let (publisher, subscriber) = (world.cameras[camera].client, sub.client);
    let source = &world.cameras[camera].encodings[0];
    let held = world.hold_once(Direction::Up, source.ssrc, source.index as u16);
    world.run_until(ms(200), |_| !held.borrow().is_empty());
    world.cameras[camera].encodings[0].ssrc = 0xaaaa_0001;
    world.cameras[camera].encodings[0].keyframe_wanted = true;
    world.run_for(ms(1_000));
    let before = world.clients[subscriber].stream(sub.ssrc).count();
    let address = world.clients[publisher].address;
    world.inject(address, &held.take());
    world.run_for(ms(1_000));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() >= before + 48);
    let started = |event: &&Event| matches!(event, Event::PublicationStarted { .. });
    assert_eq!(world.events.iter().filter(started).count(), 3);
}

#[test]
fn a_stream_with_ever_new_ssrcs_causes_no_flood_of_events() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| camera.running = false);
    let events = world.events.len();
    for nth in 0..1_000 {
        let mut packet = plain_packet(&world.cameras[camera], 1 + nth);
        packet.ssrc = 0xbbbb_0000 + (nth % 100) as u32;
        world.clients[publisher].send_rtp(&packet);
        world.run_for(ms(3));
    }
    // Three seconds of them: two events at once, then two a second.
    let told = world.events.len() - events;
    assert!((2..=10).contains(&told), "{told}");
}

#[test]
fn a_keyframe_that_arrives_too_early_does_not_suppress_requests() {
    use wire::id::Ssrc;
    use wire::rtcp::{Packet, compound, write};
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| camera.running = false);
    let sub = world.subscribe(subscriber, camera);
    let send = |world: &mut World, ssrc: u32| {
        let mut packet = plain_packet(&world.cameras[camera], 1);
        packet.ssrc = ssrc;
        world.clients[publisher].send_rtp(&packet);
        world.run_for(ms(100));
    };
    let asked = |world: &World| {
        let sent = world.clients[publisher].rtcp.iter();
        sent.flat_map(|(_, plain)| compound(plain).flatten().collect::<Vec<_>>())
            .filter(|packet| matches!(packet, Packet::Pli { .. }))
            .count()
    };
    send(&mut world, 0xcccc_0001);
    send(&mut world, 0xcccc_0002);
    let before = asked(&world);
    let mut rtcp = Vec::new();
    write::pli(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc));
    world.clients[subscriber].send_rtcp(&rtcp);
    world.run_for(ms(1_000));
    assert!(asked(&world) > before);
}
