//! VP9 (RFC 9628): layers in non-flexible and flexible mode.

use rtc::codec::picture_id::Width;
use rtc::codec::{Codec, Described, Rewriter, describe};

const I: u8 = 0x80;
const P: u8 = 0x40;
const L: u8 = 0x20;
const F: u8 = 0x10;
const B: u8 = 0x08;
const E: u8 = 0x04;

fn vp9(payload: &[u8]) -> Described {
    describe(Codec::Vp9, payload, false)
}

fn layers(temporal: u8, up: bool, spatial: u8, dependent: bool) -> u8 {
    temporal << 5 | u8::from(up) << 4 | spatial << 1 | u8::from(dependent)
}

#[test]
fn non_flexible_mode_carries_tl0picidx() {
    let described = vp9(&[
        I | P | L | E,
        0x81,
        0x02,
        layers(2, true, 1, true),
        77,
        0xaa,
    ]);
    let (info, picture_ids) = (described.info, described.picture_ids);
    assert!(described.readable && !info.start && info.end && !info.keyframe);
    assert_eq!(
        (info.temporal, info.spatial, info.switch_point),
        (2, 1, true)
    );
    assert_eq!(
        (picture_ids.id, picture_ids.id_at, picture_ids.width),
        (0x0102, 1, Width::Wide)
    );
    assert_eq!((picture_ids.tl0, picture_ids.tl0_at), (77, 4));
}

#[test]
fn flexible_mode_carries_references_instead() {
    let described = vp9(&[
        I | P | L | F | B,
        0x05,
        layers(1, false, 0, false),
        0x03,
        0x02,
        0xaa,
    ]);
    assert!(described.readable && described.info.start);
    assert_eq!(described.info.temporal, 1);
    assert_eq!(described.picture_ids.tl0_at, 0);
    assert_eq!(described.picture_ids.width, Width::Narrow);
}

#[test]
fn a_key_frame_begins_in_the_lowest_spatial_layer() {
    let lowest = vp9(&[I | L | B, 0x05, layers(0, false, 0, false), 0, 0xaa]).info;
    assert!(lowest.start && lowest.keyframe && lowest.switch_point);
    let upper = vp9(&[I | L | B, 0x05, layers(0, false, 1, true), 0, 0xaa]).info;
    assert!(upper.start && !upper.keyframe);
}

#[test]
fn without_layer_indices_there_is_one_layer() {
    let info = vp9(&[B | E, 0xaa]).info;
    assert!(info.start && info.end && info.keyframe);
    assert_eq!((info.temporal, info.spatial), (0, 0));
}

#[test]
fn truncation_and_endless_references_are_unreadable() {
    let whole = [I | P | L | F | B, 0x85, 0x00, 0x20, 0x03, 0x03, 0x02, 0xaa];
    assert!(vp9(&whole).readable);
    for len in 0..whole.len() {
        assert!(!vp9(&whole[..len]).readable, "{len} bytes");
    }
    assert!(!vp9(&[P | F | B, 0x03, 0x03, 0x03, 0xaa]).readable);
}

#[test]
fn numbers_continue_over_a_switch_but_gaps_stay() {
    let frame = |id: u8, tl0| [I | L | B, id, layers(0, false, 0, false), tl0, 0xaa];
    let mut rewriter = Rewriter::new(Codec::Vp9);
    rewriter.switch(&vp9(&frame(20, 4)));
    rewriter.dropped(&vp9(&frame(21, 4)));
    rewriter.forwarded(&vp9(&frame(22, 5)));
    assert_eq!(rewriter.shift().id, 0);
    let mut first = frame(100, 200);
    let described = vp9(&first);
    rewriter.switch(&described).rewrite(&mut first, &described);
    assert_eq!(first, frame(23, 6));
}
