//! Commands are executed or refused with a reason; measurements outlive their transport.

mod common;

use common::{World, server_address};
use serde_json::{Value, json};

fn refused(world: &mut World, command: Value) -> String {
    let text = command.to_string();
    world
        .try_command(command)
        .unwrap_or_else(|| panic!("accepted: {text}"))
}

#[test]
fn duplicate_and_unknown_identifiers_are_refused() {
    let mut world = World::new();
    world.join(1, &[]);
    for command in [
        json!({"type": "close_transport", "transport": 9}),
        json!({"type": "add_candidate", "transport": 9,
            "candidate": {"ip": "192.0.2.1", "port": 1}}),
        json!({"type": "set_network", "bot": 9, "net_up": null, "net_down": null}),
        json!({"type": "unpublish", "stream": 9}),
        json!({"type": "stop_receiving", "stream": 9}),
        json!({"type": "publish", "transport": 9, "stream": 1, "mid": "0", "payload_type": 96,
            "encodings": [], "source_id": 1, "start_ns": 0}),
        json!({"type": "publish", "transport": 1, "stream": 1, "mid": "0", "payload_type": 96,
            "encodings": [{"ssrc": 1, "clip": 99}], "source_id": 1, "start_ns": 0}),
    ] {
        assert_eq!(refused(&mut world, command), "not_found");
    }
    for command in [
        json!({"type": "add_bot", "bot": 1, "name": "again", "scheduled_ns": 0}),
        json!({"type": "load_clip", "clip": 0, "path": "opus.ivf"}),
    ] {
        assert_eq!(refused(&mut world, command), "duplicate");
    }
    world.publish(1, 7, 0, &[]);
    let again = json!({"type": "stop_receiving", "stream": 7});
    assert_eq!(refused(&mut world, again), "not_found");
}

#[test]
fn invalid_values_are_refused() {
    let mut world = World::new();
    world.join(1, &[]);
    let publish = |encodings: Value, mid: &str, extensions: Value| {
        json!({"type": "publish", "transport": 1, "stream": 5, "mid": mid, "payload_type": 96,
            "encodings": encodings, "source_id": 1, "start_ns": 0, "extensions": extensions})
    };
    let one = json!([{"ssrc": 1, "clip": 0}]);
    for command in [
        json!({"type": "window", "start_ns": 5, "end_ns": 5}),
        publish(json!([]), "0", json!({})),
        publish(one.clone(), "a mid", json!({})),
        publish(one.clone(), "0", json!({"urn:3gpp:video-orientation": 0})),
        publish(
            json!([{"ssrc": 1, "clip": 0, "encoding_index": 8}]),
            "0",
            json!({}),
        ),
        publish(
            json!([{"ssrc": 1, "clip": 0, "rid": "a rid"}]),
            "0",
            json!({}),
        ),
    ] {
        assert_eq!(refused(&mut world, command), "invalid");
    }
    let twice = publish(
        json!([{"ssrc": 1, "clip": 0}, {"ssrc": 1, "clip": 0}]),
        "0",
        json!({}),
    );
    assert_eq!(refused(&mut world, twice), "ssrc_reused");
    let codec = json!({"type": "receive", "transport": 1, "stream": 6, "codec": "theora",
        "mid": "0", "payload_type": 96});
    assert_eq!(refused(&mut world, codec), "codec_unsupported");
    let clip = json!({"type": "load_clip", "clip": 77, "path": "nowhere.ivf"});
    assert_eq!(refused(&mut world, clip), "system");
    // A refused command has no side effect.
    world.command(publish(one, "0", json!({})));
}

#[test]
fn a_transport_needs_candidates_and_a_fingerprint_that_can_be_read() {
    let mut world = World::new();
    world.command(json!({"type": "add_bot", "bot": 1, "name": "b", "scheduled_ns": 0}));
    let open = |candidates: Value, fingerprint: &str| {
        json!({"type": "open_transport", "bot": 1, "transport": 1, "cname": "c",
            "local": {"ufrag": "u", "pwd": "p"}, "dtls_role": "client",
            "remote": {"ufrag": "u", "pwd": "p", "fingerprints": [fingerprint],
                "candidates": candidates}})
    };
    let address = server_address(1);
    let candidate = json!([{"ip": address.ip(), "port": address.port()}]);
    assert_eq!(
        refused(&mut world, open(json!([]), "sha-256 AB")),
        "invalid"
    );
    assert_eq!(refused(&mut world, open(candidate, "nonsense")), "invalid");
    assert!(world.host.open.is_empty());
}

#[test]
fn a_closed_transport_sends_bye_and_its_figures_stay() {
    let mut world = World::new();
    world.join(1, &[]);
    world.join(2, &[]);
    world.run_for(100);
    world.publish(1, 7, 1, &[]);
    world.receive(2, 9, 7, "VP8");
    world.run_for(2_000);
    world.command(json!({"type": "close_transport", "transport": 2}));
    assert_eq!(world.host.open, [1]);
    world.run_for(2_000);
    assert!(
        world
            .reflector
            .rtcp
            .iter()
            .any(|(_, bot, text)| *bot == 2 && text == "BYE")
    );
    let stream = world.streams()[&9].clone();
    assert!(
        (55.0..=61.0).contains(&stream["frames"].as_f64().unwrap()),
        "{stream}"
    );
    assert_eq!(stream["frozen_ms"], 0.0);
    assert!(stream["playing_ms"].as_f64() < Some(2_000.0));
    assert_eq!(world.figures()["transports_connected"], 1);
}

#[test]
fn a_server_that_stops_responding_is_reported() {
    let mut world = World::new();
    world.join(1, &[]);
    world.run_for(100);
    world.publish(1, 7, 1, &[]);
    world.run_for(1_000);
    world.host.delay = std::time::Duration::from_secs(3_600);
    world.run_for(45_000);
    let states: Vec<String> = world
        .events
        .iter()
        .filter_map(|event| match event {
            swarm::message::Event::TransportState { state, reason, .. } => {
                Some(format!("{state:?} {reason}"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(states, ["Connected ", "Disconnected consent_expired"]);
    // Packets not sent since the server was unreachable do not count as unsent.
    assert_eq!(world.figures()["totals"]["packets_unsent"], 0);
}

#[test]
fn a_flow_shares_the_bottleneck_of_a_bot_and_is_reported() {
    let mut world = World::new();
    let network = json!({"rate_bps": 2_000_000, "queue_ms": 300.0, "bottleneck": 3});
    let flow = |network: serde_json::Value| {
        json!({"type": "add_flow", "flow": 1, "network": network, "back_delay_ms": 50.0,
            "transfers": null, "start_ns": 0, "end_ns": 4_000_000_000_u64})
    };
    world.join(1, &[("net_down", network.clone())]);
    assert_eq!(world.try_command(flow(json!({}))), Some("invalid".into()));
    world.command(flow(network.clone()));
    assert_eq!(world.try_command(flow(network)), Some("duplicate".into()));
    world.run_for(5_000);
    let flows = world.flows();
    assert_eq!(flows.len(), 1);
    let rate = flows[0].bytes_delivered * 8 / 4;
    assert!((1_700_000..2_200_000).contains(&rate), "{rate}");
    assert!(flows[0].reductions > 0 && flows[0].queue_drops > 0);
}
