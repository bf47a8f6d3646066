//! A bot behind a TURN server: all datagrams go there, and its failure is that of the transport.

mod common;

use common::World;
use serde_json::{Value, json};
use swarm::message::{Event, TransportState};
use wire::stun::{Message, turn};

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
