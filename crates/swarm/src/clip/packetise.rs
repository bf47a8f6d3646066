//! RTP packetization: VP8 (RFC 7741), H.264 (RFC 6184 mode 1), Opus (RFC 7587).

use super::{Clip, ClipError, MAX_PAYLOAD_BYTES, Packet, Slot};
use crate::frame_id;
use crate::nal;

/// Offset of the picture id in the VP8 payloads of bots.
pub(super) const ID_AT: usize = 2;
/// M bit: the picture id has 15 bits.
pub(super) const WIDE_PICTURE_ID: u16 = 0x8000;

/// X: extended; I: a picture id follows (RFC 7741 section 4.2).
const VP8_DESCRIPTOR: [u8; 4] = [0x80, 0x80, 0, 0];
const VP8_START_OF_PARTITION: u8 = 0x10;
const VP8_INTER_FRAME: u8 = 0x01;

const FU_END: u8 = 0x40;
const FU_HEADER_LEN: usize = 2;

impl Clip {
    pub(super) fn add_vp8(&mut self, frame: &[u8]) -> Result<bool, ClipError> {
        let first = *frame.first().ok_or(ClipError::Malformed)?;
        let room = MAX_PAYLOAD_BYTES - VP8_DESCRIPTOR.len();
        let mut rest = frame;
        for len in pieces_with_trailer(frame.len(), room) {
            let is_first = rest.len() == frame.len();
            let (piece, behind) = rest.split_at(len);
            let start = if is_first { VP8_START_OF_PARTITION } else { 0 };
            let [flags, extension, id @ ..] = VP8_DESCRIPTOR;
            let is_last = behind.is_empty();
            let slot = if is_last { Slot::Vp8Last } else { Slot::Vp8 };
            self.add_packet(slot, &[&[flags | start, extension], &id, piece]);
            rest = behind;
        }
        Ok(first & VP8_INTER_FRAME == 0)
    }

    pub(super) fn add_h264(&mut self, frame: &[u8]) -> Result<bool, ClipError> {
        let kind = |unit: &&[u8]| unit[0] & nal::TYPE_MASK;
        let (sets, slices): (Vec<&[u8]>, Vec<&[u8]>) = nal::split_annex_b(frame)
            .filter(|unit| !matches!(kind(unit), nal::SEI | nal::DELIMITER))
            .partition(|unit| matches!(kind(unit), nal::SPS | nal::PPS));
        if slices.is_empty() {
            return Err(ClipError::Malformed);
        }
        let sets_len = aggregate_len(&sets) + SEI_ROOM;
        if sets_len + aggregate_len(&slices) < MAX_PAYLOAD_BYTES {
            self.add_aggregate(&sets, &slices);
        } else {
            // No encoder produces parameter sets that long, and parameter sets are never split.
            if sets_len >= MAX_PAYLOAD_BYTES {
                return Err(ClipError::Malformed);
            }
            self.add_aggregate(&sets, &[]);
            for slice in &slices {
                self.add_slice(slice);
            }
        }
        Ok(slices.iter().any(|slice| kind(slice) == nal::IDR))
    }

    /// An Opus packet is never split (RFC 7587 section 4.2).
    pub(super) fn add_opus(&mut self, packet: &[u8]) -> Result<bool, ClipError> {
        if packet.len() > MAX_PAYLOAD_BYTES {
            return Err(ClipError::Malformed);
        }
        self.add_packet(Slot::None, &[packet]);
        Ok(true)
    }

    /// Add one packet with parameter sets, frame id and slices; a frame id alone is not aggregated.
    fn add_aggregate(&mut self, sets: &[&[u8]], slices: &[&[u8]]) {
        if sets.is_empty() && slices.is_empty() {
            self.add_packet(
                Slot::Sei {
                    at: 0,
                    aggregated: false,
                },
                &[],
            );
            return;
        }
        let at = 1 + aggregate_len(sets) as u16;
        let units = || sets.iter().chain(slices);
        let importance = units().map(|unit| unit[0] & nal::NRI_MASK).max();
        let mut payload = vec![nal::STAP_A | importance.unwrap_or(0)];
        for unit in units() {
            payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        self.add_packet(
            Slot::Sei {
                at,
                aggregated: true,
            },
            &[&payload],
        );
    }

    fn add_slice(&mut self, slice: &[u8]) {
        if slice.len() <= MAX_PAYLOAD_BYTES {
            self.add_packet(Slot::None, &[slice]);
            return;
        }
        let (header, mut rest) = (slice[0], &slice[1..]);
        let whole = rest.len();
        for len in pieces(whole, MAX_PAYLOAD_BYTES - FU_HEADER_LEN) {
            let start = if rest.len() == whole {
                nal::FU_START
            } else {
                0
            };
            let (piece, behind) = rest.split_at(len);
            let end = if behind.is_empty() { FU_END } else { 0 };
            let indicator = header & nal::NRI_MASK | nal::FU_A;
            let fragment = start | end | header & nal::TYPE_MASK;
            self.add_packet(Slot::None, &[&[indicator, fragment], piece]);
            rest = behind;
        }
    }

    pub(super) fn add_packet(&mut self, slot: Slot, parts: &[&[u8]]) {
        let offset = self.bytes.len() as u32;
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let len = (self.bytes.len() as u32 - offset) as u16;
        self.packets.push(Packet { offset, len, slot });
    }
}

const SEI_ROOM: usize = nal::AGGREGATE_LEN_BYTES + frame_id::MAX_SEI_LEN;

fn aggregate_len(units: &[&[u8]]) -> usize {
    units
        .iter()
        .map(|unit| nal::AGGREGATE_LEN_BYTES + unit.len())
        .sum()
}

/// Split `len` bytes into pieces of at most `room` that differ by one byte at most, the shorter
/// pieces first, as libwebrtc does.
pub(super) fn pieces(len: usize, room: usize) -> impl Iterator<Item = usize> {
    let count = len.div_ceil(room);
    let (short, longer) = (len / count, len % count);
    (0..count).map(move |nth| short + usize::from(nth >= count - longer))
}

/// Split `len` bytes so that the frame id fits behind the last piece, which is never empty.
fn pieces_with_trailer(len: usize, room: usize) -> Vec<usize> {
    let mut pieces: Vec<usize> = pieces(len + frame_id::LEN, room).collect();
    if let [.., before, last] = &mut pieces[..] {
        let lacks = (frame_id::LEN + 1).saturating_sub(*last);
        *before -= lacks;
        *last += lacks;
    }
    if let Some(last) = pieces.last_mut() {
        *last -= frame_id::LEN;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_differ_by_one_byte_and_the_shorter_pieces_are_first() {
        let cut = |len| pieces(len, 1_000).collect::<Vec<_>>();
        assert_eq!(cut(2_999), [999, 1_000, 1_000]);
        assert_eq!(cut(2_998), [999, 999, 1_000]);
        assert_eq!(cut(1_000), [1_000]);
    }

    #[test]
    fn the_frame_id_is_never_split() {
        for len in 1..3_000 {
            let pieces = pieces_with_trailer(len, 1_000);
            assert_eq!(pieces.iter().sum::<usize>(), len);
            assert!(pieces.iter().all(|piece| (1..=1_000).contains(piece)));
            let last = pieces.last().expect("a piece");
            assert!(last + frame_id::LEN <= 1_000);
        }
    }
}
