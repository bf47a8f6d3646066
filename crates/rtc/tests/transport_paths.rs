//! Paths change under a running association and media goes on.

mod common;

use std::time::Duration;

use common::pair::{CLIENT, CLIENT_2, Pair, Peer, SERVER, Setup, address, credentials};
use rtc::transport::TransportEvent;

fn two_networks() -> Setup {
    Setup {
        client_sockets: vec![CLIENT, CLIENT_2],
        ..Setup::default()
    }
}

fn remote(peer: &Peer) -> Option<String> {
    let path = peer.transport.send_path()?;
    Some(path.remote.to_string())
}

fn position(peer: &Peer, wanted: &TransportEvent) -> usize {
    let position = peer.events.iter().position(|event| event == wanted);
    position.unwrap_or_else(|| panic!("{wanted:?} not in {:?}", peer.events))
}

#[test]
fn paths_are_announced_before_they_are_used() {
    let pair = Pair::connected(Setup::default());
    let path = pair.server.path(0, CLIENT);
    let validated = position(&pair.server, &TransportEvent::PathValidated(path));
    let selected = position(&pair.server, &TransportEvent::PathSelected(path));
    assert!(validated < selected);
    assert_eq!(pair.server.transport.send_path(), Some(path));
}

/// Bots that lose one network come back over the other, and the server follows.
#[test]
fn the_nomination_moves_to_another_path() {
    let mut pair = Pair::connected(two_networks());
    assert_eq!(remote(&pair.server).as_deref(), Some(CLIENT));
    pair.net
        .set_filter(|_, datagram| ![datagram.from, datagram.to].contains(&address(CLIENT)));
    pair.run_for(Duration::from_secs(40));
    assert_eq!(remote(&pair.server).as_deref(), Some(CLIENT_2));
    let path = pair.client.path(1, SERVER);
    assert_eq!(pair.client.transport.send_path(), Some(path));
    assert!(
        pair.client
            .has(&TransportEvent::Disconnected("consent_expired"))
    );
    assert!(pair.client.has(&TransportEvent::Resumed));
    assert!(pair.server.transport.is_connected());
    let old = pair.server.path(0, CLIENT);
    assert!(pair.server.has(&TransportEvent::PathRetired(old)));
}

#[test]
fn a_peer_behind_a_nat_may_get_another_address() {
    let mut pair = Pair::connected(Setup::default());
    let outside = "203.0.113.50:1234";
    pair.net.translate(address(CLIENT), address(outside));
    pair.run_for(Duration::from_secs(7));
    assert_eq!(remote(&pair.server).as_deref(), Some(outside));
    assert!(pair.client.transport.send_path().is_some());
    pair.run_for(Duration::from_secs(60));
    assert_eq!(
        pair.server
            .count(|event| matches!(event, TransportEvent::Disconnected(_))),
        0
    );
    assert_eq!(
        pair.client
            .count(|event| matches!(event, TransportEvent::Disconnected(_))),
        0
    );
    let old = pair.server.path(0, CLIENT);
    assert!(pair.server.has(&TransportEvent::PathRetired(old)));
}

#[test]
fn an_outage_is_reported_and_mended() {
    let mut pair = Pair::connected(Setup::default());
    pair.net.set_filter(|_, _| false);
    pair.run_for(Duration::from_secs(45));
    let gone = TransportEvent::Disconnected("consent_expired");
    assert!(pair.server.has(&gone) && pair.client.has(&gone));
    assert_eq!(pair.server.transport.send_path(), None);
    pair.net.clear_filter();
    let resumed = TransportEvent::Resumed;
    let back = pair.run_until(Duration::from_secs(20), |pair| {
        pair.server.has(&resumed) && pair.client.has(&resumed)
    });
    assert!(back, "{:?} {:?}", pair.server.events, pair.client.events);
    assert!(pair.server.transport.is_connected());
}

#[test]
fn a_short_outage_is_survived_in_silence() {
    let mut pair = Pair::connected(Setup::default());
    let before = (pair.server.events.len(), pair.client.events.len());
    pair.net.set_filter(|_, _| false);
    pair.run_for(Duration::from_secs(20));
    pair.net.clear_filter();
    pair.run_for(Duration::from_secs(60));
    assert_eq!(before, (pair.server.events.len(), pair.client.events.len()));
}

#[test]
fn a_bot_without_a_reachable_server_fails() {
    let mut pair = Pair::with_descriptions(Setup::default());
    pair.net.set_filter(|_, _| false);
    pair.run_for(Duration::from_secs(31));
    let failed = TransportEvent::Failed("ice_timeout");
    assert!(pair.server.has(&failed) && pair.client.has(&failed));
}

#[test]
fn ice_restarts_under_a_running_association() {
    let mut pair = Pair::connected(two_networks());
    let ours = credentials("SERVERnew", "serverNEWserverNEWserverNEW");
    let theirs = credentials("CLIENTnew", "clientNEWclientNEWclientNEW");
    let mut client = pair.client_description();
    client.credentials = theirs.clone();
    let mut server = pair.server_description();
    server.credentials = ours.clone();
    // The server restarts first; until the bot does, the old credentials are still valid.
    pair.server
        .transport
        .restart_ice(pair.net.now, &ours, &client);
    pair.run_for(Duration::from_secs(12));
    assert_eq!(remote(&pair.server).as_deref(), Some(CLIENT));
    // The bot has left its first network by now.
    pair.net
        .set_filter(|_, datagram| datagram.from != address(CLIENT));
    pair.client
        .transport
        .restart_ice(pair.net.now, &theirs, &server);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(remote(&pair.server).as_deref(), Some(CLIENT_2));
    assert!(pair.server.transport.is_connected() && pair.client.transport.is_connected());
    pair.run_for(Duration::from_secs(60));
    let lost = |event: &TransportEvent| matches!(event, TransportEvent::Disconnected(_));
    assert_eq!(pair.server.count(lost) + pair.client.count(lost), 0);
}

#[test]
fn a_path_that_belongs_elsewhere_now_is_given_up() {
    let mut pair = Pair::connected(Setup::default());
    let path = pair.server.path(0, CLIENT);
    pair.server.transport.retire_path(pair.net.now, &path);
    pair.run_for(Duration::ZERO);
    assert!(pair.server.has(&TransportEvent::PathRetired(path)));
    assert_eq!(pair.server.transport.send_path(), None);
}
