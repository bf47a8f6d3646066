//! H.265 (RFC 7798): key frames and temporal layers.

use rtc::codec::{Codec, Described, describe};

fn h265(payload: &[u8]) -> Described {
    describe(Codec::H265, payload, false)
}

/// A NAL unit of this type in the temporal layer, its first slice bit set or not.
fn unit(kind: u8, temporal: u8, first_slice: bool) -> Vec<u8> {
    vec![
        kind << 1,
        temporal + 1,
        if first_slice { 0x80 } else { 0x00 },
        0xaa,
    ]
}

fn aggregation(units: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = vec![48 << 1, 1];
    for unit in units {
        payload.extend((unit.len() as u16).to_be_bytes());
        payload.extend(unit);
    }
    payload
}

#[test]
fn irap_and_parameter_sets_start_a_keyframe() {
    for kind in [16, 19, 20, 21, 32, 33] {
        let info = h265(&unit(kind, 0, true)).info;
        assert!(
            info.start && info.keyframe && info.switch_point,
            "type {kind}"
        );
    }
    assert!(h265(&unit(33, 0, false)).parameter_sets);
    let info = h265(&unit(1, 0, true)).info;
    assert!(info.start && !info.keyframe);
}

#[test]
fn an_aggregation_packet_starts_a_keyframe_by_its_units() {
    let described = h265(&aggregation(&[
        unit(35, 0, false),
        unit(33, 0, false),
        unit(19, 0, true),
    ]));
    assert!(described.info.start && described.info.keyframe && described.parameter_sets);
    let trailing = h265(&aggregation(&[unit(1, 0, false), unit(33, 0, false)]));
    assert!(!trailing.info.start);
}

#[test]
fn only_the_first_fragment_of_the_first_slice_starts() {
    let fragment = |flags: u8, first_slice: u8| [49 << 1, 1, flags | 19, first_slice, 0xaa];
    let first = h265(&fragment(0x80, 0x80)).info;
    assert!(first.start && first.keyframe);
    assert!(!h265(&fragment(0x00, 0x80)).info.start);
    assert!(!h265(&fragment(0x80, 0x00)).info.start);
}

#[test]
fn temporal_layers_and_their_access_points_are_read() {
    let info = h265(&unit(0, 2, true)).info;
    assert_eq!((info.temporal, info.switch_point), (2, false));
    assert!(h265(&unit(3, 1, true)).info.switch_point);
}

#[test]
fn malformed_payloads_are_unreadable() {
    let cut = aggregation(&[unit(33, 0, false)]);
    assert!(!h265(&cut[..cut.len() - 1]).readable);
    assert!(!h265(&[48 << 1, 1]).readable);
    assert!(!h265(&[49 << 1, 1]).readable);
    assert!(!h265(&[50 << 1, 1, 0, 0]).readable);
    assert!(!h265(&[19 << 1, 0, 0x80]).readable, "TID zero is forbidden");
    assert!(!h265(&[19 << 1]).readable);
}
