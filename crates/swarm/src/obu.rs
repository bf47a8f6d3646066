//! AV1 OBUs: in temporal units of files (AV1 5.3) and in RTP payloads (RTP Payload Format For AV1,
//! section 4).

/// Sequence header.
pub const SEQUENCE_HEADER: u8 = 1;
/// Temporal delimiter, which RTP payloads leave out.
pub const TEMPORAL_DELIMITER: u8 = 2;
/// Frame header.
pub const FRAME_HEADER: u8 = 3;
/// Metadata.
pub const METADATA: u8 = 5;
/// Frame header and tile group in one.
pub const FRAME: u8 = 6;
/// Tile list, which RTP payloads leave out.
pub const TILE_LIST: u8 = 8;
/// Padding.
pub const PADDING: u8 = 15;

/// Position of the type in the first byte of an OBU.
pub const TYPE_SHIFT: u8 = 3;
const TYPE_MASK: u8 = 0x0f;
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

/// Z: the first element continues an OBU of the packet before.
pub const CONTINUES: u8 = 0x80;
/// Y: the last element continues in the next packet.
pub const CONTINUED: u8 = 0x40;
/// N: the packet starts a coded video sequence.
pub const NEW_SEQUENCE: u8 = 0x08;
/// Position of W, the number of elements; 0: each has its length before it.
pub const COUNT_SHIFT: u8 = 4;
const COUNT_MASK: u8 = 0x03;

/// The first OBU of a temporal unit in files.
pub const DELIMITER: [u8; 2] = [TEMPORAL_DELIMITER << TYPE_SHIFT | HAS_SIZE, 0];

/// An OBU of a temporal unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// obu_type.
    pub kind: u8,
    header: &'a [u8],
    body: &'a [u8],
}

impl Obu<'_> {
    /// Return the bytes without obu_size.
    #[must_use]
    pub fn without_size(&self) -> Vec<u8> {
        let mut bytes = [self.header, self.body].concat();
        bytes[0] &= !HAS_SIZE;
        bytes
    }

    /// Append the bytes with obu_size (low-overhead format, AV1 5.2).
    pub fn write_sized(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(self.header);
        out[at] |= HAS_SIZE;
        write_len(out, self.body.len());
        out.extend_from_slice(self.body);
    }
}

/// Split a temporal unit into its OBUs (low-overhead format, AV1 5.2); `None` where it is truncated.
#[must_use]
pub fn split(mut unit: &[u8]) -> Option<Vec<Obu<'_>>> {
    let mut obus = Vec::new();
    while let Some(&first) = unit.first() {
        let header_len = 1 + usize::from(first & HAS_EXTENSION != 0);
        let (header, rest) = unit.split_at_checked(header_len)?;
        let (len, rest) = if first & HAS_SIZE == 0 {
            (rest.len(), rest)
        } else {
            read_leb128(rest)?
        };
        let (body, behind) = rest.split_at_checked(len)?;
        obus.push(Obu {
            kind: first >> TYPE_SHIFT & TYPE_MASK,
            header,
            body,
        });
        unit = behind;
    }
    Some(obus)
}

/// Iterate over the OBU elements of an RTP payload, up to the first truncated one.
pub fn elements(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = payload
        .first()
        .map_or(0, |header| header >> COUNT_SHIFT & COUNT_MASK);
    let mut rest = payload.get(1..).unwrap_or_default();
    let mut left = count;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_last = left == 1;
        left = left.saturating_sub(1);
        if is_last {
            return Some(std::mem::take(&mut rest));
        }
        let (len, tail) = read_leb128(rest)?;
        let (element, behind) = tail.split_at_checked(len)?;
        rest = behind;
        Some(element)
    })
}

/// Append a length (leb128, AV1 4.10.5).
pub fn write_len(out: &mut Vec<u8>, len: usize) {
    let mut rest = len;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Return the bytes that [`write_len`] appends.
#[must_use]
pub fn len_of_len(len: usize) -> usize {
    1 + len.checked_ilog2().unwrap_or(0) as usize / 7
}

/// Read a length of at most four bytes.
fn read_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_temporal_unit_is_split_and_its_sizes_are_removed() {
        let unit = [0x12, 0, 0x0a, 2, 7, 8, 0x36, 0x20, 3, 1, 2, 3];
        let obus = split(&unit).unwrap();
        let kinds: Vec<u8> = obus.iter().map(|obu| obu.kind).collect();
        assert_eq!(kinds, [TEMPORAL_DELIMITER, SEQUENCE_HEADER, FRAME]);
        assert_eq!(obus[1].without_size(), [0x08, 7, 8]);
        assert_eq!(obus[2].without_size(), [0x34, 0x20, 1, 2, 3]);
        assert_eq!(split(&unit[..unit.len() - 1]), None);
    }

    #[test]
    fn elements_are_read_with_and_without_a_count() {
        let read = |payload: &'static [u8]| elements(payload).collect::<Vec<_>>();
        assert_eq!(read(&[0x00, 2, 1, 2, 1, 3]), [&[1, 2][..], &[3]]);
        assert_eq!(read(&[0x20, 2, 1, 2, 3, 4]), [&[1, 2][..], &[3, 4]]);
        assert_eq!(read(&[0x10, 9, 9]), [&[9, 9]]);
        assert_eq!(read(&[0x00, 5, 1]), [] as [&[u8]; 0]);
        assert_eq!(read(&[]), [] as [&[u8]; 0]);
    }

    proptest! {
        #[test]
        fn lengths_round_trip(len in 0usize..0x1000_0000) {
            let mut bytes = Vec::new();
            write_len(&mut bytes, len);
            prop_assert_eq!(bytes.len(), len_of_len(len));
            prop_assert_eq!(read_leb128(&bytes), Some((len, &[][..])));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = split(&bytes);
            prop_assert!(elements(&bytes).count() <= bytes.len());
        }
    }
}
