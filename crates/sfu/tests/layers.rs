//! Layers of a described stream, as Chromium sends them: what leaves has continuous numbers, a
//! marker for each temporal unit, and descriptors that say what is sent.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::camera::Camera;
use common::*;
use rtc::layers::described::DescribedLayers;
use serde_json::Value;
use sfu::egress::sink::Sink;
use sfu::ingress::packet::Packet;
use sfu::ingress::source::Source;
use sfu::keys::EncodingKey;
use sfu::message::SubscribeRequest;
use wire::extension::{Extension, ExtensionMap, Values};
use wire::id::Ssrc;
use wire::rtp::Header;
use wire::time::Time;

const AV1: &str = include_str!("../../rtc/tests/fixtures/layers/chromium_av1_l3t3.txt");
/// Not that of the publisher.
const DESCRIPTOR_ID: u8 = 9;

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Vec<u8>>>>);

impl Sink for Recorder {
    fn take(&mut self, _: Time, packet: &[u8]) {
        self.0.lock().expect("unpoisoned").push(packet.to_vec());
    }
}

struct Silent;

impl Source for Silent {
    fn request_keyframe(&mut self, _: EncodingKey) {}

    fn request_packets(&mut self, _: EncodingKey, _: &[u16]) {}
}

struct Recorded {
    index: u64,
    timestamp: u32,
    marker: bool,
    descriptor: Vec<u8>,
    payload: Vec<u8>,
}

fn recorded() -> Vec<Recorded> {
    let hex = |text: &str| -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16);
        digits.map(|pair| byte(pair).expect("hex")).collect()
    };
    let packet = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        Recorded {
            index: 65_536 + fields[0].parse::<u64>().expect("a number"),
            timestamp: fields[1].parse().expect("a number"),
            marker: fields[2] == "1",
            descriptor: hex(fields[3]),
            payload: hex(fields[4]),
        }
    };
    AV1.lines().map(packet).collect()
}

/// Play packets in an order; return what a recorder of at most a spatial layer got.
fn play(packets: &[&Recorded], spatial: Option<u8>) -> Vec<Vec<u8>> {
    play_with_stats(packets, spatial).0
}

/// The same, with the statistics of the room at the end.
fn play_with_stats(packets: &[&Recorded], spatial: Option<u8>) -> (Vec<Vec<u8>>, Value) {
    let mut world = World::default();
    let room = world.open_room();
    let publication = world.fresh_id();
    let mut published =
        Camera::new(world.now, 0, publication, Codec::Av1, &[]).publish_request(0, &UP_IDS);
    published.transport = u32::MAX;
    let request = SubscribeRequest {
        transport: u32::MAX,
        subscription: world.fresh_id(),
        publication,
        mid: "0".into(),
        payload_type: 45,
        rtx_payload_type: None,
        red_payload_type: None,
        ssrc: 77,
        rtx_ssrc: None,
        extensions: [(
            Extension::DependencyDescriptor.uri().to_owned(),
            DESCRIPTOR_ID,
        )]
        .into(),
        feedback: Vec::new(),
        cname: "recorder".into(),
        target: Target::Auto,
        preference: Preference {
            spatial,
            ..Preference::default()
        },
    };
    let recorder = Recorder::default();
    let (sink, now) = (Box::new(recorder.clone()), world.now);
    let key = world.engine.with_room(now, room, |room, context| {
        let publisher = room.attach_source(context, Box::new(Silent));
        let publication = room
            .publish_from(context, publisher, &published)
            .expect("published");
        let subscriber = room.attach_sink(context, sink);
        room.subscribe_to(context, subscriber, request)
            .expect("subscribed");
        EncodingKey {
            publication,
            encoding: 0,
        }
    });
    let key = key.expect("a room");
    let mut last = packets[0].timestamp;
    for packet in packets {
        let values = Values {
            dependency_descriptor: Some(&packet.descriptor),
            ..Values::default()
        };
        let packet = Packet {
            ssrc: Ssrc(4_242),
            index: packet.index,
            timestamp: packet.timestamp,
            marker: packet.marker,
            header_len: 12,
            values: &values,
            payload: &packet.payload,
        };
        if packet.timestamp != last {
            last = packet.timestamp;
            world.run_for(ms(33));
        }
        let now = world.now;
        let done = world.engine.with_room(now, room, |room, context| {
            room.receive_packet(context, key, &packet);
        });
        assert_eq!(done, Some(()), "the room has not panicked");
        world.flush();
    }
    world.run_for(ms(100));
    let stats = world.room_stats(room);
    let taken = recorder.0.lock().expect("unpoisoned");
    (taken.clone(), stats)
}

fn is_continuous(sent: &[Vec<u8>]) {
    let sequence = |packet: &Vec<u8>| Header::parse(packet).expect("RTP").sequence;
    let mut sequences: Vec<u16> = sent.iter().map(sequence).collect();
    let first = sequences[0];
    sequences.sort_by_key(|it| it.wrapping_sub(first));
    for (nth, sequence) in (0..).zip(sequences) {
        assert_eq!(sequence, first.wrapping_add(nth));
    }
}

fn ids() -> ExtensionMap {
    let mut ids = ExtensionMap::new();
    ids.insert(DESCRIPTOR_ID, Extension::DependencyDescriptor)
        .expect("free");
    ids
}

#[test]
fn a_lower_layer_has_continuous_numbers_markers_and_its_own_bitmask() {
    let packets = recorded();
    let in_order: Vec<&Recorded> = packets.iter().collect();
    let all = play(&in_order, None);
    is_continuous(&all);
    let sent = play(&in_order, Some(0));
    is_continuous(&sent);
    assert!(
        sent.len() * 2 < all.len(),
        "{} of {}",
        sent.len(),
        all.len()
    );
    let mut layers = DescribedLayers::default();
    let mut markers: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
    for packet in &sent {
        let header = Header::parse(packet).expect("RTP");
        let values = Values::read(&header, packet, &ids());
        let frame = layers.read(values.dependency_descriptor.expect("a descriptor"));
        let frame = frame.expect("a descriptor that can be read");
        let units = markers.entry(header.timestamp).or_default();
        units.push(header.marker);
        if sent.len() - units.len() > 0 && markers.len() > 4 {
            assert_eq!(frame.info.spatial, 0);
            let targets = layers.targets();
            for target in (0..targets.count).filter(|it| targets.is_active(*it)) {
                assert_eq!(
                    targets.layer(target).spatial,
                    0,
                    "the bitmask has it left out"
                );
            }
        }
    }
    for units in markers.values() {
        let count = units.iter().filter(|marker| **marker).count();
        assert_eq!((count, units.last()), (1, Some(&true)));
    }
}

#[test]
fn a_packet_that_is_left_out_and_comes_late_is_replaced_by_padding() {
    let packets = recorded();
    // The last unit but one; its upper layers come behind the last one.
    let units: Vec<u32> = {
        let mut all: Vec<u32> = packets.iter().map(|packet| packet.timestamp).collect();
        all.dedup();
        all
    };
    let late = units[units.len() - 2];
    let is_late =
        |packet: &&Recorded| packet.timestamp == late && packet.index > first_of(&packets, late);
    let (behind, before): (Vec<&Recorded>, Vec<&Recorded>) = packets.iter().partition(is_late);
    assert!(!behind.is_empty());
    let mut order = before;
    order.extend(&behind);
    let sent = play(&order, Some(0));
    is_continuous(&sent);
    let padding = sent.iter().filter(|packet| {
        let header = Header::parse(packet).expect("RTP");
        header.has_padding && packet.len() == header.header_len + 1
    });
    assert!(padding.count() > 0);
}

#[test]
fn statistics_list_each_layer_with_its_bitrate() {
    let packets = recorded();
    let in_order: Vec<&Recorded> = packets.iter().collect();
    let (_, stats) = play_with_stats(&in_order, None);
    let layers = stats["publications"][0]["encodings"][0]["layers"]
        .as_array()
        .expect("layers");
    let ids = layers.iter().map(|it| (&it["spatial"], &it["temporal"]));
    let expected: Vec<(Value, Value)> = (0..3)
        .flat_map(|spatial| (0..3).map(move |temporal| (spatial.into(), temporal.into())))
        .collect();
    let ids: Vec<(Value, Value)> = ids.map(|(s, t)| (s.clone(), t.clone())).collect();
    assert_eq!(ids, expected);
    assert!(layers.iter().all(|it| it["active"] == true));
    let bps: Vec<u64> = layers
        .iter()
        .map(|it| it["bitrate_bps"].as_u64().expect("a bitrate"))
        .collect();
    assert!(bps[0] > 0);
    assert!(bps[0] < bps[2], "a layer counts with those that it needs");
    assert!(bps[2] < bps[8], "{bps:?}");
}

fn first_of(packets: &[Recorded], timestamp: u32) -> u64 {
    let unit = packets
        .iter()
        .filter(|packet| packet.timestamp == timestamp);
    unit.map(|packet| packet.index).min().expect("a unit")
}
