//! `--bwe loss-rtt`: a subscriber behind a narrow link gets an encoding that fits; the others are
//! not affected.

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

/// The default configuration.
fn loss_rtt() -> Config {
    Config::default()
}

/// Each subscriber is limited to 800 kb/s by configuration.
fn capped() -> Config {
    Config {
        max_subscription_bitrate_bps: Some(800_000),
        ..loss_rtt()
    }
}

fn narrow(world: &mut World, client: usize, rate_bps: u64) {
    let down = &mut world.clients[client].down.conditions;
    down.rate_bps = Some(rate_bps);
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

/// Encodings received by a subscriber behind a link of this rate, with ms since its join.
fn behind(rate_bps: u64, varies: bool, seconds: u64) -> Vec<(u64, u8)> {
    let mut world = World::new(loss_rtt());
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
    world.enable_feedback(client);
    narrow(&mut world, client, rate_bps);
    let sub = world.subscribe(client, camera);
    let start = world.now;
    world.run_for(ms(seconds * 1_000));
    after(&seen(&world, sub), start)
}

fn after(seen: &[(Time, u8)], start: Time) -> Vec<(u64, u8)> {
    let millis = |(at, encoding): &(Time, u8)| (at.since(start).as_millis() as u64, *encoding);
    seen.iter().map(millis).collect()
}

/// Its first report comes after a second; five later it has settled.
fn assert_settled(seen: &[(u64, u8)], highest: u8) {
    let settled = seen.iter().rfind(|(at, _)| *at < 6_000).expect("started");
    assert!(settled.1 <= highest, "{seen:?}");
}

/// Most switches within any ten seconds from the sixth to `until`.
fn most_in_ten_seconds(seen: &[(u64, u8)], until: u64) -> usize {
    let within = |from: u64| {
        let window = from * 1_000..(from + 10) * 1_000;
        seen.iter().filter(|(at, _)| window.contains(at)).count()
    };
    (6..until - 10).map(within).max().unwrap_or(0)
}

#[test]
fn a_subscriber_behind_one_megabit_settles_without_effect_on_others() {
    let mut world = World::new(loss_rtt());
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    world.run_for(ms(2_000));
    let clients = world.connect_many(room, 6);
    for client in &clients {
        world.enable_feedback(*client);
    }
    for client in &clients[..2] {
        narrow(&mut world, *client, 1_000_000);
    }
    let subs: Vec<Sub> = clients
        .iter()
        .map(|client| world.subscribe(*client, camera))
        .collect();
    let start = world.now;
    world.run_for(ms(60_000));
    for sub in &subs[..2] {
        let seen = after(&seen(&world, *sub), start);
        assert_settled(&seen, 1);
        assert!(most_in_ten_seconds(&seen, 60) <= 1, "{seen:?}");
    }
    for sub in &subs[2..] {
        assert_eq!(switches(&world, *sub), 0);
        let encodings = world.clients[sub.client].stream(sub.ssrc);
        assert!(
            encodings
                .skip(5)
                .all(|it| read_vp8(it.payload()).mark.encoding == 2)
        );
        let viewer = world.clients[sub.client].viewer.as_ref().expect("one");
        assert_eq!(viewer.lost(sub.ssrc), 0);
    }
}

#[test]
fn links_of_many_rates_get_the_encoding_that_fits() {
    for (rate_bps, fits) in [
        (300_000, 0),
        (600_000, 1),
        (700_000, 1),
        (1_400_000, 1),
        (1_800_000, 2),
        (2_500_000, 2),
    ] {
        let seen = behind(rate_bps, false, 120);
        assert_settled(&seen, fits);
        assert!(most_in_ten_seconds(&seen, 60) <= 1, "{rate_bps}: {seen:?}");
        // An encoding that does not fit is tried again after a minute, and then less often.
        assert!(seen.len() <= 6, "{rate_bps}: {seen:?}");
        let last = seen.last().expect("started").1;
        assert!(last <= fits && last + 1 >= fits, "{rate_bps}: {seen:?}");
    }
}

#[test]
fn a_varying_bitrate_does_not_cause_repeated_switches() {
    for rate_bps in [600_000, 1_000_000, 1_700_000, 2_000_000] {
        let seen = behind(rate_bps, true, 120);
        assert!(most_in_ten_seconds(&seen, 60) <= 1, "{rate_bps}: {seen:?}");
        assert!(seen.len() <= 6, "{rate_bps}: {seen:?}");
    }
}

#[test]
fn the_configured_limit_holds_without_any_loss() {
    let mut world = World::new(capped());
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.enable_feedback(subscriber);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(20_000));
    let seen = after(&seen(&world, sub), Time::ZERO);
    assert_eq!(
        seen.last().map(|(_, encoding)| *encoding),
        Some(1),
        "{seen:?}"
    );
}

#[test]
fn subscriptions_of_one_subscriber_share_the_limit() {
    let mut world = World::new(capped());
    let room = world.open_room();
    let subscriber = world.connect(room);
    world.enable_feedback(subscriber);
    let mut subs = Vec::new();
    for fits in [&[1][..], &[1, 0], &[0, 0, 0]] {
        let publisher = world.connect(room);
        let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
        subs.push(world.subscribe(subscriber, camera));
        world.run_for(ms(5_000));
        let last = |sub: &Sub| seen(&world, *sub).last().map(|(_, encoding)| *encoding);
        let received: Vec<_> = subs.iter().filter_map(last).collect();
        assert_eq!(received, fits);
    }
}

#[test]
fn a_link_without_loss_keeps_the_highest_encoding() {
    let mut world = World::new(loss_rtt());
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.enable_feedback(subscriber);
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
fn without_bandwidth_estimation_nothing_switches() {
    let mut world = World::new(Config {
        bwe: Bwe::None,
        ..Config::default()
    });
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    world.run_for(ms(1_000));
    let subscriber = world.connect(room);
    world.enable_feedback(subscriber);
    narrow(&mut world, subscriber, 1_000_000);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(20_000));
    assert_eq!(switches(&world, sub), 0);
}
