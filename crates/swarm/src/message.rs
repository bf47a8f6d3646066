//! What the load generator's control plane and the swarm say to each other.
//!
//! Both directions are JSON outside this process' Rust half; `sfukit/swarm/messages.py`
//! mirrors it. The identifiers are chosen by the control plane, count upwards and are never
//! reused. Instants are nanoseconds of the swarm's own clock.

use crate::figures::Figures;
use crate::impair::Network;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

pub use crate::names::{BotId, ClipId, CommandId, Kind, StreamId, TransportId};

/// A request of the control plane.
#[derive(Clone, Debug, Deserialize)]
pub struct Command {
    /// Echoed in the completion.
    pub id: CommandId,
    /// What to do.
    #[serde(flatten)]
    pub request: Request,
}

/// What the control plane may ask for.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Read an IVF file and cut it into packets, for all bots.
    LoadClip(LoadClip),
    /// Make a bot.
    AddBot(AddBot),
    /// Open a socket and start ICE and DTLS.
    OpenTransport(Box<OpenTransport>),
    /// Close a transport and its socket; what it measured stays.
    CloseTransport {
        /// The transport.
        transport: TransportId,
    },
    /// Change a bot's network.
    SetNetwork {
        /// The bot.
        bot: BotId,
        /// From the bot to the server; none is perfect.
        net_up: Option<Network>,
        /// From the server to the bot; none is perfect.
        net_down: Option<Network>,
    },
    /// Send a track.
    Publish(Box<Publish>),
    /// Stop sending a track.
    Unpublish {
        /// The stream.
        stream: StreamId,
    },
    /// Send these encodings of a track and let its others rest.
    SendOnly {
        /// The stream.
        stream: StreamId,
        /// RFC 8851 identifiers.
        rids: Vec<String>,
    },
    /// Expect a track.
    Receive(Box<Receive>),
    /// Expect a track no more; what it measured stays.
    Unreceive {
        /// The stream.
        stream: StreamId,
    },
    /// Count what happens between two instants apart from the rest.
    Window {
        /// First instant, which may lie ahead.
        start_ns: u64,
        /// First instant that is not counted any more.
        end_ns: u64,
    },
    /// Report all figures.
    Snapshot {
        /// Report every bot and stream as well.
        #[serde(default)]
        bots: bool,
    },
}

/// Read an IVF file and cut it into packets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadClip {
    /// Its new name.
    pub clip: ClipId,
    /// The file.
    pub path: String,
}

/// Make a bot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddBot {
    /// Its new name.
    pub bot: BotId,
    /// Its name for people.
    pub name: String,
    /// When it was planned to join: all join times count from here.
    pub scheduled_ns: u64,
}

/// ICE credentials (RFC 8445 section 5.3).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalParameters {
    /// Username fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
}

/// What the server's session description says of its transport.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteParameters {
    /// Username fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
    /// Values of `a=fingerprint`.
    pub fingerprints: Vec<String>,
    /// UDP host candidates; those of another address family than the first are left out.
    pub candidates: Vec<Candidate>,
}

/// An address to try.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Address.
    pub ip: IpAddr,
    /// UDP port.
    pub port: u16,
}

impl From<Candidate> for SocketAddr {
    fn from(candidate: Candidate) -> Self {
        SocketAddr::new(candidate.ip, candidate.port)
    }
}

/// Who sends the ClientHello.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum DtlsRole {
    /// The bot.
    Client,
    /// The server.
    Server,
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

/// Open a socket and start ICE and DTLS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenTransport {
    /// Whose it is.
    pub bot: BotId,
    /// Its new name.
    pub transport: TransportId,
    /// Local address; none leaves it to the kernel.
    pub bind_ip: Option<IpAddr>,
    /// What our session description says.
    pub local: LocalParameters,
    /// What theirs says.
    pub remote: RemoteParameters,
    /// Our role.
    pub dtls_role: DtlsRole,
    /// RTCP canonical name (RFC 7022).
    pub cname: String,
    /// From the bot to the server, for all transports of the bot; none is perfect.
    #[serde(default)]
    pub net_up: Option<Network>,
    /// From the server to the bot, for all transports of the bot; none is perfect.
    #[serde(default)]
    pub net_down: Option<Network>,
}

/// Negotiated header extensions: URI and id.
pub type ExtensionIds = BTreeMap<String, u8>;

/// How video leaves a bot.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// At 2.5 times the bitrate, in bursts of up to 40 ms of that.
    #[default]
    Libwebrtc,
    /// At 2.5 times the bitrate, in bursts of 5 ms of that.
    Smooth,
    /// Whole frames at once.
    Whole,
}

/// What a bot does when asked for a key frame.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PliPolicy {
    /// Go on at the next key frame of the clip.
    #[default]
    Answer,
    /// Nothing.
    Ignore,
}

/// Send a track.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Where it leaves.
    pub transport: TransportId,
    /// Its new name.
    pub stream: StreamId,
    /// RFC 9143 media id.
    pub mid: String,
    /// Negotiated payload type.
    pub payload_type: u8,
    /// RFC 4588 payload type, where negotiated.
    pub rtx_payload_type: Option<u8>,
    /// Negotiated header extensions.
    #[serde(default)]
    pub extensions: ExtensionIds,
    /// One for each simulcast encoding, or the only one.
    pub encodings: Vec<EncodingParameters>,
    /// Stands in the frame ids; tells publishers apart.
    pub source_id: u32,
    /// When the first frame is captured.
    pub start_ns: u64,
    /// How packets leave.
    #[serde(default)]
    pub paced: Pacing,
    /// What a request for a key frame does.
    #[serde(default)]
    pub pli: PliPolicy,
}

/// One simulcast encoding that a bot sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodingParameters {
    /// RFC 8851 identifier, where there are several.
    pub rid: Option<String>,
    /// Never used before on this transport.
    pub ssrc: u32,
    /// Never used before on this transport.
    pub rtx_ssrc: Option<u32>,
    /// What it sends.
    pub clip: ClipId,
    /// Stands in the frame ids, 0 to 7.
    #[serde(default)]
    pub encoding_index: u8,
}

/// Expect a track.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receive {
    /// Where it arrives.
    pub transport: TransportId,
    /// Its new name.
    pub stream: StreamId,
    /// Encoding name as in SDP.
    pub codec: String,
    /// RFC 9143 media id.
    pub mid: String,
    /// Negotiated payload type.
    pub payload_type: u8,
    /// RFC 4588 payload type, where negotiated.
    pub rtx_payload_type: Option<u8>,
    /// Where the description names it.
    pub ssrc: Option<u32>,
    /// Where the description names it.
    pub rtx_ssrc: Option<u32>,
    /// Negotiated header extensions.
    #[serde(default)]
    pub extensions: ExtensionIds,
    /// Who sends it, for people.
    #[serde(default)]
    pub source: String,
    /// Negotiated `a=rtcp-fb` values.
    #[serde(default)]
    pub feedback: Vec<String>,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// An identifier that names nothing here.
    NotFound,
    /// An identifier that is in use.
    Duplicate,
    /// No bot can send or receive that codec.
    CodecUnsupported,
    /// The SSRC has been used on this transport.
    SsrcReused,
    /// A value that makes no sense.
    Invalid,
    /// The kernel refused: too many files, no such address.
    System,
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
    /// Make an error from its code and what it is about.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// State that a transport reached.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TransportState {
    /// ICE and DTLS are done and the fingerprint matched.
    Connected,
    /// The server fell silent.
    Disconnected,
    /// It can never work.
    Failed,
}

/// What the swarm reports.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A command was carried out or refused.
    Done {
        /// The command.
        id: CommandId,
        /// Why it was refused.
        error: Option<CommandError>,
        /// What was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Box<Figures>>,
    },
    /// A transport reached another state.
    TransportState {
        /// The transport.
        transport: TransportId,
        /// The state.
        state: TransportState,
        /// Why, in one word.
        reason: String,
        /// IANA name, once connected.
        srtp_profile: Option<&'static str>,
        /// From the first check to the first answer.
        ice_ms: Option<f64>,
        /// From there to the verified fingerprint.
        dtls_ms: Option<f64>,
        /// When it happened.
        at_ns: u64,
    },
    /// A stream's first complete key frame (audio: packet) arrived.
    FirstFrame {
        /// The stream.
        stream: StreamId,
        /// When.
        at_ns: u64,
    },
    /// A complete key frame of another simulcast encoding arrived.
    EncodingChanged {
        /// The stream.
        stream: StreamId,
        /// Which one now, as published.
        encoding_index: u8,
        /// When.
        at_ns: u64,
    },
}
