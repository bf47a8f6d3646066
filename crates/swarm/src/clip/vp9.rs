//! RTP packetization of VP9 (RFC 9628) in flexible mode, one spatial and one temporal layer.

use super::packetise::pieces;
use super::{Clip, ClipError, MAX_PAYLOAD_BYTES, Slot};

/// Room for the abs-capture-time extension in every packet.
const ROOM: usize = MAX_PAYLOAD_BYTES - 20;

/// I: a picture id follows; F: flexible mode (RFC 9628 section 4.2).
const DESCRIPTOR: u8 = 0x90;
const INTER_PREDICTED: u8 = 0x40;
const START_OF_FRAME: u8 = 0x08;
const END_OF_FRAME: u8 = 0x04;
/// P_DIFF: the frame before. A clip has no other order of decoding.
const REFERENCE: &[u8] = &[1 << 1];

/// Offset of the picture id.
pub(super) const ID_AT: usize = 1;

impl Clip {
    pub(super) fn add_vp9(&mut self, frame: &[u8]) -> Result<bool, ClipError> {
        let keyframe = is_keyframe(frame).ok_or(ClipError::Malformed)?;
        let (predicted, reference) = if keyframe {
            (0, &[][..])
        } else {
            (INTER_PREDICTED, REFERENCE)
        };
        let head_len = 3 + reference.len();
        let mut rest = frame;
        for len in pieces(frame.len(), ROOM - head_len) {
            let start = if rest.len() == frame.len() {
                START_OF_FRAME
            } else {
                0
            };
            let (piece, behind) = rest.split_at(len);
            let end = if behind.is_empty() { END_OF_FRAME } else { 0 };
            let flags = DESCRIPTOR | predicted | start | end;
            self.add_packet(Slot::Vp9, &[&[flags, 0, 0], reference, piece]);
            rest = behind;
        }
        Ok(keyframe)
    }
}

/// Read the start of the uncompressed header (VP9 bitstream specification 6.2); `None` where the
/// frame is no VP9 frame.
fn is_keyframe(frame: &[u8]) -> Option<bool> {
    let first = *frame.first()?;
    if first >> 6 != 0b10 {
        return None;
    }
    // Profile 3 has a reserved bit behind the profile.
    let skipped = if first >> 4 & 0b11 == 0b11 { 5 } else { 4 };
    let show_existing = first << skipped & 0x80 != 0;
    let inter = first << (skipped + 1) & 0x80 != 0;
    Some(!show_existing && !inter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_types_are_read() {
        assert_eq!(is_keyframe(&[0x82]), Some(true));
        assert_eq!(is_keyframe(&[0x86]), Some(false));
        assert_eq!(is_keyframe(&[0x88]), Some(false));
        assert_eq!(is_keyframe(&[0x02]), None);
        assert_eq!(is_keyframe(&[]), None);
    }
}
