//! Frame information of received packets.

use crate::assemble::{FrameStart, PacketInfo};
use crate::frame_id::FrameId;
use rtc::codec::{self, Codec};
use wire::rtp::{self, Header};

/// Return the payload without padding.
pub(super) fn without_padding<'a>(header: &Header, payload: &'a [u8]) -> &'a [u8] {
    if !header.has_padding {
        return payload;
    }
    // A packet with malformed padding has no usable payload.
    let padding = rtp::padding_len(payload).unwrap_or(payload.len());
    &payload[..payload.len() - padding]
}

/// Return the frame information of a decrypted packet.
///
/// `captured` is the capture time of its header extensions.
pub(super) fn packet_info(
    codec: Codec,
    header: &Header,
    index: u64,
    payload: &[u8],
    captured: Option<FrameId>,
) -> PacketInfo {
    let described = codec::describe(codec, payload, header.marker);
    let mut packet_info = PacketInfo {
        index,
        timestamp: header.timestamp,
        len: payload.len(),
        start: match (described.info.start, codec) {
            (false, _) => FrameStart::Unknown,
            (true, Codec::Vp8 | Codec::Vp9) => FrameStart::Certain,
            (true, _) => FrameStart::Possible,
        },
        end: header.marker,
        keyframe: described.info.keyframe,
        picture_id: None,
        id: None,
        captured,
    };
    let is_wide = described.picture_ids.width == codec::picture_id::Width::Wide;
    let picture_id = is_wide.then_some(described.picture_ids.id);
    match codec {
        Codec::Vp8 => {
            packet_info.picture_id = picture_id;
            packet_info.id = header.marker.then(|| FrameId::from_vp8(payload)).flatten();
        }
        Codec::H264 if described.info.start => packet_info.id = FrameId::from_h264(payload),
        Codec::Vp9 => packet_info.picture_id = picture_id,
        Codec::Av1 if described.info.start => packet_info.id = FrameId::from_av1(payload),
        _ => {}
    }
    packet_info
}

/// Return the frame information of an encrypted packet; the caller assumes whether the frame is a
/// key frame.
pub(super) fn encrypted_packet_info(
    header: &Header,
    index: u64,
    payload: &[u8],
    assumed_keyframe: bool,
) -> PacketInfo {
    PacketInfo {
        index,
        timestamp: header.timestamp,
        len: payload.len(),
        start: FrameStart::Possible,
        end: header.marker,
        keyframe: assumed_keyframe,
        picture_id: None,
        id: None,
        captured: None,
    }
}
