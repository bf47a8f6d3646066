//! Identifiers in commands, events and figures.

use serde::{Deserialize, Serialize};

/// Identifier of a command, echoed in its `done` event.
pub type CommandId = u64;
/// Identifier of a clip.
pub type ClipId = u32;
/// Identifier of a bot.
pub type BotId = u32;
/// Identifier of a bottleneck that links share.
pub type BottleneckId = u32;
/// Identifier of a TCP-like flow.
pub type FlowId = u32;
/// Identifier of a transport.
pub type TransportId = u32;
/// Identifier of an outbound or inbound stream.
pub type StreamId = u32;

/// Audio or video.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}
