//! `--bwe loss-rtt`: who sits behind a narrow link settles on what fits; the others do not notice.

mod common;

use common::payload::read_vp8;
use common::*;
use sfu::config::Bwe;
use std::time::Duration;
use wire::time::Time;

const RIDS: [&str; 3] = ["q", "h", "f"];

/// About 160 kb/s, 480 kb/s and 1.6 Mb/s.
fn sizes(camera: &mut common::camera::Camera) {
    for (source, packets) in camera.encodings.iter_mut().zip([1, 3, 10]) {
        source.packets = packets;
        source.keyframe_packets = packets * 3;
        source.payload_len = 800;
    }
}

fn behind_one_megabit(world: &mut World, client: usize) {
    let down = &mut world.clients[client].down.conditions;
    down.rate_bps = Some(1_000_000);
    down.queue = ms(300);
}

fn switches(world: &World, sub: Sub) -> usize {
    let of_sub = |event: &&Event| match event {
        Event::LayerSwitch {
            subscription, from, ..
        } => *subscription == sub.id && from.is_some(),
        _ => false,
    };
    world.events.iter().filter(of_sub).count()
}

/// When each switch was seen by the receiver, and to which encoding.
fn seen(world: &World, sub: Sub) -> Vec<(Time, u8)> {
    let mut seen: Vec<(Time, u8)> = Vec::new();
    for arrived in world.clients[sub.client].stream(sub.ssrc) {
        let encoding = read_vp8(arrived.payload()).mark.encoding;
        if seen.last().is_none_or(|(_, last)| *last != encoding) {
            seen.push((arrived.at, encoding));
        }
    }
    seen
}

#[test]
fn it_settles_within_five_seconds_and_then_switches_once_in_ten_at_most() {
    let mut world = World::new(Config {
        bwe: Bwe::LossRtt,
        ..Config::default()
    });
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    world.run_for(ms(2_000));
    let clients = world.connect_many(room, 6);
    for client in &clients {
        world.watch(*client);
    }
    for client in &clients[..2] {
        behind_one_megabit(&mut world, *client);
    }
    let subs: Vec<Sub> = clients
        .iter()
        .map(|client| world.subscribe(*client, camera))
        .collect();
    let start = world.now;
    world.run_for(ms(90_000));

    for sub in &subs[..2] {
        let seen = seen(&world, *sub);
        let after: Vec<(u64, u8)> = seen
            .iter()
            .map(|(at, encoding)| (at.since(start).as_millis() as u64, *encoding))
            .collect();
        // Its first report comes after a second.
        let settled = after.iter().rfind(|(at, _)| *at < 6_000).expect("started");
        assert!(settled.1 <= 1, "{after:?}");
        for pair in after.windows(2).filter(|pair| pair[0].0 > 6_000) {
            assert!(pair[1].0 - pair[0].0 > 1_000, "{after:?}");
        }
        let later: Vec<u64> = after
            .iter()
            .map(|it| it.0)
            .filter(|at| *at >= 6_000)
            .collect();
        for window in 6..80 {
            let within = |at: &&u64| (window * 1_000..(window + 10) * 1_000).contains(*at);
            let count = later.iter().filter(within).count();
            assert!(count <= 1, "{count} switches within 10 s: {after:?}");
        }
    }
    for sub in &subs[2..] {
        assert_eq!(switches(&world, *sub), 0);
        let encodings = world.clients[sub.client].stream(sub.ssrc);
        assert!(
            encodings
                .skip(5)
                .all(|it| read_vp8(it.payload()).mark.encoding == 2)
        );
        let lost = world.clients[sub.client]
            .viewer
            .as_ref()
            .expect("one")
            .lost(sub.ssrc);
        assert_eq!(lost, 0);
    }
}

#[test]
fn a_free_link_is_left_alone() {
    let mut world = World::new(Config {
        bwe: Bwe::LossRtt,
        ..Config::default()
    });
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.watch(subscriber);
    world.clients[subscriber].down.conditions.loss = 0.02;
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(30_000));
    // From the lowest that woke first to the highest, and there it stays.
    let seen = seen(&world, sub);
    assert_eq!(seen.last().map(|(_, encoding)| *encoding), Some(2));
    assert!(seen.last().expect("one").0.since(seen[0].0) < Duration::from_secs(3));
}

#[test]
fn without_the_policy_nothing_moves() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    world.run_for(ms(1_000));
    let subscriber = world.connect(room);
    world.watch(subscriber);
    behind_one_megabit(&mut world, subscriber);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(20_000));
    assert_eq!(switches(&world, sub), 0);
}

#[test]
fn sweep() {
    for varies in [false, true] {
        for rate in [
            300_000, 500_000, 600_000, 700_000, 1_000_000, 1_400_000, 1_600_000, 1_700_000,
            1_800_000, 2_000_000, 2_500_000,
        ] {
            let mut world = World::new(Config {
                bwe: Bwe::LossRtt,
                ..Config::default()
            });
            let room = world.open_room();
            let publisher = world.connect(room);
            let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, |camera| {
                sizes(camera);
                for source in &mut camera.encodings {
                    source.varies = varies;
                }
            });
            world.run_for(ms(2_000));
            let client = world.connect(room);
            world.watch(client);
            let down = &mut world.clients[client].down.conditions;
            down.rate_bps = Some(rate);
            down.queue = ms(300);
            let sub = world.subscribe(client, camera);
            let start = world.now;
            world.run_for(ms(120_000));
            let after: Vec<(u64, u8)> = seen(&world, sub)
                .iter()
                .map(|(at, encoding)| (at.since(start).as_millis() as u64, *encoding))
                .collect();
            eprintln!("SWEEP {varies} {rate}: {after:?}");
        }
    }
}
