//! Sampled streams: the frames that the control plane takes are those of the clip.

mod common;

use common::World;
use common::call::Call;
use serde_json::json;
use std::path::Path;
use swarm::nal;
use swarm::obu::{self, Obu};
use swarm::sample::SampledFrame;

fn call(clip: u32, codec: &str) -> World {
    let call = Call {
        clip,
        codec,
        receive: &[("sample", json!(true))],
        ..Call::default()
    };
    call.start()
}

/// Read the frames of a clip: after a header of 32 bytes, each with a header of 12.
fn clip_frames(name: &str) -> Vec<Vec<u8>> {
    read_frames(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../sfukit/media/clips")
            .join(name),
    )
}

/// Read the frames of a clip that is not shipped.
fn fixture_frames(name: &str) -> Vec<Vec<u8>> {
    read_frames(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name),
    )
}

fn read_frames(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).unwrap();
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((len, behind)) = rest.split_first_chunk::<4>() {
        let len = u32::from_le_bytes(*len) as usize;
        frames.push(behind[8..8 + len].to_vec());
        rest = &behind[8 + len..];
    }
    frames
}

fn slices(access_unit: &[u8]) -> Vec<Vec<u8>> {
    let units = nal::split_annex_b(access_unit).filter(|unit| unit[0] & nal::TYPE_MASK != nal::SEI);
    units.map(<[u8]>::to_vec).collect()
}

fn numbers(frames: &[SampledFrame]) -> Vec<u32> {
    frames.iter().map(|frame| frame.number).collect()
}

#[test]
fn vp8_frames_are_bit_identical_to_those_of_the_clip_and_numbered_over_its_loops() {
    let mut world = call(1, "VP8");
    let clip = clip_frames("vp8-360p30.ivf");
    let mut frames = Vec::new();
    for _ in 0..12 {
        world.run_for(500);
        let taken = world.taken(9);
        assert_eq!((taken.dropped, taken.unidentified), (0, 0));
        frames.extend(taken.frames);
    }
    assert!(frames.len() > 170, "{}", frames.len());
    assert!(frames[0].keyframe && frames[0].after_drop);
    for (nth, frame) in frames.iter().enumerate() {
        assert_eq!(frame.number, frames[0].number + nth as u32);
        assert!(
            frame.payload == clip[frame.number as usize % clip.len()],
            "{nth}"
        );
        assert_eq!(frame.after_drop, nth == 0);
    }
    let ticks = frames[30].tick - frames[0].tick;
    assert!((9_990..=10_010).contains(&ticks), "{ticks}");
}

#[test]
fn h264_access_units_have_the_slices_and_parameter_sets_of_the_clip() {
    let mut world = call(3, "H264");
    let clip = clip_frames("h264-360p30.ivf");
    world.run_for(4_500);
    let frames = world.taken(9).frames;
    assert!(frames.len() > 120, "{}", frames.len());
    for frame in &frames {
        let of_clip = &clip[frame.number as usize % clip.len()];
        assert!(
            slices(&frame.payload) == slices(of_clip),
            "{}",
            frame.number
        );
    }
}

#[test]
fn vp9_frames_are_those_of_the_clip_in_order() {
    let mut world = call(5, "VP9");
    let clip = fixture_frames("vp9-180p15.ivf");
    world.run_for(4_500);
    let taken = world.taken(9);
    assert_eq!((taken.dropped, taken.unidentified), (0, 0));
    assert!(taken.frames.len() > 60, "{}", taken.frames.len());
    let first = &taken.frames[0];
    let start = clip.iter().position(|frame| *frame == first.payload);
    let start = start.expect("a frame of the clip");
    for (nth, frame) in taken.frames.iter().enumerate() {
        assert!(frame.payload == clip[(start + nth) % clip.len()], "{nth}");
        let ticks = frame.tick - first.tick;
        assert!(
            ticks.abs_diff(nth as u32 * 10_000 / 15) <= 1,
            "{nth}: {ticks}"
        );
    }
}

#[test]
fn av1_temporal_units_have_the_obus_of_the_clip() {
    let mut world = call(6, "AV1");
    let clip = fixture_frames("av1-180p15.ivf");
    world.run_for(4_500);
    let frames = world.taken(9).frames;
    assert!(frames.len() > 60, "{}", frames.len());
    let is_sent = |obu: &Obu| ![obu::METADATA, obu::PADDING].contains(&obu.kind);
    for frame in &frames {
        let of_clip = obu::split(&clip[frame.number as usize % clip.len()]).unwrap();
        let of_clip: Vec<Obu> = of_clip.into_iter().filter(is_sent).collect();
        assert!(
            obu::split(&frame.payload).unwrap() == of_clip,
            "{}",
            frame.number
        );
    }
}

#[test]
fn a_key_frame_on_request_skips_numbers_and_is_still_the_frame_of_its_number() {
    let mut world = call(1, "VP8");
    let clip = clip_frames("vp8-360p30.ivf");
    world.run_for(1_200);
    let mut lost = 0;
    world.reflector.loss = Box::new(move |_, _, is_rtx| {
        lost += usize::from(!is_rtx);
        is_rtx || lost <= 2
    });
    world.run_for(2_000);
    let frames = world.taken(9).frames;
    let numbers = numbers(&frames);
    let gaps: Vec<_> = numbers
        .windows(2)
        .filter(|pair| pair[1] != pair[0] + 1)
        .collect();
    // The frames without reference are not decodable, and the key frame was requested.
    assert_eq!(gaps.len(), 1, "{numbers:?}");
    let at = numbers
        .iter()
        .position(|number| *number == gaps[0][1])
        .unwrap();
    assert!(frames[at].keyframe && !frames[at].after_drop);
    assert_eq!(frames[at].number % 30, 0);
    for frame in &frames {
        assert!(frame.payload == clip[frame.number as usize % clip.len()]);
    }
}

#[test]
fn a_measurement_window_bounds_the_frames() {
    let mut world = call(1, "VP8");
    world.run_for(1_500);
    let start = world.host.now.as_nanos() + 500_000_000;
    world.command(json!({"type": "window", "start_ns": start, "end_ns": start + 2_000_000_000}));
    world.run_for(5_000);
    let taken = world.taken(9);
    assert!(
        (30..=60).contains(&taken.frames.len()),
        "{}",
        taken.frames.len()
    );
    assert!(taken.frames[0].keyframe);
    assert!(world.taken(9).frames.is_empty());
}

#[test]
fn frames_that_are_not_taken_are_dropped_and_counted() {
    let mut world = call(2, "VP8");
    world.run_for(15_000);
    let taken = world.taken(9);
    let bytes: usize = taken.frames.iter().map(|frame| frame.payload.len()).sum();
    // 15 s of 1.7 Mb/s are 3.2 MB, and 2 MiB are kept.
    assert!((1_900_000..=2_097_152).contains(&bytes), "{bytes}");
    assert!(taken.dropped > 0);
}

#[test]
fn streams_that_are_not_sampled_have_no_frames_to_take() {
    let mut world = call(1, "VP8");
    world.receive(2, 10, 7, "VP8");
    let take = |stream: u32| json!({"type": "take_frames", "stream": stream});
    assert_eq!(world.try_command(take(10)), Some("invalid".to_owned()));
    assert_eq!(world.try_command(take(11)), Some("not_found".to_owned()));
}
