//! A bot continues from another local address: how long media pauses, and why it does not arrive.

mod common;

use common::call::{Call, Fields};
use common::{Datagram, World};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use swarm::message::Event;
use wire::rtp::{Kind, demux};

/// What an `address_changed` event says.
#[derive(Debug, PartialEq)]
struct Change {
    transport: u32,
    gap_ms: Option<f64>,
    ice_ms: Option<f64>,
    failure: Option<&'static str>,
}

fn call() -> World {
    call_with(&[])
}

fn call_with(subscriber: Fields) -> World {
    let call = Call {
        connect_ms: 1_500,
        subscriber,
        publish: &[("paced", json!("whole"))],
        ..Call::default()
    };
    let mut world = call.start();
    world.run_for(3_000);
    world
}

fn change_address(world: &mut World, transport: u32) {
    world.command(json!({"type": "change_address", "transport": transport}));
}

fn changes(world: &World) -> Vec<Change> {
    let of = |event: &Event| match *event {
        Event::AddressChanged {
            transport,
            gap_ms,
            ice_ms,
            failure,
            ..
        } => Some(Change {
            transport,
            gap_ms,
            ice_ms,
            failure,
        }),
        _ => None,
    };
    world.events.iter().filter_map(of).collect()
}

/// Return the only change.
fn the_change(world: &World) -> Change {
    let mut changes = changes(world);
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0)
}

fn failed(transport: u32, failure: &'static str) -> Change {
    Change {
        transport,
        gap_ms: None,
        ice_ms: None,
        failure: Some(failure),
    }
}

/// Timers fire at multiples of half a millisecond.
fn is_about(time_ms: Option<f64>, expected_ms: f64) -> bool {
    (expected_ms..=expected_ms + 1.0).contains(&time_ms.unwrap_or(-1.0))
}

fn is_media(datagram: &Datagram) -> bool {
    demux(&datagram.bytes) == Kind::Rtp
}

/// Let the network drop some of the datagrams to or from a bot's later addresses.
fn drop_later(world: &mut World, transport: u32, is_dropped: fn(&Datagram) -> bool) {
    let first: SocketAddr = world.host.address(transport);
    world.host.drops = Box::new(move |datagram| {
        datagram.transport == transport && datagram.bot != first && is_dropped(datagram)
    });
}

#[test]
fn a_subscriber_receives_again_after_two_round_trips_and_a_frame() {
    let mut world = call();
    let before = world.streams()[&9]["frames"].as_u64().unwrap();
    change_address(&mut world, 2);
    world.run_for(1_000);
    let change = the_change(&world);
    assert_eq!((change.transport, change.failure), (2, None));
    // The check and its response; then nomination, the check of the peer and its response, media.
    assert!(is_about(change.ice_ms, 20.0), "{change:?}");
    let gap_ms = change.gap_ms.unwrap();
    assert!((50.0..=110.0).contains(&gap_ms), "{gap_ms}");
    assert!(world.streams()[&9]["frames"].as_u64().unwrap() > before + 25);
    assert_eq!(world.connected(), 2, "DTLS is not repeated");
}

#[test]
fn the_peer_sends_to_the_new_address_and_not_to_the_old_one() {
    let mut world = call();
    let old = world.host.address(2);
    change_address(&mut world, 2);
    world.run_for(500);
    let new = world.host.address(2);
    assert_ne!(old, new);
    let to = world.host.in_flight.iter().map(|flying| &flying.0);
    let to: Vec<SocketAddr> = to.filter(|it| it.to_bot).map(|it| it.bot).collect();
    assert!(!to.contains(&old), "{to:?}");
}

#[test]
fn packets_of_the_gap_are_retransmitted() {
    let mut world = call();
    change_address(&mut world, 2);
    world.run_for(1_000);
    change_address(&mut world, 1);
    world.run_for(2_000);
    let stream = &world.streams()[&9];
    assert!(stream["packets_lost_raw"].as_u64().unwrap() > 0, "{stream}");
    assert_eq!(stream["packets_lost_after_rtx"], 0, "{stream}");
}

#[test]
fn the_handover_of_a_publisher_has_no_gap_of_its_own() {
    let mut world = call();
    change_address(&mut world, 1);
    world.run_for(1_000);
    let change = the_change(&world);
    assert_eq!((change.gap_ms, change.failure), (None, None));
    assert!(is_about(change.ice_ms, 20.0), "{change:?}");
    let received = world.reflector.received.last().unwrap();
    assert!(world.host.now.since(received.at) < Duration::from_millis(50));
}

#[test]
fn a_lost_check_is_sent_again_after_half_a_second() {
    let mut world = call();
    let until = world.host.now + Duration::from_millis(100);
    let first = world.host.address(2);
    world.host.drops = Box::new(move |it| it.bot != first && it.at < until);
    change_address(&mut world, 2);
    world.run_for(2_000);
    let change = the_change(&world);
    assert!(is_about(change.ice_ms, 520.0), "{change:?}");
    assert!(change.gap_ms.unwrap() > 550.0);
}

#[test]
fn without_a_response_the_change_fails_after_ten_seconds_and_the_transport_after_thirty() {
    let mut world = call();
    drop_later(&mut world, 2, |_| true);
    change_address(&mut world, 2);
    world.run_for(9_900);
    assert_eq!(changes(&world), []);
    world.run_for(200);
    assert_eq!(changes(&world), [failed(2, "no_response")]);
    world.run_for(20_000);
    let lost = world.events.iter().any(|event| {
        matches!(event, Event::TransportState { transport: 2, state, reason, .. }
            if *state == swarm::message::TransportState::Failed && reason == "ice_timeout")
    });
    assert!(lost, "a transport without a path fails");
}

#[test]
fn without_media_on_the_new_address_the_change_fails() {
    let mut world = call();
    drop_later(&mut world, 2, is_media);
    change_address(&mut world, 2);
    world.run_for(10_100);
    let change = the_change(&world);
    assert_eq!(change.failure, Some("no_media"));
    assert!(
        change.gap_ms.is_none() && is_about(change.ice_ms, 20.0),
        "{change:?}"
    );
}

#[test]
fn a_change_before_the_end_of_another_one_fails_that_one() {
    let mut world = call();
    change_address(&mut world, 2);
    world.run_for(5);
    change_address(&mut world, 2);
    world.run_for(1_000);
    let changes = changes(&world);
    assert_eq!(changes[0], failed(2, "changed_again"));
    assert_eq!((changes.len(), changes[1].failure), (2, None));
    // The gap counts from the last packet, before the first change.
    assert!(changes[1].gap_ms.unwrap() > 50.0);
}

#[test]
fn a_transport_that_is_closed_meanwhile_has_no_event() {
    let mut world = call();
    drop_later(&mut world, 2, |_| true);
    change_address(&mut world, 2);
    world.command(json!({"type": "close_transport", "transport": 2}));
    world.run_for(20_000);
    assert_eq!(changes(&world), []);
}

#[test]
fn datagrams_in_the_emulated_link_are_lost_with_the_address() {
    let mut world = call_with(&[("net_down", json!({"delay_ms": 200.0}))]);
    world.run_for(1_000);
    change_address(&mut world, 2);
    world.run_for(3_000);
    let change = the_change(&world);
    // Two round trips of 220 ms: what was in flight to the old address arrives nowhere.
    assert!(change.gap_ms.unwrap() > 440.0, "{change:?}");
}

#[test]
fn a_refused_socket_leaves_the_old_one_in_use() {
    let mut world = call();
    world.host.is_full = true;
    let refused = world.try_command(json!({"type": "change_address", "transport": 2}));
    assert_eq!(refused.as_deref(), Some("system"));
    let before = world.streams()[&9]["frames"].as_u64().unwrap();
    world.run_for(1_000);
    assert!(world.streams()[&9]["frames"].as_u64().unwrap() > before + 25);
    assert_eq!(changes(&world), []);
    let unknown = world.try_command(json!({"type": "change_address", "transport": 5}));
    assert_eq!(unknown.as_deref(), Some("not_found"));
}
