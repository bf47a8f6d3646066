//! What commands, events and figures name: bots, transports, streams.

use serde::{Deserialize, Serialize};

/// Names a command, echoed in its completion.
pub type CommandId = u64;
/// Names a loaded clip.
pub type ClipId = u32;
/// Names a bot.
pub type BotId = u32;
/// Names a transport.
pub type TransportId = u32;
/// Names a stream that a bot sends or receives.
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
