//! Switches of encoding as seen by the subscriber of a simulcast publication.

use std::time::Duration;

use rtc::codec::Codec;
use sfu::message::{Event, Target};

use super::camera::Camera;
use super::ms;
use super::participants::Sub;
use super::payload::{Vp8, read_vp8};
use super::world::World;

pub const RIDS: [&str; 3] = ["q", "h", "f"];

pub fn target(rid: &str) -> Target {
    Target::Encoding { rid: rid.into() }
}

/// A publisher of three encodings and one subscriber of the lowest.
pub fn simulcast() -> (World, usize, Sub) {
    simulcast_with(|_| {})
}

/// The same with a camera that is changed before it is published.
pub fn simulcast_with(change: impl FnOnce(&mut Camera)) -> (World, usize, Sub) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &RIDS, change);
    let sub = world.subscribe_with(subscriber, camera, |request| request.target = target("q"));
    world.run_for(ms(3_000));
    (world, camera, sub)
}

pub fn received_frames(world: &World, sub: Sub) -> Vec<(u64, u32, Duration, Vp8)> {
    let start = world.clients[sub.client].rtp[0].at;
    let mut frames: Vec<_> = world.clients[sub.client]
        .stream(sub.ssrc)
        .map(|arrived| {
            let frame = read_vp8(arrived.payload());
            let header = arrived.header;
            (
                arrived.index,
                header.timestamp,
                arrived.at.since(start),
                frame,
            )
        })
        .collect();
    frames.sort_by_key(|(index, ..)| *index);
    frames
}

pub fn switches(world: &World, sub: Sub) -> Vec<(Option<String>, Option<String>, &'static str)> {
    let of_sub = |event: &Event| match event {
        Event::LayerSwitch {
            subscription,
            from,
            to,
            reason,
            ..
        } if *subscription == sub.id => Some((from.clone(), to.clone(), *reason)),
        _ => None,
    };
    world.events.iter().filter_map(of_sub).collect()
}

/// Assert that sequence numbers, timestamps and VP8 numbers continue, as a decoder expects.
pub fn assert_continuous(world: &World, sub: Sub) {
    let frames = received_frames(world, sub);
    for pair in frames.windows(2) {
        let ((index, timestamp, at, frame), (next_index, next_timestamp, next_at, next)) =
            (pair[0], pair[1]);
        assert_eq!(next_index, index + 1);
        let same_frame =
            frame.mark.encoding == next.mark.encoding && frame.mark.frame == next.mark.frame;
        if same_frame {
            assert_eq!(
                (next_timestamp, next.picture_id),
                (timestamp, frame.picture_id)
            );
            continue;
        }
        assert_eq!(next.picture_id, (frame.picture_id + 1) & 0x7fff);
        assert_eq!(next.tl0, frame.tl0.wrapping_add(1));
        if next.keyframe {
            assert_eq!(next.key_index, (frame.key_index + 1) & 0x1f);
        }
        let step = next_timestamp.wrapping_sub(timestamp) as i32;
        assert!(step > 0, "timestamps go forward");
        let elapsed = next_at.saturating_sub(at).as_millis() as i32 * 90;
        assert!(
            (step - elapsed).abs() <= 90 * 50,
            "{step} ticks in {elapsed}"
        );
        if frame.mark.encoding != next.mark.encoding {
            assert!(next.keyframe, "a switch away from a keyframe");
        }
    }
}
