//! Unauthenticated, invalid and replayed datagrams: dropped and counted, without effect on others.

mod common;

use common::*;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use wire::stun::{Builder, Class, IntegrityKey, Method, TransactionId};

fn unknown_address() -> SocketAddr {
    "203.0.113.66:6666".parse().expect("address")
}

/// No packet was lost, and no other packet arrived.
fn assert_undisturbed(world: &mut World, camera: usize, sub: Sub) {
    world.run_for(ms(1_000));
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    let received = world.clients[sub.client].stream(sub.ssrc).count();
    assert_eq!(received, world.cameras[camera].sent.len());
    let counters = world.engine.counters();
    assert_eq!((counters.rooms, counters.rooms_broken), (1, 0));
}

/// Datagrams of a client as they pass.
fn record(world: &mut World, way: Direction, of: usize) -> Rc<RefCell<Vec<Vec<u8>>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let place = seen.clone();
    world.set_filter(move |_, went, client, bytes| {
        if went == way && client == of {
            place.borrow_mut().push(bytes.to_vec());
        }
        true
    });
    seen
}

fn check(ufrag: &str, key: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let id = TransactionId([9; 12]);
    let message = Builder::new(&mut out, Class::Request, Method::BINDING, id)
        .username(&format!("{ufrag}:peer"))
        .priority(1)
        .ice_controlling(1)
        .use_candidate();
    match key {
        Some(key) => message
            .integrity(&IntegrityKey::new(key.as_bytes()))
            .fingerprint(),
        None => message.fingerprint(),
    }
    out
}

#[test]
fn garbage_from_anywhere() {
    let (mut world, camera, sub) = World::playing();
    let publisher = world.clients[world.cameras[camera].client].address;
    let mut random = sfu::context::Random(7);
    for nth in 0..2_000_u64 {
        let len = random.next_u64() % 200;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        if let Some(first) = bytes.first_mut() {
            // All kinds by turns: STUN, DTLS, RTP, RTCP and none.
            *first = [0, 22, 0x80, 0x90, 0xff][nth as usize % 5];
        }
        world.inject(unknown_address(), &bytes);
        world.inject(publisher, &bytes);
    }
    let counters = world.engine.counters();
    assert!(counters.datagrams_unknown_path > 1_000);
    assert!(counters.datagrams_dropped > 1_000);
    assert!(counters.stun_unknown_ufrag > 300);
    assert_undisturbed(&mut world, camera, sub);
}

#[test]
fn truncated_or_changed_datagrams() {
    let (mut world, camera, sub) = World::playing();
    let client = world.cameras[camera].client;
    let seen = record(&mut world, Direction::Up, client);
    world.run_for(ms(500));
    world.clear_filter();
    let address = world.clients[client].address;
    let before = world.engine.counters().packets_received;
    let mut injected = 0;
    for datagram in seen.take() {
        for len in [0, 1, 11, 12, 13, 20, datagram.len() / 2, datagram.len() - 1] {
            world.inject(address, &datagram[..len.min(datagram.len())]);
            injected += 1;
        }
        let mut changed = datagram;
        let at = changed.len() - 5;
        changed[at] ^= 1;
        world.inject(address, &changed);
        injected += 1;
    }
    assert!(injected > 200);
    assert_eq!(world.engine.counters().packets_received, before);
    assert_undisturbed(&mut world, camera, sub);
}

#[test]
fn replayed_datagrams() {
    let (mut world, camera, sub) = World::playing();
    let client = world.cameras[camera].client;
    let seen = record(&mut world, Direction::Up, client);
    world.run_for(ms(500));
    world.clear_filter();
    let address = world.clients[client].address;
    let before = world.engine.counters();
    for datagram in seen.take() {
        // From its own address, and from an unknown one.
        world.inject(address, &datagram);
        world.inject(unknown_address(), &datagram);
    }
    let after = world.engine.counters();
    assert_eq!(after.packets_received, before.packets_received);
    assert!(after.datagrams_dropped > before.datagrams_dropped + 20);
    assert!(after.datagrams_unknown_path > before.datagrams_unknown_path + 20);
    assert_undisturbed(&mut world, camera, sub);
}

#[test]
fn checks_with_an_unknown_ufrag_are_not_answered() {
    let (mut world, camera, sub) = World::playing();
    let runs = world.runs.len();
    let now = world.now;
    for _ in 0..10 {
        world.inject(
            unknown_address(),
            &check("unknown0", Some("whatever-password-of-mine")),
        );
    }
    let to_unknown = world.runs[runs..]
        .iter()
        .filter(|run| run.path.remote == unknown_address());
    assert_eq!((to_unknown.count(), world.now), (0, now));
    assert_eq!(world.engine.counters().stun_unknown_ufrag, 10);
    assert_undisturbed(&mut world, camera, sub);
}

#[test]
fn checks_without_the_password_validate_nothing() {
    let (mut world, camera, sub) = World::playing();
    let client = world.cameras[camera].client;
    let ufrag = world.clients[client].remote.ufrag.clone();
    let seen = record(&mut world, Direction::Up, client);
    world.run_for(ms(200));
    world.clear_filter();
    let before = world.engine.counters();
    world.inject(unknown_address(), &check(&ufrag, None));
    world.inject(
        unknown_address(),
        &check(&ufrag, Some("a-password-that-was-guessed")),
    );
    assert_eq!(
        world.engine.counters().datagrams_dropped,
        before.datagrams_dropped + 2
    );
    // Not even genuine media is accepted from there.
    for datagram in seen.take() {
        world.inject(unknown_address(), &datagram);
    }
    let after = world.engine.counters();
    assert_eq!(after.packets_received, before.packets_received);
    let stats = world.room_stats(world.clients[client].room);
    let remotes = stats["transports"].as_array().expect("a list").iter();
    assert!(
        remotes
            .clone()
            .all(|it| it["remote"] != unknown_address().to_string())
    );
    assert_undisturbed(&mut world, camera, sub);
}

#[test]
fn a_peer_with_another_certificate_is_refused() {
    let mut world = World::default();
    let room = world.open_room();
    let client = world.join_as_impostor(room);
    let connected = world.run_until(ms(5_000), |world| world.engine.counters().dtls_failed > 0);
    assert!(connected, "the mismatch was noticed");
    let failed = |event: &&Event| match event {
        Event::TransportState { state, reason, .. } => {
            *state == sfu::message::TransportState::Failed && reason == "fingerprint_mismatch"
        }
        _ => false,
    };
    assert_eq!(world.events.iter().filter(failed).count(), 1);
    assert_eq!(world.engine.counters().dtls_connected, 0);
    world.leave(client);
    assert_eq!(world.engine.counters().transports, 0);
}

#[test]
fn rtcp_about_streams_of_others_changes_nothing() {
    use wire::id::Ssrc;
    use wire::rtcp::write;
    let (mut world, camera, sub) = World::playing();
    let room = world.clients[sub.client].room;
    let other = world.connect(room);
    world.cameras[camera].keyframe_requests.clear();
    let mut rtcp = Vec::new();
    write::pli(&mut rtcp, Ssrc(1), Ssrc(sub.ssrc));
    write::nack(
        &mut rtcp,
        Ssrc(1),
        Ssrc(sub.ssrc),
        &(0..1_000).collect::<Vec<u16>>(),
    );
    write::bye(&mut rtcp, &[Ssrc(world.cameras[camera].encodings[0].ssrc)]);
    world.clients[other].send_rtcp(&rtcp);
    world.run_for(ms(200));
    assert!(world.cameras[camera].keyframe_requests.is_empty());
    assert_eq!(world.engine.counters().nacks_received, 0);
    assert_undisturbed(&mut world, camera, sub);
}
