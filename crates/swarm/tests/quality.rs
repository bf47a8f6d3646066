//! The quality score: hand-computed seconds, and streams of a whole swarm.

mod common;

use common::World;
use common::call::Call;
use serde_json::{Value, json};
use std::time::Duration;
use swarm::figures::StreamCounts;
use swarm::measure::Loss;
use swarm::message::Wanted;
use swarm::quality::{Observed, QualityMeter};
use wire::time::Time;

const LADDER_BPS: [u64; 3] = [150_000, 500_000, 1_700_000];

/// One second of a stream: packets, packets lost, kb/s, frame delay and encoding received.
#[derive(Clone, Copy)]
struct Second {
    packets: u64,
    lost: u64,
    kbps: u64,
    delay_ms: u64,
    encoding: u8,
}

const GOOD: Second = Second {
    packets: 100,
    lost: 0,
    kbps: 1_700,
    delay_ms: 30,
    encoding: 2,
};

fn meter() -> QualityMeter {
    QualityMeter::new(Some(Wanted {
        encoding_index: 2,
        bitrates_bps: LADDER_BPS.to_vec(),
    }))
}

/// Score the seconds after a first one, with a playout delay of 10 ms for each of 30 frames.
fn scored(meter: &mut QualityMeter, seconds: &[Second]) {
    let mut counts = StreamCounts {
        packets: 1,
        ..StreamCounts::default()
    };
    let observed = |encoding| Observed {
        video: true,
        encoding: Some(encoding),
        round_trip: None,
    };
    meter.update(Time::from_secs(10), &counts, &observed(0), true);
    for (nth, second) in (1..).zip(seconds) {
        let loss = counts.loss;
        counts.loss = Loss {
            expected: loss.expected + second.packets + second.lost,
            arrived: loss.arrived + second.packets,
            ..loss
        };
        counts.packets += second.packets;
        counts.bytes += second.kbps * 125;
        counts.frames += 30;
        counts.playout_us += 30 * 10_000;
        for _ in 0..30 {
            meter.frame(Duration::from_millis(second.delay_ms));
        }
        let now = Time::from_secs(10 + nth);
        meter.update(now, &counts, &observed(second.encoding), true);
    }
}

fn score_of(second: Second) -> f64 {
    let mut meter = meter();
    scored(&mut meter, &[second]);
    meter.figures().unwrap().score
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

#[test]
fn delay_and_loss_add_up() {
    // 30 ms + 10 ms of playout delay are 40 / 40 = 1 point.
    assert_close(score_of(GOOD), 99.0);
    // 190 + 10 ms: (200 - 120) / 10 = 8 points.
    let slow = Second {
        delay_ms: 190,
        ..GOOD
    };
    assert_close(score_of(slow), 92.0);
    // 2 of 100 packets: 2 % of 10 points each, and the point of the delay.
    let lossy = Second {
        packets: 98,
        lost: 2,
        ..GOOD
    };
    assert_close(score_of(lossy), 79.0);
    let dead = Second { packets: 0, ..GOOD };
    assert_close(score_of(dead), 0.0);
}

#[test]
fn the_least_of_packets_bitrate_and_encoding_counts() {
    // Half of the bitrate: 20 ln 2 = 13.863 points, more than the point of the delay.
    let slow = Second { kbps: 850, ..GOOD };
    assert_close(score_of(slow), 100.0 - 20.0 * std::f64::consts::LN_2);
    let middle = Second {
        encoding: 1,
        kbps: 500,
        ..GOOD
    };
    assert_close(score_of(middle), 65.0);
    let low = Second {
        encoding: 0,
        kbps: 150,
        ..GOOD
    };
    assert_close(score_of(low), 30.0);
    // 5 % of loss cost 50 points: more than the 35 of one encoding, to which they do not add up.
    let both = Second {
        packets: 95,
        lost: 5,
        ..middle
    };
    assert_close(score_of(both), 49.0);
    // A better encoding than the wanted one costs nothing.
    let mut wanted_low = meter();
    wanted_low.set_wanted(0);
    scored(&mut wanted_low, &[GOOD]);
    assert_close(wanted_low.figures().unwrap().score, 99.0);
}

#[test]
fn a_score_falls_faster_than_it_rises() {
    let mut meter = meter();
    let bad = Second {
        packets: 90,
        lost: 10,
        ..GOOD
    };
    scored(&mut meter, &[GOOD, bad, GOOD]);
    // 99, then 99 + 0.7 (0 - 99) = 29.7, as 10 % of loss cost 100 points; then
    // 29.7 + 0.4 (99 - 29.7) = 57.42.
    let figures = meter.figures().unwrap();
    assert_close(figures.least, 29.7);
    assert_close(figures.score, (99.0 + 29.7 + 57.42) / 3.0);
    assert_close(figures.lost.loss, 100.0 / 3.0);
    assert_close(figures.lost.delay, 1.0);
    meter.count_from_now();
    assert_eq!(meter.figures(), None);
}

fn call(layer: u8) -> World {
    let wanted = json!({"encoding_index": layer, "bitrates_bps": LADDER_BPS});
    let encoding = json!([{"ssrc": 1007, "rtx_ssrc": 2007, "clip": 1, "encoding_index": 1}]);
    let call = Call {
        receive: &[("wanted", wanted)],
        publish: &[("encodings", encoding)],
        ..Call::default()
    };
    call.start()
}

fn quality(world: &World) -> Value {
    world.streams()[&9]["quality"].clone()
}

#[test]
fn a_stream_of_the_wanted_encoding_without_loss_is_good() {
    let mut world = call(1);
    world.run_for(900);
    assert!(quality(&world).is_null());
    world.run_for(9_000);
    let found = quality(&world);
    // Delay of 20 ms of the network, pacing and the jitter buffer: below 3 points.
    assert!(found["score"].as_f64().unwrap() > 96.0, "{found}");
    assert_eq!(found["lost"]["layer"], 0.0);
    assert_eq!(found["lost"]["loss"], 0.0);
}

#[test]
fn an_encoding_below_the_wanted_one_costs_its_distance_until_the_layout_changes() {
    let mut world = call(2);
    world.run_for(5_000);
    let found = quality(&world);
    assert_eq!(found["score"], 65.0, "{found}");
    assert_eq!(found["lost"]["layer"], 35.0);
    world.command(json!({"type": "set_wanted", "stream": 9, "encoding_index": 0}));
    world.run_for(10_000);
    let start = world.host.now.as_nanos();
    world.command(json!({"type": "window", "start_ns": start, "end_ns": start + 5_000_000_000u64}));
    world.run_for(6_000);
    let found = quality(&world);
    assert!(found["score"].as_f64().unwrap() > 96.0, "{found}");
    assert_eq!(
        world.try_command(json!({"type": "set_wanted", "stream": 8, "encoding_index": 0})),
        Some("not_found".to_owned())
    );
}

#[test]
fn loss_without_repair_is_named_as_the_cause() {
    let mut world = call(1);
    world.reflector.loss = Box::new(|_, sequence, is_rtx| is_rtx || sequence % 50 == 7);
    world.run_for(10_000);
    let found = quality(&world);
    let lost = &found["lost"];
    assert!(
        (10.0..30.0).contains(&lost["loss"].as_f64().unwrap()),
        "{found}"
    );
    assert!(found["score"].as_f64().unwrap() < 90.0, "{found}");
    assert!(found["least"].as_f64() <= found["score"].as_f64());
}

#[test]
fn a_stream_that_was_ended_is_not_scored_any_more() {
    let mut world = call(1);
    world.run_for(5_000);
    world.command(json!({"type": "stop_receiving", "stream": 9}));
    let before = quality(&world);
    world.run_for(5_000);
    assert_eq!(quality(&world), before);
}
