//! Events of the swarm, among them the results of commands.

use super::{CommandId, StreamId, TransportId};
use crate::captures::Capture;
use crate::figures::Figures;
use crate::sample::TakenFrames;
use serde::Serialize;
use std::net::IpAddr;

/// Why a command was refused.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Unknown identifier.
    NotFound,
    /// Identifier in use.
    Duplicate,
    /// Bots do not support the codec.
    CodecUnsupported,
    /// The SSRC was used on this transport.
    SsrcReused,
    /// Invalid value.
    Invalid,
    /// The kernel refused: too many files, address not available.
    System,
}

/// Why a command was refused.
#[derive(Clone, Debug, Serialize)]
pub struct CommandError {
    /// Error code, for programs.
    pub code: ErrorCode,
    /// Message, for users.
    pub message: String,
}

impl CommandError {
    /// Create an error.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// The result of a command.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum CommandResult {
    /// Of a `snapshot`.
    Figures(Box<Figures>),
    /// Of `take_frames`.
    Frames(TakenFrames),
    /// Of `take_captures`.
    Captures(Vec<Capture>),
}

/// State of a transport.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TransportState {
    /// ICE and DTLS are done and the fingerprint matched.
    Connected,
    /// Nothing was received from the server for some time.
    Disconnected,
    /// The transport cannot recover.
    Failed,
}

/// An event of the swarm.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The response to a command.
    Done {
        /// The command.
        id: CommandId,
        /// Set where the command was refused.
        error: Option<CommandError>,
        /// The result of a `snapshot` or of `take_frames`.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<CommandResult>,
    },
    /// The state of a transport changed.
    TransportState {
        /// The transport.
        transport: TransportId,
        /// The state.
        state: TransportState,
        /// Reason code.
        reason: String,
        /// SRTP profile (IANA name), once connected.
        srtp_profile: Option<&'static str>,
        /// From the first connectivity check to the first response.
        ice_ms: Option<f64>,
        /// DTLS handshake, up to the verified fingerprint.
        dtls_ms: Option<f64>,
        /// Time of the change.
        at_ns: u64,
    },
    /// A TURN server allocated an address for a transport.
    Allocated {
        /// The transport.
        transport: TransportId,
        /// The relayed address.
        ip: IpAddr,
        /// Its port.
        port: u16,
        /// From the first request, the connection to the server included.
        allocate_ms: f64,
        /// Time of the response.
        at_ns: u64,
    },
    /// A transport continues on another local address, or failed to.
    AddressChanged {
        /// The transport.
        transport: TransportId,
        /// From the last media packet before the change to the first one after it; none without
        /// media, and where the change failed.
        gap_ms: Option<f64>,
        /// From the change to the response to a connectivity check; none without a response.
        ice_ms: Option<f64>,
        /// Reason code; none where the change is complete.
        failure: Option<&'static str>,
        /// Time of the event.
        at_ns: u64,
    },
    /// The first complete key frame of a stream (audio: packet) was received.
    FirstFrame {
        /// The stream.
        stream: StreamId,
        /// Its simulcast encoding; none for audio, and where frames have no id.
        encoding_index: Option<u8>,
        /// Time of receipt.
        at_ns: u64,
    },
    /// A complete key frame of another simulcast encoding was received.
    EncodingChanged {
        /// The stream.
        stream: StreamId,
        /// Index of the encoding, as published.
        encoding_index: u8,
        /// Time of receipt.
        at_ns: u64,
    },
}
