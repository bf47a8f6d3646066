//! Layers of a described stream, as Chromium sends them: what leaves has continuous numbers, a
//! marker for each temporal unit, and descriptors that say what is sent.

mod common;

use std::collections::BTreeMap;

use common::played::{Played, Player, assert_continuous, recorded_ids};
use common::*;
use rtc::inbound::rtx::{Retransmission, read};
use rtc::layers::described::DescribedLayers;
use serde_json::Value;
use wire::extension::Values;
use wire::id::Ssrc;
use wire::rtcp::write;
use wire::rtp::Header;

const AV1: &str = include_str!("../../rtc/tests/fixtures/layers/chromium_av1_l3t3.txt");

/// The packets of a recorded AV1 stream of three spatial and three temporal layers.
fn recorded() -> Vec<Played> {
    let hex = |text: &str| -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16);
        digits.map(|pair| byte(pair).expect("hex")).collect()
    };
    let packet = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        Played {
            index: 65_536 + fields[0].parse::<u64>().expect("a number"),
            timestamp: fields[1].parse().expect("a number"),
            marker: fields[2] == "1",
            descriptor: Some(hex(fields[3])),
            payload: hex(fields[4]),
        }
    };
    AV1.lines().map(packet).collect()
}

fn at_most(spatial: Option<u8>) -> Preference {
    Preference {
        spatial,
        ..Preference::default()
    }
}

/// Play packets in an order; return what a recorder of at most a spatial layer got.
fn play(packets: &[&Played], spatial: Option<u8>) -> Vec<Vec<u8>> {
    play_with_stats(packets, spatial).0
}

/// The same, with the statistics of the room at the end.
fn play_with_stats(packets: &[&Played], spatial: Option<u8>) -> (Vec<Vec<u8>>, Value) {
    let mut player = Player::new(Codec::Av1);
    let (_, recorder) = player.record(at_most(spatial));
    packets.iter().for_each(|packet| player.play(packet));
    player.world.run_for(ms(100));
    (recorder.taken(), player.world.room_stats(player.room))
}

#[test]
fn a_lower_layer_has_continuous_numbers_markers_and_its_own_bitmask() {
    let packets = recorded();
    let in_order: Vec<&Played> = packets.iter().collect();
    let all = play(&in_order, None);
    assert_continuous(&all);
    let sent = play(&in_order, Some(0));
    assert_continuous(&sent);
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
        let values = Values::read(&header, packet, &recorded_ids());
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
        |packet: &&Played| packet.timestamp == late && packet.index > first_of(&packets, late);
    let (behind, before): (Vec<&Played>, Vec<&Played>) = packets.iter().partition(is_late);
    assert!(!behind.is_empty());
    let mut order = before;
    order.extend(&behind);
    let sent = play(&order, Some(0));
    assert_continuous(&sent);
    let padding = sent.iter().filter(|packet| {
        let header = Header::parse(packet).expect("RTP");
        header.has_padding && packet.len() == header.header_len + 1
    });
    assert!(padding.count() > 0);
}

#[test]
fn statistics_list_each_layer_with_its_bitrate() {
    let packets = recorded();
    let in_order: Vec<&Played> = packets.iter().collect();
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

#[test]
fn the_selected_layers_are_reported_with_the_highest_ones() {
    let packets = recorded();
    let mut player = Player::new(Codec::Av1);
    let (id, _) = player.record(at_most(None));
    let half = packets.len() / 2;
    packets[..half].iter().for_each(|it| player.play(it));
    player.world.command(Request::SetTarget {
        subscription: id,
        target: Target::Auto,
        preference: at_most(Some(1)),
    });
    packets[half..].iter().for_each(|it| player.play(it));
    let reported = player.world.events.iter().filter_map(|event| match event {
        Event::LayerSwitch {
            subscription,
            from,
            to,
            reason,
            wait_ms: None,
            layers: Some(layers),
        } if *subscription == id && from == to => Some((layers.spatial, *reason, *layers)),
        _ => None,
    });
    let reported: Vec<_> = reported.collect();
    let spatial: Vec<_> = reported.iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(spatial, [(2, "best"), (1, "requested")]);
    for (_, _, layers) in reported {
        let of = (
            layers.temporal,
            layers.highest_spatial,
            layers.highest_temporal,
        );
        assert_eq!(of, (2, 2, 2));
    }
}

fn first_of(packets: &[Played], timestamp: u32) -> u64 {
    let unit = packets
        .iter()
        .filter(|packet| packet.timestamp == timestamp);
    unit.map(|packet| packet.index).min().expect("a unit")
}

#[test]
fn a_retransmission_has_the_marker_that_was_sent_though_the_layer_has_changed() {
    let packets = recorded();
    let mut player = Player::new(Codec::Av1);
    let (room, camera) = (player.room, player.camera);
    let viewer = player.world.connect(room);
    let sub = player.world.subscribe_with(viewer, camera, |request| {
        request.preference = at_most(Some(1));
        let uri = wire::extension::Extension::DependencyDescriptor.uri();
        let ids = &mut request.extensions;
        ids.insert(uri.to_owned(), common::played::DESCRIPTOR_ID);
    });
    let half = packets.len() / 2;
    packets[..half].iter().for_each(|it| player.play(it));
    player.world.set_preference(sub, at_most(Some(0)));
    packets[half..].iter().for_each(|it| player.play(it));
    player.world.run_for(ms(100));
    let world = &mut player.world;
    let own = world.clients[viewer].stream(sub.ssrc);
    let sent: BTreeMap<u64, bool> = own.map(|it| (it.index, it.header.marker)).collect();
    let sequences: Vec<u16> = sent.keys().map(|index| *index as u16).collect();
    for sequences in sequences.chunks(100) {
        let mut nack = Vec::new();
        write::nack(&mut nack, Ssrc(7), Ssrc(sub.ssrc), sequences);
        world.clients[viewer].send_rtcp(&nack);
        world.settle();
        world.run_for(ms(1_000));
    }
    let highest = sent.keys().next_back().copied().expect("packets");
    let mut repaired = BTreeMap::new();
    for again in world.clients[viewer].stream(sub.rtx_ssrc) {
        if let Retransmission::Original { index, .. } = read(again.payload(), highest) {
            repaired.insert(index, again.header.marker);
        }
    }
    assert_eq!(repaired, sent);
}
