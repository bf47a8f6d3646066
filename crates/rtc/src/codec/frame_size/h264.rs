//! H.264: the sequence parameter set (ITU-T H.264 section 7.3.2.1.1).

use super::super::h264::parameter_sets;
use wire::bits::BitReader;

/// The bytes of an SPS that are read: what follows the size is not needed.
const MOST_BYTES: usize = 256;
/// The frames of a cycle of picture order counts.
const MOST_OFFSETS: u32 = 255;

pub(super) fn size(payload: &[u8]) -> Option<(u32, u32)> {
    sps_size(parameter_sets(payload).find(|unit| unit.first().is_some_and(is_sps))?)
}

fn is_sps(header: &u8) -> bool {
    header & 0x1f == 7
}

fn sps_size(unit: &[u8]) -> Option<(u32, u32)> {
    let bytes = without_emulation_prevention(unit.get(1..)?);
    let profile = *bytes.first()?;
    let mut reader = BitReader::new(&bytes);
    reader.skip(24)?;
    reader.exp_golomb()?;
    let mut chroma = 1;
    if HIGH_PROFILES.contains(&profile) {
        chroma = read_high_profile(&mut reader)?;
    }
    reader.exp_golomb()?;
    skip_order_count(&mut reader)?;
    reader.exp_golomb()?;
    reader.skip(1)?;
    let width = reader.exp_golomb()?.checked_add(1)?.checked_mul(16)?;
    let map_units = reader.exp_golomb()?.checked_add(1)?;
    let fields = if reader.flag()? { 1 } else { 2 };
    if fields == 2 {
        reader.skip(1)?;
    }
    reader.skip(1)?;
    let height = map_units.checked_mul(16)?.checked_mul(fields)?;
    let [left, right, top, bottom] = match reader.flag()? {
        true => [(); 4].map(|()| reader.exp_golomb()),
        false => [Some(0); 4],
    };
    // Cropping counts samples of chroma, which 4:2:0 halves in both and 4:2:2 in one direction.
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 } * fields;
    let cropped = |size: u32, one: u32, other: u32, unit: u32| {
        size.checked_sub(one.checked_add(other)?.checked_mul(unit)?)
    };
    Some((
        cropped(width, left?, right?, unit_x)?,
        cropped(height, top?, bottom?, unit_y)?,
    ))
}

/// Read chroma_format_idc and skip bit depths and scaling matrices.
fn read_high_profile(reader: &mut BitReader<'_>) -> Option<u32> {
    let chroma = reader.exp_golomb()?;
    if chroma == 3 {
        reader.skip(1)?;
    }
    reader.exp_golomb()?;
    reader.exp_golomb()?;
    reader.skip(1)?;
    if reader.flag()? {
        for nth in 0..if chroma == 3 { 12 } else { 8 } {
            if reader.flag()? {
                skip_scaling_list(reader, if nth < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

/// Section 7.3.2.1.1.1: the list ends where the next scale becomes zero.
fn skip_scaling_list(reader: &mut BitReader<'_>, len: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..len {
        if next != 0 {
            next = (last + signed(reader.exp_golomb()?)).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Section 9.1.1: 1, -1, 2, -2.
fn signed(code: u32) -> i64 {
    let magnitude = i64::from(code).div_euclid(2) + i64::from(code & 1);
    if code & 1 == 1 { magnitude } else { -magnitude }
}

fn skip_order_count(reader: &mut BitReader<'_>) -> Option<()> {
    match reader.exp_golomb()? {
        0 => {
            reader.exp_golomb()?;
        }
        1 => {
            reader.skip(1)?;
            reader.exp_golomb()?;
            reader.exp_golomb()?;
            for _ in 0..reader.exp_golomb()?.min(MOST_OFFSETS) {
                reader.exp_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Section 7.4.1: a 3 after two zeros is not part of the data.
fn without_emulation_prevention(unit: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let is_data = |byte: &u8| {
        let is_prevention = zeros >= 2 && *byte == 3;
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        !is_prevention
    };
    unit.iter()
        .copied()
        .take(MOST_BYTES)
        .filter(is_data)
        .collect()
}

const HIGH_PROFILES: [u8; 9] = [100, 110, 122, 244, 44, 83, 86, 118, 128];
