//! H.264 NAL units: in files (Annex B), in RTP payloads (RFC 6184), and their escapes.

/// Type bits of a NAL unit header.
pub const TYPE_MASK: u8 = 0x1f;
/// nal_ref_idc bits (NRI) of a NAL unit header.
pub const NRI_MASK: u8 = 0x60;
/// IDR slice.
pub const IDR: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const DELIMITER: u8 = 9;
/// Several NAL units in one packet (RFC 6184 section 5.7.1).
pub const STAP_A: u8 = 24;
/// A part of a NAL unit (RFC 6184 section 5.8).
pub const FU_A: u8 = 28;

/// First part of a NAL unit, in the header of an FU-A.
pub const FU_START: u8 = 0x80;

/// Length field before each NAL unit of a STAP-A.
pub const AGGREGATE_LEN_BYTES: usize = 2;

/// Split an access unit with start codes into NAL units (H.264 Annex B).
pub fn split_annex_b(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(bytes).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = find_start_code(rest).unwrap_or(rest.len());
        let unit = trim_zeros(&rest[..end]);
        rest = after_start_code(&rest[end..]).unwrap_or_default();
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    find_start_code(bytes).map(|at| &bytes[at + 3..])
}

/// Zeros after a unit belong to the next start code of four bytes.
fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    &unit[..end]
}

/// Iterate over the complete NAL units of an RTP payload; fragments are skipped.
pub fn units(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let kind = payload.first().map_or(0, |header| header & TYPE_MASK);
    let mut aggregate = if kind == STAP_A { &payload[1..] } else { &[] };
    let mut single = (1..STAP_A).contains(&kind).then_some(payload);
    std::iter::from_fn(move || {
        if let Some(unit) = single.take() {
            return Some(unit);
        }
        let (len, rest) = aggregate.split_first_chunk::<2>()?;
        let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        aggregate = rest;
        Some(unit)
    })
}

/// Insert emulation prevention bytes (H.264 section 7.4.1); return the length.
///
/// `out` has room for one and a half times `body`.
pub fn escape(body: &[u8], out: &mut [u8]) -> usize {
    let (mut len, mut zeros) = (0, 0);
    for byte in body {
        if zeros == 2 && *byte <= 3 {
            out[len] = 3;
            len += 1;
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out[len] = *byte;
        len += 1;
    }
    len
}

/// Undo [`escape`] until `out` is full; return the length.
pub fn unescape(escaped: &[u8], out: &mut [u8]) -> usize {
    let (mut len, mut zeros) = (0, 0);
    for byte in escaped {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        let Some(slot) = out.get_mut(len) else { break };
        *slot = *byte;
        len += 1;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn start_codes_of_both_lengths_separate_the_units() {
        let bytes = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4,
        ];
        let units: Vec<&[u8]> = split_annex_b(&bytes).collect();
        assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
        assert_eq!(split_annex_b(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn an_aggregate_is_split_up_to_where_it_is_truncated() {
        let payload = [0x78, 0, 2, 0x67, 1, 0, 1, 0x68, 0, 9, 0x65];
        assert_eq!(
            units(&payload).collect::<Vec<_>>(),
            [&[0x67, 1][..], &[0x68]]
        );
        assert_eq!(units(&[0x7c, 0x85, 1]).count(), 0);
    }

    proptest! {
        #[test]
        fn escaping_can_be_undone(body in prop::collection::vec(0u8..5, 0..64)) {
            let mut escaped = [0; 128];
            let len = escape(&body, &mut escaped);
            let mut plain = [0; 128];
            let plain_len = unescape(&escaped[..len], &mut plain);
            prop_assert_eq!(&plain[..plain_len], &body[..]);
        }
    }
}
