//! One event of each variant, in full and with as little as may be, is what the control plane reads
//! in its own test (`tests/unit/test_events.py`): a variant or field that it does not know fails
//! there, and one that is not written here does not compile.

use serde_json::Value;
use swarm::message::{CommandError, ErrorCode, Event, TransportState};

const FIXTURE: &str = include_str!("../../../tests/fixtures/events/swarm.json");

#[test]
fn the_fixture_holds_every_event() {
    let mut written = Vec::new();
    let mut next = after(None);
    while let Some(events) = next {
        next = after(events.last());
        written.extend(events);
    }
    let written = serde_json::to_value(&written).unwrap();
    let committed: Value = serde_json::from_str(FIXTURE).unwrap();
    assert_eq!(
        committed, written,
        "when it was meant to change: write this to tests/fixtures/events/swarm.json\n{written:#}"
    );
}

/// Return the samples of the variant that follows; the compiler wants an arm for each.
fn after(event: Option<&Event>) -> Option<Vec<Event>> {
    let samples = match event {
        None => done(),
        Some(Event::Done { .. }) => transport_states(),
        Some(Event::TransportState { .. }) => vec![Event::FirstFrame {
            stream: 1,
            encoding_index: Some(2),
            at_ns: 2,
        }],
        Some(Event::FirstFrame { .. }) => vec![Event::EncodingChanged {
            stream: 1,
            encoding_index: 2,
            at_ns: 3,
        }],
        Some(Event::EncodingChanged { .. }) => address_changes(),
        Some(Event::AddressChanged { .. }) => vec![Event::Allocated {
            transport: 1,
            ip: "192.0.2.1".parse().unwrap(),
            port: 49_152,
            allocate_ms: 3.5,
            at_ns: 6,
        }],
        Some(Event::Allocated { .. }) => return None,
    };
    Some(samples)
}

fn address_changes() -> Vec<Event> {
    let complete = Event::AddressChanged {
        transport: 1,
        gap_ms: Some(22.5),
        ice_ms: Some(1.5),
        failure: None,
        at_ns: 4,
    };
    let failed = Event::AddressChanged {
        transport: 1,
        gap_ms: None,
        ice_ms: None,
        failure: Some("no_response"),
        at_ns: 5,
    };
    vec![complete, failed]
}

fn done() -> Vec<Event> {
    let mut code = Some(ErrorCode::NotFound);
    let refusals = std::iter::from_fn(|| {
        let this = code?;
        code = match this {
            ErrorCode::NotFound => Some(ErrorCode::Duplicate),
            ErrorCode::Duplicate => Some(ErrorCode::CodecUnsupported),
            ErrorCode::CodecUnsupported => Some(ErrorCode::SsrcReused),
            ErrorCode::SsrcReused => Some(ErrorCode::Invalid),
            ErrorCode::Invalid => Some(ErrorCode::System),
            ErrorCode::System => None,
        };
        Some(Event::Done {
            id: 1,
            error: Some(CommandError::new(this, "why")),
            result: None,
        })
    });
    let carried_out = Event::Done {
        id: 2,
        error: None,
        result: None,
    };
    refusals.chain([carried_out]).collect()
}

fn transport_states() -> Vec<Event> {
    let mut state = Some(TransportState::Connected);
    std::iter::from_fn(|| {
        let this = state?;
        state = match this {
            TransportState::Connected => Some(TransportState::Disconnected),
            TransportState::Disconnected => Some(TransportState::Failed),
            TransportState::Failed => None,
        };
        let up = this == TransportState::Connected;
        Some(Event::TransportState {
            transport: 1,
            state: this,
            reason: "why".into(),
            srtp_profile: up.then_some("SRTP_AEAD_AES_128_GCM"),
            ice_ms: up.then_some(1.5),
            dtls_ms: up.then_some(2.5),
            at_ns: 3,
        })
    })
    .collect()
}
