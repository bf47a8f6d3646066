//! What one packet says of its frame.

use crate::assemble::{Part, Start};
use crate::frame_id::FrameId;
use rtc::codec::{self, Codec};
use wire::rtp::{self, Header};

/// Return the payload without padding.
pub(super) fn without_padding<'a>(header: &Header, payload: &'a [u8]) -> &'a [u8] {
    if !header.has_padding {
        return payload;
    }
    // A packet whose padding makes no sense has no payload we can use.
    let padding = rtp::padding_len(payload).unwrap_or(payload.len());
    &payload[..payload.len() - padding]
}

/// Read what a packet says of its frame.
pub(super) fn part(codec: Codec, header: &Header, index: u64, payload: &[u8]) -> Part {
    let described = codec::describe(codec, payload, header.marker);
    let mut part = Part {
        index,
        timestamp: header.timestamp,
        len: payload.len(),
        start: match (described.info.start, codec) {
            (false, _) => Start::Unknown,
            (true, Codec::Vp8) => Start::Here,
            (true, _) => Start::MaybeHere,
        },
        end: header.marker,
        keyframe: described.info.keyframe,
        picture_id: None,
        id: None,
    };
    match codec {
        Codec::Vp8 => {
            let is_wide = described.picture_ids.width == codec::picture_id::Width::Wide;
            part.picture_id = is_wide.then_some(described.picture_ids.id);
            part.id = header.marker.then(|| FrameId::from_vp8(payload)).flatten();
        }
        Codec::H264 if described.info.start => part.id = FrameId::from_h264(payload),
        _ => {}
    }
    part
}

/// Tell what the header alone says of a frame; whether it is a key frame can only be assumed.
pub(super) fn sealed_part(
    header: &Header,
    index: u64,
    payload: &[u8],
    assumed_keyframe: bool,
) -> Part {
    Part {
        index,
        timestamp: header.timestamp,
        len: payload.len(),
        start: Start::MaybeHere,
        end: header.marker,
        keyframe: assumed_keyframe,
        picture_id: None,
        id: None,
    }
}
