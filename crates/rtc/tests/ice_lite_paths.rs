//! A lite agent trusts the paths that checks validate, follows nominations and notices silence.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::pair::{credentials, server_credentials};
use common::stun::{Check, key};
use rtc::ice::{IceEvent, IceLite, Rejected, username_ufrag};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::stun::{Builder, Class, Message, Method, TransactionId};
use wire::time::Time;

const START: Time = Time::from_secs(50);

fn path(port: u16) -> PathId {
    let local = "192.0.2.1".parse().unwrap();
    PathId::udp(0, local, SocketAddr::from(([198, 51, 100, 7], port)))
}

/// An agent with its outbox and an own idea of time.
struct Server {
    ice: IceLite,
    out: Outbox,
    now: Time,
}

impl Server {
    fn new() -> Self {
        let mut ice = IceLite::new(&server_credentials());
        ice.expect_peer(START);
        Self {
            ice,
            out: Outbox::new(),
            now: START,
        }
    }

    fn take(&mut self, port: u16, datagram: &[u8]) -> Result<(), Rejected> {
        self.out.clear();
        self.ice
            .receive(self.now, path(port), datagram, &mut self.out)
    }

    fn check(&mut self, port: u16) {
        let check = Check::of(&server_credentials()).bytes();
        self.take(port, &check).unwrap();
    }

    fn nominate(&mut self, port: u16) {
        let check = Check::nominating(&server_credentials()).bytes();
        self.take(port, &check).unwrap();
    }

    /// Let time pass as a caller does: from timeout to timeout.
    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.ice.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.ice.handle_timeout(due);
            assert_ne!(self.ice.poll_timeout(), Some(due), "a timeout repeats");
        }
        self.now = end;
    }

    fn answer(&self) -> Option<Message<'_>> {
        let (path, bytes) = self.out.datagrams().next()?;
        assert_eq!(self.out.datagrams().count(), 1, "{path:?}");
        Some(Message::parse(bytes).unwrap())
    }

    fn error_code(&self) -> Option<u16> {
        let answer = self.answer()?;
        assert_eq!(answer.class, Class::Error);
        assert_eq!(answer.check_fingerprint(), Some(true));
        answer.error_code().map(|(code, _)| code)
    }

    fn events(&mut self) -> Vec<IceEvent> {
        std::iter::from_fn(|| self.ice.poll_event()).collect()
    }

    fn send_port(&self) -> Option<u16> {
        self.ice.send_path().map(|path| path.remote.port())
    }
}

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
fn an_unknown_ufrag_meets_silence() {
    let mut server = Server::new();
    let stranger = credentials("STRANGER", &server_credentials().pwd);
    let check = Check::of(&stranger).bytes();
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
fn a_peer_that_wants_to_be_controlled_gets_a_487() {
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
fn what_must_be_understood_and_is_not_gets_a_420() {
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
fn a_wrong_fingerprint_is_no_stun_for_us() {
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
fn we_send_where_the_peer_nominates_last() {
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
fn before_a_nomination_we_send_where_dtls_came_from() {
    let mut server = Server::new();
    server.check(1);
    server.check(2);
    server.ice.heard_dtls(path(2));
    assert_eq!(server.send_port(), Some(2));
    server.ice.heard_dtls(path(1));
    assert_eq!(server.send_port(), Some(1));
    server.nominate(2);
    server.ice.heard_dtls(path(1));
    assert_eq!(server.send_port(), Some(2));
}

#[test]
fn the_ninth_path_takes_the_place_of_the_most_silent_one() {
    let mut server = Server::new();
    server.nominate(1);
    for port in 2..=8 {
        server.wait(Duration::from_millis(10));
        server.check(port);
    }
    server.ice.touch(server.now, &path(2));
    server.check(9);
    let accepted: Vec<u16> = (1..=9)
        .filter(|port| server.ice.accepts(&path(*port)))
        .collect();
    // Path 1 is older, and the one we send to.
    assert_eq!(accepted, [1, 2, 4, 5, 6, 7, 8, 9]);
    assert!(server.events().contains(&IceEvent::PathRetired(path(3))));
}

#[test]
fn a_peer_that_never_comes_is_given_up() {
    let mut server = Server::new();
    server.wait(Duration::from_millis(29_999));
    assert_eq!(server.events(), []);
    server.wait(Duration::from_millis(1));
    assert_eq!(server.events(), [IceEvent::Failed("ice_timeout")]);
    assert_eq!(server.ice.poll_timeout(), None);
}

#[test]
fn nobody_is_late_who_was_not_called() {
    let ice = IceLite::new(&server_credentials());
    assert_eq!(ice.poll_timeout(), None);
}

#[test]
fn any_authenticated_packet_keeps_a_path_alive() {
    let mut server = Server::new();
    server.nominate(1);
    for _ in 0..4 {
        server.wait(Duration::from_secs(29));
        server.ice.touch(server.now, &path(1));
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
    server.ice.touch(START + Duration::from_secs(20), &path(1));
    assert_eq!(server.ice.poll_timeout(), due);
}

#[test]
fn when_the_send_path_falls_silent_the_other_one_is_taken() {
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
    server.ice.retire(&path(1));
    assert!(!server.ice.accepts(&path(1)));
    assert_eq!(server.send_port(), None);
    assert!(server.events().contains(&IceEvent::PathRetired(path(1))));
}

#[test]
fn old_credentials_hold_until_the_new_ones_validate_a_path() {
    let mut server = Server::new();
    server.nominate(1);
    let new = credentials("NEWufrag1", "newPASSWORDnewPASSWORDnew");
    server.ice.restart(server.now, &new);
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
