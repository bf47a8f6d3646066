//! RTP packetization of AV1 (RTP Payload Format For AV1, section 4).

use super::{Clip, ClipError, MAX_PAYLOAD_BYTES, Slot};
use crate::dependency::WITH_STRUCTURE_LEN;
use crate::frame_id;
use crate::obu::{self, Obu};

/// Room for abs-capture-time and a dependency descriptor in every packet.
const ROOM: usize = MAX_PAYLOAD_BYTES - 12;
/// OBUs that are not sent (RTP Payload Format For AV1, section 5).
const OMITTED: [u8; 4] = [
    obu::TEMPORAL_DELIMITER,
    obu::METADATA,
    obu::TILE_LIST,
    obu::PADDING,
];
/// Shorter fragments are not worth their length field.
const LEAST_FRAGMENT: usize = 16;

impl Clip {
    pub(super) fn add_av1(&mut self, unit: &[u8]) -> Result<bool, ClipError> {
        let obus = obu::split(unit).ok_or(ClipError::Malformed)?;
        let sent = || obus.iter().filter(|obu| !OMITTED.contains(&obu.kind));
        let is_header = |obu: &&Obu<'_>| obu.kind == obu::SEQUENCE_HEADER;
        let frames = || sent().filter(|obu| !is_header(obu));
        if !frames().any(|obu| matches!(obu.kind, obu::FRAME | obu::FRAME_HEADER)) {
            return Err(ClipError::Malformed);
        }
        // An encoder repeats the sequence header before key frames only.
        let keyframe = sent().any(|obu| is_header(&obu));
        let mut packets = Packets::new(keyframe);
        sent().filter(is_header).for_each(|obu| packets.push(obu));
        let id = packets.reserve_id().ok_or(ClipError::Malformed)?;
        frames().for_each(|obu| packets.push(obu));
        for (place, payload) in packets.finished.iter().enumerate() {
            let slot = if place == 0 {
                Slot::Obu { at: id }
            } else {
                Slot::None
            };
            self.add_packet(slot, &[payload]);
        }
        Ok(keyframe)
    }
}

/// The payloads of one temporal unit: an aggregation header, then elements with their lengths.
struct Packets {
    finished: Vec<Vec<u8>>,
}

impl Packets {
    fn new(new_sequence: bool) -> Self {
        let header = if new_sequence { obu::NEW_SEQUENCE } else { 0 };
        Self {
            finished: vec![vec![header]],
        }
    }

    /// Reserve the frame id in the first packet and return its offset; `None` where it has no room.
    fn reserve_id(&mut self) -> Option<u16> {
        let room = self.room();
        let [only] = &mut self.finished[..] else {
            return None;
        };
        if room < 1 + frame_id::OBU_LEN {
            return None;
        }
        obu::write_len(only, frame_id::OBU_LEN);
        let at = only.len();
        only.resize(at + frame_id::OBU_LEN, 0);
        u16::try_from(at).ok()
    }

    /// Add an OBU, in fragments where it does not fit.
    fn push(&mut self, obu: &Obu<'_>) {
        let bytes = obu.without_size();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let fits = self.element_room();
            if fits < rest.len().min(LEAST_FRAGMENT) {
                self.finished.push(vec![0]);
                continue;
            }
            let (piece, behind) = rest.split_at(fits.min(rest.len()));
            let payload = self.last();
            obu::write_len(payload, piece.len());
            payload.extend_from_slice(piece);
            if !behind.is_empty() {
                payload[0] |= obu::CONTINUED;
                self.finished.push(vec![obu::CONTINUES]);
            }
            rest = behind;
        }
    }

    fn last(&mut self) -> &mut Vec<u8> {
        let last = self.finished.len() - 1;
        &mut self.finished[last]
    }

    fn room(&self) -> usize {
        let [others @ .., last] = &self.finished[..] else {
            return ROOM;
        };
        // The structure is in the first packet of a sequence.
        let has_structure = others.is_empty() && last[0] & obu::NEW_SEQUENCE != 0;
        let room = if has_structure {
            ROOM - WITH_STRUCTURE_LEN
        } else {
            ROOM
        };
        room.saturating_sub(last.len())
    }

    fn element_room(&self) -> usize {
        let room = self.room();
        room.saturating_sub(obu::len_of_len(room))
    }
}
