//! Arbitrary bytes of an unauthenticated peer: no parser panics, every iteration ends.

use proptest::prelude::*;
use wire::extension::Elements;
use wire::id::{Mid, Rid, Ssrc};
use wire::rtcp::{Packet, compound, write};
use wire::stun::{Builder, Class, Method, TransactionId};

/// What the fuzzer runs: each target reads all there is in a datagram.
#[path = "../../../fuzz/src/wire.rs"]
mod targets;

/// Bytes that start like RTP or RTCP, so that the version check does not end every case.
fn version_2() -> impl Strategy<Value = Vec<u8>> {
    let first = 0x80_u8..0xc0;
    let second = prop_oneof![any::<u8>(), 200_u8..208];
    let rest = prop::collection::vec(any::<u8>(), 0..300);
    (first, second, rest).prop_map(|(first, second, mut rest)| {
        rest.splice(0..0, [first, second]);
        rest
    })
}

/// RTCP packets whose length field fits, so that their bodies are read.
fn framed_rtcp() -> impl Strategy<Value = Vec<u8>> {
    let packet = (
        0x80_u8..0xc0,
        200_u8..209,
        prop::collection::vec(any::<[u8; 4]>(), 0..40),
    );
    prop::collection::vec(packet, 1..4).prop_map(|packets| {
        let mut datagram = Vec::new();
        for (first, kind, words) in packets {
            datagram.extend([first, kind, 0, words.len() as u8]);
            datagram.extend(words.concat());
        }
        datagram
    })
}

/// STUN messages whose length field and cookie fit.
fn framed_stun() -> impl Strategy<Value = Vec<u8>> {
    let attribute = (
        prop_oneof![any::<u16>(), 0_u16..0x30, 0x8020_u16..0x8030],
        prop::collection::vec(any::<u8>(), 0..40),
    );
    let attributes = prop::collection::vec(attribute, 0..8);
    (any::<u8>(), attributes).prop_map(|(method, attributes)| {
        let mut out = Vec::new();
        let id = TransactionId([7; 12]);
        let method = Method(u16::from(method));
        let builder = Builder::new(&mut out, Class::Request, method, id);
        attributes
            .iter()
            .fold(builder, |builder, (kind, value)| {
                builder.attribute(*kind, value)
            })
            .fingerprint();
        out
    })
}

proptest! {
    #[test]
    fn rtp_parser_takes_anything(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
        targets::rtp(&datagram);
    }

    #[test]
    fn rtp_parser_takes_anything_of_version_2(datagram in version_2()) {
        targets::rtp(&datagram);
    }

    #[test]
    fn element_reader_takes_anything(
        profile in prop_oneof![any::<u16>(), Just(0xbede), 0x1000_u16..0x1010],
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(Elements::new(profile, &data).count() <= data.len());
    }

    #[test]
    fn rtcp_parser_takes_anything(datagram in version_2()) {
        targets::rtcp(&datagram);
    }

    #[test]
    fn rtcp_bodies_take_anything(datagram in framed_rtcp()) {
        targets::rtcp(&datagram);
    }

    #[test]
    fn stun_parser_takes_anything(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
        targets::stun(&datagram);
    }

    #[test]
    fn stun_parser_takes_any_attributes(
        datagram in framed_stun(),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
    ) {
        targets::stun(&datagram);
        targets::stun(&datagram[..cut.index(datagram.len())]);
        let mut broken = datagram.clone();
        broken[flip.index(datagram.len())] ^= 0x55;
        targets::stun(&broken);
    }

    #[test]
    fn any_datagram_is_for_one_parser(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
        targets::demux(&datagram);
    }

    #[test]
    fn names_take_anything(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(rid) = Rid::try_from(&bytes[..]) {
            prop_assert_eq!(rid.as_bytes(), &bytes[..]);
            prop_assert_eq!(rid.as_str().as_bytes(), &bytes[..]);
        }
        if let Ok(mid) = Mid::try_from(&bytes[..]) {
            prop_assert_eq!(mid.as_str().as_bytes(), &bytes[..]);
        }
    }
}

#[test]
fn a_run_of_losses_costs_no_more_than_its_count() {
    // 100 chunks claim 8191 losses each; the status count says 65,535.
    let mut datagram = vec![
        0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0,
    ];
    datagram.extend([0x1f, 0xff].repeat(100));
    datagram[3] = (datagram.len() / 4 - 1) as u8;
    let Some(Ok(Packet::TransportFeedback(feedback))) = compound(&datagram).next() else {
        panic!("no feedback");
    };
    assert_eq!(feedback.packets().count(), 65_535);
}

#[test]
fn a_packet_after_a_bad_one_is_read() {
    let mut datagram = vec![
        0x8f, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0,
    ];
    write::pli(&mut datagram, Ssrc(1), Ssrc(2));
    let kinds: Vec<_> = compound(&datagram).map(|packet| packet.is_ok()).collect();
    assert_eq!(kinds, [false, true]);
}
