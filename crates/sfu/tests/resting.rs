//! Encodings that nobody watches rest, and come back when somebody does.

mod common;

use common::switching::*;
use common::*;
use sfu::rest::{REST_AFTER, WAKE_WITHIN};

/// The camera does as it is told, and so long that what nobody watches rests.
fn rested() -> (World, usize, Sub) {
    let (mut world, camera, sub) = simulcast_with(|camera| camera.rests = true);
    world.run_for(REST_AFTER);
    (world, camera, sub)
}

fn wanted(world: &World) -> Vec<Vec<String>> {
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
    pictures(world, sub).last().expect("some").3.mark.encoding
}

#[test]
fn what_nobody_watches_rests_and_says_why() {
    let (world, camera, sub) = rested();
    assert_eq!(wanted(&world), [["q"]]);
    let silent: Vec<_> = states(&world).into_iter().filter(|of| !of.1).collect();
    let unwatched = |rid: &str| (rid.to_owned(), false, "unwatched");
    assert_eq!(silent, [unwatched("h"), unwatched("f")]);
    let since = world.now;
    let sent = |nth| world.cameras[camera].sent_of(nth).last().expect("some").at;
    assert!(since.since(sent(0)) < ms(100), "the lowest goes on");
    assert!(since.since(sent(2)) > ms(1_000), "the largest rests");
    assert_eq!(last_encoding(&world, sub), 0);
}

#[test]
fn it_comes_back_for_whoever_asks_within_a_few_round_trips() {
    let (mut world, _, sub) = rested();
    for (rid, encoding) in [("f", 2), ("h", 1), ("f", 2)] {
        let told = switches(&world, sub).len();
        let asked = world.now;
        world.set_target(sub, target(rid));
        let arrived = world.run_until(ms(2_000), |world| switches(world, sub).len() > told);
        assert!(arrived, "no {rid}");
        assert!(
            world.now.since(asked) < ms(250),
            "{rid} took {:?}",
            world.now.since(asked)
        );
        assert_eq!(switches(&world, sub)[told].2, "requested");
        world.run_for(ms(500));
        assert_eq!(last_encoding(&world, sub), encoding);
        world.run_for(REST_AFTER + ms(1_000));
    }
    assert_eq!(wanted(&world).last().expect("told"), &["q", "f"]);
    assert_continuous(&world, sub);
}

#[test]
fn the_best_is_the_best_even_while_it_rests() {
    let (mut world, _, sub) = rested();
    world.set_target(sub, Target::Auto);
    world.run_for(ms(1_000));
    assert_eq!(last_encoding(&world, sub), 2);
    assert_eq!(switches(&world, sub).last().expect("one").2, "best");
}

#[test]
fn who_does_not_come_back_is_not_waited_for() {
    let (mut world, camera, sub) = rested();
    world.cameras[camera].rests = false;
    world.set_target(sub, target("f"));
    world.run_for(WAKE_WITHIN + ms(500));
    let told = states(&world).pop();
    assert_eq!(told, Some(("f".into(), false, "encoding_inactive")));
    assert_eq!(last_encoding(&world, sub), 0, "what is there goes on");

    world.cameras[camera].send_only(&["q".into(), "f".into()]);
    world.run_for(ms(1_000));
    assert_eq!(last_encoding(&world, sub), 2, "late is better than never");
}

#[test]
fn a_publisher_that_cannot_is_not_told() {
    let (mut world, camera, _) = simulcast();
    world.run_for(REST_AFTER * 2);
    assert_eq!(wanted(&world).len(), 0);
    let sent = world.cameras[camera].sent_of(2).last().expect("some").at;
    assert!(world.now.since(sent) < ms(100));
}

#[test]
fn while_somebody_watches_it_goes_on() {
    let (mut world, camera, sub) = simulcast_with(|camera| camera.rests = true);
    world.set_target(sub, target("f"));
    world.run_for(REST_AFTER * 3);
    assert_eq!(wanted(&world), [["q", "f"]]);
    let sent = world.cameras[camera].sent_of(2).last().expect("some").at;
    assert!(world.now.since(sent) < ms(100));
    assert_continuous(&world, sub);
}

#[test]
fn what_never_came_is_not_waited_for_over_and_over() {
    let (mut world, camera, sub) = simulcast_with(|camera| {
        camera.rests = true;
        camera.encodings[2].enabled = false;
    });
    world.set_target(sub, Target::Auto);
    world.run_for(REST_AFTER * 4);
    assert_eq!(last_encoding(&world, sub), 1);
    assert_eq!(wanted(&world).len(), 0, "nothing that sends is unwatched");

    world.cameras[camera].encodings[2].enabled = true;
    world.run_for(ms(3_000));
    let up = (Some("h".into()), Some("f".into()), "best");
    assert_eq!(switches(&world, sub)[2..], [up], "at once and for good");
}
