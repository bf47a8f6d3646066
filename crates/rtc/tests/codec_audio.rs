//! Audio: every packet is a keyframe; Opus DTX is detected; RED is parsed.

use rtc::codec::red::{Primary, blocks, primary};
use rtc::codec::{Codec, Kind, describe};

fn is_dtx(payload: &[u8]) -> bool {
    describe(Codec::Opus, payload, false).dtx
}

#[test]
fn every_packet_starts_a_keyframe() {
    for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma] {
        let described = describe(codec, &[0x78, 1, 2, 3], false);
        let info = described.info;
        assert!(described.readable && info.start && info.end && info.keyframe);
        assert_eq!(codec.kind(), Kind::Audio);
    }
}

#[test]
fn opus_dtx_is_detected_by_its_empty_frames() {
    assert!(is_dtx(&[0x78]), "one frame without bytes");
    assert!(is_dtx(&[0x78, 0xff]), "one frame of one byte");
    assert!(is_dtx(&[0x79, 0, 0]), "two frames of one byte");
    assert!(
        is_dtx(&[0x7a, 1, 0, 0]),
        "two frames of one byte, with a length"
    );
    assert!(is_dtx(&[0x7b, 0x03, 0, 0, 0]), "three frames of one byte");
    assert!(is_dtx(&[0x7b]), "a count is missing");
}

#[test]
fn opus_audio_is_not_dtx() {
    assert!(!is_dtx(&[0x78, 1, 2]));
    assert!(!is_dtx(&[0x79, 1, 2, 3, 4]));
    assert!(!is_dtx(&[0x7b, 0x02, 1, 2, 3, 4]));
}

#[test]
fn red_returns_its_primary_block() {
    // One redundant block of 2 bytes (PT 111, offset 960), then the primary one.
    let payload = [0xef, 0x0f, 0x00, 0x02, 0x6f, 0x78, 0xaa, 0x78, 1, 2, 3];
    let expected = Primary {
        payload_type: 111,
        payload: &[0x78, 1, 2, 3],
    };
    assert_eq!(primary(&payload), Some(expected));
    assert!(!describe(Codec::Red, &payload, false).dtx);
    assert!(describe(Codec::Red, &payload[..9], false).dtx);
}

#[test]
fn red_without_redundancy_is_the_primary_block() {
    let expected = Primary {
        payload_type: 111,
        payload: &[0x78][..],
    };
    assert_eq!(primary(&[0x6f, 0x78]), Some(expected));
}

#[test]
fn red_with_wrong_lengths_is_unreadable() {
    let endless = [0xef, 0x00, 0x00, 0x00].repeat(300);
    for payload in [
        &[][..],
        &[0xef],
        &[0xef, 0, 0, 9, 0x6f, 1],
        &[0xef, 0, 0, 0],
        &endless,
    ] {
        assert_eq!(primary(payload), None);
        assert!(!describe(Codec::Red, payload, false).readable);
    }
}

#[test]
fn red_of_chromium_has_the_packet_before() {
    let lines = include_str!("fixtures/red_chromium.txt").lines();
    let mut before: Option<(u32, Vec<u8>)> = None;
    let mut packets = 0;
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (timestamp, hex) = line.split_once(' ').unwrap();
        let timestamp: u32 = timestamp.parse().unwrap();
        let digits = hex.as_bytes().chunks(2);
        let payload: Vec<u8> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let read = blocks(&payload).expect("RED");
        assert_eq!(read.primary.payload_type, 111);
        let redundant = read.redundant().iter();
        let redundant: Vec<_> = redundant
            .map(|it| (timestamp.wrapping_sub(it.offset), it.payload.to_vec()))
            .collect();
        assert_eq!(redundant, Vec::from_iter(before));
        assert!(describe(Codec::Opus, read.primary.payload, false).readable);
        before = Some((timestamp, read.primary.payload.to_vec()));
        packets += 1;
    }
    assert_eq!(packets, 16);
}
