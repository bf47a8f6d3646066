//! Reason codes of switches, inactive encodings and closed data channels, as events and statistics have them.

/// The subscriber requested this encoding.
pub const REQUESTED: &str = "requested";
/// The highest encoding.
pub const BEST: &str = "best";
/// The frame size or frame rate that the subscriber requested.
pub const SIZE: &str = "size";
/// A higher one, or any, would exceed the estimated bandwidth.
pub const BANDWIDTH: &str = "bandwidth";
/// Other participants have spoken later (last-N).
pub const LAST_N: &str = "last_n";
/// The requested encoding is inactive.
pub const ENCODING_INACTIVE: &str = "encoding_inactive";
/// The encoding has no subscribers, so dynacast made it inactive.
pub const UNWATCHED: &str = "unwatched";
/// The participant may not send data.
pub const DATA_DENIED: &str = "data_denied";
/// The label of a data channel is empty, too long or has control characters.
pub const LABEL_INVALID: &str = "label_invalid";
/// The participant has, or the room knows, as many data channels as there may be.
pub const TOO_MANY_CHANNELS: &str = "too_many_channels";
/// A reliable data channel was full for too long.
pub const SLOW_READER: &str = "slow_reader";
/// No encoding is active.
pub const NO_ENCODING: &str = "no_encoding";
