//! Commands of the control plane to the swarm; events of the swarm are in `message/event.rs`.
//!
//! Both directions are JSON; `sfukit/swarm/messages.py` mirrors this. The control plane allocates
//! identifiers, which count upwards and are never reused. Instants are nanoseconds of the swarm's
//! clock.

mod event;

use crate::impair::Network;
use crate::relay::Relay;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

pub use crate::ids::{BotId, BottleneckId, ClipId, CommandId, FlowId, Kind, StreamId, TransportId};
pub use crate::tcp_flow::AddFlow;
pub use event::{CommandError, CommandResult, ErrorCode, Event, TransportState};

/// A command of the control plane.
#[derive(Clone, Debug, Deserialize)]
pub struct Command {
    /// Echoed in the `done` event.
    pub id: CommandId,
    /// The request.
    #[serde(flatten)]
    pub request: Request,
}

/// The requests of the control plane.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Read an IVF file and packetize it, for all bots.
    LoadClip(LoadClip),
    /// Add a bot.
    AddBot(AddBot),
    /// Open a socket and start ICE and DTLS.
    OpenTransport(Box<OpenTransport>),
    /// Check a remote candidate that was trickled (RFC 8838).
    AddCandidate {
        /// The transport.
        transport: TransportId,
        /// Its address; one of another family than the socket is ignored.
        candidate: Candidate,
    },
    /// Replace the socket of a transport, as on a change of network: another local address with the
    /// same ICE credentials. Its end is an `address_changed` event.
    ChangeAddress {
        /// The transport.
        transport: TransportId,
    },
    /// Close a transport and its socket; the figures keep its measurements.
    CloseTransport {
        /// The transport.
        transport: TransportId,
    },
    /// Change the network impairment of a bot.
    SetNetwork {
        /// The bot.
        bot: BotId,
        /// Uplink; none removes the impairment.
        net_up: Option<Box<Network>>,
        /// Downlink; none removes the impairment.
        net_down: Option<Box<Network>>,
    },
    /// Add a TCP-like flow behind a bottleneck.
    AddFlow(Box<AddFlow>),
    /// Publish a track.
    Publish(Box<Publish>),
    /// Stop publishing a track.
    Unpublish {
        /// The stream.
        stream: StreamId,
    },
    /// Set the audio level of a published track, where the extension was negotiated.
    SetAudioLevel {
        /// The stream.
        stream: StreamId,
        /// The octet of RFC 6464: bit `V`, and the level below overload in dB.
        octet: u8,
    },
    /// Activate these encodings of a track; deactivate its others.
    SetActiveEncodings {
        /// The stream.
        stream: StreamId,
        /// RIDs (RFC 8851).
        rids: Vec<String>,
    },
    /// Receive a track.
    Receive(Box<Receive>),
    /// Set the wanted encoding of a received track, where the layout changed.
    SetWanted {
        /// The stream.
        stream: StreamId,
        /// Index of the encoding, as published.
        encoding_index: u8,
    },
    /// Stop receiving a track; the figures keep its measurements.
    StopReceiving {
        /// The stream.
        stream: StreamId,
    },
    /// Set the clock of the frame ids, where another swarm publishes.
    FrameClock {
        /// The clock of the publishing swarm minus the clock of this one.
        offset_ns: i64,
    },
    /// Take the frames of a sampled stream.
    TakeFrames {
        /// The stream.
        stream: StreamId,
    },
    /// Take the captures of a published track that logs them.
    TakeCaptures {
        /// The stream.
        stream: StreamId,
    },
    /// Set the measurement window.
    Window {
        /// Start, which may be in the future.
        start_ns: u64,
        /// End, exclusive.
        end_ns: u64,
    },
    /// Report the figures.
    Snapshot {
        /// Include the figures of every bot and stream.
        #[serde(default)]
        bots: bool,
        /// Include the figures of every impaired link.
        #[serde(default)]
        links: bool,
        /// Include the series of traced links.
        #[serde(default)]
        traces: bool,
    },
}

/// Read an IVF file and packetize it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadClip {
    /// New identifier.
    pub clip: ClipId,
    /// Path of the file.
    pub path: String,
}

/// Add a bot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddBot {
    /// New identifier.
    pub bot: BotId,
    /// Display name.
    pub name: String,
    /// Scheduled join: all join times are measured from here.
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

/// Transport parameters of the server's session description.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteParameters {
    /// Username fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
    /// Values of `a=fingerprint`.
    pub fingerprints: Vec<String>,
    /// UDP candidates; those of another address family than the first are ignored.
    pub candidates: Vec<Candidate>,
}

/// A remote UDP candidate.
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

/// DTLS role of the bot.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum DtlsRole {
    /// The bot sends the ClientHello.
    Client,
    /// The server sends the ClientHello.
    Server,
}

/// SRTP profiles to negotiate.
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
    /// The bot.
    pub bot: BotId,
    /// New identifier.
    pub transport: TransportId,
    /// Local address; none lets the kernel select it.
    pub bind_ip: Option<IpAddr>,
    /// ICE credentials of the bot's session description.
    pub local: LocalParameters,
    /// Transport parameters of the server's session description.
    pub remote: RemoteParameters,
    /// DTLS role of the bot.
    pub dtls_role: DtlsRole,
    /// RTCP canonical name (RFC 7022).
    pub cname: String,
    /// The TURN server that everything passes.
    #[serde(default)]
    pub relay: Option<Relay>,
    /// Uplink impairment of all transports of the bot; none leaves it unchanged.
    #[serde(default)]
    pub net_up: Option<Network>,
    /// Downlink impairment of all transports of the bot; none leaves it unchanged.
    #[serde(default)]
    pub net_down: Option<Network>,
}

/// Negotiated header extensions: URI and id.
pub type ExtensionIds = BTreeMap<String, u8>;

/// Pacing of outbound video.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// At 2.5 times the bitrate, in bursts of up to 40 ms at that rate.
    #[default]
    Libwebrtc,
    /// At 2.5 times the bitrate, in bursts of up to 5 ms at that rate.
    Smooth,
    /// No pacing: whole frames at once.
    Whole,
}

/// Response to keyframe requests.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PliPolicy {
    /// Continue with the next key frame of the clip.
    #[default]
    Answer,
    /// Ignore the request.
    Ignore,
}

/// Publish a track.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The sending transport.
    pub transport: TransportId,
    /// New identifier.
    pub stream: StreamId,
    /// MID (RFC 9143).
    pub mid: String,
    /// Negotiated payload type.
    pub payload_type: u8,
    /// RFC 4588 payload type, where negotiated.
    pub rtx_payload_type: Option<u8>,
    /// Negotiated header extensions.
    #[serde(default)]
    pub extensions: ExtensionIds,
    /// Simulcast encodings, or the only encoding.
    pub encodings: Vec<EncodingParameters>,
    /// Source of the frame ids, unique per published track.
    pub source_id: u32,
    /// Capture time of the first frame.
    pub start_ns: u64,
    /// Pacing of video.
    #[serde(default)]
    pub paced: Pacing,
    /// Response to keyframe requests.
    #[serde(default)]
    pub pli: PliPolicy,
    /// Write frame ids into video frames.
    #[serde(default = "yes")]
    pub frame_ids: bool,
    /// Keep the captures for `take_captures`.
    #[serde(default)]
    pub log_captures: bool,
    /// Octet of the audio level of audio (RFC 6464), where the extension was negotiated; absent: 127,
    /// silence.
    #[serde(default)]
    pub audio_level: Option<u8>,
}

fn yes() -> bool {
    true
}

/// What the delay of a received frame is measured by.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FrameTiming {
    /// The frame id, else abs-capture-time.
    #[default]
    Any,
    /// The frame id.
    FrameId,
    /// The header extension abs-capture-time.
    CaptureTime,
    /// Delays are not measured here.
    None,
}

/// One simulcast encoding that a bot sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncodingParameters {
    /// RID (RFC 8851), for simulcast.
    pub rid: Option<String>,
    /// SSRC, unused on this transport so far.
    pub ssrc: u32,
    /// RTX SSRC, unused on this transport so far.
    pub rtx_ssrc: Option<u32>,
    /// The clip to send.
    pub clip: ClipId,
    /// Encoding index of the frame ids, 0 to 7.
    #[serde(default)]
    pub encoding_index: u8,
}

/// Receive a track.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receive {
    /// The receiving transport.
    pub transport: TransportId,
    /// New identifier.
    pub stream: StreamId,
    /// Encoding name as in SDP.
    pub codec: String,
    /// MID (RFC 9143).
    pub mid: String,
    /// Negotiated payload type.
    pub payload_type: u8,
    /// RFC 4588 payload type, where negotiated.
    pub rtx_payload_type: Option<u8>,
    /// SSRC, where the description declares it.
    pub ssrc: Option<u32>,
    /// RTX SSRC, where the description declares it.
    pub rtx_ssrc: Option<u32>,
    /// Negotiated header extensions.
    #[serde(default)]
    pub extensions: ExtensionIds,
    /// Display name of the publisher and its track.
    #[serde(default)]
    pub source: String,
    /// Negotiated `a=rtcp-fb` values.
    #[serde(default)]
    pub feedback: Vec<String>,
    /// The frame ids have another clock than that of this swarm: frame delays are unknown.
    #[serde(default)]
    pub untimed: bool,
    /// What the quality score expects of video; none where the publisher is unknown.
    #[serde(default)]
    pub wanted: Option<Wanted>,
    /// Keep its frames for `take_frames`.
    #[serde(default)]
    pub sample: bool,
    /// Sampled frames may be without frame id: the control plane reads their barcode.
    #[serde(default)]
    pub barcode: bool,
    /// What frame delays are measured by.
    #[serde(default)]
    pub timing: FrameTiming,
}

/// The encoding of a track that a receiver wants, and what each carries.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Index of the encoding, as published.
    pub encoding_index: u8,
    /// Bitrates of the encodings by their index.
    pub bitrates_bps: Vec<u64>,
}

impl Wanted {
    /// Return the bitrate of an encoding.
    #[must_use]
    pub fn bitrate_bps(&self, encoding_index: u8) -> Option<u64> {
        self.bitrates_bps.get(usize::from(encoding_index)).copied()
    }
}
