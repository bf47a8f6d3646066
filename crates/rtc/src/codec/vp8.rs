//! VP8 payload descriptor (RFC 7741 section 4.2).

use super::picture_id::{Fields, Width};
use super::{Described, FrameInfo};

/// Describe a VP8 payload, `None` where the descriptor is truncated.
pub(super) fn describe(payload: &[u8], marker: bool) -> Option<Described> {
    let first = *payload.first()?;
    let mut described = Described {
        readable: true,
        ..Described::default()
    };
    let at = read_descriptor(payload, &mut described)?;
    let header = *payload.get(at)?;
    let info = &mut described.info;
    info.start = first & START_OF_PARTITION != 0 && first & PARTITION_INDEX == 0;
    info.end = marker;
    // RFC 7741 section 4.3: the payload header is at the start of the first partition only.
    info.keyframe = info.start && header & INTER_FRAME == 0;
    info.switch_point |= info.keyframe;
    info.discardable = first & NON_REFERENCE != 0;
    Some(described)
}

/// Return the length of the payload descriptor.
pub(super) fn descriptor_len(payload: &[u8]) -> Option<usize> {
    read_descriptor(payload, &mut Described::default())
}

fn read_descriptor(payload: &[u8], described: &mut Described) -> Option<usize> {
    match payload.first()? & EXTENDED != 0 {
        true => read_extension(payload, described),
        false => Some(1),
    }
}

/// Read the optional fields and return the length of the descriptor.
fn read_extension(payload: &[u8], described: &mut Described) -> Option<usize> {
    let present = *payload.get(1)?;
    let mut at = 2;
    let Described {
        info, picture_ids, ..
    } = described;
    if present & PICTURE_ID != 0 {
        at += read_picture_id(payload, at, picture_ids)?;
    }
    if present & TL0PICIDX != 0 {
        picture_ids.tl0 = *payload.get(at)?;
        picture_ids.tl0_at = at as u8;
        at += 1;
    }
    if present & (TID | KEYIDX) != 0 {
        let byte = *payload.get(at)?;
        read_layer(byte, present, info);
        if present & KEYIDX != 0 {
            picture_ids.key_index = byte & 0x1f;
            picture_ids.key_index_at = at as u8;
        }
        at += 1;
    }
    Some(at)
}

/// Read the 7- or 15-bit picture id at `at` and return its length; VP9 has the same form.
pub(super) fn read_picture_id(
    payload: &[u8],
    at: usize,
    picture_ids: &mut Fields,
) -> Option<usize> {
    let high = *payload.get(at)?;
    picture_ids.id_at = at as u8;
    picture_ids.id = u16::from(high & 0x7f);
    if high & 0x80 == 0 {
        picture_ids.width = Width::Narrow;
        return Some(1);
    }
    picture_ids.width = Width::Wide;
    picture_ids.id = picture_ids.id << 8 | u16::from(*payload.get(at + 1)?);
    Some(2)
}

fn read_layer(byte: u8, present: u8, info: &mut FrameInfo) {
    if present & TID != 0 {
        info.temporal = byte >> 6;
        info.switch_point = byte & LAYER_SYNC != 0;
    }
}

const EXTENDED: u8 = 0x80;
const NON_REFERENCE: u8 = 0x20;
const START_OF_PARTITION: u8 = 0x10;
const PARTITION_INDEX: u8 = 0x07;
const PICTURE_ID: u8 = 0x80;
const TL0PICIDX: u8 = 0x40;
const TID: u8 = 0x20;
const KEYIDX: u8 = 0x10;
const LAYER_SYNC: u8 = 0x20;
const INTER_FRAME: u8 = 0x01;
