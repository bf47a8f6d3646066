//! A subscribe transport without remote parameters does not time out.

mod common;

use std::time::Duration;

use common::*;
use sfu::message::{LocalParameters, RemoteParameters, TransportState};

fn states(world: &World) -> Vec<(TransportState, String)> {
    let state = |event: &Event| match event {
        Event::TransportState { state, reason, .. } => Some((*state, reason.to_string())),
        _ => None,
    };
    world.events.iter().filter_map(state).collect()
}

#[test]
fn a_transport_times_out_only_with_remote_parameters() {
    let mut world = World::default();
    let room = world.open_room();
    let transport = world.fresh_id();
    world.command(Request::OpenTransport {
        room,
        transport,
        local: LocalParameters {
            ufrag: "server".into(),
            pwd: "a-password-of-the-server".into(),
        },
        remote: None,
        data: None,
    });
    world.run_for(Duration::from_secs(600));
    assert_eq!(states(&world), []);

    let remote = RemoteParameters {
        ufrag: "client".into(),
        pwd: "a-password-of-the-client".into(),
        fingerprints: vec![format!("sha-256 {}", ["AB"; 32].join(":"))],
        setup: Default::default(),
    };
    world.command(Request::SetRemote { transport, remote });
    world.run_for(Duration::from_secs(29));
    assert_eq!(states(&world), []);
    world.run_for(Duration::from_secs(2));
    assert_eq!(
        states(&world),
        [(TransportState::Failed, "ice_timeout".to_owned())]
    );
}
