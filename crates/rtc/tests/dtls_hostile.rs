//! Forged and replayed datagrams do not end an association.

#[path = "support/dtls_pair.rs"]
mod dtls_pair;

use core::time::Duration;
use dtls_pair::{End, MTU, Pair, ecdsa};
use rtc::dtls::{DtlsError, DtlsEvent, Role};
use rtc::srtp::Profile;

const CLIENT_VERSION_AT: usize = 13 + 12;

fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
    let header = [
        kind,
        0xfe,
        0xfd,
        0,
        epoch,
        0,
        0,
        0,
        0,
        1,
        0,
        0,
        body.len() as u8,
    ];
    [&header, body].concat()
}

fn garbage() -> Vec<Vec<u8>> {
    let mut datagrams = vec![
        vec![],
        vec![22],
        vec![22; 13],
        vec![0xff; 1500],
        record(20, 0, &[1]),
        record(20, 0, &[2]),
        record(20, 0, &[1, 1]),
        record(21, 0, &[1, 0]),
        record(21, 0, &[2, 40]),
        record(21, 0, &[2, 0]),
        record(21, 0, &[1, 90]),
        record(21, 0, &[2]),
        record(23, 0, b"data"),
        record(24, 0, &[1, 0xff, 0xff]),
        record(22, 0, &[]),
        record(22, 0, &[9; 12]),
        record(21, 1, &[0; 40]),
        record(22, 1, &[0; 40]),
        record(23, 1, &[0; 40]),
        record(99, 0, &[0; 20]),
    ];
    // The highest record number there is.
    let mut last = record(20, 0, &[1]);
    last[5..11].copy_from_slice(&[0xff; 6]);
    datagrams.push(last);
    // Every type of handshake message, empty, in many places of the order.
    for kind in 0..=30 {
        for sequence in [0, 1, 2, 6, 7, 200] {
            // An empty message of a type that has its turn is no garbage but a broken handshake.
            if ![1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 22].contains(&kind) {
                datagrams.push(record(
                    22,
                    0,
                    &[kind, 0, 0, 0, 0, sequence, 0, 0, 0, 0, 0, 0],
                ));
            }
        }
    }
    datagrams
}

fn deliver_all(pair: &mut Pair, datagrams: &[Vec<u8>]) {
    for datagram in datagrams {
        pair.deliver(Role::Client, datagram);
        pair.deliver(Role::Server, datagram);
    }
}

fn assert_alive(pair: &mut Pair) {
    let now = pair.now;
    pair.client.dtls.send(now, b"question").unwrap();
    pair.run();
    assert_eq!(
        pair.server.events.last(),
        Some(&DtlsEvent::ApplicationData(b"question".to_vec()))
    );
}

#[test]
fn garbage_before_during_and_after_the_handshake_is_dropped() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    deliver_all(&mut pair, &garbage());
    pair.run_over(|pair, flight| {
        deliver_all(pair, &garbage());
        flight.datagrams
    });
    assert!(pair.is_connected());
    assert_eq!(pair.flights, 4);
    deliver_all(&mut pair, &garbage());
    assert_alive(&mut pair);
}

#[test]
fn truncated_datagrams_are_dropped_at_every_length() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    pair.run_over(|pair, flight| {
        let to = match flight.from {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        for datagram in &flight.datagrams {
            // A datagram of several records may lose whole ones; that is loss, tested elsewhere.
            for len in 0..13.min(datagram.len()) {
                pair.deliver(to, &datagram[..len]);
            }
            pair.deliver(to, &datagram[..datagram.len() - 1]);
        }
        flight.datagrams
    });
    assert!(pair.is_connected());
}

#[test]
fn replayed_and_reflected_datagrams_change_nothing() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    let mut seen: Vec<Vec<u8>> = Vec::new();
    pair.run_over(|pair, flight| {
        deliver_all(pair, &seen);
        seen.extend(flight.datagrams.iter().cloned());
        [flight.datagrams.clone(), flight.datagrams].concat()
    });
    assert!(pair.is_connected());
    let now = pair.now;
    pair.client.dtls.send(now, b"once").unwrap();
    let message = pair.client.sent();
    for _ in 0..3 {
        deliver_all(&mut pair, &message);
        deliver_all(&mut pair, &seen);
    }
    let heard = DtlsEvent::ApplicationData(b"once".to_vec());
    let times = pair.server.events.iter().filter(|&event| *event == heard);
    assert_eq!(times.count(), 1);
    assert_alive(&mut pair);
}

#[test]
fn a_changed_bit_in_a_protected_datagram_drops_it() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    pair.run();
    let now = pair.now;
    pair.client.dtls.send(now, b"message").unwrap();
    let message = pair.client.sent().remove(0);
    let before = pair.server.events.len();
    for bit in 0..message.len() * 8 {
        let mut changed = message.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        pair.deliver(Role::Server, &changed);
    }
    assert_eq!(pair.server.events.len(), before);
    pair.deliver(Role::Server, &message);
    assert_eq!(pair.server.events.len(), before + 1);
}

/// A ClientHello for a version that no endpoint supports any more.
fn bad_hello() -> Vec<u8> {
    let mut client = End::new(ecdsa(), Role::Client, &Profile::ALL, MTU);
    client.dtls.handle_timeout(wire::time::Time::ZERO);
    let mut hello = client.sent().remove(0);
    hello[CLIENT_VERSION_AT + 1] = 0xff;
    hello
}

#[test]
fn a_bad_hello_before_the_valid_one_is_discarded() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    for _ in 0..3 {
        pair.deliver(Role::Server, &bad_hello());
        assert!(
            pair.server.sent().is_empty(),
            "no alert for a peer that is not to blame"
        );
    }
    pair.run();
    assert!(pair.is_connected());
}

#[test]
fn a_peer_with_only_bad_hellos_times_out_with_the_reason() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    pair.deliver(Role::Server, &bad_hello());
    let due = pair.server.dtls.poll_timeout().unwrap();
    assert_eq!(due.since(pair.now), Duration::from_secs(30));
    pair.server.dtls.handle_timeout(due);
    let event = pair.server.dtls.poll_event();
    assert_eq!(
        event,
        Some(DtlsEvent::Failed(DtlsError::Timeout(Some(
            "UNSUPPORTED_PROTOCOL".to_owned()
        ))))
    );
}

#[test]
fn the_hello_of_another_peer_does_not_replace_the_handshake() {
    let mut other = Pair::new(ecdsa(), ecdsa());
    let now = other.now;
    other.client.dtls.handle_timeout(now);
    let foreign = other.client.sent();

    // Before the peer's own.
    let mut pair = Pair::new(ecdsa(), ecdsa());
    deliver_all(&mut pair, &foreign);
    pair.server.sent();
    pair.run();
    assert!(pair.is_connected());

    // After the peer went on.
    let mut pair = Pair::new(ecdsa(), ecdsa());
    pair.run_over(|pair, flight| {
        if flight.number == 3 {
            deliver_all(pair, &foreign);
        }
        flight.datagrams
    });
    assert!(pair.is_connected());
    deliver_all(&mut pair, &foreign);
    assert_alive(&mut pair);
}

#[test]
fn an_unprotected_alert_counts_once_the_peer_is_silent() {
    const HANDSHAKE_FAILURE: u8 = 40;
    let alert = record(21, 0, &[2, HANDSHAKE_FAILURE]);
    let mut pair = Pair::new(ecdsa(), ecdsa());
    let start = pair.now;
    pair.run_over(|pair, flight| {
        if flight.number == 0 {
            pair.deliver(Role::Client, &alert);
        }
        vec![]
    });
    assert_eq!(
        pair.client.events,
        [DtlsEvent::Failed(DtlsError::PeerAlert(HANDSHAKE_FAILURE))]
    );
    let took = pair.now.since(start);
    assert!(took < Duration::from_secs(4), "{took:?}");
}
