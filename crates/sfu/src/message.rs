//! Commands of the control plane and events of the engine.
//!
//! Both directions are JSON outside this process' Rust half; the identifiers are chosen by the
//! control plane, count upwards and are never reused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Identifies a command, echoed in its completion.
pub type CommandId = u64;
/// Identifies a room.
pub type RoomId = u32;
/// Identifies a transport.
pub type TransportId = u32;
/// Identifies a publication.
pub type PublicationId = u32;
/// Identifies a subscription.
pub type SubscriptionId = u32;

/// ICE credentials (RFC 8445 5.3).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalParameters {
    /// Local username fragment.
    pub ufrag: String,
    /// Local password.
    pub pwd: String,
}

/// Transport parameters of the peer's session description.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteParameters {
    /// Remote username fragment.
    pub ufrag: String,
    /// Remote password.
    pub pwd: String,
    /// Values of `a=fingerprint`.
    pub fingerprints: Vec<String>,
    /// Its DTLS role.
    #[serde(default)]
    pub setup: Setup,
}

/// DTLS role of the peer, as in `a=setup` (RFC 8842 section 5).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Setup {
    /// The peer sends the ClientHello.
    #[default]
    Active,
    /// The server sends the ClientHello.
    Passive,
}

/// Which SRTP profiles may be negotiated.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SrtpChoice {
    /// GCM first, then the SHA1_80 profile.
    #[default]
    Auto,
    /// AEAD_AES_128_GCM alone.
    Gcm128,
    /// AES_CM_128_HMAC_SHA1_80 alone.
    Cm80,
}

/// One simulcast stream of a publication, or its only one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodingParameters {
    /// RFC 8851 identifier.
    pub rid: Option<String>,
    /// SSRC, where the offer declares it.
    pub ssrc: Option<u32>,
    /// SSRC of retransmissions, where the offer declares it.
    pub rtx_ssrc: Option<u32>,
}

/// One negotiated header extension: its URI and its id.
pub type ExtensionIds = std::collections::BTreeMap<String, u8>;

/// The encoding that a subscription requests.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// The best that the policy allows.
    #[default]
    Auto,
    /// The encoding with this rid.
    Encoding {
        /// RFC 8851 identifier.
        rid: String,
    },
    /// The nth encoding by size, 0 the lowest.
    Index {
        /// Counted from the lowest.
        index: usize,
    },
}

/// How a subscriber shows a publication, and how important it is beside others.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Preference {
    /// Pixels per line; with `height` or not at all.
    pub width: Option<u16>,
    /// Lines.
    pub height: Option<u16>,
    /// Highest useful frame rate, in frames per second.
    pub fps: Option<u16>,
    /// A higher priority gets more of an estimate; 0 the lowest.
    pub priority: u8,
    /// Whether it comes before all that are not pinned.
    pub pinned: bool,
    /// The highest spatial layer of an encoding.
    pub spatial: Option<u8>,
    /// The highest temporal layer of an encoding.
    pub temporal: Option<u8>,
}

/// What a transport's peer does on data channels.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct DataParameters {
    /// Whose transport it is: what it sends is not returned to its other transport.
    pub member: u32,
    /// Its name, for messages that name their receiver or sender; empty: not to be named.
    #[serde(default)]
    pub name: String,
    /// Whether it may open channels and send.
    pub send: bool,
    /// Whether it gets what others send.
    pub receive: bool,
    /// Whether SDP has data channels; without them what it gets waits.
    pub negotiated: bool,
    /// Longest message that its peer takes, bytes.
    #[serde(default = "default_message_bytes")]
    pub max_message_bytes: usize,
}

fn default_message_bytes() -> usize {
    rtc::sctp::MAX_MESSAGE_BYTES
}

/// Audio or video.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// A request of the control plane.
#[derive(Clone, Debug, Deserialize)]
pub struct Command {
    /// Echoed in the completion.
    pub id: CommandId,
    /// The request.
    #[serde(flatten)]
    pub request: Request,
}

/// The requests of the control plane.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // the fields are those of docs/protocol.md and of the structs above
pub enum Request {
    OpenRoom {
        room: RoomId,
    },
    CloseRoom {
        room: RoomId,
    },
    OpenTransport {
        room: RoomId,
        transport: TransportId,
        local: LocalParameters,
        remote: Option<RemoteParameters>,
        #[serde(default)]
        data: Option<DataParameters>,
    },
    SetData {
        transport: TransportId,
        data: DataParameters,
    },
    /// Send a message to those of these transports whose peers have a channel `sfukit`.
    SendMessages {
        room: RoomId,
        transports: Vec<TransportId>,
        text: String,
    },
    SetRemote {
        transport: TransportId,
        remote: RemoteParameters,
    },
    RestartIce {
        transport: TransportId,
        local: LocalParameters,
        remote: RemoteParameters,
    },
    CloseTransport {
        transport: TransportId,
    },
    Publish(PublishRequest),
    Unpublish {
        publication: PublicationId,
    },
    Subscribe(SubscribeRequest),
    SetTarget {
        subscription: SubscriptionId,
        target: Target,
        #[serde(default)]
        preference: Preference,
    },
    SetLastN {
        transport: TransportId,
        last_n: Option<u16>,
    },
    ReplaceSource {
        subscription: SubscriptionId,
        publication: PublicationId,
    },
    Unsubscribe {
        subscription: SubscriptionId,
    },
    SetMuted {
        publication: PublicationId,
        muted: bool,
    },
    RoomStats {
        room: RoomId,
    },
}

/// Offer a track to a room.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// The transport it arrives on.
    pub transport: TransportId,
    /// Its identifier, a new one.
    pub publication: PublicationId,
    /// Audio or video.
    pub kind: Kind,
    /// Encoding name as in SDP.
    pub codec: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Payload type on the publisher's transport.
    pub payload_type: u8,
    /// RFC 4588 payload type, where negotiated.
    pub rtx_payload_type: Option<u8>,
    /// RFC 2198 payload type, where negotiated: its blocks are of the payload type above.
    #[serde(default)]
    pub red_payload_type: Option<u8>,
    /// RFC 9143 media id.
    pub mid: String,
    /// One, or one for each rid.
    pub encodings: Vec<EncodingParameters>,
    /// `a=ssrc-group:FID` of encodings identified by rid: SSRCs of media and of RTX.
    #[serde(default)]
    pub fid_groups: Vec<(u32, u32)>,
    /// Negotiated header extensions of the publisher's transport.
    #[serde(default)]
    pub extensions: ExtensionIds,
    /// Negotiated `a=rtcp-fb` values.
    #[serde(default)]
    pub feedback: Vec<String>,
    /// Dynacast: the publisher stops and starts encodings on [`Event::EncodingsWanted`].
    #[serde(default)]
    pub dynacast: bool,
    /// Whether it is a shared screen, which gets more of an estimate than a camera.
    #[serde(default)]
    pub screen: bool,
}

/// Send a publication to a transport.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscribeRequest {
    /// The transport it leaves on.
    pub transport: TransportId,
    /// Its identifier, a new one.
    pub subscription: SubscriptionId,
    /// The publication to send.
    pub publication: PublicationId,
    /// RFC 9143 media id on the subscriber's transport.
    pub mid: String,
    /// Payload type on the subscriber's transport.
    pub payload_type: u8,
    /// RFC 4588 payload type, where negotiated.
    pub rtx_payload_type: Option<u8>,
    /// RFC 2198 payload type of audio, where negotiated: each packet has the one before it too.
    #[serde(default)]
    pub red_payload_type: Option<u8>,
    /// Never used before on this transport.
    pub ssrc: u32,
    /// Never used before on this transport.
    pub rtx_ssrc: Option<u32>,
    /// Negotiated header extensions of the subscriber's transport.
    #[serde(default)]
    pub extensions: ExtensionIds,
    /// RTCP canonical name (RFC 7022).
    pub cname: String,
    /// Congestion feedback of the receiver: `transport-cc` or `goog-remb`.
    #[serde(default)]
    pub feedback: Vec<String>,
    /// Which encoding.
    #[serde(default)]
    pub target: Target,
    /// How it is shown.
    #[serde(default)]
    pub preference: Preference,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// An identifier of no entity.
    NotFound,
    /// An identifier that is in use.
    Duplicate,
    /// The codec cannot be forwarded, or not to this subscriber.
    CodecUnsupported,
    /// The SSRC has been used on this transport.
    SsrcReused,
    /// An invalid value.
    Invalid,
    /// The room panicked and was dropped.
    InternalError,
}

/// A refused command.
#[derive(Clone, Debug, Serialize)]
pub struct CommandError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl CommandError {
    /// Make an error from its code and its subject.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// State of a transport.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TransportState {
    /// ICE and DTLS are done and the fingerprint matched.
    Connected,
    /// Consent expired: the peer answers no checks.
    Disconnected,
    /// ICE or DTLS failed for good.
    Failed,
    /// The peer closed DTLS.
    Closed,
}

/// Events of the engine.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are those of docs/protocol.md
pub enum Event {
    Done {
        id: CommandId,
        error: Option<CommandError>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    },
    TransportState {
        transport: TransportId,
        state: TransportState,
        reason: String,
        srtp_profile: Option<&'static str>,
        local: Option<String>,
        remote: Option<String>,
        ice_ms: Option<f64>,
        dtls_ms: Option<f64>,
    },
    PublicationStarted {
        publication: PublicationId,
        rid: Option<String>,
        ssrc: u32,
    },
    EncodingState {
        publication: PublicationId,
        rid: Option<String>,
        active: bool,
        reason: &'static str,
    },
    /// The publisher should send these encodings and no others.
    EncodingsWanted {
        publication: PublicationId,
        rids: Vec<String>,
    },
    /// Packets of this SSRC have been dropped for a second, since it belongs to no encoding.
    SsrcUnbound {
        transport: TransportId,
        ssrc: u32,
        payload_type: u8,
        packets: u64,
        reason: &'static str,
    },
    LayerSwitch {
        subscription: SubscriptionId,
        from: Option<String>,
        to: Option<String>,
        reason: &'static str,
        /// None: no switch, since the requested encoding is inactive or other layers of the same one
        /// are selected.
        wait_ms: Option<f64>,
        /// The layers that are selected; `None` where the encoding has a single one.
        layers: Option<SelectedLayers>,
    },
    /// What a transport sends within the estimate of its bandwidth, where that limits it or has
    /// just ceased to limit it.
    Quality {
        estimate_bps: Option<u64>,
        sent_bps: u64,
        video: Vec<VideoQuality>,
    },
    /// Other participants speak than before, or another one is the dominant speaker.
    ActiveSpeakers {
        room: RoomId,
        /// The dominant one first.
        speakers: Vec<ActiveSpeaker>,
    },
    /// The first data channel of a room was opened: its other participants negotiate theirs.
    DataWanted { room: RoomId },
    /// The server closed a data channel.
    DataChannelClosed {
        transport: TransportId,
        label: String,
        reason: &'static str,
    },
    /// The peer of a transport has opened its channel for messages of the control plane, or it is
    /// closed.
    DataMessages { transport: TransportId, open: bool },
    /// A message for the control plane.
    DataMessage {
        transport: TransportId,
        text: String,
    },
    /// The engine dropped a room that panicked.
    RoomClosed { room: RoomId, reason: &'static str },
}

/// A participant that speaks.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct ActiveSpeaker {
    /// Its microphone.
    pub publication: PublicationId,
    /// Smoothed audio level, dBov: 0 is the loudest, -127 silence.
    pub level_dbov: i8,
}

/// The layers of an encoding that one subscription gets, from the next frame that allows it.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct SelectedLayers {
    /// The highest spatial layer.
    pub spatial: u8,
    /// The highest temporal layer.
    pub temporal: u8,
    /// The highest spatial layer that the encoding has.
    pub highest_spatial: u8,
    /// The highest temporal layer that the encoding has.
    pub highest_temporal: u8,
}

/// What one subscription gets of an estimate.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct VideoQuality {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The encoding that it gets, `None` for the only one, or where it is paused.
    pub rid: Option<String>,
    /// Its highest spatial layer that is sent; `None` where it has no layers.
    pub spatial: Option<u8>,
    /// Its highest temporal layer that is sent.
    pub temporal: Option<u8>,
    /// Whether nothing is sent.
    pub paused: bool,
    /// Bitrate on the wire of the encoding, bit/s.
    pub bitrate_bps: u64,
    /// Reason code.
    pub reason: &'static str,
}
