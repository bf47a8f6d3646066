//! AV1: the aggregation header, and the dependency descriptor that replaces it.

use rtc::codec::dependency::{DependencyError, DependencyReader, Frame};
use rtc::codec::{Codec, Described, describe};

fn av1(payload: &[u8]) -> Described {
    describe(Codec::Av1, payload, false)
}

const SEQUENCE_HEADER: u8 = 1 << 3;
const FRAME: u8 = 6 << 3;
const TILE_GROUP: u8 = 4 << 3;

#[test]
fn the_n_bit_marks_a_key_frame() {
    let info = av1(&[0x28, 0x02, SEQUENCE_HEADER, 0xaa, FRAME, 0xaa]).info;
    assert!(info.start && info.keyframe && info.switch_point);
    let delta = av1(&[0x10, FRAME, 0xaa]).info;
    assert!(delta.start && !delta.keyframe);
}

#[test]
fn a_continued_obu_starts_nothing() {
    let described = av1(&[0x98, 0xff, 0xff]);
    assert!(described.readable && !described.info.start && !described.info.keyframe);
    assert!(!av1(&[0x10, TILE_GROUP, 0xaa]).info.start);
}

#[test]
fn layers_are_read_from_the_obu_extension() {
    let info = av1(&[0x10, FRAME | 0x04, 2 << 5 | 1 << 3, 0xaa]).info;
    assert_eq!((info.temporal, info.spatial), (2, 1));
}

#[test]
fn lengths_beyond_the_payload_are_unreadable() {
    assert!(!av1(&[0x10]).readable);
    assert!(!av1(&[0x00, 0x05, FRAME]).readable);
    assert!(!av1(&[0x00, 0x00]).readable);
    assert!(!av1(&[0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, FRAME]).readable);
    assert!(!av1(&[0x10, FRAME | 0x04]).readable);
}

/// Writes descriptors as appendix A of the payload format describes them.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(mut self, value: u32, width: u32) -> Self {
        self.0
            .extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0
            .chunks(8)
            .map(|bits| {
                (0..8).fold(0, |byte, i| {
                    byte << 1 | u8::from(bits.get(i) == Some(&true))
                })
            })
            .collect()
    }
}

fn mandatory(template: u32, number: u32) -> Bits {
    Bits::default()
        .put(0b11, 2)
        .put(template, 6)
        .put(number, 16)
}

/// L1T2 with template ids 10, 11, 12: key frame, layer 0, layer 1; no chains.
fn key_frame(number: u32) -> Vec<u8> {
    mandatory(10, number)
        .put(0b10000, 5) // only the structure is present
        .put(10, 6)
        .put(1, 5) // two decode targets
        .put(0, 2) // next template: same layer
        .put(1, 2) // next template: next temporal layer
        .put(3, 2)
        .put(0b1010, 4) // switch, switch
        .put(0b1011, 4) // switch, required
        .put(0b0001, 4) // not present, discardable
        .put(0, 1) // the key frame refers to nothing
        .put(0b10_0010, 6) // layer 0 refers two back
        .put(0b10_0000, 6) // layer 1 refers one back
        .put(0, 1) // no chains: non-symmetric 0 of 3
        .put(1, 1) // resolutions
        .put(639, 16)
        .put(359, 16)
        .bytes()
}

fn with_structure() -> DependencyReader {
    let mut reader = DependencyReader::default();
    reader.read(&key_frame(1)).expect("a whole structure");
    reader
}

#[test]
fn a_structure_makes_a_key_frame() {
    let Frame { info, number, .. } = DependencyReader::default().read(&key_frame(77)).unwrap();
    assert!(info.start && info.end && info.keyframe && info.switch_point);
    assert_eq!((number, info.spatial, info.temporal), (77, 0, 0));
}

#[test]
fn later_frames_refer_to_the_structure() {
    let mut reader = with_structure();
    let base = reader.read(&mandatory(11, 2).bytes()).unwrap().info;
    assert!(!base.keyframe && !base.discardable && base.switch_point);
    let upper = reader.read(&mandatory(12, 3).bytes()).unwrap().info;
    assert_eq!(upper.temporal, 1);
    assert!(upper.discardable && !upper.switch_point);
}

#[test]
fn a_frame_may_differ_from_its_template() {
    let mut reader = with_structure();
    let custom = mandatory(12, 3)
        .put(0b01110, 5) // active targets, decode targets and differences of its own
        .put(0b11, 2)
        .put(0b0010, 4) // not present, switch
        .put(0b0100_0000, 8)
        .bytes();
    let info = reader.read(&custom).unwrap().info;
    assert!(!info.discardable && info.switch_point);
}

#[test]
fn without_a_structure_nothing_is_known() {
    let mut reader = DependencyReader::default();
    let read = reader.read(&mandatory(11, 2).bytes());
    assert_eq!(read, Err(DependencyError::UnknownTemplate));
    let read = with_structure().read(&mandatory(13, 2).bytes());
    assert_eq!(read, Err(DependencyError::UnknownTemplate));
}

#[test]
fn a_truncated_structure_is_refused_and_the_known_one_kept() {
    let mut reader = with_structure();
    let whole = key_frame(9);
    for len in (0..3).chain(4..whole.len()) {
        assert_eq!(
            reader.read(&whole[..len]),
            Err(DependencyError::Malformed),
            "{len} bytes"
        );
    }
    assert!(reader.read(&mandatory(12, 3).bytes()).is_ok());
}

/// As a browser sends them for L3T3.
#[test]
fn descriptors_of_a_browser_are_read() {
    let structure = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a8000600\
                     0040001d954926e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230\
                     eca877530077004200ef008601df010d";
    let mut reader = DependencyReader::default();
    let key = reader.read(&from_hex(structure)).unwrap();
    assert!(key.info.start && key.info.end && key.info.keyframe);
    assert_eq!(key.number, 0x172);
    let mut layers = Vec::new();
    for hex in [
        "86017340fc",
        "46017340fc",
        "c3017540fc",
        "88017640fc",
        "c2017840fc",
    ] {
        let frame = reader.read(&from_hex(hex)).unwrap();
        assert!(!frame.info.keyframe);
        layers.push((frame.number, frame.info.spatial, frame.info.temporal));
    }
    let expected = [
        (0x173, 1, 0),
        (0x173, 1, 0),
        (0x175, 0, 2),
        (0x176, 1, 2),
        (0x178, 0, 1),
    ];
    assert_eq!(layers, expected);
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(byte).collect()
}
