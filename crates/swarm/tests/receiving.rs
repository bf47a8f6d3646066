//! Inbound media of bots: frames, delays, loss, freezes, and the feedback sent.

mod common;

use common::World;
use common::call::Call;
use rtc::srtp::Profile;
use serde_json::{Value, json};
use swarm::message::Event;

fn call(world: World, clip: u32, codec: &str) -> World {
    let call = Call {
        clip,
        codec,
        publish: &[("paced", json!("whole"))],
        ..Call::default()
    };
    call.start_in(world)
}

fn number(figures: &Value, name: &str) -> f64 {
    figures[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {figures}"))
}

fn requests(world: &World, kind: &str) -> usize {
    world
        .reflector
        .rtcp
        .iter()
        .filter(|(_, bot, text)| *bot == 2 && text.starts_with(kind))
        .count()
}

#[test]
fn every_frame_arrives_with_the_delay_of_the_network() {
    for (clip, codec) in [(1, "VP8"), (3, "H264")] {
        let mut world = call(World::new(), clip, codec);
        world.run_for(5_000);
        let stream = world.streams()[&9].clone();
        assert!(
            (148.0..=151.0).contains(&number(&stream, "frames")),
            "{stream}"
        );
        assert!(
            (4.0..=6.0).contains(&number(&stream, "keyframes")),
            "{stream}"
        );
        assert_eq!(number(&stream, "packets_lost_raw"), 0.0);
        assert_eq!(number(&stream, "frozen_ms"), 0.0);
        assert_eq!(
            (stream["source"].as_str(), stream["kind"].as_str()),
            (Some("stream 7"), Some("video"))
        );
        let e2e = &world.figures()["histograms"]["e2e_frame"];
        assert!((20.0..=21.0).contains(&number(e2e, "p50_ms")), "{e2e}");
        assert!((20.0..=21.0).contains(&number(e2e, "max_ms")), "{e2e}");
        let frames = number(&world.figures()["histograms"]["e2e_keyframe"], "count")
            + number(&world.figures()["histograms"]["e2e_delta"], "count");
        assert_eq!(frames, number(e2e, "count"));
        assert_eq!((requests(&world, "PLI"), requests(&world, "NACK")), (0, 0));
    }
}

#[test]
fn frames_of_vp9_and_av1_are_assembled_timed_and_repaired() {
    for (clip, codec) in [(5, "VP9"), (6, "AV1")] {
        let mut world = call(World::new(), clip, codec);
        world.run_for(2_000);
        let e2e = &world.figures()["histograms"]["e2e_frame"];
        assert!((20.0..=21.0).contains(&number(e2e, "p50_ms")), "{e2e}");
        assert!((20.0..=21.0).contains(&number(e2e, "max_ms")), "{e2e}");
        world.reflector.loss = Box::new(|_, sequence, is_rtx| !is_rtx && sequence % 20 == 7);
        world.run_for(3_000);
        let stream = world.streams()[&9].clone();
        assert!(number(&stream, "frames") >= 73.0, "{stream}");
        let timed = number(&world.figures()["histograms"]["e2e_frame"], "count");
        assert_eq!(timed, number(&stream, "frames"), "{stream}");
        assert!(number(&stream, "keyframes") >= 4.0, "{stream}");
        assert_eq!(number(&stream, "frames_skipped"), 0.0, "{stream}");
        assert_eq!(requests(&world, "PLI"), 0);
    }
}

#[test]
fn audio_packets_count_as_frames() {
    let mut world = call(World::new(), 4, "opus");
    world.run_for(2_000);
    let stream = world.streams()[&9].clone();
    assert!(number(&stream, "frames") > 60.0);
    assert_eq!(stream["kind"].as_str(), Some("audio"));
    assert_eq!(number(&stream, "packets_lost_after_rtx"), 0.0);
}

#[test]
fn the_first_key_frame_is_reported_once() {
    let mut world = call(World::new(), 1, "VP8");
    world.run_for(3_000);
    let first: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::FirstFrame { stream, at_ns, .. } => Some((*stream, *at_ns)),
            _ => None,
        })
        .collect();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].0, 9);
    assert_eq!(
        world.streams()[&9]["first_frame_ns"].as_u64(),
        Some(first[0].1)
    );
}

#[test]
fn lost_packets_are_retransmitted_over_rtx() {
    let mut world = call(World::new(), 2, "VP8");
    world.reflector.loss = Box::new(|_, sequence, is_rtx| !is_rtx && sequence % 20 == 7);
    world.run_for(5_000);
    let stream = world.streams()[&9].clone();
    let expected = number(&stream, "packets_expected");
    let raw = number(&stream, "packets_lost_raw") / expected;
    assert!((0.04..0.06).contains(&raw), "{raw}");
    assert!(number(&stream, "packets_lost_after_rtx") <= 2.0, "{stream}");
    assert!(number(&stream, "frames") > 145.0, "{stream}");
    assert_eq!(requests(&world, "PLI"), 0);
    let e2e = &world.figures()["histograms"]["e2e_frame"];
    // A repaired frame is late by the reordering tolerance and an RTT over uplink and downlink.
    assert!(
        number(e2e, "p50_ms") < 21.0 && number(e2e, "max_ms") > 60.0,
        "{e2e}"
    );
}

#[test]
fn unrecovered_loss_is_a_freeze_until_the_requested_key_frame() {
    let mut world = call(World::new(), 1, "VP8");
    world.run_for(1_200);
    let mut lost = 0;
    world.reflector.loss = Box::new(move |_, _, is_rtx| {
        lost += usize::from(!is_rtx);
        is_rtx || lost <= 2
    });
    world.run_for(1_500);
    assert!((1..=2).contains(&requests(&world, "PLI")));
    assert!(
        (2..=12).contains(&requests(&world, "NACK")),
        "{:?}",
        world.reflector.rtcp
    );
    let stream = world.streams()[&9].clone();
    assert_eq!(number(&stream, "freezes"), 1.0, "{stream}");
    assert!(
        (200.0..450.0).contains(&number(&stream, "frozen_ms")),
        "{stream}"
    );
    assert_eq!(number(&stream, "packets_lost_after_rtx"), 2.0);
    assert!(number(&stream, "frames_skipped") > 3.0);
}

#[test]
fn a_stream_that_stops_is_a_freeze_and_a_stream_not_received_any_more_is_not() {
    let mut world = call(World::new(), 1, "VP8");
    world.run_for(2_000);
    world.command(json!({"type": "unpublish", "stream": 7}));
    world.run_for(3_000);
    let frozen = number(&world.streams()[&9], "frozen_ms");
    assert!((2_900.0..3_100.0).contains(&frozen), "{frozen}");
    world.command(json!({"type": "stop_receiving", "stream": 9}));
    world.run_for(2_000);
    let after = number(&world.streams()[&9], "frozen_ms");
    assert!(after - frozen < 1.0);
}

#[test]
fn a_measurement_window_bounds_every_figure() {
    let mut world = call(World::new(), 1, "VP8");
    let start = world.host.now.as_nanos() + 1_000_000_000;
    world.command(json!({"type": "window", "start_ns": start, "end_ns": start + 2_000_000_000}));
    world.run_for(500);
    assert_eq!(
        number(&world.figures()["histograms"]["e2e_frame"], "count"),
        0.0
    );
    world.run_for(5_000);
    let figures = world.figures();
    let stream = world.streams()[&9].clone();
    for count in [
        number(&stream, "frames"),
        number(&stream["e2e_frame"], "count"),
        number(&figures["histograms"]["e2e_frame"], "count"),
        number(&figures["totals"], "frames_received"),
        number(&figures["totals"], "frames_sent"),
    ] {
        assert!((59.0..=61.0).contains(&count), "{figures}");
    }
    assert!((1_990.0..2_010.0).contains(&number(&stream, "playing_ms")));
    assert_eq!(figures["window"]["start_ns"].as_u64(), Some(start));
}

#[test]
fn feedback_is_sent_in_time_and_not_for_every_packet() {
    let mut world = call(World::new(), 1, "VP8");
    world.run_for(500);
    world.reflector.send_sender_report(2, 9);
    world.run_for(9_500);
    let reports = requests(&world, "RR");
    assert!((7..=14).contains(&reports), "{reports}");
    assert!(
        world
            .reflector
            .rtcp
            .iter()
            .any(|(_, _, text)| text.starts_with("RR 3009:lost=0:lsr=327680"))
    );
    assert_eq!(requests(&world, "XR"), reports);
    // The reflector sends no transport-wide sequence numbers, so there is no such feedback.
    assert_eq!(requests(&world, "TWCC"), 0);
}

#[test]
fn transport_wide_feedback_is_sent_every_100_ms() {
    let mut world = World::new();
    world.reflector.numbers = true;
    let mut world = call(world, 1, "VP8");
    world.run_for(3_000);
    let feedback = requests(&world, "TWCC");
    assert!((20..=30).contains(&feedback), "{feedback}");
    let counts = world
        .reflector
        .rtcp
        .iter()
        .filter_map(|(_, _, text)| text.strip_prefix("TWCC "));
    let reported: u64 = counts.map(|count| count.parse::<u64>().unwrap()).sum();
    let received = number(&world.streams()[&9], "packets_received") as u64;
    assert!(
        reported <= received && reported + 20 > received,
        "{reported} of {received}"
    );
}

#[test]
fn loss_and_freezes_are_measured_by_headers_alone() {
    let mut world = call(World::with(0.0, vec![Profile::AeadAes128Gcm]), 2, "VP8");
    world.reflector.loss = Box::new(|_, sequence, is_rtx| !is_rtx && sequence % 20 == 7);
    world.run_for(5_000);
    let stream = world.streams()[&9].clone();
    assert_eq!(stream["decrypted"], false);
    let raw = number(&stream, "packets_lost_raw") / number(&stream, "packets_expected");
    assert!((0.04..0.06).contains(&raw), "{raw}");
    assert!(number(&stream, "packets_lost_after_rtx") <= 2.0, "{stream}");
    assert!(number(&stream, "frames") > 145.0, "{stream}");
    assert_eq!(number(&stream, "keyframes"), 0.0);
    assert_eq!(number(&stream["e2e_frame"], "count"), 0.0);
    assert_eq!(number(&world.figures(), "decrypted_ratio"), 0.0);
}

#[test]
fn the_negotiated_srtp_profile_is_reported() {
    for profile in Profile::ALL {
        let world = call(World::with(1.0, vec![profile]), 1, "VP8");
        let last_time = world.events.iter().find_map(|event| match event {
            Event::TransportState {
                srtp_profile,
                ice_ms,
                dtls_ms,
                ..
            } => Some((*srtp_profile, ice_ms.unwrap(), dtls_ms.unwrap())),
            _ => None,
        });
        let (name, ice_ms, dtls_ms) = last_time.unwrap();
        assert_eq!(name, Some(profile.name()));
        assert!(
            (20.0..21.0).contains(&ice_ms) && (40.0..42.0).contains(&dtls_ms),
            "{ice_ms} {dtls_ms}"
        );
    }
}

#[test]
fn an_encoding_change_is_reported_at_its_first_complete_key_frame() {
    let mut world = call(World::new(), 0, "VP8");
    world.publish(
        1,
        8,
        2,
        &[
            ("source_id", json!(7)),
            (
                "encodings",
                json!([
        {"ssrc": 1008, "rtx_ssrc": 2008, "clip": 2, "encoding_index": 2}]),
            ),
        ],
    );
    world.run_for(1_000);
    assert_eq!(world.streams()[&9]["encoding_index"], 0);
    // An SFU that switches encodings continues the stream with packets of another encoding.
    world.reflector.switch(7, 8);
    world.run_for(2_000);
    let changes: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::EncodingChanged {
                stream,
                encoding_index,
                ..
            } => Some((*stream, *encoding_index)),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [(9, 2)]);
}

#[test]
fn the_loss_over_all_streams_is_their_sum_before_and_in_the_window() {
    let mut world = call(World::new(), 1, "VP8");
    world.join(3, &[]);
    world.run_for(100);
    world.receive(3, 10, 7, "VP8");
    world.reflector.loss = Box::new(|_, sequence, is_rtx| !is_rtx && sequence % 20 == 7);
    for window in [false, true] {
        if window {
            let start = world.host.now.as_nanos() + 500_000_000;
            let end = start + 1_000_000_000;
            world.command(json!({"type": "window", "start_ns": start, "end_ns": end}));
        }
        world.run_for(2_000);
        let (figures, streams) = (world.figures(), world.streams());
        for name in [
            "packets_expected",
            "packets_lost_raw",
            "packets_lost_after_rtx",
        ] {
            let sum: f64 = streams.values().map(|stream| number(stream, name)).sum();
            assert_eq!(number(&figures["loss"], name), sum, "{name}");
        }
        assert!(number(&figures["loss"], "packets_lost_raw") > 5.0);
        let histogram = &streams[&9]["e2e_histogram"];
        assert_eq!(histogram["count"], streams[&9]["e2e_frame"]["count"]);
    }
}

#[test]
fn frames_of_another_clock_have_no_delay() {
    let mut world = World::new();
    world.join(1, &[]);
    world.join(2, &[]);
    world.run_for(100);
    world.receive_untimed(2, 9, 7, "VP8");
    world.publish(1, 7, 1, &[("paced", json!("whole"))]);
    world.run_for(2_000);
    let stream = world.streams()[&9].clone();
    assert!(number(&stream, "frames") > 50.0, "{stream}");
    assert_eq!(number(&stream["e2e_frame"], "count"), 0.0);
    let figures = world.figures();
    assert_eq!(number(&figures["histograms"]["e2e_frame"], "count"), 0.0);
    assert_eq!(number(&figures["totals"], "frames_early"), 0.0);
}

#[test]
fn playout_is_measured_of_every_complete_frame_of_the_window() {
    let mut world = call(World::new(), 1, "VP8");
    world.join(
        3,
        &[("net_down", json!({"delay_ms": 50.0, "jitter_ms": 20.0}))],
    );
    world.run_for(100);
    world.receive(3, 10, 7, "VP8");
    world.run_for(5_000);
    let start = world.host.now.as_nanos();
    world.command(json!({"type": "window", "start_ns": start, "end_ns": start + 5_000_000_000u64}));
    world.run_for(5_000);
    let (streams, histograms) = (world.streams(), world.figures()["histograms"].clone());
    let (clean, jittery) = (&streams[&9], &streams[&10]);
    let frames: f64 = streams
        .values()
        .map(|stream| number(stream, "frames"))
        .sum();
    for name in ["playout_delay", "playout_delay_libwebrtc"] {
        assert_eq!(number(&histograms[name], "count"), frames);
    }
    // Whole frames at 30 frames/s over a constant delay: the least targets, 10 and 20 ms.
    assert_eq!(number(clean, "frames_late"), 0.0);
    assert!(
        (9.0..=11.0).contains(&number(clean, "playout_delay_ms")),
        "{clean}"
    );
    assert!(
        (19.0..=20.0).contains(&number(clean, "playout_delay_libwebrtc_ms")),
        "{clean}"
    );
    // The relative delay is up to 20 ms and mostly near it, since the packets of a frame keep their
    // order: beyond the 10 ms of the moving average's target, and within the 95th percentile.
    assert!(number(jittery, "playout_delay_ms") < 10.0, "{jittery}");
    let late_share = number(jittery, "frames_late") / number(jittery, "frames");
    assert!((0.2..0.8).contains(&late_share), "{jittery}");
    assert_eq!(number(jittery, "frames_late_libwebrtc"), 0.0, "{jittery}");
    assert!(
        number(jittery, "playout_delay_libwebrtc_ms") < 19.0,
        "{jittery}"
    );
}
