//! Reason codes of switches and of inactive encodings, as events and statistics have them.

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
/// No encoding is active.
pub const NO_ENCODING: &str = "no_encoding";
