//! A lite agent validates paths, follows nominations and expires paths.

mod common;

use std::time::Duration;

use common::lite::{START, Server, path};
use common::pair::{client_credentials, credentials, server_credentials};
use common::stun::{Check, key};
use rtc::ice::{IceEvent, IceLite, Rejected, username_ufrag};
use wire::stun::{Builder, Class, Method, TransactionId};

#[test]
fn a_good_check_validates_its_path_and_is_answered() {
    let mut server = Server::new();
    assert!(!server.ice.accepts(&path(1)));
    server.check(1);
    assert!(server.ice.accepts(&path(1)));
    assert!(!server.ice.accepts(&path(2)));
    assert_eq!(server.events(), [IceEvent::PathValidated(path(1))]);

    let answer = server.answer().unwrap();
    assert_eq!(answer.class, Class::Success);
    assert_eq!(answer.transaction, TransactionId([7; 12]));
    assert_eq!(answer.xor_mapped_address(), Some(path(1).remote));
    assert!(answer.check_integrity(&key(&server_credentials())));
    assert_eq!(answer.check_fingerprint(), Some(true));
}

#[test]
fn an_unknown_ufrag_gets_no_response() {
    let mut server = Server::new();
    let unknown = credentials("unknown", &server_credentials().pwd);
    let check = Check::of(&unknown).bytes();
    assert_eq!(server.take(1, &check), Err(Rejected::UnknownUfrag));
    assert!(server.answer().is_none());
    assert!(!server.ice.accepts(&path(1)));
}

#[test]
fn without_integrity_there_is_a_400_and_no_path() {
    let mut server = Server::new();
    let local = server_credentials();
    let mut check = Check::nominating(&local);
    check.is_signed = false;
    assert_eq!(server.take(1, &check.bytes()), Err(Rejected::NoIntegrity));
    assert_eq!(server.error_code(), Some(400));
    assert!(!server.ice.accepts(&path(1)));
    assert_eq!(server.events(), []);
}

#[test]
fn with_another_password_there_is_a_401_and_no_path() {
    let mut server = Server::new();
    let guess = credentials(&server_credentials().ufrag, "guessGUESSguessGUESSguess");
    let check = Check::nominating(&guess).bytes();
    assert_eq!(server.take(1, &check), Err(Rejected::BadIntegrity));
    assert_eq!(server.error_code(), Some(401));
    let answer = server.answer().unwrap();
    assert!(!answer.check_integrity(&key(&server_credentials())));
    assert!(!server.ice.accepts(&path(1)));
}

#[test]
fn a_peer_in_the_controlled_role_gets_a_487() {
    let mut server = Server::new();
    let local = server_credentials();
    let mut check = Check::nominating(&local);
    check.is_controlled = true;
    assert_eq!(server.take(1, &check.bytes()), Err(Rejected::RoleConflict));
    assert_eq!(server.error_code(), Some(487));
    let answer = server.answer().unwrap();
    assert!(answer.check_integrity(&key(&local)));
    assert!(!server.ice.accepts(&path(1)));
}

#[test]
fn an_unknown_comprehension_required_attribute_gets_a_420() {
    let mut server = Server::new();
    let local = server_credentials();
    let mut check = Check::of(&local);
    check.unknown_attribute = true;
    let refused = server.take(1, &check.bytes());
    assert_eq!(refused, Err(Rejected::UnknownAttribute));
    assert_eq!(server.error_code(), Some(420));
    assert!(server.answer().unwrap().unknown_attributes().eq([0x7007]));
}

#[test]
fn a_wrong_fingerprint_is_dropped() {
    let mut server = Server::new();
    let mut check = Check::of(&server_credentials()).bytes();
    *check.last_mut().unwrap() ^= 1;
    assert_eq!(server.take(1, &check), Err(Rejected::BadFingerprint));
    assert!(server.answer().is_none());
}

#[test]
fn indications_and_responses_do_nothing() {
    let mut server = Server::new();
    for class in [Class::Indication, Class::Success, Class::Error] {
        let mut message = Vec::new();
        Builder::new(&mut message, class, Method::BINDING, TransactionId([1; 12]))
            .username("SERVERufrag:peer")
            .integrity(&key(&server_credentials()))
            .fingerprint();
        assert_eq!(server.take(1, &message), Err(Rejected::Unexpected));
        assert!(server.answer().is_none());
    }
    assert!(!server.ice.accepts(&path(1)));
}

#[test]
fn the_path_nominated_last_is_selected() {
    let mut server = Server::new();
    server.check(1);
    server.check(2);
    assert_eq!(server.send_port(), None);
    server.nominate(1);
    assert_eq!(server.send_port(), Some(1));
    server.nominate(2);
    server.check(1);
    assert_eq!(server.send_port(), Some(2));
    server.nominate(1);
    assert_eq!(server.send_port(), Some(1));
    let selected = |port| IceEvent::PathSelected(path(port));
    let mut events = server.events();
    events.retain(|event| matches!(event, IceEvent::PathSelected(_)));
    assert_eq!(events, [selected(1), selected(2), selected(1)]);
}

#[test]
fn before_a_nomination_the_path_of_dtls_is_selected() {
    let mut server = Server::new();
    server.check(1);
    server.check(2);
    server.ice.received_dtls(server.now, path(2), 200);
    assert_eq!(server.send_port(), Some(2));
    server.ice.received_dtls(server.now, path(1), 200);
    assert_eq!(server.send_port(), Some(1));
    server.nominate(2);
    server.ice.received_dtls(server.now, path(1), 200);
    assert_eq!(server.send_port(), Some(2));
}

#[test]
fn the_ninth_path_replaces_the_least_recent_one() {
    let mut server = Server::new();
    server.nominate(1);
    for port in 2..=8 {
        server.wait(Duration::from_millis(10));
        server.check(port);
    }
    server.ice.touch(server.now, &path(2), 1200);
    server.check(9);
    let accepted: Vec<u16> = (1..=9)
        .filter(|port| server.ice.accepts(&path(*port)))
        .collect();
    // Path 1 is older, and the one we send to.
    assert_eq!(accepted, [1, 2, 4, 5, 6, 7, 8, 9]);
    assert!(server.events().contains(&IceEvent::PathRetired(path(3))));
}

#[test]
fn a_peer_without_checks_times_out() {
    let mut server = Server::new();
    server.wait(Duration::from_millis(29_999));
    assert_eq!(server.events(), []);
    server.wait(Duration::from_millis(1));
    assert_eq!(server.events(), [IceEvent::Failed("ice_timeout")]);
    assert_eq!(server.ice.poll_timeout(), None);
}

#[test]
fn without_remote_parameters_there_is_no_timeout() {
    let ice = IceLite::new(&server_credentials());
    assert_eq!(ice.poll_timeout(), None);
}

#[test]
fn any_authenticated_packet_keeps_a_path_alive() {
    let mut server = Server::new();
    server.nominate(1);
    for _ in 0..4 {
        server.wait(Duration::from_secs(29));
        server.ice.touch(server.now, &path(1), 1200);
    }
    assert!(server.ice.accepts(&path(1)));
    server.wait(Duration::from_secs(30));
    assert!(!server.ice.accepts(&path(1)));
    assert_eq!(server.send_port(), None);
    let end = [
        IceEvent::PathRetired(path(1)),
        IceEvent::Disconnected("consent_expired"),
    ];
    assert!(server.events().ends_with(&end));
}

#[test]
fn packets_do_not_move_the_timer() {
    let mut server = Server::new();
    server.nominate(1);
    let due = server.ice.poll_timeout();
    server
        .ice
        .touch(START + Duration::from_secs(20), &path(1), 1200);
    assert_eq!(server.ice.poll_timeout(), due);
}

#[test]
fn when_the_selected_path_expires_the_other_one_is_selected() {
    let mut server = Server::new();
    server.nominate(1);
    server.check(2);
    server.wait(Duration::from_secs(20));
    server.check(2);
    server.wait(Duration::from_secs(10));
    assert_eq!(server.send_port(), Some(2));
    assert!(!server.ice.accepts(&path(1)));
}

#[test]
fn after_an_outage_a_check_without_nomination_is_enough() {
    let mut server = Server::new();
    server.nominate(1);
    server.wait(Duration::from_secs(40));
    server.check(1);
    assert_eq!(server.send_port(), Some(1));
    assert!(server.ice.accepts(&path(1)));
}

#[test]
fn a_path_that_moved_to_another_transport_is_forgotten() {
    let mut server = Server::new();
    server.nominate(1);
    server.ice.retire(server.now, &path(1));
    assert!(!server.ice.accepts(&path(1)));
    assert_eq!(server.send_port(), None);
    assert!(server.events().contains(&IceEvent::PathRetired(path(1))));
}

/// The remaining time to the last expiry does not count: the 30 s start when the path is retired.
#[test]
fn a_path_that_is_given_up_may_come_back_for_30_s() {
    let mut server = Server::new();
    server.nominate(1);
    server.wait(Duration::from_secs(29));
    server.ice.touch(server.now, &path(1), 1200);
    server.ice.retire(server.now, &path(1));
    server.events();
    server.wait(Duration::from_millis(29_999));
    assert_eq!(server.events(), []);
    server.wait(Duration::from_millis(1));
    assert_eq!(server.events(), [IceEvent::Disconnected("consent_expired")]);
}

#[test]
fn a_path_belongs_to_its_agent_for_10_s_after_the_last_packet() {
    let mut server = Server::new();
    server.nominate(1);
    server.respond_at(1);
    for _ in 0..4 {
        server.wait_with(Duration::from_millis(9_999), |server| server.respond_at(1));
        assert!(server.ice.holds(server.now, &path(1)));
        server.ice.touch(server.now, &path(1), 100);
    }
    assert!(!server.ice.holds(server.now, &path(2)));
    server.wait(Duration::from_secs(10));
    assert!(!server.ice.holds(server.now, &path(1)));
}

/// The source address of checks may be forged: checks alone keep no path from another transport.
#[test]
fn without_address_validation_a_path_is_held_for_10_s_at_most() {
    let mut server = Server::new();
    for _ in 0..9 {
        server.check(1);
        assert!(server.ice.holds(server.now, &path(1)));
        server.wait(Duration::from_secs(1));
    }
    server.wait(Duration::from_secs(1));
    server.check(1);
    assert!(!server.ice.holds(server.now, &path(1)));
}

#[test]
fn old_credentials_hold_until_the_new_ones_validate_a_path() {
    let mut server = Server::new();
    server.nominate(1);
    let new = credentials("NEWufrag1", "newPASSWORDnewPASSWORDnew");
    server.ice.restart(server.now, &new, &client_credentials());
    server.check(1);
    assert_eq!(server.send_port(), Some(1));

    server.take(2, &Check::of(&new).bytes()).unwrap();
    assert_eq!(server.send_port(), Some(1), "nomination decides");
    let old = Check::of(&server_credentials()).bytes();
    assert_eq!(server.take(1, &old), Err(Rejected::UnknownUfrag));
    assert!(server.ice.accepts(&path(1)), "media may still be under way");

    server.take(2, &Check::nominating(&new).bytes()).unwrap();
    assert_eq!(server.send_port(), Some(2));
    server.wait(Duration::from_secs(29));
    server.take(2, &Check::nominating(&new).bytes()).unwrap();
    server.wait(Duration::from_secs(2));
    assert!(!server.ice.accepts(&path(1)));
}

#[test]
fn the_ufrag_of_a_request_is_found_without_secrets() {
    let check = Check::of(&server_credentials()).bytes();
    assert_eq!(username_ufrag(&check), Some("SERVERufrag"));
    assert_eq!(username_ufrag(&check[..20]), None);
    assert_eq!(username_ufrag(b"\x16\xfe\xfd"), None);
}
