//! VP9: the scalability structure (RFC 9628 section 4.2.1), else the uncompressed header.

use super::super::vp9;
use wire::bits::BitReader;

pub(super) fn size(payload: &[u8]) -> Option<(u32, u32)> {
    let rest = payload.get(vp9::descriptor_len(payload)?..)?;
    match payload.first()? & SCALABILITY_STRUCTURE != 0 {
        true => structure_size(rest),
        false => header_size(rest),
    }
}

/// Read the size of the last spatial layer, which is the highest.
fn structure_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let first = *bytes.first()?;
    let mut reader = BitReader::new(bytes);
    reader.skip(8)?;
    if first & HAS_SIZES == 0 {
        return header_size(after_structure(bytes)?);
    }
    let mut size = None;
    for _ in 0..=first >> 5 {
        size = Some((reader.bits(16)?, reader.bits(16)?));
    }
    size
}

/// Skip a scalability structure without sizes: its groups of frames.
fn after_structure(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 1;
    if bytes.first()? & HAS_GROUPS != 0 {
        let groups = *bytes.get(at)?;
        at += 1;
        for _ in 0..groups {
            at += 1 + usize::from(*bytes.get(at)? >> 2 & 0x03);
        }
    }
    bytes.get(at..)
}

/// Read a keyframe's uncompressed header (VP9 bitstream specification, section 6.2).
fn header_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut reader = BitReader::new(bytes);
    if reader.bits(2)? != 2 {
        return None;
    }
    let (low, high) = (reader.bits(1)?, reader.bits(1)?);
    let profile = high << 1 | low;
    if profile == 3 {
        reader.skip(1)?;
    }
    let (shows_existing, is_inter) = (reader.flag()?, reader.flag()?);
    reader.skip(2)?;
    if shows_existing || is_inter || reader.bits(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        reader.skip(1)?;
    }
    let is_rgb = reader.bits(3)? == RGB;
    // Profiles 1 and 3 have their subsampling and a reserved bit; RGB has no colour range.
    let subsampling = if profile & 1 == 1 { 3 } else { 0 };
    reader.skip(match is_rgb {
        true => subsampling / 3,
        false => 1 + subsampling,
    })?;
    Some((reader.bits(16)? + 1, reader.bits(16)? + 1))
}

const SCALABILITY_STRUCTURE: u8 = 0x02;
const HAS_SIZES: u8 = 0x10;
const HAS_GROUPS: u8 = 0x08;
const SYNC_CODE: u32 = 0x49_83_42;
const RGB: u32 = 7;
