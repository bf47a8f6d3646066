//! What packets come from, where that is no transport of this room.

use crate::keys::EncodingKey;

/// A source of packets beside the transports of a room: a relay, a player.
///
/// Its packets are passed to [`Room::receive_packet`](crate::room::Room::receive_packet). What the
/// room needs of it arrives here; a transport gets the same as RTCP.
pub trait Source: Send {
    /// A keyframe of an encoding is needed.
    fn request_keyframe(&mut self, encoding: EncodingKey);

    /// Packets of an encoding are missing: the lower 16 bits of their sequence numbers.
    fn request_packets(&mut self, encoding: EncodingKey, sequences: &[u16]);
}
