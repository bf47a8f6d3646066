//! Paths: a peer that moves is followed to addresses that answer, an address in use stays with its
//! transport, and one that fell silent moves to the transport that it turns up at.

mod common;

use common::*;
use std::net::SocketAddr;
use wire::rtp::{Kind, demux};
use wire::stun::{Builder, Class, IntegrityKey, Method, TransactionId};

/// A check for a client's transport as the client itself would make it.
fn nomination(world: &World, client: usize) -> Vec<u8> {
    let (ours, theirs) = (&world.clients[client].remote, &world.clients[client].local);
    let mut check = Vec::new();
    Builder::new(
        &mut check,
        Class::Request,
        Method::BINDING,
        TransactionId([9; 12]),
    )
    .username(&format!("{}:{}", ours.ufrag, theirs.ufrag))
    .priority(1)
    .ice_controlling(1)
    .use_candidate()
    .integrity(&IntegrityKey::new(ours.pwd.as_bytes()))
    .fingerprint();
    check
}

/// Lose everything on the way to the server that these clients send.
fn silence(world: &mut World, silent: Vec<usize>) {
    world.set_filter(move |_, way, client, _| way == Direction::Down || !silent.contains(&client));
}

fn sent_to(world: &World, address: SocketAddr) -> usize {
    let runs = world.runs.iter().filter(|run| run.path.remote == address);
    runs.map(|run| run.len).sum()
}

#[test]
fn a_participant_whose_address_changes_is_followed() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    world.move_client(subscriber, "203.0.113.9:5555");
    world.move_client(publisher, "203.0.113.10:5556");
    // Its next checks come from there.
    world.run_for(ms(15_000));
    let before = world.clients[subscriber].stream(sub.ssrc).count();
    world.run_for(ms(1_000));
    assert!(world.clients[subscriber].stream(sub.ssrc).count() >= before + 45);
}

#[test]
fn an_address_with_another_username_moves_to_the_other_transport() {
    let mut world = World::default();
    let (one, other) = (world.open_room(), world.open_room());
    let first = world.connect(one);
    let publisher = world.connect(other);
    let address = world.clients[first].address;
    let camera_before = world.publish(first, Codec::Vp8, &[]);
    world.run_for(ms(200));
    let received = world.engine.counters().packets_received;
    assert!(received > 0);
    world.cameras[camera_before].running = false;

    // The page was loaded again: the same socket address, another transport, another room.
    silence(&mut world, vec![first]);
    world.run_for(ms(10_000));
    let second = world.join(other);
    let moved: SocketAddr = address;
    world.take_address(second, moved);
    world.wait_connected(&[second]);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(second, camera);
    world.run_for(ms(1_000));
    assert!(world.clients[second].stream(sub.ssrc).count() > 40);

    // The first transport lost its only path: it neither sends nor is it heard.
    let stats = world.room_stats(one);
    assert!(stats["transports"][0]["remote"].is_null(), "{stats}");
    // Closing it takes no path away from the second.
    world.leave(first);
    let before = world.clients[second].stream(sub.ssrc).count();
    world.run_for(ms(1_000));
    assert!(world.clients[second].stream(sub.ssrc).count() > before + 40);
}

/// Any session may send a check with a spoofed source address.
#[test]
fn an_address_in_use_is_not_taken_by_the_username_of_another_session() {
    let mut world = World::default();
    let (one, other) = (world.open_room(), world.open_room());
    let publisher = world.connect(one);
    let subscriber = world.connect(one);
    let thief = world.connect(other);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    let check = nomination(&world, thief);
    for _ in 0..100 {
        for owner in [publisher, subscriber] {
            let address = world.clients[owner].address;
            world.inject(address, &check);
        }
        world.run_for(ms(100));
    }
    assert_eq!(world.engine.counters().stun_path_in_use, 200);
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    assert_eq!(
        world.clients[subscriber].stream(sub.ssrc).count(),
        world.cameras[camera].sent.len(),
    );
    let stats = world.room_stats(other);
    let own = world.clients[thief].address.ip().to_string();
    let remote = stats["transports"][0]["remote"].as_str().expect("a path");
    assert!(remote.starts_with(&own), "{stats}");
}

/// The owner of a session names an address that is not its own.
#[test]
fn media_is_not_sent_to_an_address_that_answers_no_check() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    let victim: SocketAddr = "203.0.113.99:9999".parse().expect("an address");
    let check = nomination(&world, subscriber);
    let mut injected = 0;
    for _ in 0..60 {
        world.inject(victim, &check);
        injected += check.len();
        world.run_for(ms(1_000));
        let sent = sent_to(&world, victim);
        assert!(0 < sent && sent <= 3 * injected, "{sent} for {injected}");
    }
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    assert_eq!(
        world.clients[subscriber].stream(sub.ssrc).count(),
        world.cameras[camera].sent.len(),
    );
}

#[test]
fn a_handshake_with_a_spoofed_address_is_no_amplifier() {
    let mut world = World::default();
    let room = world.open_room();
    let attacker = world.join(room);
    let victim: SocketAddr = "203.0.113.99:9999".parse().expect("an address");
    let check = nomination(&world, attacker);
    // The client connects normally up to its ClientHello, which it sends from the victim's address.
    world.set_filter(|_, way, _, bytes| way == Direction::Down || demux(bytes) == Kind::Stun);
    let mut hello = Vec::new();
    world.run_for(ms(500));
    world.inject(victim, &check);
    world.take_address(attacker, victim);
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let keep = seen.clone();
    world.set_filter(move |_, way, _, bytes| {
        if way == Direction::Up && demux(bytes) == Kind::Dtls {
            keep.borrow_mut().push(bytes.to_vec());
        }
        false
    });
    world.run_for(ms(10_000));
    hello.extend(seen.borrow().first().cloned());
    assert_eq!(hello.len(), 1, "a hello");
    let mut injected = check.len();
    for bytes in &hello {
        world.inject(victim, bytes);
        injected += bytes.len();
    }
    world.run_for(ms(29_000));
    let sent = sent_to(&world, victim);
    assert!(0 < sent && sent <= 3 * injected, "{sent} for {injected}");
}

/// Its packets were lost while the address was another's; nothing but a keyframe makes up for that.
#[test]
fn a_path_that_recovers_causes_a_keyframe_request() {
    let mut world = World::default();
    let (one, other) = (world.open_room(), world.open_room());
    let publisher = world.connect(one);
    let subscriber = world.connect(one);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    let address = world.clients[subscriber].address;
    silence(&mut world, vec![subscriber]);
    world.run_for(ms(10_000));
    let second = world.connect(other);
    let check = nomination(&world, second);
    world.inject(address, &check);
    world.run_for(ms(100));
    let stats = world.room_stats(one);
    assert!(stats["transports"][1]["remote"].is_null(), "{stats}");

    world.leave(second);
    world.clear_filter();
    let (requests, before) = (
        world.cameras[camera].keyframe_requests.len(),
        world.clients[subscriber].stream(sub.ssrc).count(),
    );
    let back = world.run_until(ms(7_000), |world| {
        world.clients[subscriber].stream(sub.ssrc).count() > before
    });
    assert!(back, "nothing arrives");
    world.run_for(ms(200));
    assert_eq!(world.cameras[camera].keyframe_requests.len(), requests + 1);
    let received = world.clients[subscriber].stream(sub.ssrc).skip(before);
    let keyframes = received.filter(|it| common::payload::read_vp8(it.payload()).keyframe);
    assert!(keyframes.count() > 0);
}

#[test]
fn an_ice_restart_leaves_no_gap() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    world.restart_ice(subscriber);
    world.run_for(ms(2_000));
    world.cameras[camera].running = false;
    world.run_for(ms(100));
    assert_eq!(
        world.clients[subscriber].stream(sub.ssrc).count(),
        world.cameras[camera].sent.len()
    );
}
