//! A connected transport carries RTP and RTCP both ways, and repeats no nonce.

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::network::Endpoint;
use common::pair::{Pair, Peer, Setup};
use rtc::outbox::Outbox;
use rtc::srtp::{Profile, SealError, SealStream};
use rtc::transport::{Received, SendError, TransportEvent};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::NewHeader;

const PAYLOAD: &[u8] = b"what the camera saw";

/// Write and seal a packet in place in the outbox, as the engine does.
fn send(peer: &mut Peer, stream: &mut SealStream, index: u64, out: &mut Outbox) {
    let path = peer.transport.send_path().unwrap();
    let header = NewHeader {
        marker: true,
        payload_type: PayloadType(96),
        sequence: index as u16,
        timestamp: 90_000,
        ssrc: stream.ssrc(),
        padding: false,
    };
    let room = out.reserve(200);
    let header_len = wire::rtp::write(room, &header, &[]);
    let len = header_len + PAYLOAD.len();
    room[header_len..len].copy_from_slice(PAYLOAD);
    let sealed = peer
        .transport
        .seal_rtp(stream, index, room, header_len, len);
    out.commit(path, sealed.unwrap());
}

fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mut report = vec![0x80, 201, 0, 1];
    report.extend_from_slice(&ssrc.to_be_bytes());
    report
}

fn deliver(pair: &mut Pair, out: &mut Outbox) {
    let sockets = pair.server.sockets().to_vec();
    pair.net.send_outbox(&sockets, out);
    pair.run_for(Duration::from_millis(100));
}

#[test]
fn media_goes_both_ways_under_either_profile() {
    for profile in Profile::ALL {
        let mut pair = Pair::connected(Setup {
            client_profiles: vec![profile],
            ..Setup::default()
        });
        let mut out = Outbox::new();
        let mut stream = pair.server.transport.seal_stream(Ssrc(5)).unwrap();
        for index in 65_530..65_545 {
            send(&mut pair.server, &mut stream, index, &mut out);
        }
        assert_eq!(out.runs().len(), 1, "equal packets leave in one run");
        deliver(&mut pair, &mut out);
        let mut stream = pair.client.transport.seal_stream(Ssrc(5)).unwrap();
        send(&mut pair.client, &mut stream, 7, &mut out);
        let sockets = pair.client.sockets().to_vec();
        pair.net.send_outbox(&sockets, &mut out);
        pair.run_for(Duration::from_millis(100));

        let indices = pair.client.received.iter().map(|(received, packet)| {
            assert_eq!(&packet[12..], PAYLOAD);
            match received {
                Received::Rtp { index, .. } => *index,
                other => panic!("{other:?}"),
            }
        });
        assert!(indices.eq(65_530..65_545));
        assert_eq!(pair.server.received.len(), 1);
    }
}

#[test]
fn rtcp_is_cut_to_the_mtu_between_packets() {
    let mut pair = Pair::connected(Setup::default());
    let mut out = Outbox::new();
    let compound: Vec<u8> = (0..300).flat_map(receiver_report).collect();
    pair.server
        .transport
        .send_rtcp(&compound, &mut out)
        .unwrap();
    assert_eq!(out.datagrams().count(), 3);
    assert!(out.datagrams().all(|(_, bytes)| bytes.len() <= 1200));
    deliver(&mut pair, &mut out);
    let received: Vec<u8> = pair
        .client
        .received
        .iter()
        .flat_map(|(received, bytes)| {
            assert_eq!(*received, Received::Rtcp { len: bytes.len() });
            bytes.clone()
        })
        .collect();
    assert_eq!(received, compound);
}

#[test]
fn rtcp_too_short_to_be_any_is_refused() {
    let mut pair = Pair::connected(Setup::default());
    let mut out = Outbox::new();
    let sent = pair
        .server
        .transport
        .send_rtcp(&[0x80, 201, 0, 0], &mut out);
    assert_eq!(sent, Err(SendError::Seal(SealError::Size)));
    assert!(out.is_empty());
}

#[test]
fn nothing_is_sealed_before_the_peer_is_verified() {
    let mut pair = Pair::with_descriptions(Setup::default());
    let mut out = Outbox::new();
    let transport = &mut pair.server.transport;
    let refused = Err(SendError::NotConnected);
    assert_eq!(transport.send_rtcp(&receiver_report(1), &mut out), refused);
    assert_eq!(transport.seal_stream(Ssrc(1)).err(), refused.err());
    assert!(out.is_empty());
}

#[test]
fn without_a_path_rtcp_is_refused() {
    let mut pair = Pair::connected(Setup::default());
    pair.net.set_filter(|_, _| false);
    pair.run_for(Duration::from_secs(40));
    let mut out = Outbox::new();
    let sent = pair
        .server
        .transport
        .send_rtcp(&receiver_report(1), &mut out);
    assert_eq!(sent, Err(SendError::NoPath));
}

/// A subscriber that comes and goes 10,000 times, with SSRCs that wrap around and are tried again.
#[test]
fn ten_thousand_subscriptions_never_repeat_a_nonce() {
    let mut pair = Pair::connected(Setup::default());
    let mut used = HashSet::new();
    let mut refused = 0;
    for cycle in 0..10_000_u32 {
        let mut out = Outbox::new();
        let ssrc = Ssrc(cycle % 9_000);
        let mut stream = match pair.server.transport.seal_stream(ssrc) {
            Ok(stream) => stream,
            Err(error) => {
                assert!(matches!(error, SendError::SsrcReused(_)));
                refused += 1;
                continue;
            }
        };
        let first = u64::from(cycle % 100);
        for index in [first, first + 1, first, first + 2] {
            let is_new = used.insert((ssrc, index));
            let room = out.reserve(200);
            let header = NewHeader {
                marker: false,
                payload_type: PayloadType(96),
                sequence: index as u16,
                timestamp: 0,
                ssrc,
                padding: false,
            };
            let header_len = wire::rtp::write(room, &header, &[]);
            let transport = &mut pair.server.transport;
            let sealed = transport.seal_rtp(&mut stream, index, room, header_len, 50);
            assert_eq!(sealed.is_ok(), is_new, "{ssrc} {index}");
        }
    }
    assert_eq!((used.len(), refused), (27_000, 1_000));
}

#[test]
fn close_notify_closes_the_other_side() {
    let mut pair = Pair::connected(Setup::default());
    let mut out = Outbox::new();
    pair.server.transport.close(pair.net.now, &mut out);
    deliver(&mut pair, &mut out);
    let closed = TransportEvent::Closed("closed_by_peer");
    assert!(pair.client.has(&closed), "{:?}", pair.client.events);
    assert!(!pair.server.transport.is_connected());
    assert!(!pair.client.transport.is_connected());
    assert_eq!(pair.server.transport.poll_timeout(), None);
    assert_eq!(pair.client.transport.poll_timeout(), None);
}
