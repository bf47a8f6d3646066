//! A lite transport as DTLS client: it sends its ClientHello to a nominated path only.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::network::Datagram;
use common::pair::{CLIENT, Pair, SERVER, Setup, address, credentials};
use common::pair::{client_credentials, server_credentials};
use common::stun::Check;
use rtc::dtls::{DtlsError, Role};
use rtc::ice::CONSENT_EXPIRY;
use rtc::outbox::Outbox;
use rtc::srtp::Profile;
use rtc::transport::{Received, TransportEvent};
use wire::rtp::{Kind, demux};

const GCM: Profile = Profile::AeadAes128Gcm;
const CM: Profile = Profile::Aes128CmSha1_80;
const UNVALIDATED: &str = "203.0.113.99:6666";

fn passive_peer() -> Setup {
    Setup {
        server_role: Role::Client,
        ..Setup::default()
    }
}

/// Record what the server sends from now on, except STUN.
fn record_sent(pair: &mut Pair) -> Rc<RefCell<Vec<Datagram>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    pair.net.set_filter(move |_, datagram| {
        if datagram.from == address(SERVER) && demux(&datagram.bytes) != Kind::Stun {
            log.borrow_mut().push(datagram.clone());
        }
        true
    });
    seen
}

#[test]
fn the_hello_leaves_with_the_answer_to_the_nomination() {
    let mut pair = Pair::with_descriptions(passive_peer());
    assert!(pair.connect(Duration::from_secs(5)));
    // The check takes a round trip of 20 ms. The nomination takes half of one, and what the server
    // sends along with its answer is its hello, two round trips before its end.
    let expected = |event: &TransportEvent| match event {
        TransportEvent::Connected { profile, dtls, .. } => Some((*profile, *dtls)),
        _ => None,
    };
    let of = |events: &[TransportEvent]| events.iter().find_map(expected);
    let server = of(&pair.server.events);
    assert_eq!(server, Some((GCM, Duration::from_millis(60))));
    assert!(of(&pair.client.events).is_some());
}

#[test]
fn media_keys_are_those_of_the_roles() {
    for profile in Profile::ALL {
        let mut pair = Pair::connected(Setup {
            client_profiles: vec![profile],
            ..passive_peer()
        });
        assert_eq!(pair.server.transport.srtp_profile(), Some(profile));
        let report = [0x80, 201, 0, 1, 0, 0, 0, 5];
        let mut out = Outbox::new();
        pair.server.transport.send_rtcp(&report, &mut out).unwrap();
        pair.net.send_outbox(&[address(SERVER)], &mut out);
        pair.client.transport.send_rtcp(&report, &mut out).unwrap();
        pair.net.send_outbox(&[address(CLIENT)], &mut out);
        pair.run_for(Duration::from_millis(100));
        for peer in [&pair.server, &pair.client] {
            let expected = (Received::Rtcp { len: 8 }, report.to_vec());
            assert_eq!(peer.received, [expected]);
        }
    }
}

#[test]
fn gcm_is_offered_first_and_the_peer_chooses() {
    for (takes, agreed) in [(vec![GCM, CM], GCM), (vec![CM, GCM], CM), (vec![CM], CM)] {
        let pair = Pair::connected(Setup {
            client_profiles: takes,
            ..passive_peer()
        });
        assert_eq!(pair.server.transport.srtp_profile(), Some(agreed));
    }
}

#[test]
fn the_role_may_become_known_after_the_path() {
    let mut pair = Pair::without_descriptions(passive_peer());
    pair.describe_server_to_client();
    pair.run_for(Duration::from_secs(2));
    assert!(!pair.client.transport.is_connected());
    pair.describe_client_to_server();
    assert!(pair.connect(Duration::from_millis(100)));
}

#[test]
fn no_hello_leaves_before_a_path_is_nominated() {
    let mut pair = Pair::without_descriptions(passive_peer());
    pair.describe_client_to_server();
    let sent = record_sent(&mut pair);
    let guess = credentials("SERVERufrag", "guessGUESSguessGUESSguess");
    pair.inject(UNVALIDATED, &Check::nominating(&guess).bytes());
    // A record of anything, as a reflector's victim would not send but an attacker might.
    pair.inject(UNVALIDATED, &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    pair.inject(CLIENT, &Check::of(&server_credentials()).bytes());
    pair.run_for(CONSENT_EXPIRY - Duration::from_secs(1));
    assert_eq!(sent.take(), []);

    pair.inject(CLIENT, &Check::nominating(&server_credentials()).bytes());
    pair.run_for(Duration::from_millis(100));
    let sent = sent.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].to, address(CLIENT));
}

#[test]
fn a_hello_without_response_is_retransmitted_and_times_out() {
    let mut pair = Pair::with_descriptions(passive_peer());
    let hellos = Rc::new(RefCell::new(Vec::new()));
    let log = hellos.clone();
    pair.net.set_filter(move |now, datagram| {
        let is_dtls = demux(&datagram.bytes) == Kind::Dtls;
        if is_dtls {
            log.borrow_mut().push(now);
        }
        !is_dtls
    });
    let failed = TransportEvent::Failed("dtls_timeout");
    let ended = pair.run_until(Duration::from_secs(40), |pair| pair.server.has(&failed));
    assert!(ended, "{:?}", pair.server.events);
    let hellos = hellos.take();
    let waits: Vec<u128> = hellos
        .windows(2)
        .map(|pair| pair[1].since(pair[0]).as_millis())
        .collect();
    assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 12_800]);
    assert_eq!(pair.net.now.since(hellos[0]), Duration::from_secs(30));
}

#[test]
fn another_certificate_than_the_announced_one_is_refused() {
    let mut pair = Pair::without_descriptions(passive_peer());
    pair.describe_server_to_client();
    let mut description = pair.client_description();
    description.fingerprints = vec![pair.server_identity.fingerprint()];
    let transport = &mut pair.server.transport;
    transport.set_dtls_role(Role::Client).unwrap();
    transport.set_remote(pair.net.now, description);
    assert!(!pair.connect(Duration::from_secs(5)));
    let failed = TransportEvent::Failed("fingerprint_mismatch");
    assert!(pair.server.has(&failed), "{:?}", pair.server.events);
    assert!(!pair.server.transport.is_connected());
}

/// Each description leaves the server role to the other side.
#[test]
fn two_clients_time_out() {
    let mut pair = Pair::without_descriptions(Setup::default());
    pair.describe_server_to_client();
    let description = pair.client_description();
    let transport = &mut pair.server.transport;
    transport.set_dtls_role(Role::Client).unwrap();
    transport.set_remote(pair.net.now, description);
    assert!(!pair.connect(Duration::from_secs(40)));
    let failed = TransportEvent::Failed("dtls_timeout");
    assert!(pair.server.has(&failed), "{:?}", pair.server.events);
}

#[test]
fn a_standing_association_keeps_its_roles() {
    for (role, other) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        let mut pair = Pair::connected(Setup {
            server_role: role,
            ..Setup::default()
        });
        let transport = &mut pair.server.transport;
        assert_eq!(transport.set_dtls_role(other), Err(DtlsError::RoleFixed));
        assert_eq!(transport.set_dtls_role(role), Ok(()));
        assert!(transport.is_connected());
    }
}

#[test]
fn an_ice_restart_leaves_dtls_alone() {
    let mut pair = Pair::connected(passive_peer());
    let sent = record_sent(&mut pair);
    let renewed = credentials("SERVERafter", "serverAFTERserverAFTERserver");
    let client = pair.client_description();
    pair.server
        .transport
        .restart_ice(pair.net.now, &renewed, &client);
    let mut server = pair.server_description();
    server.credentials = renewed;
    pair.client
        .transport
        .restart_ice(pair.net.now, &client_credentials(), &server);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(sent.take(), []);
    assert!(pair.server.transport.is_connected());
    assert_eq!(
        pair.server
            .count(|event| matches!(event, TransportEvent::Connected { .. })),
        1
    );
}
