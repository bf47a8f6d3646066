//! What happens in an association, and why.

use core::fmt;

use super::ChannelId;
use super::dcep::ChannelParameters;

/// Why a channel, or an association with all its channels, is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed it.
    ClosedByPeer,
    /// This side closed it.
    Closed,
    /// A message exceeds [`MAX_MESSAGE_BYTES`], or never ends.
    MessageTooLarge,
    /// The peer does not answer, or has broken the protocol.
    AssociationFailed,
}

impl CloseReason {
    /// Return its reason code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ClosedByPeer => "closed_by_peer",
            Self::Closed => "closed",
            Self::MessageTooLarge => "message_too_large",
            Self::AssociationFailed => "association_failed",
        }
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no such channel, or it is being closed.
    NoChannel,
    /// The message exceeds [`MAX_MESSAGE_BYTES`].
    TooLarge,
    /// The send queue is full.
    Full,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoChannel => "no such channel",
            Self::TooLarge => "message too large",
            Self::Full => "send queue full",
        })
    }
}

impl core::error::Error for SendError {}

/// What happened in an association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssociationEvent {
    /// The peer opened a channel.
    Opened(ChannelId, ChannelParameters),
    /// A message arrived.
    Message {
        /// On this channel.
        channel: ChannelId,
        /// Text, which need not be valid UTF-8; else binary.
        is_text: bool,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// A channel is closed.
    Closed(ChannelId, CloseReason),
    /// The association ended, and with it every channel; it has no use any more.
    Ended(CloseReason),
}
