//! VP8 (RFC 7741): parsed descriptors, and picture ids continuous for a subscriber.

use rtc::codec::picture_id::Width;
use rtc::codec::{Codec, Described, Rewriter, describe, picture_id};

/// X, I, L, T and K present, 15-bit picture id.
fn frame(id: u16, tl0: u8, temporal: u8, key_index: u8, is_key: bool) -> Vec<u8> {
    let [high, low] = (0x8000 | id).to_be_bytes();
    let layer = temporal << 6 | key_index;
    vec![0x90, 0xf0, high, low, tl0, layer, u8::from(!is_key), 0xaa]
}

fn narrow_frame(id: u8, is_key: bool) -> Vec<u8> {
    vec![0x90, 0x80, id, u8::from(!is_key), 0xaa]
}

fn vp8(payload: &[u8]) -> Described {
    describe(Codec::Vp8, payload, true)
}

/// Read back (picture id, TL0PICIDX, KEYIDX).
fn numbers(payload: &[u8]) -> (u16, u8, u8) {
    let fields = vp8(payload).picture_ids;
    (fields.id, fields.tl0, fields.key_index)
}

fn rewritten(shift: picture_id::Shift, payload: &[u8]) -> Vec<u8> {
    let mut copy = payload.to_vec();
    shift.rewrite(&mut copy, &vp8(payload));
    copy
}

#[test]
fn all_fields_are_found() {
    let described = vp8(&frame(0x1234, 9, 2, 17, false));
    let picture_ids = described.picture_ids;
    assert!(described.readable && described.info.start && described.info.end);
    assert_eq!(described.info.temporal, 2);
    assert_eq!(
        (picture_ids.id, picture_ids.id_at, picture_ids.width),
        (0x1234, 2, Width::Wide)
    );
    assert_eq!((picture_ids.tl0, picture_ids.tl0_at), (9, 4));
    assert_eq!((picture_ids.key_index, picture_ids.key_index_at), (17, 5));
}

#[test]
fn a_key_frame_is_known_by_its_first_packet_only() {
    assert!(vp8(&[0x10, 0x00]).info.keyframe);
    assert!(!vp8(&[0x10, 0x01]).info.keyframe);
    let later_packet = vp8(&[0x00, 0x00]).info;
    assert!(!later_packet.start && !later_packet.keyframe);
    let second_partition = vp8(&[0x11, 0x00]).info;
    assert!(!second_partition.start && !second_partition.keyframe);
}

#[test]
fn layer_sync_is_a_switch_point_and_non_reference_is_discardable() {
    let synced = vp8(&[0xb0, 0x20, 0x60, 0x01]).info;
    assert!(synced.switch_point && synced.discardable);
    assert_eq!(synced.temporal, 1);
    let plain = vp8(&[0x90, 0x20, 0x40, 0x01]).info;
    assert!(!plain.switch_point && !plain.discardable);
}

#[test]
fn without_the_t_bit_there_is_no_layer() {
    let info = vp8(&[0x90, 0x10, 0xff, 0x01]).info;
    assert_eq!(info.temporal, 0);
    assert!(!info.switch_point);
}

#[test]
fn a_truncated_descriptor_is_unreadable() {
    let whole = frame(1, 1, 1, 1, true);
    for len in 0..=6 {
        assert!(!vp8(&whole[..len]).readable, "{len} bytes");
    }
}

#[test]
fn numbers_continue_over_a_switch() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    rewriter.switch(&vp8(&frame(100, 10, 0, 1, true)));
    rewriter.forwarded(&vp8(&frame(101, 10, 1, 1, false)));
    let first = frame(0x7ffe, 255, 0, 31, true);
    let shift = rewriter.switch(&vp8(&first));
    assert_eq!(numbers(&rewritten(shift, &first)), (102, 11, 2));
    let wrapped = frame(1, 0, 0, 31, false);
    assert_eq!(numbers(&rewritten(shift, &wrapped)), (105, 12, 2));
}

#[test]
fn the_first_source_is_passed_through() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    let first = frame(100, 10, 0, 1, true);
    let shift = rewriter.switch(&vp8(&first));
    assert_eq!(rewritten(shift, &first), first);
}

#[test]
fn a_7_bit_id_stays_7_bits_wide() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    rewriter.switch(&vp8(&narrow_frame(127, true)));
    let first = narrow_frame(50, true);
    let payload = rewritten(rewriter.switch(&vp8(&first)), &first);
    assert_eq!(payload, narrow_frame(0, true));
}

#[test]
fn the_rest_of_the_payload_is_untouched() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    rewriter.switch(&vp8(&frame(7, 7, 0, 7, true)));
    let first = frame(900, 90, 3, 9, true);
    let payload = rewritten(rewriter.switch(&vp8(&first)), &first);
    assert_eq!(payload, frame(8, 8, 3, 8, true));
}

#[test]
fn dropping_a_layer_closes_the_gap_once_per_frame() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    rewriter.switch(&vp8(&frame(10, 5, 0, 0, true)));
    rewriter.dropped(&vp8(&frame(11, 5, 1, 0, false)));
    rewriter.dropped(&vp8(&frame(11, 5, 1, 0, false)));
    let next = frame(12, 6, 0, 0, false);
    let shift = rewriter.shift();
    assert_eq!(numbers(&rewritten(shift, &next)), (11, 6, 0));
}

#[test]
fn a_frame_with_a_forwarded_packet_keeps_its_picture_id() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    rewriter.switch(&vp8(&frame(10, 5, 0, 0, true)));
    rewriter.forwarded(&vp8(&frame(11, 5, 1, 0, false)));
    rewriter.dropped(&vp8(&frame(11, 5, 1, 0, false)));
    rewriter.dropped(&vp8(&frame(10, 5, 0, 0, true)));
    assert_eq!(rewriter.shift(), picture_id::Shift::default());
}

#[test]
fn a_switch_after_dropped_frames_leaves_no_gap() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    rewriter.switch(&vp8(&frame(10, 5, 0, 0, true)));
    rewriter.dropped(&vp8(&frame(11, 5, 1, 0, false)));
    let first = frame(500, 50, 0, 3, true);
    let shift = rewriter.switch(&vp8(&first));
    assert_eq!(numbers(&rewritten(shift, &first)), (11, 6, 1));
}

#[test]
fn a_source_of_which_nothing_left_moves_no_number() {
    let mut rewriter = Rewriter::new(Codec::Vp8);
    rewriter.switch(&vp8(&frame(100, 10, 0, 1, true)));
    rewriter.forwarded(&vp8(&frame(100, 10, 0, 1, true)));
    for overtaken in [700, 20, 0x7fff] {
        rewriter.switch(&vp8(&frame(overtaken, 200, 0, 17, true)));
    }
    let first = frame(500, 50, 0, 3, true);
    let shift = rewriter.switch(&vp8(&first));
    assert_eq!(numbers(&rewritten(shift, &first)), (101, 11, 2));
    rewriter.forwarded(&vp8(&first));
    let next = frame(9, 9, 0, 9, true);
    let shift = rewriter.switch(&vp8(&next));
    assert_eq!(numbers(&rewritten(shift, &next)), (102, 12, 3));
}

#[test]
fn a_description_that_does_not_fit_the_payload_writes_nothing() {
    let described = vp8(&frame(10, 5, 0, 0, true));
    let shift = picture_id::Shift {
        id: 1,
        tl0: 1,
        key_index: 1,
    };
    let mut short = [0x90, 0xf0, 0x80];
    shift.rewrite(&mut short, &described);
    assert_eq!(short, [0x90, 0xf0, 0x80]);
}
