//! The RTP header of one outbound stream: a template, copied and filled in per packet.

use crate::dependency::{DescriptorValue, WITH_STRUCTURE_LEN};
use wire::dependency::MANDATORY_LEN;
use wire::extension::{AbsCaptureTime, BlockWriter, Extension, ExtensionMap};
use wire::id::{Mid, PayloadType, Rid, Ssrc};
use wire::rtp::{self, NewHeader};

const BLOCK_LEN: usize = 96;
/// Capture time with clock offset.
const CAPTURE_TIME_LEN: usize = 16;

/// SDES items in RTP header extensions (RFC 7941): MID and RID.
#[derive(Clone, Copy, Debug)]
pub struct SdesItems {
    /// MID (RFC 9143).
    pub mid: Mid,
    /// RID (RFC 8852) of a simulcast encoding.
    pub rid: Option<Rid>,
    /// RTX stream: the RID is sent as repaired-rtp-stream-id.
    pub repairs: bool,
}

/// The header fields that change from packet to packet.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// RTP marker bit.
    pub marker: bool,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Transport-wide sequence number.
    pub transport_sequence: u16,
    /// 6.18 fixed point seconds.
    pub abs_send_time: u32,
    /// Capture time of the frame, where the extension was negotiated.
    pub capture_time: Option<AbsCaptureTime>,
    /// Dependency descriptor of AV1.
    pub descriptor: Option<DescriptorValue>,
}

/// The header of one stream.
#[derive(Clone, Debug)]
pub struct HeaderTemplate {
    ssrc: Ssrc,
    payload_type: PayloadType,
    blocks: Blocks,
    /// Of packets whose dependency descriptor has a structure, where the extension was negotiated.
    with_structure: Option<Box<Blocks>>,
    /// MID and RID are sent: no receiver report on the SSRC has been received yet.
    sends_sdes: bool,
}

#[derive(Clone, Debug)]
struct Blocks {
    with_sdes: Block,
    without_sdes: Block,
}

#[derive(Clone, Debug)]
struct Block {
    bytes: [u8; BLOCK_LEN],
    len: usize,
    transport_sequence_at: Option<usize>,
    abs_send_time_at: Option<usize>,
    capture_time_at: Option<usize>,
    audio_level_at: Option<usize>,
    descriptor_at: Option<usize>,
}

/// What the packets of a stream have beside MID and RID, where the extensions were negotiated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carries {
    /// Dependency descriptors.
    pub descriptors: bool,
    /// An audio level (RFC 6464): this octet at first.
    pub audio_level: Option<u8>,
}

impl HeaderTemplate {
    /// Prepare the header with the extensions that were negotiated.
    #[must_use]
    pub fn new(
        ssrc: Ssrc,
        payload_type: PayloadType,
        sdes: SdesItems,
        ids: &ExtensionMap,
        carries: Carries,
    ) -> Self {
        let level = carries.audio_level;
        let has_descriptors = carries.descriptors;
        let blocks = |descriptor_len| Blocks::new(sdes, ids, descriptor_len, level);
        let with_structure = ids.id(Extension::DependencyDescriptor);
        let with_structure = with_structure.filter(|_| has_descriptors);
        Self {
            ssrc,
            payload_type,
            blocks: blocks(has_descriptors.then_some(MANDATORY_LEN)),
            with_structure: with_structure.map(|_| Box::new(blocks(Some(WITH_STRUCTURE_LEN)))),
            sends_sdes: true,
        }
    }

    /// Set the octet of the audio level of later packets, where they have one.
    pub fn set_audio_level(&mut self, octet: u8) {
        let with_structure = self.with_structure.as_deref_mut();
        for blocks in with_structure.into_iter().chain([&mut self.blocks]) {
            for block in [&mut blocks.with_sdes, &mut blocks.without_sdes] {
                if let Some(at) = block.audio_level_at {
                    block.bytes[at] = octet;
                }
            }
        }
    }

    /// Stop sending MID and RID, as browsers do after the first receiver report.
    pub fn stop_sending_sdes(&mut self) {
        self.sends_sdes = false;
    }

    /// Return whether packets carry a transport-wide sequence number.
    #[must_use]
    pub fn has_transport_sequence(&self) -> bool {
        self.blocks.without_sdes.transport_sequence_at.is_some()
    }

    /// Return whether packets carry a capture time.
    #[must_use]
    pub fn has_capture_time(&self) -> bool {
        self.blocks.without_sdes.capture_time_at.is_some()
    }

    /// Return the length of the next header with a descriptor in bytes, 108 at most.
    #[must_use]
    pub fn header_len(&self, descriptor: Option<&DescriptorValue>) -> usize {
        rtp::FIXED_HEADER_LEN + self.block(descriptor).len
    }

    /// Write the header to the start of `out` and return its length in bytes.
    pub fn write(&self, out: &mut [u8], stamp: &Stamp) -> usize {
        let header = NewHeader {
            marker: stamp.marker,
            payload_type: self.payload_type,
            sequence: stamp.sequence,
            timestamp: stamp.timestamp,
            ssrc: self.ssrc,
            padding: false,
        };
        let block = self.block(stamp.descriptor.as_ref());
        let len = rtp::write(out, &header, &block.bytes[..block.len]);
        let written = &mut out[rtp::FIXED_HEADER_LEN..len];
        if let Some(at) = block.transport_sequence_at {
            written[at..at + 2].copy_from_slice(&stamp.transport_sequence.to_be_bytes());
        }
        if let Some(at) = block.abs_send_time_at {
            written[at..at + 3].copy_from_slice(&stamp.abs_send_time.to_be_bytes()[1..]);
        }
        if let (Some(at), Some(time)) = (block.capture_time_at, stamp.capture_time) {
            let mut value = [0; CAPTURE_TIME_LEN];
            time.write(&mut value);
            written[at..at + CAPTURE_TIME_LEN].copy_from_slice(&value);
        }
        if let (Some(at), Some(descriptor)) = (block.descriptor_at, &stamp.descriptor) {
            let value = descriptor.as_bytes();
            written[at..at + value.len()].copy_from_slice(value);
        }
        len
    }

    fn block(&self, descriptor: Option<&DescriptorValue>) -> &Block {
        let has_structure = descriptor.is_some_and(DescriptorValue::has_structure);
        let longer = self.with_structure.as_deref().filter(|_| has_structure);
        let blocks = longer.unwrap_or(&self.blocks);
        if self.sends_sdes {
            &blocks.with_sdes
        } else {
            &blocks.without_sdes
        }
    }
}

impl Blocks {
    fn new(
        sdes: SdesItems,
        ids: &ExtensionMap,
        descriptor_len: Option<usize>,
        level: Option<u8>,
    ) -> Self {
        Self {
            with_sdes: Block::new(Some(sdes), ids, descriptor_len, level),
            without_sdes: Block::new(None, ids, descriptor_len, level),
        }
    }
}

impl Block {
    fn new(
        sdes: Option<SdesItems>,
        ids: &ExtensionMap,
        descriptor_len: Option<usize>,
        level: Option<u8>,
    ) -> Self {
        let mut bytes = [0; BLOCK_LEN];
        let mut writer = BlockWriter::new(&mut bytes, ids.form());
        let mut push = |extension, value: &[u8]| writer.push(ids.id(extension)?, value);
        if let Some(SdesItems { mid, rid, repairs }) = sdes {
            push(Extension::Mid, mid.as_bytes());
            let extension = if repairs {
                Extension::RepairedRid
            } else {
                Extension::Rid
            };
            rid.and_then(|rid| push(extension, rid.as_bytes()));
        }
        let transport_sequence_at = push(Extension::TransportSequence, &[0; 2]);
        let abs_send_time_at = push(Extension::AbsSendTime, &[0; 3]);
        let capture_time_at = push(Extension::AbsCaptureTime, &[0; CAPTURE_TIME_LEN]);
        let audio_level_at = level.and_then(|octet| push(Extension::AudioLevel, &[octet]));
        let descriptor = descriptor_len.map(|len| &[0; WITH_STRUCTURE_LEN][..len]);
        let descriptor_at =
            descriptor.and_then(|value| push(Extension::DependencyDescriptor, value));
        let len = writer.finish();
        Self {
            bytes,
            len,
            transport_sequence_at,
            abs_send_time_at,
            capture_time_at,
            audio_level_at,
            descriptor_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::{Descriptors, Place};
    use wire::extension::Values;
    use wire::rtp::Header;
    use wire::time::NtpTime;

    #[test]
    fn mid_and_rid_are_sent_until_stopped_and_the_other_extensions_always() {
        let mut ids = ExtensionMap::new();
        for (id, extension) in (1..).zip(Extension::ALL) {
            ids.insert(id, extension).unwrap();
        }
        let sdes = SdesItems {
            mid: "0".parse().unwrap(),
            rid: "f".parse().ok(),
            repairs: true,
        };
        let descriptors = Descriptors::new(640, 360).unwrap();
        let carries = Carries {
            descriptors: true,
            audio_level: Some(127),
        };
        let mut template = HeaderTemplate::new(Ssrc(7), PayloadType(97), sdes, &ids, carries);
        let stamp = Stamp {
            marker: true,
            sequence: 5,
            timestamp: 6,
            transport_sequence: 0x1234,
            abs_send_time: 0x00ab_cdef,
            capture_time: Some(AbsCaptureTime {
                captured: NtpTime(0x0102_0304_0506_0708),
                clock_offset: Some(9),
            }),
            descriptor: Some(descriptors.value(Place {
                first: true,
                last: false,
                keyframe: true,
                number: 0x1234,
            })),
        };
        let mut out = [0; 128];
        let len = template.write(&mut out, &stamp);
        let header = Header::parse(&out[..len]).unwrap();
        let values = Values::read(&header, &out[..len], &ids);
        assert_eq!(values.mid, Some(sdes.mid));
        assert_eq!((values.rid, values.repaired_rid), (None, sdes.rid));
        let level = |values: &Values<'_>| values.audio_level.map(|level| level.to_byte());
        assert_eq!(level(&values), Some(127));
        template.stop_sending_sdes();
        template.set_audio_level(0x80 | 20);
        let len = template.write(&mut out, &stamp);
        let header = Header::parse(&out[..len]).unwrap();
        let values = Values::read(&header, &out[..len], &ids);
        assert_eq!((values.mid, values.repaired_rid), (None, None));
        assert_eq!(level(&values), Some(0x80 | 20));
        assert_eq!(values.transport_sequence, Some(0x1234));
        assert_eq!(values.abs_send_time, Some(0x00ab_cdef));
        assert_eq!(values.abs_capture_time, stamp.capture_time);
        let written = stamp.descriptor.as_ref().map(|value| value.as_bytes());
        assert_eq!(values.dependency_descriptor, written);
        assert_eq!(len, template.header_len(stamp.descriptor.as_ref()));
        let later = Stamp {
            descriptor: Some(descriptors.value(Place {
                first: false,
                last: true,
                keyframe: true,
                number: 0x1234,
            })),
            ..stamp
        };
        let shorter = template.write(&mut out, &later);
        let header = Header::parse(&out[..shorter]).unwrap();
        let values = Values::read(&header, &out[..shorter], &ids);
        let descriptor = values.dependency_descriptor.unwrap();
        assert_eq!((descriptor, len - shorter), (&[0x40, 0x12, 0x34][..], 8));
        assert_eq!(
            (header.sequence, header.timestamp, header.marker),
            (5, 6, true)
        );
    }
}
