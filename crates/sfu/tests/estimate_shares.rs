//! Several videos within one estimate: by the size at which they are shown and by priority, with
//! pauses, and reported.

mod common;

use common::payload::read_vp8;
use common::*;
use sfu::message::VideoQuality;

const RIDS: [&str; 3] = ["q", "h", "f"];

/// On the wire about 180 kb/s, 550 kb/s and 1.8 Mb/s.
fn sizes(camera: &mut common::camera::Camera) {
    for (source, packets) in camera.encodings.iter_mut().zip([1, 3, 10]) {
        source.packets = packets;
        source.keyframe_packets = packets * 3;
        source.payload_len = 800;
    }
}

/// A subscriber whose estimate is fixed, and its subscriptions to as many cameras.
fn room(estimate_bps: u64, cameras: usize) -> (World, Vec<Sub>) {
    let (mut world, room, subscriber) = limited(estimate_bps);
    let subs = (0..cameras)
        .map(|_| {
            let publisher = world.connect(room);
            let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
            world.subscribe(subscriber, camera)
        })
        .collect();
    world.run_for(ms(6_000));
    (world, subs)
}

fn limited(estimate_bps: u64) -> (World, u32, usize) {
    let mut world = World::new(Config {
        max_subscription_bitrate_bps: Some(estimate_bps),
        ..Config::default()
    });
    let room = world.open_room();
    let subscriber = world.connect(room);
    world.enable_feedback(subscriber);
    (world, room, subscriber)
}

fn shown(width: u16, height: u16) -> Preference {
    Preference {
        width: Some(width),
        height: Some(height),
        ..Preference::default()
    }
}

/// The encodings that arrived within the last second.
fn received(world: &World, subs: &[Sub]) -> Vec<Option<u8>> {
    let since = world.now.floor_to(ms(1)).as_millis() - 1_000;
    let last = |sub: &Sub| {
        let arrived = world.clients[sub.client].stream(sub.ssrc).last()?;
        let encoding = read_vp8(arrived.payload()).mark.encoding;
        (arrived.at.as_millis() >= since).then_some(encoding)
    };
    subs.iter().map(last).collect()
}

fn qualities(world: &World) -> Vec<(Option<u64>, u64, Vec<VideoQuality>)> {
    let quality = |event: &Event| match event {
        Event::Quality {
            estimate_bps,
            sent_bps,
            video,
        } => Some((*estimate_bps, *sent_bps, video.clone())),
        _ => None,
    };
    world.events.iter().filter_map(quality).collect()
}

#[test]
fn the_estimate_is_used_where_equal_shares_would_strand_it() {
    let (world, subs) = room(3_200_000, 3);
    assert_eq!(received(&world, &subs), [Some(2), Some(1), Some(1)]);
    let (estimate, sent, video) = qualities(&world).pop().expect("reported");
    assert_eq!(estimate, Some(3_200_000));
    assert!((2_700_000..=3_000_000).contains(&sent), "{sent}");
    let reasons: Vec<_> = video.iter().map(|it| (it.paused, it.reason)).collect();
    assert_eq!(
        reasons,
        [(false, "best"), (false, "bandwidth"), (false, "bandwidth")]
    );
}

#[test]
fn a_large_video_and_thumbnails_get_what_is_shown() {
    let (mut world, subs) = room(3_000_000, 4);
    for (nth, sub) in subs.iter().enumerate() {
        let (width, height) = if nth == 2 { (1280, 720) } else { (320, 180) };
        world.set_preference(*sub, shown(width, height));
    }
    world.run_for(ms(3_000));
    assert_eq!(
        received(&world, &subs),
        [Some(0), Some(0), Some(2), Some(0)]
    );
    // Another one becomes the large one.
    let before = world.now;
    world.set_preference(subs[2], shown(320, 180));
    world.set_preference(subs[1], shown(1280, 720));
    world.run_for(ms(3_000));
    assert_eq!(
        received(&world, &subs),
        [Some(0), Some(2), Some(0), Some(0)]
    );
    let arrived = world.clients[subs[1].client].stream(subs[1].ssrc);
    let large = arrived
        .filter(|it| it.at >= before)
        .find(|it| read_vp8(it.payload()).mark.encoding == 2)
        .expect("a large frame");
    assert!(
        large.at.since(before) <= ms(500),
        "{:?}",
        large.at.since(before)
    );
}

#[test]
fn without_an_estimate_the_size_counts_as_well() {
    let mut world = World::new(Config {
        bwe: sfu::config::Bwe::None,
        ..Config::default()
    });
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, sizes);
    let subscriber = world.connect(room);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(2_000));
    assert_eq!(received(&world, &[sub]), [Some(2)]);
    world.set_preference(sub, shown(480, 270));
    world.run_for(ms(2_000));
    assert_eq!(received(&world, &[sub]), [Some(1)]);
    assert!(qualities(&world).is_empty());
}

#[test]
fn a_priority_gets_more_of_the_estimate() {
    let (mut world, subs) = room(2_350_000, 3);
    assert_eq!(received(&world, &subs), [Some(1), Some(1), Some(1)]);
    let important = Preference {
        priority: 1,
        ..Preference::default()
    };
    world.set_preference(subs[1], important);
    world.run_for(ms(4_000));
    assert_eq!(received(&world, &subs), [Some(0), Some(2), Some(0)]);
    // A requested encoding is an upper bound.
    world.set_target(subs[1], Target::Encoding { rid: "q".into() });
    world.run_for(ms(4_000));
    assert_eq!(received(&world, &subs), [Some(1), Some(0), Some(1)]);
}

#[test]
fn what_does_not_fit_is_paused_and_resumes() {
    let (mut world, subs) = room(410_000, 3);
    assert_eq!(received(&world, &subs), [Some(0), Some(0), None]);
    let (_, _, video) = qualities(&world).pop().expect("reported");
    let paused: Vec<_> = video.iter().map(|it| (it.paused, it.reason)).collect();
    let limited = (false, "bandwidth");
    assert_eq!(paused, [limited, limited, (true, "bandwidth")]);
    assert_eq!(video[2].rid, None);
    world.set_preference(
        subs[2],
        Preference {
            pinned: true,
            ..Preference::default()
        },
    );
    world.run_for(ms(4_000));
    assert_eq!(received(&world, &subs), [Some(0), None, Some(0)]);
    world.command(Request::Unsubscribe {
        subscription: subs[0].id,
    });
    world.run_for(ms(4_000));
    assert_eq!(received(&world, &subs[1..]), [Some(0), Some(0)]);
    let resumed = world.events.iter().rev().find_map(|event| match event {
        Event::LayerSwitch {
            subscription,
            from,
            to,
            ..
        } if *subscription == subs[1].id => Some((from.clone(), to.clone())),
        _ => None,
    });
    assert_eq!(resumed, Some((None, Some("q".to_owned()))));
}

#[test]
fn a_shared_screen_comes_before_cameras() {
    let (mut world, room, subscriber) = limited(2_250_000);
    let mut subs = Vec::new();
    for screen in [false, true] {
        let publisher = world.connect(room);
        let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, |camera| {
            sizes(camera);
            camera.screen = screen;
        });
        subs.push(world.subscribe(subscriber, camera));
    }
    world.run_for(ms(8_000));
    assert_eq!(received(&world, &subs), [Some(0), Some(2)]);
}
