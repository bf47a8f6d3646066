//! AV1 payloads (RTP Payload Format For AV1, section 4.4): the aggregation header and the first
//! OBU header. The dependency descriptor, where sent, replaces both ([`super::dependency`]).

use super::{Described, FrameInfo};

/// Describe an AV1 payload, `None` where it is truncated.
pub(super) fn describe(payload: &[u8], marker: bool) -> Option<Described> {
    let (&aggregation, rest) = payload.split_first()?;
    let mut info = FrameInfo {
        end: marker,
        ..FrameInfo::default()
    };
    let element = first_element(aggregation, rest)?;
    if aggregation & CONTINUES == 0 {
        read_obu_header(element, &mut info)?;
        info.keyframe = aggregation & NEW_SEQUENCE != 0;
        info.switch_point = info.keyframe;
    }
    Some(Described {
        info,
        readable: true,
        ..Described::default()
    })
}

/// Return the first OBU element; it has no length where it is the only one (W = 1).
fn first_element(aggregation: u8, rest: &[u8]) -> Option<&[u8]> {
    if aggregation >> 4 & 0x03 == 1 {
        return (!rest.is_empty()).then_some(rest);
    }
    let (len, tail) = read_leb128(rest)?;
    let element = tail.get(..len)?;
    (!element.is_empty()).then_some(element)
}

/// The OBU elements of a payload that does not continue one of an earlier packet; a truncated one
/// ends them. Where W is 0 every element has a length, else all but the last.
pub(super) fn elements(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (aggregation, mut rest) = match payload.split_first() {
        Some((aggregation, rest)) if aggregation & CONTINUES == 0 => (*aggregation, rest),
        _ => (0, &[][..]),
    };
    let mut left = usize::from(aggregation >> 4 & 0x03);
    core::iter::from_fn(move || {
        left = left.wrapping_sub(1);
        let (element, tail) = match left {
            0 => (rest, &[][..]),
            _ => {
                let (len, tail) = read_leb128(rest)?;
                tail.split_at_checked(len)?
            }
        };
        rest = tail;
        (!element.is_empty()).then_some(element)
    })
}

fn read_obu_header(element: &[u8], info: &mut FrameInfo) -> Option<()> {
    let header = *element.first()?;
    info.start = STARTING.contains(&(header >> 3 & 0x0f));
    if header & HAS_EXTENSION != 0 {
        let extension = *element.get(1)?;
        info.temporal = extension >> 5;
        info.spatial = extension >> 3 & 0x03;
    }
    Some(())
}

/// Read a length of at most five bytes (AV1 specification section 4.10.5).
fn read_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(i + 1..)?));
        }
    }
    None
}

const CONTINUES: u8 = 0x80;
const NEW_SEQUENCE: u8 = 0x08;
const HAS_EXTENSION: u8 = 0x04;
/// Sequence header, temporal delimiter, frame header, metadata, frame.
const STARTING: [u8; 5] = [1, 2, 3, 5, 6];
