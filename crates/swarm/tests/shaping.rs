//! The network impairment of a bot applies to all its datagrams.

mod common;

use common::World;
use common::call::Call;
use serde_json::{Value, json};

fn call(up: Value, down: Value) -> World {
    let call = Call {
        connect_ms: 1_000,
        publisher: &[("net_up", up)],
        subscriber: &[("net_down", down)],
        publish: &[("paced", json!("whole"))],
        ..Call::default()
    };
    call.start()
}

fn number(figures: &Value, name: &str) -> f64 {
    figures[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {figures}"))
}

fn median_delay_ms(world: &World) -> f64 {
    number(&world.figures()["histograms"]["e2e_frame"], "p50_ms")
}

#[test]
fn delays_of_both_ends_add_to_the_delay_of_frames() {
    let mut world = call(json!({"delay_ms": 30.0}), json!({"delay_ms": 50.0}));
    world.run_for(3_000);
    // Uplink and downlink of 10 ms, the delays, and half a millisecond for each of three timers.
    let delay = median_delay_ms(&world);
    assert!((100.0..=102.5).contains(&delay), "{delay}");
}

#[test]
fn loss_is_seen_raw_and_repaired() {
    let mut world = call(Value::Null, json!({"loss": 0.05}));
    world.run_for(10_000);
    let stream = world.streams()[&9].clone();
    let raw = number(&stream, "packets_lost_raw") / number(&stream, "packets_expected");
    assert!((0.03..0.07).contains(&raw), "{raw}");
    let after = number(&stream, "packets_lost_after_rtx") / number(&stream, "packets_expected");
    assert!(after < 0.003, "{after}");
}

#[test]
fn a_bottleneck_below_the_bitrate_overflows() {
    let mut world = call(Value::Null, json!({"rate_bps": 250_000, "queue_ms": 200.0}));
    world.run_for(10_000);
    let stream = world.streams()[&9].clone();
    let seconds = 10.0;
    let rate = number(&stream, "bytes_received") * 8.0 / seconds;
    assert!((200_000.0..255_000.0).contains(&rate), "{rate}");
    let lost = number(&stream, "packets_lost_after_rtx") / number(&stream, "packets_expected");
    assert!(lost > 0.2, "{lost}");
}

#[test]
fn a_changed_network_loses_no_datagram_in_flight() {
    let mut world = call(Value::Null, Value::Null);
    world.run_for(1_000);
    assert!(median_delay_ms(&world) < 22.0);
    world.command(json!({"type": "set_network", "bot": 2, "net_up": null,
        "net_down": {"delay_ms": 100.0}}));
    world.run_for(3_000);
    assert!(median_delay_ms(&world) > 119.0);
    world.command(json!({"type": "set_network", "bot": 2, "net_up": null, "net_down": null}));
    world.run_for(1_000);
    let stream = world.streams()[&9].clone();
    assert_eq!(number(&stream, "packets_lost_after_rtx"), 0.0);
    assert_eq!(number(&stream, "frames_skipped"), 0.0);
}

#[test]
fn two_transports_of_a_bot_share_its_network() {
    let mut world = World::new();
    world.join(1, &[]);
    world.join(
        2,
        &[("net_down", json!({"rate_bps": 700_000, "queue_ms": 100.0}))],
    );
    world.open(2, 3, &[]);
    world.run_for(500);
    assert_eq!(world.connected(), 3);
    world.publish(1, 7, 1, &[("paced", json!("whole"))]);
    world.receive(2, 9, 7, "VP8");
    world.receive(3, 10, 7, "VP8");
    world.run_for(8_000);
    // Each alone would fit.
    let streams = world.streams();
    let lost: f64 = [9, 10]
        .iter()
        .map(|name| number(&streams[name], "packets_lost_raw"))
        .sum();
    assert!(lost > 50.0, "{lost}");
    let bytes: f64 = [9, 10]
        .iter()
        .map(|name| number(&streams[name], "bytes_received"))
        .sum();
    assert!(bytes * 8.0 / 8.0 < 710_000.0, "{bytes}");
}

#[test]
fn bots_behind_one_bottleneck_share_it_and_their_queue_is_reported() {
    let shared = json!({"rate_bps": 700_000, "queue_ms": 100.0, "bottleneck": 5});
    let mut world = World::new();
    world.join(1, &[]);
    for bot in [2, 3] {
        world.join(bot, &[("net_down", shared.clone())]);
    }
    world.join(4, &[("net_down", json!({"rate_bps": 700_000}))]);
    world.run_for(500);
    world.publish(1, 7, 2, &[("paced", json!("whole"))]);
    for bot in [2, 3, 4] {
        // The reflector repeats to all what one of them asks for, so that none asks.
        let feedback = json!(["nack pli", "transport-cc", "rrtr"]);
        world.receive_with(bot, 7 + bot, 7, "VP8", &[("feedback", feedback)]);
    }
    world.run_for(8_000);
    let links = serde_json::to_value(world.links()).unwrap();
    let of = |place: usize, name: &str| number(&links[place], name);
    assert_eq!(links.as_array().map(Vec::len), Some(3));
    let rate = |place: usize| of(place, "bytes_delivered") * 8.0 / 8.5;
    // The stream alone has a higher rate, so that every bottleneck is full.
    let both = rate(0) + rate(1);
    assert!((600_000.0..710_000.0).contains(&both), "{both}");
    assert!(rate(0) > 100_000.0 && rate(1) > 100_000.0, "{links}");
    assert!(of(0, "queue_drops") > 50.0 && of(1, "queue_drops") > 50.0);
    // A bottleneck of its own, with the default queue.
    assert!((600_000.0..710_000.0).contains(&rate(2)), "{}", rate(2));
    let bottlenecks = [&links[0]["bottleneck"], &links[2]["bottleneck"]];
    assert_eq!(bottlenecks, [&json!(5), &Value::Null]);
    for (place, longest) in [(0, 100.0), (1, 100.0)] {
        let wait = number(&links[place]["queue_wait"], "max_ms");
        assert!((longest - 5.0..=longest).contains(&wait), "{wait}");
    }
}

#[test]
fn a_traced_link_keeps_what_passed_it_over_time() {
    let down = json!({"rate_bps": 250_000, "queue_ms": 200.0, "trace": true});
    let mut world = call(json!({"rate_bps": 5_000_000, "queue_ms": 300.0}), down);
    world.run_for(5_000);
    let half = json!({"rate_bps": 125_000, "queue_ms": 200.0, "trace": true});
    world.command(json!({"type": "set_network", "bot": 2, "net_up": null, "net_down": half}));
    world.run_for(5_000);
    let links = world.links();
    let traced: Vec<_> = links.iter().filter(|link| link.trace.is_some()).collect();
    assert!(traced.is_empty(), "a snapshot without traces");
    let links = world.traces();
    let traced: Vec<_> = links.iter().filter(|link| link.trace.is_some()).collect();
    assert_eq!(traced.len(), 1);
    let (link, trace) = (traced[0], traced[0].trace.as_ref().expect("a trace"));
    let per_s = |from: usize| trace.bytes[from..from + 30].iter().sum::<u64>() * 8 / 3;
    assert!((230_000..=250_000).contains(&per_s(20)), "{}", per_s(20));
    let end = trace.bytes.len() - 40;
    assert!((115_000..=126_000).contains(&per_s(end)), "{}", per_s(end));
    assert_eq!(trace.capacity_bps[20], Some(250_000));
    assert_eq!(trace.capacity_bps[end], Some(125_000));
    let drops: u32 = trace.queue_drops.iter().sum();
    assert_eq!(u64::from(drops), link.queue_drops);
    let waited = trace
        .queue_max_ms
        .iter()
        .flatten()
        .fold(0.0_f64, |most, one| most.max(*one));
    assert!((150.0..=200.0).contains(&waited), "{waited}");
    assert!(link.queue_wait.count() > 0);
}
