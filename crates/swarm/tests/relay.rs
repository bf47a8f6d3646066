//! A bot behind a TURN server: all datagrams go there, and its failure is that of the transport.

mod common;

use common::World;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use swarm::message::{Event, TransportState};
use wire::stun::{Builder, Class, Message, turn};

const SERVER: &str = "192.0.2.1";

fn relay(protocol: &str) -> Value {
    json!({"ip": SERVER, "port": 3478, "protocol": protocol, "username": "u", "password": "p"})
}

/// Bot 1 behind a TURN server that never responds; what it sends is collected.
fn behind(protocol: &str) -> World {
    let mut world = World::new();
    world.join(1, &[("relay", relay(protocol))]);
    world
}

fn failure(world: &World) -> Option<String> {
    world.events.iter().find_map(|event| match event {
        Event::TransportState {
            state: TransportState::Failed,
            reason,
            ..
        } => Some(reason.clone()),
        _ => None,
    })
}

#[test]
fn nothing_is_sent_but_an_allocation_until_there_is_one() {
    let world = behind("udp");
    let sent: Vec<Vec<u8>> = world
        .host
        .in_flight
        .iter()
        .map(|it| it.0.bytes.clone())
        .collect();
    assert_eq!(sent.len(), 1);
    let request = Message::parse(&sent[0]).unwrap();
    assert_eq!(request.method, turn::ALLOCATE);
    assert_eq!(request.username(), None, "the server names its realm first");
}

#[test]
fn a_silent_server_fails_the_transport_with_its_own_reason() {
    let mut world = behind("udp");
    world.run_for(7_400);
    assert_eq!(failure(&world), None);
    world.run_for(200);
    assert_eq!(failure(&world).as_deref(), Some("turn_timeout"));
    let events = world.events.len();
    world.run_for(60_000);
    assert_eq!(world.events.len(), events, "it fails once");
}

#[test]
fn the_end_of_a_connection_fails_the_transport_with_its_cause() {
    let mut world = behind("tls");
    assert_eq!(world.host.open, [1]);
    let now = world.host.now;
    let cause = "turn_tls_failed: expired";
    world.engine.relay_lost(now, 1, cause, &mut world.host);
    world.run_for(10);
    assert_eq!(failure(&world).as_deref(), Some(cause));
    world.engine.relay_lost(now, 9, cause, &mut world.host);
    world.command(json!({"type": "close_transport", "transport": 1}));
}

#[test]
fn a_change_of_address_that_the_server_does_not_answer_fails() {
    let mut world = behind("udp");
    world.command(json!({"type": "change_address", "transport": 1}));
    world.run_for(8_000);
    let failed = world.events.iter().any(|event| {
        matches!(event, Event::AddressChanged { failure: Some(reason), .. } if *reason == "relay_lost")
    });
    assert!(failed, "{:?}", world.events);
}

#[test]
fn credentials_are_in_no_log() {
    let relay: swarm::relay::Relay = serde_json::from_value(relay("tcp")).unwrap();
    let text = format!("{relay:?}");
    assert!(
        text.contains(SERVER) && !text.contains("\"p\"") && !text.contains("\"u\""),
        "{text}"
    );
}

/// Let the server at `from` answer the last request with another server's address.
fn redirect(world: &mut World, from: &str, to: &str) {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let last = world.host.in_flight.iter().max_by_key(|it| it.0.number());
    let request = last.unwrap().0.bytes.clone();
    let request = Message::parse(&request).unwrap();
    assert_eq!(request.method, turn::ALLOCATE);
    let mut answer = Vec::new();
    Builder::new(
        &mut answer,
        Class::Error,
        turn::ALLOCATE,
        request.transaction,
    )
    .error_code(300, "")
    .alternate_server(to)
    .fingerprint();
    let now = world.host.now;
    let received = std::iter::once((from, Duration::ZERO, &mut answer[..]));
    world.engine.receive(now, 1, received, &mut world.host);
    world.run_for(1);
}

fn behind_with(protocol: &str, more: Value) -> World {
    let mut given = relay(protocol);
    for (key, value) in more.as_object().unwrap() {
        given[key] = value.clone();
    }
    let mut world = World::new();
    world.join(1, &[("relay", given)]);
    world
}

#[test]
fn a_server_that_is_named_gets_the_request_where_its_address_is_allowed() {
    for (protocol, connections) in [("udp", 1), ("tcp", 2)] {
        let mut world = behind_with(protocol, json!({"alternates": ["192.0.2.2"]}));
        assert_eq!(world.host.open.len(), 1);
        redirect(&mut world, "192.0.2.1:3478", "192.0.2.2:3479");
        assert_eq!(failure(&world), None);
        assert_eq!(world.host.open.len(), connections, "{protocol}");
        // The first server is not listened to any more.
        redirect(&mut world, "192.0.2.1:3478", "192.0.2.1:3480");
        redirect(&mut world, "192.0.2.2:3479", "192.0.2.1:3480");
        assert_eq!(failure(&world), None, "another port of the first server");
        world.run_for(7_600);
        assert_eq!(failure(&world).as_deref(), Some("turn_timeout"));
    }
}

#[test]
fn a_server_that_is_not_allowed_gets_nothing() {
    let mut world = behind("udp");
    redirect(&mut world, "192.0.2.1:3478", "192.0.2.2:3478");
    let reason = "turn_alternate_not_allowed: 192.0.2.2";
    assert_eq!(failure(&world).as_deref(), Some(reason));
    let mut local = behind("udp");
    redirect(&mut local, "192.0.2.1:3478", "127.0.0.1:3478");
    assert_eq!(failure(&local), None);
    let mut any = behind_with("udp", json!({"any_alternate": true}));
    redirect(&mut any, "192.0.2.1:3478", "198.51.100.2:3478");
    assert_eq!(failure(&any), None);
}

#[test]
fn servers_that_name_each_other_are_left() {
    let any = json!({"any_alternate": true});
    let mut world = behind_with("udp", any.clone());
    redirect(&mut world, "192.0.2.1:3478", "192.0.2.2:3478");
    redirect(&mut world, "192.0.2.2:3478", "192.0.2.1:3478");
    let reason = "turn_alternate_loop: 192.0.2.1:3478";
    assert_eq!(failure(&world).as_deref(), Some(reason));
    let mut longer = behind_with("udp", any);
    for last in 1..=4 {
        let (from, to) = (
            format!("192.0.2.{last}:3478"),
            format!("192.0.2.{}:3478", last + 1),
        );
        assert_eq!(failure(&longer), None);
        redirect(&mut longer, &from, &to);
    }
    let reason = "turn_alternate_loop: 192.0.2.5:3478";
    assert_eq!(failure(&longer).as_deref(), Some(reason));
}

#[test]
fn addresses_that_cannot_be_used_fail_the_transport() {
    for to in [
        "[2001:db8::1]:3478",
        "192.0.2.1:0",
        "0.0.0.0:3478",
        "224.0.0.1:3478",
    ] {
        let mut world = behind_with("udp", json!({"any_alternate": true}));
        redirect(&mut world, "192.0.2.1:3478", to);
        let reason = failure(&world).unwrap();
        assert_eq!(reason, format!("turn_try_alternate: {to}"));
    }
}
