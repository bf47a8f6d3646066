//! One event of each variant, in full and with as little as may be, is what the control plane reads
//! in its own test (`tests/unit/test_events.py`): a variant or field that it does not know fails
//! there, and one that is not written here does not compile.

use serde_json::Value;
use sfu::message::{
    ActiveSpeaker, CommandError, ErrorCode, Event, SelectedLayers, TransportState, VideoQuality,
};

const FIXTURE: &str = include_str!("../../../tests/fixtures/events/server.json");

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
        "when it was meant to change: write this to tests/fixtures/events/server.json\n{written:#}"
    );
}

/// Return the samples of the variant that follows; the compiler wants an arm for each.
fn after(event: Option<&Event>) -> Option<Vec<Event>> {
    let samples = match event {
        None => done(),
        Some(Event::Done { .. }) => transport_states(),
        Some(Event::TransportState { .. }) => vec![
            Event::PublicationStarted {
                publication: 1,
                rid: Some("h".into()),
                ssrc: 2,
            },
            Event::PublicationStarted {
                publication: 1,
                rid: None,
                ssrc: 2,
            },
        ],
        Some(Event::PublicationStarted { .. }) => vec![
            Event::EncodingState {
                publication: 1,
                rid: Some("h".into()),
                active: true,
                reason: "packets",
            },
            Event::EncodingState {
                publication: 1,
                rid: None,
                active: false,
                reason: "silence",
            },
        ],
        Some(Event::EncodingState { .. }) => vec![Event::EncodingsWanted {
            publication: 1,
            rids: vec!["q".into()],
        }],
        Some(Event::EncodingsWanted { .. }) => vec![Event::SsrcUnbound {
            transport: 1,
            ssrc: 2,
            payload_type: 96,
            packets: 50,
            reason: "encoding_ambiguous",
        }],
        Some(Event::SsrcUnbound { .. }) => vec![
            Event::LayerSwitch {
                subscription: 1,
                from: Some("q".into()),
                to: Some("f".into()),
                reason: "requested",
                wait_ms: Some(1.5),
                layers: Some(SelectedLayers {
                    spatial: 1,
                    temporal: 2,
                    highest_spatial: 2,
                    highest_temporal: 2,
                }),
            },
            Event::LayerSwitch {
                subscription: 1,
                from: None,
                to: None,
                reason: "encoding_inactive",
                wait_ms: None,
                layers: None,
            },
        ],
        Some(Event::LayerSwitch { .. }) => qualities(),
        Some(Event::Quality { .. }) => vec![
            Event::ActiveSpeakers {
                room: 1,
                speakers: vec![ActiveSpeaker {
                    publication: 2,
                    level_dbov: -30,
                }],
            },
            Event::ActiveSpeakers {
                room: 1,
                speakers: Vec::new(),
            },
        ],
        Some(Event::ActiveSpeakers { .. }) => vec![Event::RoomClosed {
            room: 1,
            reason: "internal_error",
        }],
        Some(Event::RoomClosed { .. }) => vec![Event::DataWanted { room: 1 }],
        Some(Event::DataWanted { .. }) => vec![Event::DataChannelClosed {
            transport: 1,
            label: "chat".into(),
            reason: "slow_reader",
        }],
        Some(Event::DataChannelClosed { .. }) => vec![Event::DataMessages {
            transport: 1,
            open: true,
        }],
        Some(Event::DataMessages { .. }) => vec![Event::DataMessage {
            transport: 1,
            text: "{}".into(),
        }],
        Some(Event::DataMessage { .. }) => return None,
    };
    Some(samples)
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
            ErrorCode::Invalid => Some(ErrorCode::InternalError),
            ErrorCode::InternalError => None,
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
        result: Some(serde_json::json!({ "transports": [] })),
    };
    refusals.chain([carried_out]).collect()
}

fn qualities() -> Vec<Event> {
    let video = |rid: Option<&str>, paused, reason| VideoQuality {
        subscription: 1,
        rid: rid.map(str::to_owned),
        spatial: rid.map(|_| 1),
        temporal: rid.map(|_| 2),
        paused,
        bitrate_bps: 550_000,
        reason,
    };
    vec![
        Event::Quality {
            estimate_bps: Some(1_000_000),
            sent_bps: 600_000,
            video: vec![
                video(Some("h"), false, "bandwidth"),
                video(None, true, "bandwidth"),
            ],
        },
        Event::Quality {
            estimate_bps: None,
            sent_bps: 0,
            video: Vec::new(),
        },
    ]
}

fn transport_states() -> Vec<Event> {
    let mut state = Some(TransportState::Connected);
    std::iter::from_fn(|| {
        let this = state?;
        state = match this {
            TransportState::Connected => Some(TransportState::Disconnected),
            TransportState::Disconnected => Some(TransportState::Failed),
            TransportState::Failed => Some(TransportState::Closed),
            TransportState::Closed => None,
        };
        let up = this == TransportState::Connected;
        Some(Event::TransportState {
            transport: 1,
            state: this,
            reason: "why".into(),
            srtp_profile: up.then_some("SRTP_AEAD_AES_128_GCM"),
            local: up.then(|| "192.0.2.1:1".into()),
            remote: up.then(|| "192.0.2.2:2".into()),
            ice_ms: up.then_some(1.5),
            dtls_ms: up.then_some(2.5),
        })
    })
    .collect()
}
