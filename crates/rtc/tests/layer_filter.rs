//! Selection of layers in what Chromium sends: VP9 L3T3_KEY and AV1 L3T3, headers alone.

use std::collections::BTreeMap;

use rtc::codec::{Codec, describe};
use rtc::layers::Layer;
use rtc::layers::described::DescribedLayers;
use rtc::layers::filter::{Candidate, LayerFilter};

const VP9: &str = include_str!("fixtures/layers/chromium_vp9_l3t3_key.txt");
const AV1: &str = include_str!("fixtures/layers/chromium_av1_l3t3.txt");
const ALL: Layer = Layer::ALL;

/// A recorded packet: sequence number, timestamp, marker, descriptor and the start of its payload.
struct Recorded {
    timestamp: u32,
    marker: bool,
    descriptor: Vec<u8>,
    payload: Vec<u8>,
}

fn recorded(text: &str) -> Vec<Recorded> {
    let mut packets: Vec<(u16, Recorded)> = text.lines().map(parse).collect();
    packets.sort_by_key(|(sequence, _)| *sequence);
    packets.into_iter().map(|(_, packet)| packet).collect()
}

fn parse(line: &str) -> (u16, Recorded) {
    let fields: Vec<&str> = line.split(' ').collect();
    let hex = |text: &str| -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect()
    };
    let packet = Recorded {
        timestamp: fields[1].parse().unwrap(),
        marker: fields[2] == "1",
        descriptor: hex(fields[3]),
        payload: hex(fields[4]),
    };
    (fields[0].parse().unwrap(), packet)
}

/// What was sent of a temporal unit: its layers, and at which of its packets markers stand.
#[derive(Debug, Default, PartialEq)]
struct Unit {
    layers: Vec<Layer>,
    packets: Vec<bool>,
    keyframe: bool,
}

/// Replay packets, with the layer that is wanted from each temporal unit on; without descriptors where
/// the receiver of the packets and their sender know none.
fn replay(
    codec: Codec,
    text: &str,
    with_descriptors: bool,
    wanted: impl Fn(usize) -> Layer,
) -> Vec<Unit> {
    let mut layers = DescribedLayers::default();
    let mut filter = LayerFilter::new(codec, wanted(0));
    let mut units: BTreeMap<u32, (usize, Unit)> = BTreeMap::new();
    for packet in recorded(text) {
        let nth = units.len();
        let nth = units.get(&packet.timestamp).map_or(nth, |(nth, _)| *nth);
        filter.set_wanted(wanted(nth));
        let mut described = describe(codec, &packet.payload, packet.marker);
        let number = with_descriptors.then(|| {
            let frame = layers.read(&packet.descriptor).unwrap();
            frame.describe(&mut described);
            frame.number
        });
        let candidate = Candidate {
            described: &described,
            timestamp: packet.timestamp,
            number,
        };
        let verdict = filter.select(&candidate, with_descriptors.then_some(&layers));
        let (_, unit) = units.entry(packet.timestamp).or_default();
        unit.keyframe |= described.starts_keyframe();
        if verdict.is_sent {
            let info = described.info;
            unit.layers.push(Layer {
                spatial: info.spatial,
                temporal: info.temporal,
            });
            unit.packets.push(packet.marker || verdict.ends_unit);
        }
        units.get_mut(&packet.timestamp).unwrap().0 = nth;
    }
    units.into_values().map(|(_, unit)| unit).collect()
}

fn highest(units: &[Unit]) -> Vec<Option<Layer>> {
    let highest = units.iter().map(|unit| unit.layers.iter().max().copied());
    highest.collect()
}

fn layer(spatial: u8, temporal: u8) -> Layer {
    Layer { spatial, temporal }
}

/// The marker stands at the last packet of each temporal unit and at no other.
fn markers_are_last(units: &[Unit]) {
    let sent = units.iter().filter(|unit| !unit.packets.is_empty());
    for unit in sent {
        let markers = unit.packets.iter().filter(|marker| **marker).count();
        assert_eq!((markers, unit.packets.last()), (1, Some(&true)), "{unit:?}");
    }
}

#[test]
fn every_layer_can_be_sent_alone() {
    for (codec, text) in [(Codec::Vp9, VP9), (Codec::Av1, AV1)] {
        for (spatial, temporal) in [(0, 0), (0, 2), (1, 0), (1, 1), (2, 0), (2, 2)] {
            let wanted = layer(spatial, temporal);
            let units = replay(codec, text, true, |_| wanted);
            markers_are_last(&units);
            for unit in &units {
                assert!(unit.layers.iter().all(|sent| wanted.covers(*sent)));
            }
            let reached = highest(&units).into_iter().flatten().max();
            assert_eq!(reached.map(|it| it.spatial), Some(spatial), "{codec:?}");
        }
    }
}

#[test]
fn k_svc_sends_the_highest_frames_alone_between_keyframes() {
    let units = replay(Codec::Vp9, VP9, true, |_| ALL);
    let last = units.iter().rposition(|unit| unit.keyframe).unwrap();
    for unit in &units[last + 1..] {
        assert!(unit.layers.iter().all(|sent| sent.spatial == 2), "{unit:?}");
    }
    let svc = replay(Codec::Av1, AV1, true, |_| ALL);
    let lower = svc
        .last()
        .unwrap()
        .layers
        .iter()
        .filter(|sent| sent.spatial < 2);
    assert!(lower.count() >= 2);
}

#[test]
fn full_svc_goes_down_at_the_next_unit_and_temporally_up_without_a_keyframe() {
    let last = last_keyframe(Codec::Av1, AV1);
    let wanted = |nth: usize| match nth {
        _ if nth < last + 3 => ALL,
        _ if nth < last + 8 => layer(0, 0),
        _ => layer(0, 2),
    };
    let units = replay(Codec::Av1, AV1, true, wanted);
    markers_are_last(&units);
    let highest = highest(&units);
    assert!(
        highest[last + 3..last + 8]
            .iter()
            .flatten()
            .all(|sent| *sent == layer(0, 0))
    );
    let risen = highest[last + 8..]
        .iter()
        .position(|sent| *sent == Some(layer(0, 2)));
    assert!(risen.is_some_and(|units| units <= 4), "{highest:?}");
}

#[test]
fn spatial_layers_of_which_nothing_was_sent_wait_for_a_keyframe() {
    for (codec, text) in [(Codec::Vp9, VP9), (Codec::Av1, AV1)] {
        let last = last_keyframe(codec, text);
        let wanted = |nth: usize| if nth < last + 2 { layer(0, 2) } else { ALL };
        let units = replay(codec, text, true, wanted);
        let sent = highest(&units);
        assert!(
            sent[last..].iter().flatten().all(|sent| sent.spatial == 0),
            "{codec:?}"
        );
        // In time for the keyframe all layers are sent from it on.
        let wanted = |nth: usize| if nth < last { layer(0, 2) } else { ALL };
        let sent = highest(&replay(codec, text, true, wanted));
        assert!(sent[last..].iter().flatten().any(|sent| sent.spatial == 2));
    }
}

#[test]
fn k_svc_goes_spatially_down_at_a_keyframe_and_sends_fewer_frames_until_then() {
    let last = last_keyframe(Codec::Vp9, VP9);
    // The first base layer after the keyframe, which is the fourth temporal unit, refers to that.
    for (change, reached) in [(4, layer(1, 2)), (6, layer(2, 1))] {
        let wanted = |nth: usize| match nth < last + change {
            true => ALL,
            false => layer(1, 2),
        };
        let sent = highest(&replay(Codec::Vp9, VP9, true, wanted));
        let after: Vec<Layer> = sent[last + change..].iter().flatten().copied().collect();
        assert!(after.iter().all(|sent| reached.covers(*sent)), "{after:?}");
        assert!(after.len() >= 2 && after.contains(&reached), "{after:?}");
    }
}

#[test]
fn vp9_without_descriptors_is_selected_by_payload_descriptors() {
    let last = last_keyframe(Codec::Vp9, VP9);
    let wanted = |nth: usize| match nth {
        _ if nth < last + 3 => ALL,
        _ if nth < last + 9 => layer(1, 0),
        _ => layer(2, 2),
    };
    let units = replay(Codec::Vp9, VP9, false, wanted);
    markers_are_last(&units);
    let sent = highest(&units);
    assert!(
        sent[last + 3..last + 9]
            .iter()
            .flatten()
            .all(|sent| *sent == layer(1, 0))
    );
    let after = &sent[last + 9..];
    assert!(
        after.iter().flatten().all(|sent| sent.spatial == 1),
        "up at a keyframe alone"
    );
    assert!(after.contains(&Some(layer(1, 2))), "{after:?}");
}

#[test]
fn av1_without_descriptors_is_sent_as_a_whole() {
    let units = replay(Codec::Av1, AV1, false, |_| layer(0, 0));
    let packets: usize = units.iter().map(|unit| unit.packets.len()).sum();
    assert_eq!(packets, AV1.lines().count());
}

fn last_keyframe(codec: Codec, text: &str) -> usize {
    let units = replay(codec, text, true, |_| ALL);
    let last = units.iter().rposition(|unit| unit.keyframe).unwrap();
    assert!(units.len() > last + 12, "{} units", units.len());
    last
}
