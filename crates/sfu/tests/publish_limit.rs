//! A publisher is limited to one and a half times the signaled bitrate.

mod common;

use common::*;

fn limited(bps: u64) -> World {
    World::new(Config {
        max_publish_bitrate_bps: Some(bps),
        ..Config::default()
    })
}

/// Bits a second of payload that a subscriber got in the last `seconds`.
fn received_bps(world: &World, sub: Sub, seconds: u64) -> u64 {
    let since = world.now - ms(seconds * 1_000);
    let stream = world.clients[sub.client].stream(sub.ssrc);
    let recent = stream.filter(|arrived| arrived.at >= since);
    let bytes: usize = recent.map(|arrived| arrived.payload().len()).sum();
    bytes as u64 * 8 / seconds
}

#[test]
fn video_above_the_limit_is_dropped_and_counted_and_audio_is_not() {
    let mut world = limited(400_000);
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    // 2 Mb/s of video and 40 kb/s of audio.
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.encodings[0].packets = 10;
    });
    let microphone = world.publish(publisher, Codec::Opus, &[]);
    let video = world.subscribe(subscriber, camera);
    let audio = world.subscribe(subscriber, microphone);
    world.run_for(ms(10_000));
    let (video_bps, audio_bps) = (
        received_bps(&world, video, 5),
        received_bps(&world, audio, 5),
    );
    // 600 kb/s for both, headers included.
    assert!((480_000..=560_000).contains(&video_bps), "{video_bps}");
    assert_eq!(audio_bps, 40_000);
    let sent = world.cameras[camera].sent.len();
    let dropped = world.engine.counters().packets_over_bitrate;
    assert!(dropped as usize > sent / 2, "{dropped} of {sent}");
    // No NACK is sent for packets above the limit.
    let asked = world.cameras[camera].nacks.len();
    assert!(asked < 50, "{asked}");
}

#[test]
fn reports_and_feedback_show_it_as_loss() {
    let mut world = limited(400_000);
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.encodings[0].packets = 10;
    });
    world.run_for(ms(5_000));
    let ssrc = world.cameras[camera].encodings[0].ssrc;
    let packets = world.clients[publisher].rtcp_packets();
    let fractions = packets.filter_map(|(_, packet)| match packet {
        wire::rtcp::Packet::ReceiverReport { mut reports, .. } => {
            let block = reports.find(|block| block.ssrc.0 == ssrc)?;
            Some(block.fraction_lost)
        }
        _ => None,
    });
    // Two thirds and more.
    assert!(fractions.last().is_some_and(|lost| lost > 170));
}

#[test]
fn a_publisher_within_the_limit_loses_nothing_not_even_of_large_keyframes() {
    let mut world = limited(500_000);
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    // 400 kb/s, and keyframes of 30 kB.
    let camera = world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.encodings[0].keyframe_packets = 30;
    });
    world.subscribe(subscriber, camera);
    for _ in 0..5 {
        world.run_for(ms(2_000));
        world.cameras[camera].encodings[0].keyframe_wanted = true;
    }
    assert_eq!(world.engine.counters().packets_over_bitrate, 0);
}

#[test]
fn the_limit_applies_to_each_video_m_line() {
    let mut world = limited(500_000);
    let room = world.open_room();
    let publisher = world.connect(room);
    for _ in 0..2 {
        world.publish_with(publisher, Codec::Vp8, &[], |_| {});
    }
    world.run_for(ms(5_000));
    assert_eq!(world.engine.counters().packets_over_bitrate, 0);
}
