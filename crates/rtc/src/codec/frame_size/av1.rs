//! AV1: the sequence header OBU (AV1 specification section 5.5).

use super::super::av1::elements;
use wire::bits::BitReader;

pub(super) fn size(payload: &[u8]) -> Option<(u32, u32)> {
    let is_header = |obu: &&[u8]| obu.first().is_some_and(|header| header >> 3 & 0x0f == 1);
    let obu = elements(payload).find(is_header)?;
    let header = *obu.first()?;
    // An OBU of RTP has no size field, as a rule; its first byte is 0x0a where it has one.
    let extension = usize::from(header >> 2 & 1);
    let size_field = usize::from(header >> 1 & 1);
    sequence_size(obu.get(1 + extension + size_field..)?)
}

fn sequence_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut reader = BitReader::new(bytes);
    reader.skip(4)?;
    match reader.flag()? {
        true => reader.skip(5)?,
        false => skip_operating_points(&mut reader)?,
    }
    let (width_bits, height_bits) = (reader.bits(4)? + 1, reader.bits(4)? + 1);
    Some((reader.bits(width_bits)? + 1, reader.bits(height_bits)? + 1))
}

/// Skip timing, which streams over RTP do not have, and the operating points.
fn skip_operating_points(reader: &mut BitReader<'_>) -> Option<()> {
    let has_timing = reader.flag()?;
    let has_display_delay = reader.flag()?;
    if has_timing {
        return None;
    }
    for _ in 0..=reader.bits(5)? {
        reader.skip(12)?;
        if reader.bits(5)? > 7 {
            reader.skip(1)?;
        }
        if has_display_delay && reader.flag()? {
            reader.skip(4)?;
        }
    }
    Some(())
}
