//! A bot and a server connect over bad networks: ICE checks, DTLS handshake, negotiation.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::link::Conditions;
use common::pair::{CLIENT, Pair, SERVER, Setup, address};
use rtc::dtls::{Certificate, Role};
use rtc::srtp::Profile;
use rtc::transport::TransportEvent;
use wire::rtp::{Kind, demux};

fn bad(loss: f64, duplication: f64, jitter_ms: u64) -> Conditions {
    Conditions {
        loss,
        duplication,
        jitter: Duration::from_millis(jitter_ms),
        ..Conditions::default()
    }
}

/// The server's half of DTLS: a peer chooses it by `a=setup`.
const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn connects(seed: u64, conditions: Conditions) -> [Pair; 2] {
    ROLES.map(|server_role| {
        let mut pair = Pair::with_descriptions(Setup {
            seed,
            conditions,
            server_role,
            ..Setup::default()
        });
        let connected = pair.connect(Duration::from_secs(30));
        assert!(connected, "seed {seed}, {conditions:?}, {server_role:?}");
        pair
    })
}

#[test]
fn a_clean_network_needs_three_round_trips() {
    let [pair, _] = connects(1, bad(0.0, 0.0, 0));
    let profile = Profile::AeadAes128Gcm;
    // One round trip of 20 ms for the check, two for the handshake.
    let expected = |dtls_ms| TransportEvent::Connected {
        profile,
        ice: Duration::from_millis(20),
        dtls: Duration::from_millis(dtls_ms),
    };
    assert!(pair.client.has(&expected(40)), "{:?}", pair.client.events);
    assert!(
        pair.server
            .count(|event| matches!(event, TransportEvent::Connected { .. }))
            == 1
    );
}

#[test]
fn ten_per_cent_of_loss_only_delays() {
    for seed in 0..20 {
        connects(seed, bad(0.1, 0.0, 0));
    }
}

#[test]
fn thirty_per_cent_of_loss_only_delays() {
    for seed in 0..20 {
        connects(seed, bad(0.3, 0.0, 0));
    }
}

#[test]
fn reordered_and_repeated_datagrams_do_no_harm() {
    for seed in 0..20 {
        connects(seed, bad(0.0, 0.5, 60));
        connects(seed, bad(0.1, 0.3, 60));
    }
}

/// Count DTLS flights: what one side sends in one instant.
#[test]
fn every_handshake_flight_may_be_lost_once() {
    for server_role in ROLES {
        lose_every_flight(server_role);
    }
}

fn lose_every_flight(server_role: Role) {
    let mut lost = 0;
    loop {
        let mut pair = Pair::with_descriptions(Setup {
            server_role,
            ..Setup::default()
        });
        let (mut flights, mut last) = (0, None);
        let seen = Rc::new(Cell::new(0));
        let report = seen.clone();
        pair.net.set_filter(move |now, datagram| {
            if demux(&datagram.bytes) != Kind::Dtls {
                return true;
            }
            if last != Some((now, datagram.from)) {
                last = Some((now, datagram.from));
                flights += 1;
                report.set(flights);
            }
            flights - 1 != lost
        });
        assert!(pair.connect(Duration::from_secs(10)), "lost flight {lost}");
        if seen.get() <= lost {
            break;
        }
        lost += 1;
    }
    assert!(lost >= 4, "{lost} flights");
}

#[test]
fn every_single_datagram_may_be_lost_once() {
    for (lost, server_role) in (0..14).flat_map(|lost| ROLES.map(|role| (lost, role))) {
        let mut pair = Pair::with_descriptions(Setup {
            server_role,
            ..Setup::default()
        });
        let mut sent = 0;
        pair.net.set_filter(move |_, _| {
            sent += 1;
            sent - 1 != lost
        });
        assert!(
            pair.connect(Duration::from_secs(10)),
            "lost datagram {lost}, {server_role:?}"
        );
    }
}

#[test]
fn a_hello_may_come_before_the_nomination() {
    let mut pair = Pair::with_descriptions(Setup::default());
    let mut checks = 0;
    // The second check nominates: lose it and all that repeat it.
    pair.net.set_filter(move |_, datagram| {
        let is_check = demux(&datagram.bytes) == Kind::Stun && datagram.bytes[0] == 0;
        checks += i32::from(is_check);
        !is_check || checks <= 1
    });
    assert!(pair.connect(Duration::from_secs(5)));
}

/// Some peers offer key shares that no longer fit a datagram, and datagrams overtake each other.
#[test]
fn a_hello_may_take_several_datagrams_in_any_order() {
    for piece_len in [80, 40] {
        for reversed in [false, true] {
            let mut pair = Pair::with_descriptions(Setup::default());
            let mut pieces = fragments(&held_back_hello(&mut pair), piece_len);
            assert!(pieces.len() >= 2);
            if reversed {
                pieces.reverse();
            }
            let before = pair.net.now;
            for piece in pieces {
                pair.net.send(address(CLIENT), address(SERVER), &piece);
            }
            assert!(pair.connect(Duration::from_secs(5)));
            // The hello, the server's flight and the client's last: no timer helped.
            let took = pair.net.now.since(before);
            assert_eq!(took, Duration::from_millis(40), "{piece_len}, {reversed}");
        }
    }
}

/// A fragment that comes first and whose fellow is lost is not lost with it.
#[test]
fn a_hello_in_two_datagrams_may_lose_either_one() {
    for lost in 0..2 {
        for reversed in [false, true] {
            let mut pair = Pair::with_descriptions(Setup::default());
            let mut pieces = fragments(&held_back_hello(&mut pair), 80);
            assert_eq!(pieces.len(), 2);
            if reversed {
                pieces.reverse();
            }
            for round in 0..2 {
                for (index, piece) in pieces.iter().enumerate() {
                    if round > 0 || index != lost {
                        pair.net.send(address(CLIENT), address(SERVER), piece);
                    }
                }
            }
            assert!(pair.connect(Duration::from_secs(5)), "{lost}, {reversed}");
        }
    }
}

/// Connect ICE and return the client's first hello, which is not delivered; the network drops every
/// hello in one piece.
fn held_back_hello(pair: &mut Pair) -> Vec<u8> {
    let hello = Rc::new(RefCell::new(Vec::new()));
    let kept = hello.clone();
    pair.net.set_filter(move |_, datagram| {
        let is_hello = is_client_hello(&datagram.bytes);
        if is_hello {
            *kept.borrow_mut() = datagram.bytes.clone();
        }
        !is_hello
    });
    pair.run_for(Duration::from_millis(100));
    hello.take()
}

#[test]
fn flights_keep_to_the_mtu() {
    let mtu = 300;
    let mut pair = Pair::with_descriptions(Setup {
        mtu,
        ..Setup::default()
    });
    pair.net
        .set_filter(move |_, datagram| datagram.bytes.len() <= mtu);
    assert!(pair.connect(Duration::from_secs(5)));
}

const RECORD_HEADER_LEN: usize = 13;
const MESSAGE_HEADER_LEN: usize = 12;

/// Return whether a datagram is a ClientHello in one piece: its fragment is the whole message.
fn is_client_hello(datagram: &[u8]) -> bool {
    demux(datagram) == Kind::Dtls
        && datagram[0] == 22
        && datagram[RECORD_HEADER_LEN] == 1
        && datagram[14..17] == datagram[22..25]
}

/// Cut the one handshake message of a datagram (RFC 6347 section 4.2.3) into pieces of `len` bytes.
fn fragments(datagram: &[u8], len: usize) -> Vec<Vec<u8>> {
    let (record, rest) = datagram.split_at(RECORD_HEADER_LEN);
    let (message, body) = rest.split_at(MESSAGE_HEADER_LEN);
    let cut = |(index, part): (usize, &[u8])| {
        let mut fragment = [record, message, part].concat();
        // A record number of its own, out of the way of those that follow.
        fragment[10] += 20 * u8::from(index > 0) + index as u8;
        fragment[11..13].copy_from_slice(&(12 + part.len() as u16).to_be_bytes());
        fragment[19..22].copy_from_slice(&((len * index) as u32).to_be_bytes()[1..]);
        fragment[22..25].copy_from_slice(&(part.len() as u32).to_be_bytes()[1..]);
        fragment
    };
    body.chunks(len).enumerate().map(cut).collect()
}

#[test]
fn the_peers_description_may_come_after_its_handshake() {
    let mut pair = Pair::without_descriptions(Setup::default());
    pair.describe_server_to_client();
    pair.run_for(Duration::from_secs(2));
    assert!(pair.client.transport.is_connected());
    assert!(!pair.server.transport.is_connected());
    pair.describe_client_to_server();
    assert!(pair.connect(Duration::from_millis(1)));
}

#[test]
fn a_peer_without_gcm_gets_the_other_profile() {
    let pair = Pair::connected(Setup {
        client_profiles: vec![Profile::Aes128CmSha1_80],
        ..Setup::default()
    });
    let agreed = Some(Profile::Aes128CmSha1_80);
    assert_eq!(pair.server.transport.srtp_profile(), agreed);
    assert_eq!(pair.client.transport.srtp_profile(), agreed);
}

#[test]
fn the_server_prefers_gcm_whatever_the_peer_prefers() {
    let pair = Pair::connected(Setup {
        client_profiles: vec![Profile::Aes128CmSha1_80, Profile::AeadAes128Gcm],
        ..Setup::default()
    });
    let agreed = Some(Profile::AeadAes128Gcm);
    assert_eq!(pair.server.transport.srtp_profile(), agreed);
}

#[test]
fn a_peer_may_show_an_rsa_certificate() {
    Pair::connected(Setup {
        client_certificate: Certificate::generate_rsa().unwrap(),
        ..Setup::default()
    });
}
