//! What frame delays are measured by, and what the barcode of decoded frames needs.

mod common;

use common::World;
use serde_json::{Value, json};
use swarm::captures::Capture;
use swarm::message::{CommandResult, Event};

const CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";

/// Bot 1 publishes stream 7 for two seconds, bot 2 receives it as stream 9.
fn call(clip: u32, codec: &str, publish: &[(&str, Value)], receive: &[(&str, Value)]) -> World {
    let mut world = World::new();
    world.join(1, &[]);
    world.join(2, &[]);
    world.run_for(100);
    world.receive_with(2, 9, 7, codec, receive);
    let paced = [("paced", json!("whole"))];
    world.publish(1, 7, clip, &[&paced, publish].concat());
    world.run_for(2_000);
    world
}

/// Frames by frame id, by capture time and without either; then the measured delays.
fn counts(world: &World) -> [u64; 4] {
    let figures = world.figures();
    let total = |name: &str| figures["totals"][name].as_u64().unwrap();
    [
        total("frames_by_id"),
        total("frames_by_capture_time"),
        total("frames_untimed"),
        figures["histograms"]["e2e_frame"]["count"]
            .as_u64()
            .unwrap(),
    ]
}

fn with_capture_time() -> (&'static str, Value) {
    ("extensions", json!({CAPTURE_TIME: common::CAPTURE_TIME_ID}))
}

#[test]
fn delays_are_by_the_frame_id_or_by_the_capture_time_as_asked_for() {
    for (timing, expected) in [
        ("any", |[id, time, none, all]: [u64; 4]| {
            (id, time + none) == (all, 0)
        }),
        ("frame_id", |[id, time, none, all]: [u64; 4]| {
            (id, time + none) == (all, 0)
        }),
        ("capture_time", |[id, time, none, all]: [u64; 4]| {
            (time, id + none) == (all, 0)
        }),
    ] as [(&str, fn([u64; 4]) -> bool); 3]
    {
        let world = call(
            1,
            "VP8",
            &[with_capture_time()],
            &[("timing", json!(timing))],
        );
        let counts = counts(&world);
        assert!(expected(counts) && counts[3] >= 55, "{timing}: {counts:?}");
        let e2e = &world.figures()["histograms"]["e2e_frame"];
        let p50 = e2e["p50_ms"].as_f64().unwrap();
        assert!((20.0..=21.0).contains(&p50), "{timing}: {e2e}");
    }
}

#[test]
fn frames_without_what_was_asked_for_are_counted() {
    let only =
        |clip, codec, timing: &str| counts(&call(clip, codec, &[], &[("timing", json!(timing))]));
    let [id, time, untimed, measured] = only(1, "VP8", "capture_time");
    assert_eq!((id, time, measured), (0, 0, 0));
    assert!(untimed >= 55);
    let [id, time, untimed, measured] = only(5, "VP9", "frame_id");
    assert_eq!((id, time, measured), (0, 0, 0));
    assert!(untimed >= 25);
    assert_eq!(only(1, "VP8", "none"), [0; 4]);
}

#[test]
fn frames_without_frame_ids_are_those_of_the_clip() {
    let off = [("frame_ids", json!(false))];
    let sampled = [("sample", json!(true)), ("barcode", json!(true))];
    for (clip, codec) in [(1, "VP8"), (3, "H264"), (6, "AV1")] {
        let mut world = call(clip, codec, &off, &sampled);
        let [id, time, untimed, measured] = counts(&world);
        assert_eq!((id, time, measured), (0, 0, 0), "{codec}");
        assert!(untimed >= 25, "{codec}");
        let stream = world.streams()[&9].clone();
        assert_eq!(stream["frames_skipped"], 0, "{codec}: {stream}");
        // AV1 is not sampled.
        if codec != "AV1" {
            let taken = world.taken(9);
            assert!(taken.unidentified >= 25, "{codec}");
            assert!(taken.frames.len() >= 25 && !taken.frames[0].identified);
        }
    }
}

#[test]
fn captures_and_completions_give_the_delay_of_a_frame_without_frame_id() {
    let publish = [("frame_ids", json!(false)), ("log_captures", json!(true))];
    let sampled = [("sample", json!(true)), ("barcode", json!(true))];
    let mut world = call(1, "VP8", &publish, &sampled);
    let captures = captures(&mut world);
    let frames = world.taken(9).frames;
    assert!(frames.len() >= 55 && captures.len() >= frames.len());
    for (nth, (frame, capture)) in frames.iter().zip(&captures).enumerate() {
        assert_eq!((capture.position, capture.encoding), (nth as u32, 0));
        let delay_ns = frame.completed_ns - u64::from(capture.tick) * 100_000;
        assert!((20_000_000..=21_000_000).contains(&delay_ns), "{delay_ns}");
    }
    assert!(self::captures(&mut world).is_empty());
}

fn captures(world: &mut World) -> Vec<Capture> {
    world.command(json!({"type": "take_captures", "stream": 7}));
    match world.events.pop() {
        Some(Event::Done {
            result: Some(CommandResult::Captures(captures)),
            ..
        }) => captures,
        other => panic!("{other:?}"),
    }
}
