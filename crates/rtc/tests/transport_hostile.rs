//! Unauthenticated and malformed datagrams are counted and have no effect.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::network::Datagram;
use common::pair::{CLIENT, Pair, Setup, address, credentials, server_credentials};
use common::stun::Check;
use proptest::prelude::*;
use rtc::dtls::{Certificate, Context};
use rtc::outbox::Outbox;
use rtc::transport::{DropReason, Received, TransportEvent};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::{Kind, NewHeader, demux};

const OTHER_ADDRESS: &str = "203.0.113.99:6666";

/// A connected pair and all that its client sent to get there.
fn connected_with_capture() -> (Pair, Vec<Datagram>) {
    let tape = Rc::new(RefCell::new(Vec::new()));
    let mut pair = Pair::with_descriptions(Setup::default());
    let recorder = tape.clone();
    pair.net.set_filter(move |_, datagram| {
        if datagram.from == address(CLIENT) {
            recorder.borrow_mut().push(datagram.clone());
        }
        true
    });
    assert!(pair.connect(Duration::from_secs(5)));
    pair.net.clear_filter();
    let tape = tape.take();
    (pair, tape)
}

/// What the server sent to [`OTHER_ADDRESS`] since the last call.
fn count_sent(pair: &mut Pair) -> Rc<RefCell<usize>> {
    let answers = Rc::new(RefCell::new(0));
    let count = answers.clone();
    pair.net.set_filter(move |_, datagram| {
        *count.borrow_mut() += usize::from(datagram.to == address(OTHER_ADDRESS));
        true
    });
    answers
}

fn drops(pair: &Pair, reason: DropReason) -> u64 {
    pair.server.transport.drops().of(reason)
}

/// Seal one RTP packet as the client does.
fn media(pair: &mut Pair, ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = NewHeader {
        marker: false,
        payload_type: PayloadType(96),
        sequence,
        timestamp: 0,
        ssrc: Ssrc(ssrc),
        padding: false,
    };
    let mut packet = vec![0x55; 120];
    let header_len = wire::rtp::write(&mut packet, &header, &[]);
    let transport = &mut pair.client.transport;
    let mut stream = transport.seal_stream(Ssrc(ssrc)).unwrap();
    let index = u64::from(sequence);
    let len = transport
        .seal_rtp(&mut stream, index, &mut packet, header_len, 100)
        .unwrap();
    packet.truncate(len);
    packet
}

#[test]
fn an_unknown_ufrag_gets_no_response() {
    let mut pair = Pair::with_descriptions(Setup::default());
    let answers = count_sent(&mut pair);
    let check = Check::nominating(&credentials("unknown", "x".repeat(22).as_str())).bytes();
    pair.inject(OTHER_ADDRESS, &check);
    assert!(pair.connect(Duration::from_secs(5)));
    assert_eq!(drops(&pair, DropReason::StunUnknownUfrag), 1);
    assert_eq!(*answers.borrow(), 0);
}

#[test]
fn stun_without_integrity_changes_nothing() {
    let mut pair = Pair::connected(Setup::default());
    let before = pair.server.transport.send_path();
    let local = server_credentials();
    let mut check = Check::nominating(&local);
    check.is_signed = false;
    pair.inject(OTHER_ADDRESS, &check.bytes());
    let guess = credentials(&local.ufrag, "guessGUESSguessGUESSguess");
    pair.inject(OTHER_ADDRESS, &Check::nominating(&guess).bytes());
    pair.run_for(Duration::from_secs(1));
    assert_eq!(drops(&pair, DropReason::StunNoIntegrity), 1);
    assert_eq!(drops(&pair, DropReason::StunBadIntegrity), 1);
    assert_eq!(pair.server.transport.send_path(), before);
}

#[test]
fn a_check_that_claims_our_role_is_answered_and_counted() {
    let mut pair = Pair::connected(Setup::default());
    let answers = count_sent(&mut pair);
    let local = server_credentials();
    let mut check = Check::of(&local);
    check.is_controlled = true;
    pair.inject(OTHER_ADDRESS, &check.bytes());
    pair.run_for(Duration::from_secs(1));
    assert_eq!(drops(&pair, DropReason::StunRoleConflict), 1);
    assert_eq!(*answers.borrow(), 1);
}

#[test]
fn dtls_from_unvalidated_paths_is_dropped() {
    let mut pair = Pair::with_descriptions(Setup::default());
    let answers = count_sent(&mut pair);
    let (_, tape) = connected_with_capture();
    let handshake = |datagram: &&Datagram| demux(&datagram.bytes) == Kind::Dtls;
    for datagram in tape.iter().filter(handshake) {
        pair.inject(OTHER_ADDRESS, &datagram.bytes);
    }
    pair.run_for(Duration::from_millis(15));
    assert!(drops(&pair, DropReason::DtlsUnvalidatedPath) >= 2);
    assert_eq!(*answers.borrow(), 0);
    assert!(pair.connect(Duration::from_secs(5)));
}

#[test]
fn srtp_from_unvalidated_paths_is_dropped_even_if_authentic() {
    let mut pair = Pair::connected(Setup::default());
    let packet = media(&mut pair, 1, 100);
    pair.inject(OTHER_ADDRESS, &packet);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(drops(&pair, DropReason::SrtpUnvalidatedPath), 1);
    assert!(pair.server.received.is_empty());
    pair.inject(CLIENT, &packet);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received.len(), 1);
}

#[test]
fn replayed_and_altered_media_is_dropped() {
    let mut pair = Pair::connected(Setup::default());
    let packet = media(&mut pair, 1, 100);
    let mut altered = media(&mut pair, 2, 100);
    altered[50] ^= 1;
    for bytes in [&packet, &packet, &altered, &packet[..20].to_vec()] {
        pair.inject(CLIENT, bytes);
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received.len(), 1);
    assert_eq!(drops(&pair, DropReason::SrtpReplayed), 1);
    assert_eq!(drops(&pair, DropReason::SrtpBadTag), 1);
    assert_eq!(drops(&pair, DropReason::SrtpMalformed), 1);
}

#[test]
fn media_before_the_handshake_is_dropped() {
    let mut pair = Pair::with_descriptions(Setup::default());
    pair.net
        .set_filter(|_, datagram| demux(&datagram.bytes) != Kind::Dtls);
    pair.run_for(Duration::from_millis(100));
    pair.net.clear_filter();
    pair.inject(CLIENT, &[0x80; 100]);
    pair.inject(CLIENT, &[&[0x80, 200], &[0; 60][..]].concat());
    assert!(pair.connect(Duration::from_secs(5)));
    assert_eq!(drops(&pair, DropReason::SrtpBeforeKeys), 2);
}

#[test]
fn the_wrong_certificate_fails_both_sides_with_a_reason() {
    let mut pair = Pair::without_descriptions(Setup::default());
    let impostor = Context::new(&Certificate::generate_ecdsa().unwrap()).unwrap();
    let mut announced = pair.client_description();
    announced.fingerprints = vec![impostor.fingerprint()];
    pair.server.transport.set_remote(pair.net.now, announced);
    pair.describe_server_to_client();
    pair.run_for(Duration::from_secs(60));
    let failed = TransportEvent::Failed("fingerprint_mismatch");
    assert!(pair.server.has(&failed), "{:?}", pair.server.events);
    let connected = |event: &TransportEvent| matches!(event, TransportEvent::Connected { .. });
    assert_eq!(pair.server.count(connected), 0);
    assert!(!pair.server.transport.is_connected());
    let over = |event: &TransportEvent| {
        matches!(event, TransportEvent::Failed(_) | TransportEvent::Closed(_))
    };
    assert_eq!(pair.client.count(over), 1, "{:?}", pair.client.events);
}

#[test]
fn a_late_mismatch_sends_an_alert_to_the_peer() {
    let mut pair = Pair::without_descriptions(Setup::default());
    pair.describe_server_to_client();
    pair.run_for(Duration::from_secs(1));
    let impostor = Context::new(&Certificate::generate_ecdsa().unwrap()).unwrap();
    let mut announced = pair.client_description();
    announced.fingerprints = vec![impostor.fingerprint()];
    pair.server.transport.set_remote(pair.net.now, announced);
    pair.run_for(Duration::from_secs(1));
    assert!(
        pair.server
            .has(&TransportEvent::Failed("fingerprint_mismatch"))
    );
    let over = |event: &TransportEvent| {
        matches!(event, TransportEvent::Failed(_) | TransportEvent::Closed(_))
    };
    assert_eq!(pair.client.count(over), 1, "{:?}", pair.client.events);
}

#[test]
fn a_peer_without_description_times_out() {
    let mut pair = Pair::without_descriptions(Setup::default());
    pair.describe_server_to_client();
    pair.run_for(Duration::from_secs(60));
    assert!(pair.server.has(&TransportEvent::Failed("connect_timeout")));
}

#[test]
fn garbage_from_the_peers_own_address_breaks_nothing() {
    let mut pair = Pair::with_descriptions(Setup::default());
    let mut seed = 1_u32;
    for first in 0..=255 {
        let mut garbage = vec![first; 60];
        for byte in &mut garbage[1..] {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (seed >> 24) as u8;
        }
        pair.inject(CLIENT, &garbage);
        pair.run_for(Duration::from_millis(1));
    }
    assert!(pair.connect(Duration::from_secs(10)));
    assert!(drops(&pair, DropReason::UnknownKind) > 80);
    assert!(drops(&pair, DropReason::StunMalformed) > 0);
    let packet = media(&mut pair, 1, 100);
    pair.inject(CLIENT, &packet);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received.len(), 1);
}

#[test]
fn the_whole_handshake_replayed_breaks_nothing() {
    let (mut pair, tape) = connected_with_capture();
    for datagram in &tape {
        pair.inject(CLIENT, &datagram.bytes);
    }
    let packet = media(&mut pair, 1, 100);
    pair.inject(CLIENT, &packet);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received.len(), 1);
    assert!(pair.server.transport.is_connected());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// From a validated path, too: whatever the bytes, no panic and no end of the association.
    #[test]
    fn arbitrary_datagrams_neither_panic_nor_end_it(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..50),
    ) {
        let mut pair = Pair::connected(Setup::default());
        let path = pair.server.path(0, CLIENT);
        let mut out = Outbox::new();
        for mut datagram in datagrams {
            let transport = &mut pair.server.transport;
            let received = transport.receive(pair.net.now, path, &mut datagram, &mut out);
            prop_assert_eq!(received, Received::Nothing);
        }
        prop_assert!(pair.server.transport.is_connected());
        prop_assert_eq!(pair.server.transport.send_path(), Some(path));
    }
}
