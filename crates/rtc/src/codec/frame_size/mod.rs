//! The frame size in the first packet of a keyframe.

mod av1;
mod h264;
mod vp9;

use super::Codec;
use super::vp8;

/// Width and height in pixels, neither of them zero.
pub type FrameSize = (u16, u16);

/// Return the frame size that a payload has: of its highest spatial layer where there are several.
///
/// It is in the first packet of a keyframe of VP8, VP9 or AV1, and in an H.264 packet with an SPS;
/// in encrypted payloads (encoded transforms) it cannot be read.
#[must_use]
pub fn frame_size(codec: Codec, payload: &[u8]) -> Option<FrameSize> {
    let (width, height) = match codec {
        Codec::Vp8 => vp8_size(payload),
        Codec::Vp9 => vp9::size(payload),
        Codec::H264 => h264::size(payload),
        Codec::Av1 => av1::size(payload),
        Codec::H265 | Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma => None,
    }?;
    let size = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// RFC 6386 section 9.1: the frame tag, the start code, then two numbers of 14 bits.
fn vp8_size(payload: &[u8]) -> Option<(u32, u32)> {
    let frame = payload.get(vp8::descriptor_len(payload)?..)?;
    let [_, _, _, 0x9d, 0x01, 0x2a, sizes @ ..] = frame else {
        return None;
    };
    let [low_width, width, low_height, height, ..] = *sizes else {
        return None;
    };
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some((size(low_width, width), size(low_height, height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keyframes of 318 x 178 pixels by libvpx, x264 and SVT-AV1, behind payload descriptors.
    const VP8: &[u8] = b"\x10\xd0\x45\x00\x9d\x01\x2a\x3e\x01\xb2\x00\x00\x07";
    const VP9: &[u8] = b"\x8c\x01\x82\x49\x83\x42\x00\x13\xd0\x0b\x16\x0a\x38";
    const H264: &[u8] = b"\x67\x42\xc0\x0d\xd9\x01\x41\x9e\xa2\x10\x00\x00\x03\x00\x01\x00\x00\
        \x03\x00\x3c\x8f\x14\x2a\x48";
    const H264_HIGH: &[u8] = b"\x67\x64\x00\x0d\xac\xd9\x41\x41\x9e\xa2\x10\x00\x00\x03\x00\x01\
        \x00\x00\x03\x00\x3c\x0f\x14\x29\x96";
    const AV1: &[u8] = b"\x28\x0c\x08\x00\x00\x00\x04\x3c\xf6\xc4\x6a\xf9\x80\x40\x32\xa3\x71\x10";

    #[test]
    fn sizes_that_encoders_write() {
        assert_eq!(frame_size(Codec::Vp8, VP8), Some((318, 178)));
        assert_eq!(frame_size(Codec::Vp9, VP9), Some((318, 178)));
        assert_eq!(frame_size(Codec::H264, H264), Some((318, 178)));
        assert_eq!(frame_size(Codec::H264, H264_HIGH), Some((318, 178)));
        assert_eq!(frame_size(Codec::Av1, AV1), Some((318, 178)));
    }

    #[test]
    fn an_aggregated_parameter_set_is_read() {
        let mut aggregated = vec![24, 0, H264.len() as u8];
        aggregated.extend_from_slice(H264);
        aggregated.extend_from_slice(&[0, 2, 0x68, 0xcb]);
        assert_eq!(frame_size(Codec::H264, &aggregated), Some((318, 178)));
    }

    #[test]
    fn the_largest_spatial_layer_counts() {
        // Three layers with sizes, no group of frames.
        let structure = [2 << 5 | 1 << 4, 1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208];
        let mut payload = vec![0x02 | 0x08];
        payload.extend_from_slice(&structure);
        assert_eq!(frame_size(Codec::Vp9, &payload), Some((1280, 720)));
    }

    #[test]
    fn what_is_truncated_has_no_size() {
        for (codec, payload) in [
            (Codec::Vp8, VP8),
            (Codec::Vp9, VP9),
            (Codec::H264, H264),
            (Codec::Av1, AV1),
        ] {
            for len in 0..8 {
                assert_eq!(frame_size(codec, &payload[..len]), None, "{codec:?} {len}");
            }
        }
    }

    #[test]
    fn other_payloads_have_no_size() {
        assert_eq!(frame_size(Codec::Vp8, b"\x10\xd1\x45\x00\xff"), None);
        assert_eq!(frame_size(Codec::Opus, VP8), None);
        let zero = b"\x10\xd0\x45\x00\x9d\x01\x2a\x00\x00\xb2\x00";
        assert_eq!(frame_size(Codec::Vp8, zero), None);
    }
}
