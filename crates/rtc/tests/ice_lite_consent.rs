//! A lite agent validates addresses and consent: media is sent only while the peer responds.

mod common;

use std::time::Duration;

use common::lite::{Server, path};
use common::pair::{client_credentials, credentials, server_credentials};
use common::stun::{Check, key};
use rtc::ice::{IceEvent, IceLite, Rejected};
use rtc::outbox::Outbox;
use wire::stun::Message;

const EXPIRED: IceEvent = IceEvent::Disconnected("consent_expired");

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A server whose peer finished the handshake at port 1.
fn established() -> Server {
    let mut server = Server::new();
    server.nominate(1);
    server.ice.dtls_connected(server.now, Some(path(1)));
    server
}

/// One whose peer answered a check since.
fn answering() -> Server {
    let mut server = established();
    server.wait(Duration::from_millis(500));
    server.respond_at(1);
    server
}

#[test]
fn a_new_path_is_checked_at_once_in_the_controlled_role() {
    let mut server = Server::new();
    server.check(1);
    let sent = server.last_check(1);
    let check = Message::parse(&sent.bytes).unwrap();
    assert_eq!(check.username(), Some("CLIENTufrag:SERVERufrag"));
    assert!(check.ice_controlled().is_some() && check.ice_controlling().is_none());
    assert!(check.priority().is_some() && !check.use_candidate());
    assert!(check.check_integrity(&key(&client_credentials())));
    assert_eq!(check.check_fingerprint(), Some(true));
    assert_eq!(server.checks.len(), 1);
}

#[test]
fn before_the_remote_credentials_are_set_no_check_is_sent() {
    let (mut ice, mut out) = (IceLite::new(&server_credentials()), Outbox::new());
    let mut server = Server::new();
    let check = Check::nominating(&server_credentials()).bytes();
    ice.receive(server.now, path(1), &check, &mut out).unwrap();
    assert_eq!(out.datagrams().count(), 1, "the answer");
    server.ice = ice;
    server.wait(s(3));
    assert_eq!(server.checks.len(), 0);
    server.ice.set_remote(server.now, &client_credentials());
    server.wait(Duration::ZERO);
    assert_eq!(server.last_check(1).at, server.now);
}

#[test]
fn transaction_ids_are_unpredictable() {
    let ids = [Server::new(), Server::new()].map(|mut server| {
        server.check(1);
        server.check(2);
        let sent = [1, 2].map(|port| server.last_check(port).transaction());
        assert_ne!(sent[0], sent[1]);
        sent
    });
    // The same credentials at the same time: the ids differ all the same.
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn media_moves_once_the_new_address_has_responded() {
    let mut server = answering();
    server.nominate(2);
    assert_eq!(server.send_port(), Some(1));
    server.respond_at(2);
    assert_eq!(server.send_port(), Some(2));
    assert_eq!(
        server.events(),
        [
            IceEvent::PathValidated(path(1)),
            IceEvent::PathSelected(path(1)),
            IceEvent::PathValidated(path(2)),
            IceEvent::PathSelected(path(2)),
        ]
    );
}

#[test]
fn a_validated_address_is_selected_at_once() {
    let mut server = answering();
    server.check(2);
    server.respond_at(2);
    assert_eq!(server.send_port(), Some(1));
    server.nominate(2);
    assert_eq!(server.send_port(), Some(2));
}

#[test]
fn a_response_older_than_30_s_validates_nothing() {
    let mut server = answering();
    server.check(2);
    server.respond_at(2);
    server.wait_with(s(30), |server| server.respond_at(1));
    server.nominate(2);
    assert_eq!(server.send_port(), Some(1));
    server.respond_at(2);
    assert_eq!(server.send_port(), Some(2));
}

#[test]
fn only_the_response_to_a_check_moves_media() {
    let mut server = answering();
    server.nominate(2);
    let asked = server.last_check(2);
    // From elsewhere, as where the owner of a session listens.
    server.check(3);
    assert_eq!(server.take(3, &asked.answered()), Err(Rejected::Asymmetric));
    // With the password that protects the other direction.
    let ours = asked.answered_by(&server_credentials().pwd);
    assert_eq!(server.take(2, &ours), Err(Rejected::BadIntegrity));
    // To a check that went elsewhere, or nowhere.
    let other = server.last_check(3).answered();
    assert_eq!(server.take(2, &other), Err(Rejected::Asymmetric));
    let mut invented = asked.clone();
    invented.bytes[8] ^= 1;
    let bytes = invented.answered();
    assert_eq!(server.take(2, &bytes), Err(Rejected::Unexpected));
    // Traffic and further nominations prove that the peer has the keys, not where it is.
    for _ in 0..100 {
        server.ice.touch(server.now, &path(2), 1200);
        server.nominate(2);
    }
    assert_eq!(server.send_port(), Some(1));
}

#[test]
fn a_peer_that_stays_after_all_is_not_moved_by_a_late_answer() {
    let mut server = answering();
    server.nominate(2);
    server.nominate(1);
    server.respond_at(2);
    assert_eq!(server.send_port(), Some(1));
}

#[test]
fn a_lost_check_of_the_nominated_path_is_repeated() {
    let mut server = answering();
    server.nominate(2);
    let first = server.last_check(2).at;
    server.wait_with(s(4), |server| {
        server.respond_at(1);
        // What the peer sends allows for more of ours.
        server.check(2);
    });
    let sent = server.checks.iter().filter(|check| check.port == 2);
    let after: Vec<u128> = sent
        .map(|check| check.at.since(first).as_millis())
        .collect();
    assert_eq!(after, [0, 500, 1500, 3500]);
    server.respond_at(2);
    assert_eq!(server.send_port(), Some(2));
}

#[test]
fn consent_checks_are_sent_about_every_five_seconds() {
    let mut server = answering();
    server.wait_with(s(300), |server| server.respond_at(1));
    // The first two belong to the handshake.
    let times: Vec<_> = server.checks[1..].iter().map(|check| check.at).collect();
    let gaps: Vec<_> = times.windows(2).map(|two| two[1].since(two[0])).collect();
    assert!(
        gaps.iter().all(|gap| (s(4)..=s(6)).contains(gap)),
        "{gaps:?}"
    );
    assert!((50..=75).contains(&gaps.len()), "{}", gaps.len());
    assert!(gaps.iter().any(|gap| *gap != gaps[0]), "not all the same");
    assert_eq!(server.send_port(), Some(1));
}

/// RFC 7675 section 5.1; packets with the peer's keys may be sent by others under its address.
#[test]
fn without_a_response_for_30_s_sending_ends_whatever_arrives() {
    let mut server = answering();
    let answered = server.last_check(1).at;
    server.events();
    for _ in 0..40 {
        server.wait(s(1));
        server.ice.touch(server.now, &path(1), 1200);
        let is_over = server.now.since(answered) >= s(30);
        assert_eq!(server.send_port(), (!is_over).then_some(1));
    }
    assert_eq!(server.events(), [IceEvent::PathRetired(path(1)), EXPIRED]);
}

#[test]
fn after_expired_consent_a_response_is_needed_to_resume() {
    let mut server = answering();
    server.wait(s(31));
    assert_eq!(server.send_port(), None);
    server.nominate(1);
    server.ice.received_dtls(server.now, path(1), 200);
    assert_eq!(server.send_port(), None);
    server.events();
    server.respond_at(1);
    assert_eq!(server.send_port(), Some(1));
    assert_eq!(server.events(), [IceEvent::PathSelected(path(1))]);
}

#[test]
fn a_replayed_response_renews_nothing() {
    let mut server = answering();
    let old = server.last_check(1);
    for _ in 0..3 {
        server.wait(s(9));
        server.take(1, &old.answered()).unwrap();
    }
    assert_eq!(server.send_port(), Some(1));
    server.wait(s(3));
    let _ = server.take(1, &old.answered());
    assert_eq!(server.send_port(), None);
}

/// The peer is back: what it did not answer meanwhile need not wait for its turn.
#[test]
fn a_check_of_the_peer_brings_an_overdue_one_of_ours_forward() {
    let mut server = answering();
    server.wait(s(7));
    let missed = server.last_check(1).at;
    server.nominate(1);
    assert!(missed < server.now);
    assert_eq!(server.last_check(1).at, server.now);
    server.respond_at(1);
    let count = server.checks.len();
    server.wait(s(1));
    server.nominate(1);
    assert_eq!(server.checks.len(), count, "nothing is overdue");
}

#[test]
fn where_consent_expires_another_validated_address_is_selected() {
    let mut server = answering();
    server.check(2);
    for _ in 0..4 {
        server.wait(s(7));
        server.check(2);
        server.nominate(1);
    }
    server.check(2);
    let again = server.last_check(2);
    assert!(server.take(2, &again.answered()).is_ok());
    server.wait(s(3));
    // That response is too old by now: the address is checked again, and responds.
    server.respond_at(2);
    assert_eq!(server.send_port(), Some(2));
}

#[test]
fn a_peer_that_ignores_checks_keeps_its_first_address() {
    let mut server = established();
    for _ in 0..120 {
        server.wait(s(1));
        server.ice.touch(server.now, &path(1), 1200);
    }
    assert_eq!(server.send_port(), Some(1));
    assert!(server.ice.may_send(1_000_000));
    assert_eq!(server.checks.len(), 7, "and is left alone after a while");
    server.nominate(2);
    assert_eq!(server.send_port(), Some(1));
    server.wait(s(30));
    assert_eq!(server.send_port(), None);
}

/// FFmpeg answers until the handshake is done, and then sends media only.
#[test]
fn a_peer_that_responds_during_the_handshake_only_keeps_its_first_address() {
    let mut server = Server::new();
    server.nominate(1);
    server.respond_at(1);
    server.wait(s(1));
    server.ice.dtls_connected(server.now, Some(path(1)));
    for _ in 0..300 {
        server.wait(s(1));
        server.ice.touch(server.now, &path(1), 1200);
    }
    assert_eq!(server.send_port(), Some(1));
    assert!(server.ice.may_send(1_000_000));
    assert!(server.checks.len() < 20, "and is left alone after a while");
    // That check was sent too long ago.
    server.respond_at(1);
    server.wait(s(1));
    assert_eq!(server.send_port(), Some(1));
}

/// The first address has expired and the peer never responds: the amplification limit of the other
/// address is three times the bytes received.
#[test]
fn the_amplification_limit_applies_to_another_address_of_such_a_peer() {
    let mut server = established();
    server.wait(s(20));
    let check = Check::nominating(&server_credentials()).bytes();
    server.nominate(2);
    server.wait(s(10));
    assert_eq!(server.send_port(), Some(2));
    server.ice.touch(server.now, &path(2), 1000);
    let allowed = 3 * (check.len() + 1000) - server.sent_bytes[&2];
    assert!(server.ice.may_send(allowed - 100));
    assert!(!server.ice.may_send(101));
    assert!(server.ice.may_send(100));
    assert!(!server.ice.may_send(1));
    server.ice.touch(server.now, &path(2), 1);
    assert!(server.ice.may_send(3));
    assert!(!server.ice.may_send(1));
}

#[test]
fn the_amplification_limit_applies_before_the_handshake() {
    let mut server = Server::new();
    let check = Check::nominating(&server_credentials()).bytes();
    server.nominate(1);
    server.wait(s(29));
    let spent = server.sent_bytes[&1];
    assert!(spent <= 3 * check.len(), "{spent} for {}", check.len());
    assert!(server.ice.may_send(3 * check.len() - spent));
    assert!(!server.ice.may_send(1));
    server.check(1);
    server.respond_at(1);
    assert!(server.ice.may_send(1_000_000));
}

#[test]
fn a_handshake_over_two_addresses_validates_neither() {
    let mut server = Server::new();
    server.nominate(1);
    server.nominate(2);
    server.ice.dtls_connected(server.now, None);
    assert!(!server.ice.may_send(10_000));
    server.respond_at(2);
    assert!(server.ice.may_send(10_000));
}

#[test]
fn after_a_restart_the_new_path_is_checked_with_the_new_credentials() {
    let mut server = answering();
    let ours = credentials("NEWufrag1", "newPASSWORDnewPASSWORDnew");
    let theirs = credentials("NEWpeer01", "peerPASSWORDpeerPASSWORD");
    server.ice.restart(server.now, &ours, &theirs);
    // Until the peer uses the new credentials, checks use the old ones.
    server.wait(s(7));
    server.respond_at(1);
    let check = Check::nominating(&ours).bytes();
    server.take(2, &check).unwrap();
    let sent = server.last_check(2);
    let message = Message::parse(&sent.bytes).unwrap();
    assert_eq!(message.username(), Some("NEWpeer01:NEWufrag1"));
    assert_eq!(
        server.take(2, &sent.answered()),
        Err(Rejected::BadIntegrity)
    );
    server.take(2, &sent.answered_by(&theirs.pwd)).unwrap();
    assert_eq!(server.send_port(), Some(2));
}
