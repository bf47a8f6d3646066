//! An engine and participants around it, on virtual time: see [`world::World`].

// Every test file compiles this for itself and uses only a part.
#![allow(dead_code, unused_imports)]

pub mod camera;
pub mod client;
#[path = "../../../rtc/tests/common/counting.rs"]
pub mod counting;
pub mod data;
#[path = "../../../rtc/tests/common/link.rs"]
pub mod link;
pub mod participants;
pub mod payload;
pub mod played;
pub mod replay;
pub mod switching;
pub mod viewer;
pub mod world;

use std::time::Duration;

pub use client::{Arrived, Client, Outgoing};
pub use link::Conditions;
pub use participants::{DOWN_IDS, Sub, UP_IDS, id_map};
pub use rtc::codec::Codec;
pub use sfu::config::Config;
pub use sfu::message::{ErrorCode, Event, Preference, Request, Target};
pub use world::{Direction, World};

/// A duration in milliseconds.
pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// SSRC and sequence number of an RTP datagram, sealed or not.
pub fn rtp_name(datagram: &[u8]) -> Option<(u32, u16)> {
    if wire::rtp::demux(datagram) != wire::rtp::Kind::Rtp {
        return None;
    }
    let header = wire::rtp::Header::parse(datagram).ok()?;
    Some((header.ssrc.0, header.sequence))
}

/// A packet of a camera's first encoding, under a number of the test's choice.
pub fn plain_packet(camera: &camera::Camera, index: u64) -> Outgoing {
    let source = &camera.encodings[0];
    let part = payload::Part {
        mark: payload::Mark {
            encoding: 0,
            frame: 0,
            packet: 0,
        },
        keyframe: true,
        last: true,
        len: 60,
        picture_id: 1,
        tl0: 1,
        key_index: 1,
    };
    Outgoing {
        ssrc: source.ssrc,
        payload_type: camera.payload_type,
        index,
        timestamp: 1_000,
        marker: true,
        padding: 0,
        extensions: vec![(wire::extension::Extension::Mid, camera.mid.clone().into())],
        payload: match camera.codec {
            Codec::Opus => payload::opus(&part),
            Codec::H264 => payload::h264(&part),
            _ => payload::vp8(&part),
        },
    }
}

/// Payloads of a subscription by outgoing index, those sent again put into their places.
pub fn repaired(world: &World, sub: Sub) -> std::collections::BTreeMap<u64, Vec<u8>> {
    use rtc::inbound::rtx::{Retransmission, read};
    let client = &world.clients[sub.client];
    let own = client.stream(sub.ssrc);
    let mut payloads: std::collections::BTreeMap<u64, Vec<u8>> = own
        .map(|arrived| (arrived.index, arrived.payload().to_vec()))
        .collect();
    let highest = payloads.keys().next_back().copied().unwrap_or(0);
    for arrived in client.stream(sub.rtx_ssrc) {
        if let Retransmission::Original { index, payload } = read(arrived.payload(), highest) {
            payloads.entry(index).or_insert_with(|| payload.to_vec());
        }
    }
    payloads
}

/// Frames that a receiver could put together: every packet from the first to the last is there.
pub fn assert_whole(payloads: &std::collections::BTreeMap<u64, Vec<u8>>) {
    let indices: Vec<u64> = payloads.keys().copied().collect();
    let gaps: Vec<_> = indices
        .windows(2)
        .filter(|pair| pair[1] != pair[0] + 1)
        .collect();
    assert!(gaps.is_empty(), "missing between {gaps:?}");
}
