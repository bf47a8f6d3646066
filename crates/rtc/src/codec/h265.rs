//! H.265 payloads (RFC 7798): keyframes and temporal layers.

use super::{Described, FrameInfo};

/// Describe an H.265 payload without DONL fields, `None` where it is truncated.
///
/// As in H.264, `start` is set for every packet that can be the first of its access unit.
pub(super) fn describe(payload: &[u8], marker: bool) -> Option<Described> {
    let (header, rest) = payload.split_first_chunk::<2>()?;
    let mut described = Described {
        readable: true,
        ..Described::default()
    };
    described.info = FrameInfo {
        end: marker,
        // TID is nuh_temporal_id_plus1 and never zero (RFC 7798 section 1.1.4).
        temporal: (header[1] & 0x07).checked_sub(1)?,
        ..FrameInfo::default()
    };
    match kind(header[0]) {
        AGGREGATION => add_aggregated(&mut described, rest)?,
        FRAGMENT => {
            let (fragment, slice) = rest.split_first()?;
            let is_first = fragment & FU_START != 0;
            add(&mut described, fragment & FU_TYPE, slice.first(), is_first);
        }
        PACI.. => return None,
        single => add(&mut described, single, rest.first(), true),
    }
    Some(described)
}

fn add_aggregated(described: &mut Described, mut rest: &[u8]) -> Option<()> {
    let mut is_first = true;
    while !rest.is_empty() {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        let (unit, tail) = tail.split_at_checked(u16::from_be_bytes(*len).into())?;
        add(described, kind(*unit.first()?), unit.get(2), is_first);
        is_first = false;
        rest = tail;
    }
    (!is_first).then_some(())
}

/// Add a NAL unit; `after_header` is the first byte behind its header.
fn add(described: &mut Described, kind: u8, after_header: Option<&u8>, is_first: bool) {
    let info = &mut described.info;
    let is_slice = kind < VPS;
    // first_slice_segment_in_pic_flag is the first bit of every slice segment.
    let is_first_segment = after_header.is_some_and(|byte| byte & 0x80 != 0);
    info.start |= is_first && (STARTING.contains(&kind) || (is_slice && is_first_segment));
    info.keyframe |= IRAP.contains(&kind) || matches!(kind, VPS | SPS);
    info.switch_point |= info.keyframe || TEMPORAL_ACCESS.contains(&kind);
    described.parameter_sets |= matches!(kind, VPS | SPS | PPS);
}

fn kind(first_byte: u8) -> u8 {
    first_byte >> 1 & 0x3f
}

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
/// VPS, SPS, PPS, access unit delimiter, prefix SEI.
const STARTING: [u8; 5] = [VPS, SPS, PPS, 35, 39];
/// IRAP: BLA, IDR and CRA (H.265 table 7-1).
const IRAP: core::ops::RangeInclusive<u8> = 16..=21;
/// TSA and STSA: a receiver may switch up to this temporal layer.
const TEMPORAL_ACCESS: core::ops::RangeInclusive<u8> = 2..=5;
const AGGREGATION: u8 = 48;
const FRAGMENT: u8 = 49;
const PACI: u8 = 50;
const FU_START: u8 = 0x80;
const FU_TYPE: u8 = 0x3f;
