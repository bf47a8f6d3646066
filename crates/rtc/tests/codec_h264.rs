//! H.264 (RFC 6184): keyframe starts, and parameter sets for late joiners.

use rtc::codec::h264::{MAX_STAP_A_LEN, ParameterSets};
use rtc::codec::{Codec, Described, describe};

const AUD: &[u8] = &[0x09, 0x10];
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
const SEI: &[u8] = &[0x06, 0x05, 0x10, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x80];
const IDR_SECOND_SLICE: &[u8] = &[0x65, 0x48, 0x80];
const SLICE: &[u8] = &[0x41, 0x9a, 0x00];
const UNREFERENCED_SLICE: &[u8] = &[0x01, 0x9a, 0x00];

fn h264(payload: &[u8]) -> Described {
    describe(Codec::H264, payload, false)
}

fn stap_a(units: &[&[u8]]) -> Vec<u8> {
    let mut payload = vec![0x78];
    for unit in units {
        payload.extend((unit.len() as u16).to_be_bytes());
        payload.extend(*unit);
    }
    payload
}

fn starts_keyframe(payload: &[u8]) -> bool {
    let info = h264(payload).info;
    info.start && info.keyframe
}

#[test]
fn an_sps_starts_a_keyframe_in_any_packetization() {
    assert!(starts_keyframe(SPS));
    assert!(starts_keyframe(&stap_a(&[SPS, PPS])));
    assert!(starts_keyframe(&stap_a(&[AUD, SPS, PPS, IDR])));
    assert!(h264(SPS).parameter_sets && h264(PPS).parameter_sets);
    assert!(h264(&stap_a(&[AUD, SPS, PPS])).parameter_sets);
}

#[test]
fn the_first_fragment_of_an_idr_starts_a_keyframe() {
    let first = [0x7c, 0x85, 0x88, 0x80];
    let middle = [0x7c, 0x05, 0x88, 0x80];
    let second_slice = [0x7c, 0x85, 0x48, 0x80];
    assert!(starts_keyframe(&first) && !h264(&first).parameter_sets);
    assert!(!starts_keyframe(&middle) && h264(&middle).info.keyframe);
    assert!(!starts_keyframe(&second_slice));
}

#[test]
fn later_packets_of_a_keyframe_do_not_start_it() {
    assert!(!starts_keyframe(PPS));
    assert!(!starts_keyframe(IDR_SECOND_SLICE));
    assert!(!starts_keyframe(SEI));
    assert!(starts_keyframe(IDR));
}

#[test]
fn non_idr_slices_start_frames_but_no_keyframe() {
    let info = h264(SLICE).info;
    assert!(info.start && !info.keyframe && !info.discardable);
    assert!(h264(UNREFERENCED_SLICE).info.discardable);
    assert!(!h264(SEI).info.discardable && !h264(AUD).info.discardable);
    assert!(!h264(&stap_a(&[UNREFERENCED_SLICE, SLICE])).info.discardable);
}

#[test]
fn the_marker_ends_the_frame() {
    assert!(describe(Codec::H264, SLICE, true).info.end);
    assert!(!h264(SLICE).info.end);
}

#[test]
fn malformed_and_unsupported_payloads_are_unreadable() {
    let cut = stap_a(&[SPS, PPS]);
    assert!(!h264(&cut[..cut.len() - 1]).readable);
    assert!(!h264(&[0x78]).readable);
    assert!(!h264(&[0x78, 0, 0]).readable);
    assert!(!h264(&[0x7c, 0x85]).readable);
    assert!(!h264(&[0x00, 0x00]).readable);
    assert!(
        !h264(&[0x79, 0, 0, 0, 1, 0x65]).readable,
        "STAP-B is of the interleaved mode"
    );
}

fn written(sets: &ParameterSets) -> Option<Vec<u8>> {
    let mut out = [0; MAX_STAP_A_LEN];
    let len = sets.write_stap_a(&mut out)?;
    Some(out[..len].to_vec())
}

#[test]
fn a_late_joiner_gets_the_last_sets_as_one_stap_a() {
    let mut sets = ParameterSets::default();
    sets.remember(SPS);
    assert_eq!(written(&sets), None, "no PPS yet");
    sets.remember(&stap_a(&[AUD, PPS, IDR]));
    assert_eq!(written(&sets), Some(stap_a(&[SPS, PPS])));
}

#[test]
fn a_set_replaces_the_one_with_its_id() {
    let mut sets = ParameterSets::default();
    let other_level: &[u8] = &[0x67, 0x42, 0xc0, 0x28, 0x8c, 0x8d];
    sets.remember(&stap_a(&[SPS, PPS]));
    sets.remember(other_level);
    assert_eq!(written(&sets), Some(stap_a(&[other_level, PPS])));
}

#[test]
fn ids_that_rotate_do_not_pile_up() {
    // Exp-Golomb 1, 010, 011: ids 0, 1, 2.
    let sps = |id_bits: u8| [0x67, 0x42, 0xc0, 0x1f, id_bits];
    let mut sets = ParameterSets::default();
    sets.remember(PPS);
    for id_bits in [0x80, 0x40, 0x60] {
        sets.remember(&sps(id_bits));
    }
    assert_eq!(written(&sets), Some(stap_a(&[&sps(0x40), &sps(0x60), PPS])));
}

#[test]
fn sets_too_long_or_without_an_id_are_not_kept() {
    let mut sets = ParameterSets::default();
    sets.remember(PPS);
    sets.remember(&[0x67, 0x42, 0xc0, 0x1f]);
    sets.remember(&[&[0x67, 0x42, 0xc0, 0x1f, 0x80][..], &[0; 500]].concat());
    assert_eq!(written(&sets), None);
}

#[test]
fn a_set_that_cannot_be_kept_outdates_the_one_with_its_id() {
    let too_long = [SPS, &[0; 500]].concat();
    let fragments = [&[0x7c, 0x87][..], &SPS[1..]].concat();
    let of_pps = [&[0x7c, 0x88][..], &PPS[1..]].concat();
    for outdating in [too_long, fragments, of_pps] {
        let mut sets = ParameterSets::default();
        sets.remember(&stap_a(&[SPS, PPS]));
        assert!(h264(&outdating).parameter_sets);
        sets.remember(&outdating);
        assert_eq!(written(&sets), None);
    }
}

#[test]
fn fragments_of_another_set_or_kind_outdate_nothing() {
    let of_id_1 = [0x7c, 0x87, 0x42, 0xc0, 0x1f, 0x40];
    let not_the_first = [&[0x7c, 0x07][..], &SPS[1..]].concat();
    let mut sets = ParameterSets::default();
    sets.remember(&stap_a(&[SPS, PPS]));
    for fragment in [
        &of_id_1[..],
        &not_the_first,
        &[0x7c, 0x85, 0x88],
        &[0x7c, 0x87],
        &[0x7c],
    ] {
        sets.remember(fragment);
        assert_eq!(written(&sets), Some(stap_a(&[SPS, PPS])));
    }
}

#[test]
fn a_short_buffer_is_refused() {
    let mut sets = ParameterSets::default();
    sets.remember(&stap_a(&[SPS, PPS]));
    let len = stap_a(&[SPS, PPS]).len();
    assert_eq!(sets.write_stap_a(&mut vec![0; len]), Some(len));
    assert_eq!(sets.write_stap_a(&mut vec![0; len - 1]), None);
    assert_eq!(sets.write_stap_a(&mut []), None);
}
