//! What a control plane might ask for, sensible or not.

use sfu::message::{
    DataParameters, EncodingParameters, ExtensionIds, Kind, Preference, PublishRequest,
    RemoteParameters, Request, Setup, SubscribeRequest, Target,
};
use wire::extension::Extension;

use super::client::{self, AUDIO_LEVEL, DEPENDENCY_DESCRIPTOR, MID, REPAIRED_RID, RID};
use super::client::{SSRCS, TRANSPORT_SEQUENCE};
use crate::input::Input;

const CODECS: [&str; 10] = [
    "VP8", "VP8", "opus", "H264", "VP9", "AV1", "red", "H265", "PCMU", "no codec",
];
const FEEDBACK: [&str; 6] = [
    "nack",
    "nack pli",
    "ccm fir",
    "transport-cc",
    "goog-remb",
    "unknown",
];

/// Names that exist, and a few that do not.
fn any_name(input: &mut Input<'_>) -> u32 {
    u32::from(input.u8() % 6)
}

/// A request about anything but rooms and the transports of clients.
pub fn any_request(input: &mut Input<'_>) -> Request {
    match input.below(17) {
        0 | 1 => Request::Publish(any_publication(input)),
        2..=4 => Request::Subscribe(any_subscription(input)),
        5 => Request::Unpublish {
            publication: any_name(input),
        },
        6 => Request::Unsubscribe {
            subscription: any_name(input),
        },
        7 | 8 => Request::SetTarget {
            subscription: any_name(input),
            target: any_target(input),
            preference: any_preference(input),
        },
        9 | 10 => Request::SetMuted {
            publication: any_name(input),
            muted: input.flag(),
        },
        11 => any_restart(input),
        12 => Request::SetLastN {
            transport: any_name(input),
            last_n: input.flag().then(|| u16::from(input.u8() % 3)),
        },
        13 => any_transport(input),
        14 => Request::SetRemote {
            transport: any_name(input),
            remote: any_remote(input),
        },
        15 => Request::SetData {
            transport: any_name(input),
            data: any_data(input),
        },
        _ => Request::RoomStats {
            room: any_name(input),
        },
    }
}

fn any_restart(input: &mut Input<'_>) -> Request {
    Request::RestartIce {
        transport: any_name(input),
        local: client::local(100 + any_name(input)),
        remote: any_remote(input),
    }
}

fn any_remote(input: &mut Input<'_>) -> RemoteParameters {
    RemoteParameters {
        setup: input.pick(&[Setup::Active, Setup::Passive]),
        ..client::remote(any_name(input))
    }
}

/// A transport that no client connects to.
fn any_transport(input: &mut Input<'_>) -> Request {
    Request::OpenTransport {
        room: any_name(input),
        transport: 100 + any_name(input),
        local: client::local(200 + any_name(input)),
        remote: input.flag().then(|| any_remote(input)),
        data: input.flag().then(|| any_data(input)),
    }
}

fn any_data(input: &mut Input<'_>) -> DataParameters {
    DataParameters {
        member: any_name(input),
        name: String::new(),
        send: input.flag(),
        receive: input.flag(),
        negotiated: input.flag(),
        max_message_bytes: usize::from(input.u16()),
    }
}

fn any_target(input: &mut Input<'_>) -> Target {
    match input.below(4) {
        0 => Target::Auto,
        1 => Target::Index {
            index: usize::from(input.u8()),
        },
        _ => Target::Encoding {
            rid: input.pick(&["h", "l", "x", ""]).to_owned(),
        },
    }
}

fn any_preference(input: &mut Input<'_>) -> Preference {
    Preference {
        width: input.flag().then(|| input.u16()),
        height: input.flag().then(|| input.u16()),
        fps: input.flag().then(|| input.u16()),
        priority: input.u8(),
        pinned: input.flag(),
        spatial: input.flag().then(|| input.u8()),
        temporal: input.flag().then(|| input.u8()),
    }
}

fn any_publication(input: &mut Input<'_>) -> PublishRequest {
    let codec = input.pick(&CODECS);
    let is_audio = matches!(codec, "opus" | "red" | "PCMU");
    PublishRequest {
        transport: any_name(input),
        publication: any_name(input),
        kind: if is_audio { Kind::Audio } else { Kind::Video },
        codec: codec.to_owned(),
        clock_rate: input.pick(&[90_000, 48_000, 8_000, 1, 0, u32::MAX]),
        payload_type: input.pick(&[96, 96, 111, 97, 255]),
        rtx_payload_type: input.pick(&[None, Some(97), Some(96)]),
        red_payload_type: (codec == "opus").then_some(63),
        mid: input.pick(&["0", "1", "2", "", "not a token"]).to_owned(),
        encodings: (0..input.below(10)).map(|_| any_encoding(input)).collect(),
        extensions: extensions(input),
        feedback: feedback(input),
        dynacast: input.flag(),
        screen: input.flag(),
        fid_groups: (0..input.below(3))
            .map(|_| (input.pick(&SSRCS), input.pick(&SSRCS)))
            .collect(),
    }
}

fn any_encoding(input: &mut Input<'_>) -> EncodingParameters {
    EncodingParameters {
        rid: Some(input.pick(&["", "h", "l", "not a rid!"]))
            .filter(|rid| !rid.is_empty())
            .map(str::to_owned),
        ssrc: input.flag().then(|| input.pick(&SSRCS)),
        rtx_ssrc: input.flag().then(|| input.pick(&SSRCS)),
    }
}

fn any_subscription(input: &mut Input<'_>) -> SubscribeRequest {
    SubscribeRequest {
        transport: any_name(input),
        subscription: any_name(input),
        publication: any_name(input),
        mid: input.pick(&["0", "1", ""]).to_owned(),
        payload_type: input.u8(),
        rtx_payload_type: input.flag().then(|| input.u8()),
        red_payload_type: None,
        ssrc: u32::from(input.u16()),
        rtx_ssrc: input.flag().then(|| u32::from(input.u16())),
        extensions: extensions(input),
        feedback: Vec::new(),
        cname: "c".repeat(usize::from(input.u8()) * 2),
        target: any_target(input),
        preference: any_preference(input),
    }
}

/// The extensions that clients write; now and then ids that clash or do not exist.
fn extensions(input: &mut Input<'_>) -> ExtensionIds {
    let id = |usual: u8, input: &mut Input<'_>| match input.u8() {
        0..=250 => usual,
        _ => input.u8(),
    };
    [
        (Extension::Mid, MID),
        (Extension::Rid, RID),
        (Extension::RepairedRid, REPAIRED_RID),
        (Extension::TransportSequence, TRANSPORT_SEQUENCE),
        (Extension::AudioLevel, AUDIO_LEVEL),
        (Extension::DependencyDescriptor, DEPENDENCY_DESCRIPTOR),
    ]
    .into_iter()
    .map(|(extension, usual)| (extension.uri().to_owned(), id(usual, input)))
    .collect()
}

fn feedback(input: &mut Input<'_>) -> Vec<String> {
    let chosen = input.u8();
    let named = FEEDBACK.iter().enumerate();
    named
        .filter(|(nth, _)| chosen & 1 << nth == 0)
        .map(|(_, value)| (*value).to_owned())
        .collect()
}

/// A camera in two encodings under declared SSRCs, and a microphone.
pub fn camera_and_microphone(transport: u32) -> [PublishRequest; 2] {
    let encoding = |rid: Option<&str>, ssrc, rtx_ssrc| EncodingParameters {
        rid: rid.map(str::to_owned),
        ssrc: Some(ssrc),
        rtx_ssrc,
    };
    let publication =
        |publication, codec: &str, clock_rate, payload_type, mid: &str, encodings| PublishRequest {
            transport,
            publication,
            kind: if codec == "opus" {
                Kind::Audio
            } else {
                Kind::Video
            },
            codec: codec.to_owned(),
            clock_rate,
            payload_type,
            rtx_payload_type: (codec == "VP8").then_some(97),
            red_payload_type: (codec == "opus").then_some(63),
            mid: mid.to_owned(),
            encodings,
            fid_groups: Vec::new(),
            extensions: extensions(&mut Input::new(&[])),
            feedback: feedback(&mut Input::new(&[])),
            dynacast: true,
            screen: false,
        };
    let camera = vec![
        encoding(Some("l"), 1001, Some(2001)),
        encoding(Some("h"), 1002, Some(2002)),
    ];
    let microphone = vec![encoding(None, 3001, None)];
    [
        publication(1, "VP8", 90_000, 96, "0", camera),
        publication(2, "opus", 48_000, 111, "1", microphone),
    ]
}

/// A subscription as a browser would have it.
pub fn usual_subscription(transport: u32, subscription: u32, publication: u32) -> SubscribeRequest {
    let nothing = || Input::new(&[]);
    SubscribeRequest {
        transport,
        subscription,
        publication,
        mid: subscription.to_string(),
        payload_type: 100,
        rtx_payload_type: Some(101),
        red_payload_type: Some(63),
        ssrc: 70_000 + subscription,
        rtx_ssrc: Some(80_000 + subscription),
        extensions: extensions(&mut nothing()),
        feedback: vec!["transport-cc".to_owned()],
        cname: "subscriber".to_owned(),
        target: Target::Auto,
        preference: Preference::default(),
    }
}
