//! Peers of either DTLS role publish and receive, and keep their role.

mod common;

use common::*;
use sfu::message::{LocalParameters, RemoteParameters, Setup};

fn credentials() -> (LocalParameters, RemoteParameters) {
    let local = LocalParameters {
        ufrag: "renewed".into(),
        pwd: "a-password-of-the-server".into(),
    };
    let remote = RemoteParameters {
        ufrag: "client".into(),
        pwd: "a-password-of-the-client".into(),
        fingerprints: vec![format!("sha-256 {}", ["AB"; 32].join(":"))],
        setup: Setup::Active,
    };
    (local, remote)
}

#[test]
fn a_dtls_server_publishes_and_receives() {
    for (publishes, receives) in [
        (Setup::Passive, Setup::Active),
        (Setup::Active, Setup::Passive),
        (Setup::Passive, Setup::Passive),
    ] {
        let mut world = World::default();
        let room = world.open_room();
        let publisher = world.join_in_role(room, publishes);
        let subscriber = world.join_in_role(room, receives);
        world.wait_connected(&[publisher, subscriber]);
        let camera = world.publish(publisher, Codec::Vp8, &[]);
        let sub = world.subscribe(subscriber, camera);
        world.run_for(ms(1_000));
        world.cameras[camera].running = false;
        world.run_for(ms(100));
        let sent = world.cameras[camera].sent.len();
        assert!(sent > 40);
        assert_eq!(world.clients[subscriber].stream(sub.ssrc).count(), sent);
    }
}

/// A transport opened for an offer of the server gets its DTLS role from the answer.
#[test]
fn the_role_may_come_with_the_answer() {
    let mut world = World::default();
    let room = world.open_room();
    let key = world.join_before_answer(room, Setup::Passive);
    world.run_for(ms(500));
    assert!(!world.clients[key].transport.is_connected());
    world.answer(key, Setup::Passive);
    world.wait_connected(&[key]);
}

#[test]
fn a_restart_with_another_role_is_refused_and_nothing_changes() {
    for (setup, other) in [
        (Setup::Active, Setup::Passive),
        (Setup::Passive, Setup::Active),
    ] {
        let mut world = World::default();
        let room = world.open_room();
        let publisher = world.join_in_role(room, setup);
        let subscriber = world.connect(room);
        world.wait_connected(&[publisher, subscriber]);
        let camera = world.publish(publisher, Codec::Vp8, &[]);
        let sub = world.subscribe(subscriber, camera);
        let (local, remote) = credentials();
        let refused = world.try_command(Request::RestartIce {
            transport: world.clients[publisher].transport_id,
            local,
            remote: RemoteParameters {
                setup: other,
                ..remote
            },
        });
        assert_eq!(refused.map_err(|error| error.code), Err(ErrorCode::Invalid));
        world.run_for(ms(1_000));
        assert!(world.clients[subscriber].stream(sub.ssrc).count() > 40);
    }
}
