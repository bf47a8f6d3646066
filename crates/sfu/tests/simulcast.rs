//! Switching between encodings: at keyframes, with continuous numbers, for a stated reason.

mod common;

use common::switching::*;
use common::*;

#[test]
fn a_request_switches_at_the_next_keyframe_with_continuous_numbers() {
    let (mut world, camera, sub) = simulcast();
    let last = |world: &World| {
        received_frames(world, sub)
            .last()
            .expect("some")
            .3
            .mark
            .encoding
    };
    assert_eq!(last(&world), 0);
    for (rid, encoding) in [("f", 2), ("h", 1), ("f", 2), ("q", 0)] {
        let requests = world.cameras[camera].keyframe_requests.len();
        world.set_target(sub, target(rid));
        world.run_for(ms(2_000));
        assert_eq!(last(&world), encoding);
        assert_eq!(world.cameras[camera].keyframe_requests.len(), requests + 1);
    }
    assert_continuous(&world, sub);
    let told = switches(&world, sub);
    let of =
        |from: Option<&str>, to: &str| (from.map(str::to_owned), Some(to.to_owned()), "requested");
    assert_eq!(
        told,
        [
            of(None, "q"),
            of(Some("q"), "f"),
            of(Some("f"), "h"),
            of(Some("h"), "f"),
            of(Some("f"), "q")
        ]
    );
}

#[test]
fn without_sender_reports_timestamps_are_estimated_with_the_reason() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, |camera| {
        camera.sends_reports = false;
    });
    let sub = world.subscribe_with(subscriber, camera, |request| request.target = target("q"));
    world.run_for(ms(2_000));
    world.set_target(sub, target("h"));
    world.run_for(ms(2_000));
    assert_continuous(&world, sub);
    let told = switches(&world, sub);
    assert_eq!(
        told.last().map(|(_, _, reason)| *reason),
        Some("timestamp_estimated")
    );
    let frames = received_frames(&world, sub);
    let first_new = frames.iter().position(|it| it.3.mark.encoding == 1);
    let first_new = first_new.expect("switched");
    let of = |nth: usize| frames[nth].3.mark.frame;
    assert!(
        of(first_new) > of(first_new - 1),
        "the keyframe is older than what was sent while the switch waited for reports"
    );
}

#[test]
fn late_packets_of_the_old_encoding_are_dropped() {
    let (mut world, camera, sub) = simulcast();
    let source = &world.cameras[camera].encodings[0];
    let held = world.hold_once(Direction::Up, source.ssrc, source.index as u16);
    world.run_until(ms(200), |_| !held.borrow().is_empty());
    world.cameras[camera].answers_nacks = false;
    world.set_target(sub, target("f"));
    let switched = world.run_until(ms(2_000), |world| switches(world, sub).len() == 2);
    assert!(switched);
    world.run_for(ms(50));
    let publisher = world.clients[world.cameras[camera].client].address;
    world.inject(publisher, &held.take());
    world.run_for(ms(500));
    let frames = received_frames(&world, sub);
    let first_new = frames
        .iter()
        .position(|(_, _, _, it)| it.mark.encoding == 2);
    let after = &frames[first_new.expect("switched")..];
    assert!(after.iter().all(|(_, _, _, it)| it.mark.encoding == 2));
}

#[test]
fn a_switch_back_waits_for_a_keyframe_that_no_packet_is_missing_after() {
    let (mut world, camera, sub) = simulcast();
    // A browser answers a keyframe request with a keyframe of every encoding.
    world.cameras[camera].encodings[0].keyframe_wanted = true;
    world.set_target(sub, target("f"));
    let switched = world.run_until(ms(2_000), |world| switches(world, sub).len() == 2);
    assert!(switched);
    // Packets of encoding q are not kept meanwhile: it has no subscriber.
    world.run_for(ms(50));
    world.set_target(sub, target("q"));
    world.run_for(ms(1_000));
    assert_eq!(switches(&world, sub).len(), 3);
    assert_continuous(&world, sub);
}

#[test]
fn an_inactive_encoding_moves_its_subscribers_down() {
    let (mut world, camera, sub) = simulcast();
    world.set_target(sub, target("f"));
    world.run_for(ms(1_000));
    let requests = world.cameras[camera].keyframe_requests.len();
    world.cameras[camera].encodings[2].enabled = false;
    let silent_since = world.now;
    let moved = world.run_until(ms(3_000), |world| switches(world, sub).len() == 3);
    assert!(moved, "still waiting for a silent encoding");
    assert!(world.now.since(silent_since) < ms(1_000));
    let told = switches(&world, sub);
    let down = (
        Some("f".to_owned()),
        Some("h".to_owned()),
        "encoding_inactive",
    );
    assert_eq!(told[2], down);
    world.run_for(ms(1_000));
    let asked: Vec<_> = world.cameras[camera].keyframe_requests[requests..].to_vec();
    assert!(
        asked.iter().all(|(_, encoding)| *encoding == 1),
        "{asked:?}"
    );
    let state = |event: &Event| match event {
        Event::EncodingState { rid, active, .. } => Some((rid.clone(), *active)),
        _ => None,
    };
    let states: Vec<_> = world.events.iter().filter_map(state).collect();
    assert_eq!(states.last(), Some(&(Some("f".to_owned()), false)));
    assert_continuous(&world, sub);

    // The encoding is active again, and the subscriber switches back to it.
    world.cameras[camera].encodings[2].enabled = true;
    let back = world.run_until(ms(2_000), |world| switches(world, sub).len() == 4);
    assert!(back);
    assert_continuous(&world, sub);
}

#[test]
fn a_request_for_an_inactive_encoding_is_reported_once() {
    let (mut world, camera, sub) = simulcast();
    world.set_target(sub, target("h"));
    world.cameras[camera].encodings[2].enabled = false;
    world.run_for(ms(2_000));
    let before = switches(&world, sub);
    for _ in 0..3 {
        world.set_target(sub, target("f"));
        world.run_for(ms(500));
    }
    let told = switches(&world, sub)[before.len()..].to_vec();
    let h = Some("h".to_owned());
    assert_eq!(told, [(h.clone(), h.clone(), "encoding_inactive")]);

    // The first request is for the current encoding; the next one is reported again.
    world.set_target(sub, target("h"));
    world.set_target(sub, target("f"));
    world.run_for(ms(500));
    assert_eq!(switches(&world, sub).len(), before.len() + 2);

    world.cameras[camera].encodings[2].enabled = true;
    world.run_for(ms(1_000));
    let back = (h, Some("f".to_owned()), "requested");
    assert_eq!(switches(&world, sub)[before.len() + 2..], [back]);
    assert_continuous(&world, sub);
}

#[test]
fn a_keyframe_request_is_sent_again_when_an_encoding_becomes_active() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    world.run_for(ms(500));
    world.cameras[camera].answers_keyframe_requests = false;
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(50));
    world.cameras[camera].encodings[0].enabled = false;
    world.run_for(ms(30_000));
    world.cameras[camera].answers_keyframe_requests = true;
    world.cameras[camera].encodings[0].enabled = true;
    world.cameras[camera].encodings[0].keyframe_wanted = false;
    world.run_for(ms(1_000));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() > 0);
}

#[test]
fn neither_all_encodings_nor_the_lowest_are_required() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, |camera| {
        camera.encodings[0].enabled = false;
        camera.encodings[2].enabled = false;
    });
    let sub = world.subscribe_with(subscriber, camera, |request| request.target = target("q"));
    world.run_for(ms(1_000));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() > 50);
}

#[test]
fn a_switch_that_misses_its_deadline_is_reported() {
    let (mut world, camera, sub) = simulcast();
    world.cameras[camera].answers_keyframe_requests = false;
    world.set_target(sub, target("h"));
    world.run_for(ms(4_000));
    world.cameras[camera].encodings[1].keyframe_wanted = true;
    world.run_for(ms(500));
    let told = switches(&world, sub);
    assert_eq!(
        told.last().map(|(_, _, reason)| *reason),
        Some("keyframe_timeout")
    );
    assert_continuous(&world, sub);
}
