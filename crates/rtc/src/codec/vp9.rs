//! VP9 payload descriptor (RFC 9628 section 4.2), flexible and non-flexible mode.

use super::vp8::read_picture_id;
use super::{Described, FrameInfo};

/// Describe a VP9 payload, `None` where the descriptor is truncated.
pub(super) fn describe(payload: &[u8]) -> Option<Described> {
    let flags = *payload.first()?;
    let mut described = Described {
        readable: true,
        ..Described::default()
    };
    let at = read_descriptor(payload, &mut described)?;
    payload.get(at)?;
    let info = &mut described.info;
    info.start = flags & START_OF_FRAME != 0;
    info.end = flags & END_OF_FRAME != 0;
    info.keyframe = flags & INTER_PREDICTED == 0 && info.spatial == 0;
    info.switch_point |= info.keyframe;
    Some(described)
}

/// Return the length of the payload descriptor, without its scalability structure.
pub(super) fn descriptor_len(payload: &[u8]) -> Option<usize> {
    read_descriptor(payload, &mut Described::default())
}

fn read_descriptor(payload: &[u8], described: &mut Described) -> Option<usize> {
    let flags = *payload.first()?;
    let Described {
        info, picture_ids, ..
    } = described;
    let mut at = 1;
    if flags & PICTURE_ID != 0 {
        at += read_picture_id(payload, at, picture_ids)?;
    }
    if flags & LAYER_INDICES != 0 {
        read_layers(*payload.get(at)?, info);
        at += 1;
        if flags & FLEXIBLE == 0 {
            picture_ids.tl0 = *payload.get(at)?;
            picture_ids.tl0_at = at as u8;
            at += 1;
        }
    }
    if flags & FLEXIBLE != 0 && flags & INTER_PREDICTED != 0 {
        at = skip_references(payload, at)?;
    }
    Some(at)
}

fn read_layers(byte: u8, info: &mut FrameInfo) {
    info.temporal = byte >> 5;
    info.switch_point = byte & SWITCHING_UP != 0;
    info.spatial = byte >> 1 & 0x07;
}

/// Skip up to three reference indices (P_DIFF) and return the offset behind them.
fn skip_references(payload: &[u8], start: usize) -> Option<usize> {
    for at in start..start + 3 {
        if *payload.get(at)? & MORE_REFERENCES == 0 {
            return Some(at + 1);
        }
    }
    None
}

const PICTURE_ID: u8 = 0x80;
const INTER_PREDICTED: u8 = 0x40;
const LAYER_INDICES: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const START_OF_FRAME: u8 = 0x08;
const END_OF_FRAME: u8 = 0x04;
const SWITCHING_UP: u8 = 0x10;
const MORE_REFERENCES: u8 = 0x01;
