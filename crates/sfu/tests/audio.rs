//! Audio: one small packet per speaker, batched into runs, never delayed for long.

mod common;

use common::payload::{opus_silence, read_opus};
use common::*;
use sfu::engine::batching::MAX_WINDOW;
use std::time::Duration;

/// `speakers` send within two milliseconds of each other; each subscribes to all others.
fn meeting(config: Config, speakers: usize) -> (World, Vec<usize>, Vec<Sub>) {
    let mut world = World::new(config);
    let room = world.open_room();
    let clients = world.connect_many(room, speakers + 1);
    let start = world.now + ms(10);
    let cameras: Vec<usize> = (0..speakers)
        .map(|nth| {
            world.publish_with(clients[nth], Codec::Opus, &[], |camera| {
                camera.next_frame =
                    start + Duration::from_micros(2_000 * nth as u64 / speakers as u64);
                camera.encodings[0].payload_len = 80 + nth;
            })
        })
        .collect();
    let listener = clients[speakers];
    let subs = cameras
        .iter()
        .map(|camera| world.subscribe(listener, *camera))
        .collect();
    world.run_for(ms(3_000));
    (world, cameras, subs)
}

fn delays(world: &World, camera: usize, sub: Sub) -> Vec<Duration> {
    let received = world.clients[sub.client].stream(sub.ssrc);
    let sent = &world.cameras[camera].sent;
    let delay = |arrived: &Arrived| {
        let mark = read_opus(arrived.payload());
        let sent = sent
            .iter()
            .find(|sent| read_opus(&sent.packet.payload) == mark);
        arrived.at.since(sent.expect("sent").at)
    };
    received.map(delay).collect()
}

#[test]
fn batched_audio_is_sent_as_one_run_within_the_window() {
    let (world, cameras, subs) = meeting(Config::default(), 8);
    let listener = world.clients[subs[0].client].address;
    let media = world
        .runs
        .iter()
        .filter(|run| run.path.remote == listener && run.segments > 1);
    let runs: Vec<usize> = media.map(|run| run.segments).collect();
    let whole = runs.iter().filter(|segments| **segments == 8).count();
    assert!(whole > 100, "{runs:?}");
    for (camera, sub) in cameras.iter().zip(&subs) {
        let delays = delays(&world, *camera, *sub);
        assert!(delays.len() > 120);
        let longest = delays.iter().max().expect("some");
        // Twice 10 ms of network, 5 ms of waiting, half a millisecond of clock.
        assert!(*longest <= Duration::from_micros(25_500), "{longest:?}");
    }
    let received = &world.clients[subs[0].client].rtp;
    assert!(received.iter().all(|it| it.padding <= 48));
}

#[test]
fn the_batching_window_grows_with_load() {
    let (mut world, cameras, subs) = meeting(Config::default(), 2);
    let mut longest_while = |busy: f64| {
        let before = delays(&world, cameras[0], subs[0]).len();
        world.engine.note_busy(busy);
        world.run_for(ms(1_000));
        let delays = delays(&world, cameras[0], subs[0]);
        delays[before + 2..].iter().max().copied().expect("some")
    };
    // Twice 10 ms of network, the window, half a millisecond of clock.
    let waits = |window: Duration| ms(20) + window..=ms(20) + window + Duration::from_micros(500);
    for (busy, window) in [(0.4, ms(5)), (0.9, MAX_WINDOW), (0.4, ms(5))] {
        let longest = longest_while(busy);
        assert!(waits(window).contains(&longest), "{busy}: {longest:?}");
    }
}

#[test]
fn without_batching_packets_are_sent_at_once() {
    let config = Config {
        coalesce_ms: 0,
        ..Config::default()
    };
    let (mut world, cameras, subs) = meeting(config, 8);
    world.engine.note_busy(1.0);
    world.run_for(ms(1_000));
    for (camera, sub) in cameras.iter().zip(&subs) {
        let delays = delays(&world, *camera, *sub);
        assert!(delays.len() > 120);
        assert!(delays.iter().all(|delay| *delay == ms(20)));
    }
}

#[test]
fn a_lone_speaker_is_not_padded() {
    let (world, _, subs) = meeting(Config::default(), 1);
    let received: Vec<_> = world.clients[subs[0].client].stream(subs[0].ssrc).collect();
    assert!(received.len() > 120);
    assert!(received.iter().all(|it| it.padding == 0));
}

#[test]
fn dtx_is_never_padded_and_ends_the_run_of_speech() {
    let (mut world, cameras, subs) = meeting(Config::default(), 3);
    for camera in &cameras {
        world.cameras[*camera].running = false;
    }
    world.run_for(ms(100));
    let before = world.clients[subs[0].client].rtp.len();
    let runs_before = world.runs.len();
    for (nth, camera) in cameras.iter().enumerate() {
        let index = world.cameras[*camera].encodings[0].index;
        let mut packet = plain_packet(&world.cameras[*camera], index);
        if nth == 2 {
            packet.payload = opus_silence();
        }
        let client = world.cameras[*camera].client;
        world.clients[client].send_rtp(&packet);
    }
    world.run_for(ms(100));
    let received = &world.clients[subs[0].client].rtp[before..];
    assert_eq!(received.len(), 3);
    let silent: Vec<_> = received
        .iter()
        .filter(|it| it.payload().len() == 2)
        .collect();
    assert_eq!(silent.len(), 1);
    assert_eq!(silent[0].padding, 0);
    let listener = world.clients[subs[0].client].address;
    let runs = world.runs[runs_before..].iter();
    let segments: Vec<usize> = runs
        .filter(|run| run.path.remote == listener && run.segments > 1)
        .map(|run| run.segments)
        .collect();
    assert_eq!(
        segments,
        [3],
        "the shortest is last, in any order of arrival"
    );
}

#[test]
fn a_late_audio_subscriber_needs_no_keyframe() {
    let (mut world, cameras, _) = meeting(Config::default(), 2);
    let room = world.clients[0].room;
    let late = world.connect(room);
    let sub = world.subscribe(late, cameras[0]);
    let joined = world.now;
    world.run_for(ms(200));
    let first = world.clients[late].stream(sub.ssrc).next().expect("audio");
    assert!(first.at.since(joined) <= ms(50));
    assert!(world.cameras[cameras[0]].keyframe_requests.is_empty());
}
