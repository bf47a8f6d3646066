//! Round-trip times by transport and direction, and the delay of frames of another swarm's clock.

mod common;

use common::World;
use common::call::{Call, Fields};
use serde_json::{Value, json};
use wire::id::Ssrc;
use wire::rtcp::{DlrrEntry, ReportBlock};
use wire::time::duration_to_short;

fn call() -> World {
    call_with(&[])
}

fn call_with(subscriber: Fields) -> World {
    let call = Call {
        connect_ms: 300,
        subscriber,
        publish: &[("paced", json!("whole"))],
        ..Call::default()
    };
    let mut world = call.start();
    world.run_for(3_000);
    world
}

fn transport(world: &World, id: u64) -> Value {
    let figures = world.figures();
    let transports = figures["transports"].as_array().unwrap();
    let found = transports.iter().find(|one| one["transport"] == id);
    found.unwrap().clone()
}

/// Return time and text of the last RTCP packet of a kind from a bot's transport.
fn last(world: &World, bot: u32, kind: &str) -> (wire::time::Time, String) {
    let packets = world.reflector.rtcp.iter().rev();
    let mut of_kind = packets.filter(|(_, from, text)| *from == bot && text.starts_with(kind));
    let (at, _, text) = of_kind.next().expect("a report");
    (*at, text.clone())
}

fn field(text: &str, name: &str) -> u64 {
    let value = text.split(name).nth(1).unwrap();
    value.split(' ').next().unwrap().parse().unwrap()
}

/// Answer the last sender report of bot 1.
fn report(world: &mut World) {
    let (at, text) = last(world, 1, "SR 1007");
    let held = duration_to_short(world.host.now.since(at));
    let block = ReportBlock {
        ssrc: Ssrc(1007),
        last_sr: (field(&text, "ntp=") >> 16) as u32,
        delay_since_last_sr: held,
        ..ReportBlock::default()
    };
    world.reflector.send_report(1, &[block]);
    world.run_for(20);
}

/// Answer the last receiver reference time of bot 2.
fn echo(world: &mut World) {
    let (at, text) = last(world, 2, "XR");
    let entry = DlrrEntry {
        ssrc: Ssrc(field(&text, "ssrc=") as u32),
        last_rr: (field(&text, "rrtr=") >> 16) as u32,
        delay_since_last_rr: duration_to_short(world.host.now.since(at)),
    };
    world.reflector.send_echo(2, entry);
    world.run_for(50);
}

fn is_20_ms(rtt: &Value) {
    assert_eq!(rtt["count"], 1, "{rtt}");
    assert!(
        (rtt["max_ms"].as_f64().unwrap() - 20.0).abs() < 0.6,
        "{rtt}"
    );
}

#[test]
fn report_blocks_give_the_rtt_of_a_publisher_and_echoes_that_of_a_subscriber() {
    let mut world = call();
    report(&mut world);
    echo(&mut world);
    let (publisher, subscriber) = (transport(&world, 1), transport(&world, 2));
    assert_eq!(
        (&publisher["bot"], &subscriber["bot"]),
        (&json!(1), &json!(2))
    );
    is_20_ms(&publisher["rtt_outbound"]);
    assert_eq!(publisher["rtt_inbound"]["count"], 0);
    is_20_ms(&subscriber["rtt_inbound"]);
    assert_eq!(subscriber["rtt_outbound"]["count"], 0);
    assert_eq!(publisher["report_blocks_received"], 1);
    assert_eq!(publisher["reference_times_sent"], 0);
    assert!(subscriber["reference_times_sent"].as_u64().unwrap() >= 2);
}

#[test]
fn without_echoes_reference_times_are_counted_and_no_rtt_is_reported() {
    let world = call();
    let subscriber = transport(&world, 2);
    assert_eq!(subscriber["rtt_inbound"]["count"], 0);
    assert!(subscriber["reference_times_sent"].as_u64().unwrap() >= 2);
}

#[test]
fn a_window_has_its_own_round_trips() {
    let mut world = call();
    report(&mut world);
    let now = world.host.now.as_nanos();
    world.command(json!({"type": "window", "start_ns": now, "end_ns": now + 5_000_000_000_u64}));
    assert_eq!(transport(&world, 1)["rtt_outbound"]["count"], 0);
    report(&mut world);
    assert_eq!(transport(&world, 1)["rtt_outbound"]["count"], 1);
    world.run_for(6_000);
    report(&mut world);
    assert_eq!(transport(&world, 1)["rtt_outbound"]["count"], 1);
}

#[test]
fn a_snapshot_without_bots_has_no_transports() {
    let world = call();
    let figures = world.engine.figures(world.host.now, false);
    assert!(figures.transports.is_empty());
}

#[test]
fn the_offset_of_the_frame_clock_is_part_of_the_delay() {
    let mut world = call();
    let window = |world: &mut World| {
        let now = world.host.now.as_nanos();
        let end_ns = now + 2_000_000_000;
        world.command(json!({"type": "window", "start_ns": now, "end_ns": end_ns}));
        world.run_for(2_000);
        world.figures()
    };
    // The publishing clock is said to be ahead by 5 ms: frames then seem 5 ms older.
    world.command(json!({"type": "frame_clock", "offset_ns": 5_000_000}));
    let ahead = window(&mut world);
    let p50 = ahead["histograms"]["e2e_frame"]["p50_ms"].as_f64().unwrap();
    assert!((25.0..=26.0).contains(&p50), "{p50}");
    assert_eq!(ahead["totals"]["frames_early"], 0);
    // An offset that is wrong by more than the delay is counted, and no delay is negative.
    world.command(json!({"type": "frame_clock", "offset_ns": -30_000_000}));
    let behind = window(&mut world);
    let frames = behind["histograms"]["e2e_frame"]["count"].clone();
    assert_eq!(behind["histograms"]["e2e_frame"]["max_ms"], 0.0);
    assert_eq!(behind["totals"]["frames_early"], frames);
}

#[test]
fn a_snapshot_at_the_start_of_the_window_is_of_the_window() {
    let mut world = call();
    let start_ns = world.host.now.as_nanos() + 1_000_000;
    let end_ns = start_ns + 1_000_000_000;
    world.command(json!({"type": "window", "start_ns": start_ns, "end_ns": end_ns}));
    // The command is executed before the timer of the window fires.
    world.host.now = world.host.now + std::time::Duration::from_millis(1);
    world.command(json!({"type": "snapshot", "bots": true}));
    let figures = world.events.iter().rev().find_map(|event| match event {
        swarm::message::Event::Done {
            result: Some(swarm::message::CommandResult::Figures(figures)),
            ..
        } => Some(figures.clone()),
        _ => None,
    });
    let streams = figures.expect("a result").streams;
    assert_eq!((streams[0].frames, streams[0].packets_expected), (0, 0));
}

#[test]
fn an_impaired_downlink_adds_its_delay_and_not_the_lag_of_its_timer() {
    // Timers fire at multiples of half a millisecond.
    let mut world = call_with(&[("net_down", json!({"delay_ms": 20.2}))]);
    echo(&mut world);
    let rtt = &transport(&world, 2)["rtt_inbound"];
    assert_eq!(rtt["count"], 1);
    assert!(
        (rtt["max_ms"].as_f64().unwrap() - 40.2).abs() < 0.05,
        "{rtt}"
    );
}
