//! Temporal layers of VP8, by its payload descriptor, and of H.264, by the dependency descriptor: what
//! is sent can be decoded, and its numbers have no gaps.

mod common;

use std::collections::{BTreeMap, HashSet};

use common::payload::{self, Mark, Part};
use common::played::{Played, Player, assert_continuous, recorded_ids};
use common::*;
use rtc::layers::described::DescribedLayers;
use wire::dependency::{
    Chains, Descriptor, Indication, Indications, MAX_TARGETS, Structure, Template,
};
use wire::extension::Values;
use wire::rtp::Header;

/// A frame of a cycle of four with three temporal layers (L1T3 of W3C webrtc-svc).
struct Place {
    temporal: u8,
    /// By how much the frame number of the one that it refers to is lower.
    reference: u32,
    /// It refers to a frame of the lowest layer alone: a receiver may rise to its layer here.
    is_sync: bool,
}

const CYCLE: [Place; 4] = [
    Place {
        temporal: 0,
        reference: 4,
        is_sync: false,
    },
    Place {
        temporal: 2,
        reference: 1,
        is_sync: true,
    },
    Place {
        temporal: 1,
        reference: 2,
        is_sync: true,
    },
    Place {
        temporal: 2,
        reference: 1,
        is_sync: false,
    },
];
const FRAMES: u32 = 240;
const PACKETS: u8 = 3;
/// Frame interval at 30 frames/s.
const TICKS: u32 = 3_000;

fn place(frame: u32) -> &'static Place {
    &CYCLE[frame as usize % CYCLE.len()]
}

fn part(frame: u32, packet: u8) -> Part {
    Part {
        mark: Mark {
            encoding: 0,
            frame,
            packet,
        },
        keyframe: frame == 0,
        last: packet + 1 == PACKETS,
        len: 400,
        picture_id: 300 + frame as u16,
        tl0: (40 + frame / 4) as u8,
        key_index: 5,
    }
}

fn vp8(frame: u32, packet: u8) -> Played {
    let mut payload = payload::vp8(&part(frame, packet));
    let place = place(frame);
    // RFC 7741 section 4.2: T, and TID and Y beside KEYIDX.
    payload[1] |= 0x20;
    payload[5] |= place.temporal << 6 | u8::from(place.is_sync) << 5;
    played(frame, packet, payload, None)
}

fn played(frame: u32, packet: u8, payload: Vec<u8>, descriptor: Option<Vec<u8>>) -> Played {
    Played {
        index: 70_000 + u64::from(frame) * u64::from(PACKETS) + u64::from(packet),
        timestamp: 900_000 + frame * TICKS,
        marker: packet + 1 == PACKETS,
        descriptor,
        payload,
    }
}

/// Templates of a keyframe and of the four frames of the cycle; decode target n has temporal layers
/// up to n.
fn structure() -> Structure {
    let template = |temporal: u8, reference: Option<u16>, chain: u8| {
        let indication = |target: u8| match target {
            _ if target < temporal => Indication::NotPresent,
            2 if temporal == 2 => Indication::Discardable,
            _ => Indication::Switch,
        };
        let all = (0..3).fold(Indications::default(), |all, target| {
            all.with(target.into(), indication(target))
        });
        let mut chains: Chains = [0; MAX_TARGETS];
        chains[0] = chain;
        Template {
            temporal,
            indications: all,
            differences: reference.into_iter().collect(),
            chains,
            ..Template::default()
        }
    };
    Structure {
        id_offset: 0,
        targets: 3,
        chains: 1,
        protected_by: [0; MAX_TARGETS],
        templates: vec![
            template(0, None, 0),
            template(0, Some(4), 4),
            template(1, Some(2), 2),
            template(2, Some(1), 1),
            template(2, Some(1), 3),
        ],
        resolutions: None,
    }
}

fn h264(frame: u32, packet: u8) -> Played {
    let template = match (frame, frame % 4) {
        (0, _) => 0,
        (_, 0) => 1,
        (_, 1) => 3,
        (_, 2) => 2,
        _ => 4,
    };
    let structure = structure();
    let descriptor = Descriptor {
        start: packet == 0,
        end: packet + 1 == PACKETS,
        structure: (frame == 0 && packet == 0).then(|| Box::new(structure.clone())),
        ..Descriptor::of(template, 500 + frame as u16)
    };
    let mut bytes = vec![0; 64];
    let len = descriptor.write(Some(&structure), &mut bytes);
    bytes.truncate(len.expect("room"));
    played(
        frame,
        packet,
        payload::h264(&part(frame, packet)),
        Some(bytes),
    )
}

fn at_most(temporal: Option<u8>) -> Preference {
    Preference {
        temporal,
        ..Preference::default()
    }
}

/// Play all frames to a recorder, whose layer is `before` up to the frame of `change`, then `after`.
fn play(
    codec: Codec,
    packet: fn(u32, u8) -> Played,
    [before, after]: [Option<u8>; 2],
    change: u32,
) -> Vec<Vec<u8>> {
    let mut player = Player::new(codec);
    let (subscription, recorder) = player.record(at_most(before));
    for frame in 0..FRAMES {
        if frame == change && before != after {
            player.world.command(Request::SetTarget {
                subscription,
                target: Target::Auto,
                preference: at_most(after),
            });
        }
        (0..PACKETS).for_each(|nth| player.play(&packet(frame, nth)));
    }
    player.world.run_for(ms(100));
    recorder.taken()
}

/// Assert that the frames are whole, each with one marker at its end, and that each one refers to a
/// frame that was sent; return their numbers.
fn assert_decodable(sent: &[Vec<u8>], mark: impl Fn(&[u8]) -> Mark) -> Vec<u32> {
    assert_continuous(sent);
    let mut frames: BTreeMap<u32, Vec<(u8, bool)>> = BTreeMap::new();
    for packet in sent {
        let header = Header::parse(packet).expect("RTP");
        let mark = mark(&packet[header.header_len..]);
        frames
            .entry(mark.frame)
            .or_default()
            .push((mark.packet, header.marker));
    }
    let sent: HashSet<u32> = frames.keys().copied().collect();
    for (frame, packets) in &frames {
        assert_eq!(
            packets[..],
            [(0, false), (1, false), (2, true)],
            "frame {frame}"
        );
        let reference = frame.checked_sub(place(*frame).reference);
        assert!(
            reference.is_none_or(|it| sent.contains(&it)),
            "frame {frame} refers to {reference:?}"
        );
    }
    frames.into_keys().collect()
}

fn temporal(frames: &[u32], range: std::ops::Range<u32>) -> Vec<u8> {
    let inside = frames.iter().filter(|frame| range.contains(frame));
    let mut layers: Vec<u8> = inside.map(|frame| place(*frame).temporal).collect();
    layers.sort_unstable();
    layers.dedup();
    layers
}

/// The layers of the second quarter, since layers are known once they were measured for a second, and of
/// the second half after a cycle.
fn layers(frames: &[u32]) -> [Vec<u8>; 2] {
    [temporal(frames, 60..120), temporal(frames, 128..FRAMES)]
}

/// The highest layers that are requested, and those that are sent, before and after a change.
type Case = ([Option<u8>; 2], [&'static [u8]; 2]);

const CASES: [Case; 6] = [
    ([Some(0), Some(0)], [&[0], &[0]]),
    ([Some(1), Some(1)], [&[0, 1], &[0, 1]]),
    ([None, None], [&[0, 1, 2], &[0, 1, 2]]),
    ([None, Some(0)], [&[0, 1, 2], &[0]]),
    ([Some(0), Some(1)], [&[0], &[0, 1]]),
    ([Some(0), None], [&[0], &[0, 1, 2]]),
];

#[test]
fn temporal_layers_of_vp8_are_left_out_by_its_payload_descriptor() {
    for (change, (wanted, expected)) in (120..124).flat_map(|at| CASES.map(|case| (at, case))) {
        let sent = play(Codec::Vp8, vp8, wanted, change);
        let frames = assert_decodable(&sent, |payload| payload::read_vp8(payload).mark);
        let got = layers(&frames);
        assert_eq!(
            [&got[0][..], &got[1][..]],
            expected,
            "{wanted:?} at {change}"
        );
        let described = sent.iter().map(|packet| {
            let header = Header::parse(packet).expect("RTP");
            payload::read_vp8(&packet[header.header_len..])
        });
        let of_frames: BTreeMap<u32, _> = described.map(|it| (it.mark.frame, it)).collect();
        let of_frames: Vec<_> = of_frames.into_values().collect();
        for pair in of_frames.windows(2) {
            let next = pair[0].picture_id.wrapping_add(1) & 0x7fff;
            assert_eq!(pair[1].picture_id, next, "picture ids are continuous");
            let is_lowest = place(pair[1].mark.frame).temporal == 0;
            let tl0 = pair[0].tl0.wrapping_add(is_lowest.into());
            assert_eq!(pair[1].tl0, tl0, "TL0PICIDX counts the lowest layer");
        }
    }
}

#[test]
fn temporal_layers_of_h264_are_left_out_by_the_dependency_descriptor() {
    for (change, (wanted, expected)) in (120..124).flat_map(|at| CASES.map(|case| (at, case))) {
        let sent = play(Codec::H264, h264, wanted, change);
        let frames = assert_decodable(&sent, payload::read_h264);
        let got = layers(&frames);
        assert_eq!(
            [&got[0][..], &got[1][..]],
            expected,
            "{wanted:?} at {change}"
        );
        let mut described = DescribedLayers::default();
        let mut last_mask = None;
        for packet in &sent {
            let header = Header::parse(packet).expect("RTP");
            let values = Values::read(&header, packet, &recorded_ids());
            let read = described.read(values.dependency_descriptor.expect("a descriptor"));
            assert!(read.is_ok(), "a receiver reads it");
            let targets = described.targets();
            last_mask = Some((0..3).filter(|it| targets.is_active(*it)).count());
        }
        let highest = expected[1].len();
        assert_eq!(last_mask, Some(highest), "the bitmask has what is sent");
    }
}
