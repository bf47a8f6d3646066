//! Frames as encoders wrote them, from their RTP payloads and without their frame id.

use crate::frame_id::{self, FrameId};
use crate::{nal, obu};
use rtc::codec::Codec;

const ANNEX_B: [u8; 4] = [0, 0, 0, 1];
/// The longest OBU of several packets.
const MAX_OBU_BYTES: usize = 2 * 1024 * 1024;

/// Return the frame of all its payloads; `None` where they are malformed.
///
/// `has_id`: a VP8 frame has a frame id, which follows it; those of others are elements of their own.
pub(super) fn frame<'a>(
    codec: Codec,
    payloads: impl Iterator<Item = &'a Vec<u8>>,
    has_id: bool,
) -> Option<Vec<u8>> {
    let out = match codec {
        Codec::Vp8 => {
            let mut out = joined(payloads, vp8_descriptor_len)?;
            if has_id {
                out.truncate(out.len().checked_sub(frame_id::LEN)?);
            }
            out
        }
        Codec::Vp9 => joined(payloads, vp9_descriptor_len)?,
        Codec::H264 => {
            let mut out = Vec::new();
            payloads.for_each(|payload| append_h264(payload, &mut out));
            out
        }
        Codec::Av1 => av1(payloads)?,
        _ => return None,
    };
    (!out.is_empty()).then_some(out)
}

/// Join what follows the payload descriptors.
fn joined<'a>(
    payloads: impl Iterator<Item = &'a Vec<u8>>,
    descriptor_len: impl Fn(&[u8]) -> Option<usize>,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for payload in payloads {
        out.extend_from_slice(payload.get(descriptor_len(payload)?..)?);
    }
    Some(out)
}

/// Return the length of a VP8 payload descriptor (RFC 7741 section 4.2).
fn vp8_descriptor_len(payload: &[u8]) -> Option<usize> {
    if payload.first()? & 0x80 == 0 {
        return Some(1);
    }
    let present = *payload.get(1)?;
    let mut len = 2;
    if present & 0x80 != 0 {
        len += len_of_picture_id(payload, len)?;
    }
    len += usize::from(present & 0x40 != 0);
    len += usize::from(present & 0x30 != 0);
    Some(len)
}

/// Return the length of a VP9 payload descriptor (RFC 9628 section 4.2).
fn vp9_descriptor_len(payload: &[u8]) -> Option<usize> {
    let flags = *payload.first()?;
    let (inter_predicted, flexible) = (flags & 0x40 != 0, flags & 0x10 != 0);
    let mut len = 1;
    if flags & 0x80 != 0 {
        len += len_of_picture_id(payload, len)?;
    }
    if flags & 0x20 != 0 {
        len += if flexible { 1 } else { 2 }; // layer indices, TL0PICIDX
    }
    if inter_predicted && flexible {
        let references = payload.get(len..)?.iter().take(3);
        len += 1 + references
            .take_while(|&reference| reference & 1 != 0)
            .count();
    }
    if flags & 0x02 != 0 {
        len += scalability_structure_len(payload.get(len..)?)?;
    }
    Some(len)
}

fn len_of_picture_id(payload: &[u8], at: usize) -> Option<usize> {
    Some(if payload.get(at)? & 0x80 != 0 { 2 } else { 1 })
}

/// Return the length of a scalability structure (RFC 9628 section 4.2.1).
fn scalability_structure_len(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.first()?;
    let mut len = 1;
    if flags & 0x10 != 0 {
        len += 4 * (1 + usize::from(flags >> 5)); // width and height of each spatial layer
    }
    if flags & 0x08 != 0 {
        let count = *bytes.get(len)?;
        len += 1;
        for _ in 0..count {
            len += 1 + usize::from(bytes.get(len)? >> 2 & 3); // its references
        }
    }
    Some(len)
}

/// Append the NAL units of a payload (RFC 6184): single, aggregated, or a part of one.
fn append_h264(payload: &[u8], out: &mut Vec<u8>) {
    for unit in nal::units(payload) {
        out.extend_from_slice(&ANNEX_B);
        out.extend_from_slice(unit);
    }
    if let [indicator, header, part @ ..] = payload
        && indicator & nal::TYPE_MASK == nal::FU_A
    {
        if header & nal::FU_START != 0 {
            out.extend_from_slice(&ANNEX_B);
            out.push(indicator & !nal::TYPE_MASK | header & nal::TYPE_MASK);
        }
        out.extend_from_slice(part);
    }
}

/// Return the temporal unit of AV1 payloads (RTP Payload Format For AV1, section 4).
fn av1<'a>(payloads: impl Iterator<Item = &'a Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = obu::DELIMITER.to_vec();
    let mut open: Option<Vec<u8>> = None;
    for payload in payloads {
        let header = *payload.first()?;
        let mut elements = obu::elements(payload).enumerate().peekable();
        while let Some((nth, element)) = elements.next() {
            let continues = nth == 0 && header & obu::CONTINUES != 0;
            let mut bytes = match (continues, open.take()) {
                (true, Some(bytes)) => bytes,
                (false, None) => Vec::new(),
                _ => return None, // a fragment without its others
            };
            if bytes.len() + element.len() > MAX_OBU_BYTES {
                return None;
            }
            bytes.extend_from_slice(element);
            if elements.peek().is_none() && header & obu::CONTINUED != 0 {
                open = Some(bytes);
            } else {
                append_obu(&bytes, &mut out)?;
            }
        }
    }
    open.is_none().then_some(out)
}

/// Append an OBU with its size, unless it is the frame id.
fn append_obu(element: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if FrameId::from_obu(element).is_none() {
        obu::split(element)?
            .iter()
            .for_each(|obu| obu.write_sized(out));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(codec: Codec, payloads: &[&[u8]]) -> Option<Vec<u8>> {
        let payloads: Vec<_> = payloads.iter().map(|payload| payload.to_vec()).collect();
        frame(codec, payloads.iter(), true)
    }

    #[test]
    fn vp9_descriptors_are_removed() {
        for descriptor in [
            &[0x00][..],
            &[0x80, 0x05],                               // picture id of 7 bits
            &[0x90, 0x81, 0x02],                         // of 15 bits
            &[0xd0, 0x81, 0x02, 0x03, 0x04],             // two references
            &[0xb0, 0x05, 0x20],                         // layers, flexible mode
            &[0xa0, 0x05, 0x20, 0x07],                   // layers, TL0PICIDX
            &[0x02, 0x18, 1, 64, 0, 180, 2, 0, 0x04, 1], // structure of two frames
        ] {
            let payload = [descriptor, &[0xaa, 0xbb]].concat();
            let found = frame_of(Codec::Vp9, &[&payload, &[0x00, 0xcc]]);
            assert_eq!(found, Some(vec![0xaa, 0xbb, 0xcc]), "{descriptor:02x?}");
            assert_eq!(
                frame_of(Codec::Vp9, &[&descriptor[..descriptor.len() - 1]]),
                None
            );
        }
    }

    #[test]
    fn av1_fragments_are_joined_and_sized() {
        let id = FrameId {
            source: 1,
            encoding: 0,
            frame: 2,
            tick: 3,
        };
        let first = [&[0x60, 19][..], &id.to_obu(), &[0x30, 1, 2]].concat();
        let expected = vec![0x12, 0, 0x32, 4, 1, 2, 3, 4, 0x32, 1, 9];
        let found = frame_of(Codec::Av1, &[&first, &[0xa0, 2, 3, 4, 0x30, 9]]);
        assert_eq!(found, Some(expected));
        assert_eq!(frame_of(Codec::Av1, &[&first]), None);
        assert_eq!(frame_of(Codec::Av1, &[&first, &[0x10, 0x30, 9]]), None);
        assert_eq!(frame_of(Codec::Av1, &[&[0x90, 3, 4]]), None);
    }
}
