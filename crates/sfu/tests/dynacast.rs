//! Dynacast: encodings without subscribers are inactive, and active again for a subscriber.

mod common;

use common::switching::*;
use common::*;
use sfu::ingress::dynacast::{ACTIVATION_TIMEOUT, DEACTIVATE_AFTER};

/// A camera with dynacast, after the encodings without subscribers have become inactive.
fn inactive() -> (World, usize, Sub) {
    let (mut world, camera, sub) = simulcast_with(|camera| camera.dynacast = true);
    world.run_for(DEACTIVATE_AFTER);
    (world, camera, sub)
}

fn requested(world: &World) -> Vec<Vec<String>> {
    let rids = |event: &Event| match event {
        Event::EncodingsWanted { rids, .. } => Some(rids.clone()),
        _ => None,
    };
    world.events.iter().filter_map(rids).collect()
}

fn states(world: &World) -> Vec<(String, bool, &'static str)> {
    let state = |event: &Event| match event {
        Event::EncodingState {
            rid: Some(rid),
            active,
            reason,
            ..
        } => Some((rid.clone(), *active, *reason)),
        _ => None,
    };
    world.events.iter().filter_map(state).collect()
}

fn last_encoding(world: &World, sub: Sub) -> u8 {
    received_frames(world, sub)
        .last()
        .expect("some")
        .3
        .mark
        .encoding
}

#[test]
fn an_encoding_without_subscribers_becomes_inactive_with_the_reason() {
    let (world, camera, sub) = inactive();
    assert_eq!(requested(&world), [["q"]]);
    let inactive: Vec<_> = states(&world)
        .into_iter()
        .filter(|(_, active, _)| !active)
        .collect();
    let unwatched = |rid: &str| (rid.to_owned(), false, "unwatched");
    assert_eq!(inactive, [unwatched("h"), unwatched("f")]);
    let since = world.now;
    let sent = |nth| world.cameras[camera].sent_of(nth).last().expect("some").at;
    assert!(since.since(sent(0)) < ms(100), "the lowest stays active");
    assert!(since.since(sent(2)) > ms(1_000), "the highest is inactive");
    assert_eq!(last_encoding(&world, sub), 0);
}

#[test]
fn an_encoding_is_active_again_within_a_few_round_trips_of_a_request() {
    let (mut world, _, sub) = inactive();
    for (rid, encoding) in [("f", 2), ("h", 1), ("f", 2)] {
        let before = switches(&world, sub).len();
        let requested_at = world.now;
        world.set_target(sub, target(rid));
        let arrived = world.run_until(ms(2_000), |world| switches(world, sub).len() > before);
        assert!(arrived, "no {rid}");
        assert!(
            world.now.since(requested_at) < ms(250),
            "{rid} took {:?}",
            world.now.since(requested_at)
        );
        assert_eq!(switches(&world, sub)[before].2, "requested");
        world.run_for(ms(500));
        assert_eq!(last_encoding(&world, sub), encoding);
        world.run_for(DEACTIVATE_AFTER + ms(1_000));
    }
    assert_eq!(requested(&world).last().expect("requested"), &["q", "f"]);
    assert_continuous(&world, sub);
}

#[test]
fn the_best_encoding_is_selected_while_inactive() {
    let (mut world, _, sub) = inactive();
    world.set_target(sub, Target::Auto);
    world.run_for(ms(1_000));
    assert_eq!(last_encoding(&world, sub), 2);
    assert_eq!(switches(&world, sub).last().expect("one").2, "best");
}

#[test]
fn an_activation_without_packets_times_out() {
    let (mut world, camera, sub) = inactive();
    world.cameras[camera].dynacast = false;
    world.set_target(sub, target("f"));
    world.run_for(ACTIVATION_TIMEOUT + ms(500));
    let last = states(&world).pop();
    assert_eq!(last, Some(("f".into(), false, "encoding_inactive")));
    assert_eq!(last_encoding(&world, sub), 0, "the active encoding is kept");

    world.cameras[camera].send_only(&["q".into(), "f".into()]);
    world.run_for(ms(1_000));
    assert_eq!(last_encoding(&world, sub), 2, "a late activation counts");
}

#[test]
fn a_publisher_without_dynacast_is_not_notified() {
    let (mut world, camera, _) = simulcast();
    world.run_for(DEACTIVATE_AFTER * 2);
    assert_eq!(requested(&world).len(), 0);
    let sent = world.cameras[camera].sent_of(2).last().expect("some").at;
    assert!(world.now.since(sent) < ms(100));
}

#[test]
fn an_encoding_with_a_subscriber_stays_active() {
    let (mut world, camera, sub) = simulcast_with(|camera| camera.dynacast = true);
    world.set_target(sub, target("f"));
    world.run_for(DEACTIVATE_AFTER * 3);
    assert_eq!(requested(&world), [["q", "f"]]);
    let sent = world.cameras[camera].sent_of(2).last().expect("some").at;
    assert!(world.now.since(sent) < ms(100));
    assert_continuous(&world, sub);
}

#[test]
fn an_encoding_that_was_never_sent_is_not_activated() {
    let (mut world, camera, sub) = simulcast_with(|camera| {
        camera.dynacast = true;
        camera.encodings[2].enabled = false;
    });
    world.set_target(sub, Target::Auto);
    world.run_for(DEACTIVATE_AFTER * 4);
    assert_eq!(last_encoding(&world, sub), 1);
    assert_eq!(
        requested(&world).len(),
        0,
        "each active encoding has subscribers"
    );

    world.cameras[camera].encodings[2].enabled = true;
    world.run_for(ms(3_000));
    let up = (Some("h".into()), Some("f".into()), "best");
    assert_eq!(switches(&world, sub)[2..], [up], "at once and for good");
}
