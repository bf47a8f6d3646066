//! The header of one outgoing stream: prepared once, copied and stamped per packet.
//!
//! Every packet of a stream carries the same set of extensions, whatever its publisher sent: an
//! extension on some packets only would change their size and break runs. The capture time alone
//! begins with the first packet that has one, since it is long and most publishers send none.

use rtc::outbound::history::{ForwardedExtensions, MAX_DESCRIPTOR_LEN};
use wire::dependency::Patch;
use wire::extension::{BlockWriter, Extension, ExtensionMap, Form, append};
use wire::id::{Mid, PayloadType, Ssrc};
use wire::rtp::{self, NewHeader};

const BLOCK_LEN: usize = 64;

/// The values that change from packet to packet.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker bit.
    pub marker: bool,
    /// Padding follows the payload.
    pub padding: bool,
    /// Transport-wide sequence number.
    pub transport_sequence: u16,
    /// 6.18 fixed point seconds.
    pub abs_send_time: u32,
    /// Values of the incoming packet's extensions.
    pub carried: ForwardedExtensions,
    /// Its dependency descriptor.
    pub descriptor: Option<&'a OutgoingDescriptor<'a>>,
}

/// The dependency descriptor of a packet to send.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingDescriptor<'a> {
    /// As received.
    pub bytes: &'a [u8],
    /// What is changed in it.
    pub patch: Patch,
}

/// Header of one outgoing stream; what every packet needs comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Template {
    ssrc: Ssrc,
    payload_type: PayloadType,
    layout: Layout,
    /// Where the subscriber takes dependency descriptors.
    described: Option<Box<DescribedLayout>>,
}

/// The extensions of a stream but the dependency descriptor.
#[derive(Clone, Debug)]
#[repr(C)]
struct Layout {
    places: Places,
    /// Without capture time, with it alone, and with the clock offset behind it.
    blocks: [Block; 3],
}

/// How dependency descriptors are added: in the form of the other packets where they fit, else
/// with two-byte headers (RFC 8285 section 4.3).
#[derive(Clone, Debug)]
struct DescribedLayout {
    id: u8,
    form: Form,
    long: Layout,
}

/// Longest value with a one-byte header.
const MAX_SHORT_LEN: usize = 16;
/// Two-byte header, bitmask and padding that a descriptor gets at most.
const AROUND_DESCRIPTOR: usize = 12;

/// The extensions of a header, to be stamped.
#[derive(Clone, Debug)]
#[repr(C)]
struct Block {
    len: u8,
    bytes: [u8; BLOCK_LEN],
}

/// Offsets in a block of the values that change.
#[derive(Clone, Copy, Debug)]
struct Places {
    transport_sequence: Option<u8>,
    abs_send_time: Option<u8>,
    audio_level: Option<u8>,
    orientation: Option<u8>,
    capture_time: Option<u8>,
}

impl Template {
    /// Prepare the header with the extensions that the subscriber negotiated.
    #[must_use]
    pub fn new(
        ssrc: Ssrc,
        payload_type: PayloadType,
        mid: Mid,
        ids: &ExtensionMap,
        audio: bool,
    ) -> Self {
        let layout = |form| Layout::new(mid, ids, audio, form);
        let id = ids.id(Extension::DependencyDescriptor);
        let described = id.filter(|_| !audio).map(|id| DescribedLayout {
            id,
            form: ids.form(),
            long: layout(Form::TwoByte),
        });
        Self {
            ssrc,
            payload_type,
            layout: layout(ids.form()),
            described: described.map(Box::new),
        }
    }

    /// Return whether packets carry a transport-wide sequence number.
    #[must_use]
    pub fn has_transport_sequence(&self) -> bool {
        self.layout.places.transport_sequence.is_some()
    }

    /// Return whether the subscriber takes dependency descriptors.
    #[must_use]
    pub fn takes_descriptors(&self) -> bool {
        self.described.is_some()
    }

    /// Return the most bytes of the header of a packet with a dependency descriptor of this length,
    /// 0: none.
    #[must_use]
    #[inline]
    pub fn header_len(&self, carried: &ForwardedExtensions, descriptor_len: usize) -> usize {
        let described = self.described.as_ref().filter(|_| descriptor_len > 0);
        let (layout, more) = match described {
            Some(described) => (&described.long, descriptor_len + AROUND_DESCRIPTOR),
            None => (&self.layout, 0),
        };
        rtp::FIXED_HEADER_LEN + usize::from(layout.block(carried).len) + more
    }

    /// Return the length in bytes of the longest header without a dependency descriptor.
    #[must_use]
    #[inline]
    pub fn max_header_len(&self) -> usize {
        let [.., with_offset] = &self.layout.blocks;
        rtp::FIXED_HEADER_LEN + usize::from(with_offset.len)
    }

    /// Write the header to the start of `out` and return its length in bytes.
    #[inline(always)]
    pub fn write(&self, out: &mut [u8], stamp: &Stamp<'_>) -> usize {
        match (&self.described, stamp.descriptor) {
            (Some(described), Some(descriptor)) => {
                self.write_described(described, descriptor, out, stamp)
            }
            _ => self.write_layout(&self.layout, out, stamp),
        }
    }

    /// Write a header with a dependency descriptor, without it where it is malformed.
    fn write_described(
        &self,
        described: &DescribedLayout,
        descriptor: &OutgoingDescriptor<'_>,
        out: &mut [u8],
        stamp: &Stamp<'_>,
    ) -> usize {
        let mut value = [0; MAX_DESCRIPTOR_LEN];
        let OutgoingDescriptor { bytes, patch } = descriptor;
        let Some(len) = patch.write(bytes, &mut value) else {
            return self.write_layout(&self.layout, out, stamp);
        };
        let (form, layout) = match len <= MAX_SHORT_LEN {
            true => (described.form, &self.layout),
            false => (Form::TwoByte, &described.long),
        };
        let header_len = self.write_layout(layout, out, stamp);
        let block = &mut out[rtp::FIXED_HEADER_LEN..];
        let block_len = header_len - rtp::FIXED_HEADER_LEN;
        let added = append(block, block_len, form, described.id, &value[..len]);
        out[0] |= rtp::HAS_EXTENSION;
        rtp::FIXED_HEADER_LEN + added.unwrap_or(block_len)
    }

    #[inline(always)]
    fn write_layout(&self, layout: &Layout, out: &mut [u8], stamp: &Stamp<'_>) -> usize {
        let header = NewHeader {
            marker: stamp.marker,
            payload_type: self.payload_type,
            sequence: stamp.sequence,
            timestamp: stamp.timestamp,
            ssrc: self.ssrc,
            padding: stamp.padding,
        };
        let ForwardedExtensions {
            audio_level,
            orientation,
            capture,
        } = stamp.carried;
        let ready = layout.block(&stamp.carried);
        let len = rtp::write(out, &header, &ready.bytes[..usize::from(ready.len)]);
        let block = &mut out[rtp::FIXED_HEADER_LEN..len];
        let mut stamp_at = |at: u8, value: &[u8]| {
            block[usize::from(at)..][..value.len()].copy_from_slice(value);
        };
        let places = &layout.places;
        if let Some(at) = places.transport_sequence {
            stamp_at(at, &stamp.transport_sequence.to_be_bytes());
        }
        if let Some(at) = places.abs_send_time {
            stamp_at(at, &stamp.abs_send_time.to_be_bytes()[1..]);
        }
        if let (Some(at), Some(level)) = (places.audio_level, audio_level) {
            stamp_at(at, &[level]);
        }
        if let (Some(at), Some(orientation)) = (places.orientation, orientation) {
            stamp_at(at, &[orientation]);
        }
        if let (Some(at), Some(time)) = (places.capture_time, capture) {
            let mut value = [0; 16];
            let len = time.write(&mut value);
            stamp_at(at, &value[..len]);
        }
        len
    }
}

impl Layout {
    fn new(mid: Mid, ids: &ExtensionMap, audio: bool, form: Form) -> Self {
        let (without, _) = prepare(mid, ids, audio, form, 0);
        let (with_capture, _) = prepare(mid, ids, audio, form, 8);
        let (with_offset, places) = prepare(mid, ids, audio, form, 16);
        Self {
            places,
            blocks: [without, with_capture, with_offset],
        }
    }

    fn block(&self, carried: &ForwardedExtensions) -> &Block {
        &self.blocks[match carried.capture {
            None => 0,
            Some(time) => 1 + usize::from(time.clock_offset.is_some()),
        }]
    }
}

/// Lay a block out. The capture time stands last: where it is left out nothing else moves.
fn prepare(
    mid: Mid,
    ids: &ExtensionMap,
    audio: bool,
    form: Form,
    capture_len: usize,
) -> (Block, Places) {
    let mut bytes = [0; BLOCK_LEN];
    let mut writer = BlockWriter::new(&mut bytes, form);
    let mut push = |extension, value: &[u8]| {
        let at = writer.push(ids.id(extension)?, value)?;
        Some(at as u8)
    };
    push(Extension::Mid, mid.as_bytes());
    let places = Places {
        transport_sequence: push(Extension::TransportSequence, &[0; 2]),
        abs_send_time: push(Extension::AbsSendTime, &[0; 3]),
        // 127 is silence (RFC 6464): what a publisher without the extension is taken for.
        audio_level: audio.then(|| push(Extension::AudioLevel, &[127])).flatten(),
        orientation: (!audio)
            .then(|| push(Extension::VideoOrientation, &[0]))
            .flatten(),
        capture_time: (capture_len > 0)
            .then(|| push(Extension::AbsCaptureTime, &[0; 16][..capture_len]))
            .flatten(),
    };
    let len = writer.finish() as u8;
    (Block { bytes, len }, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::extension::{AbsCaptureTime, Values};
    use wire::rtp::Header;
    use wire::time::NtpTime;

    fn ids() -> ExtensionMap {
        let mut ids = ExtensionMap::new();
        for (id, extension) in [
            (1, Extension::Mid),
            (2, Extension::TransportSequence),
            (3, Extension::AbsSendTime),
            (4, Extension::AudioLevel),
            (5, Extension::VideoOrientation),
            (6, Extension::AbsCaptureTime),
        ] {
            ids.insert(id, extension).expect("free id");
        }
        ids
    }

    fn stamp() -> Stamp<'static> {
        Stamp {
            sequence: 9,
            timestamp: 10,
            marker: true,
            padding: false,
            transport_sequence: 0x1234,
            abs_send_time: 0x0056_789a,
            carried: ForwardedExtensions::default(),
            descriptor: None,
        }
    }

    #[test]
    fn every_packet_has_the_same_extensions() {
        let mid = "a1".parse().expect("mid");
        let template = Template::new(Ssrc(7), PayloadType(100), mid, &ids(), true);
        let mut stamp = stamp();
        let mut out = [0; 128];
        let bare = template.write(&mut out, &stamp);
        stamp.carried.audio_level = Some(0x80 | 20);
        assert_eq!(template.write(&mut out, &stamp), bare);
        let header = Header::parse(&out).expect("a header");
        let values = Values::read(&header, &out, &ids());
        assert_eq!(
            (header.ssrc, header.sequence, header.marker),
            (Ssrc(7), 9, true)
        );
        assert_eq!(values.transport_sequence, Some(0x1234));
        assert_eq!(values.abs_send_time, Some(0x0056_789a));
        assert_eq!(values.audio_level.map(|level| level.minus_dbov), Some(20));
        assert_eq!(values.mid, Some(mid));
        assert!(values.video_orientation.is_none());
    }

    #[test]
    fn a_capture_time_stands_behind_the_rest_with_or_without_offset() {
        let mid = "v".parse().expect("mid");
        let template = Template::new(Ssrc(7), PayloadType(100), mid, &ids(), false);
        let mut stamp = stamp();
        stamp.carried.orientation = Some(3);
        for clock_offset in [None, Some(-5)] {
            let time = AbsCaptureTime {
                captured: NtpTime(0x0102_0304_0506_0708),
                clock_offset,
            };
            stamp.carried.capture = Some(time);
            let mut out = [0; 128];
            template.write(&mut out, &stamp);
            let header = Header::parse(&out).expect("a header");
            let values = Values::read(&header, &out, &ids());
            assert_eq!(values.abs_capture_time, Some(time));
            assert_eq!(values.video_orientation, Some(&[3][..]));
            assert_eq!(values.transport_sequence, Some(0x1234));
        }
    }

    #[test]
    fn the_capture_time_is_left_out_where_not_negotiated() {
        let mid = "v".parse().expect("mid");
        let mut ids = ExtensionMap::new();
        ids.insert(1, Extension::Mid).expect("free id");
        let template = Template::new(Ssrc(7), PayloadType(100), mid, &ids, false);
        let (mut out, mut stamp) = ([0; 128], stamp());
        let bare = template.write(&mut out, &stamp);
        stamp.carried.capture = Some(AbsCaptureTime {
            captured: NtpTime(1),
            clock_offset: Some(1),
        });
        assert_eq!(template.write(&mut out, &stamp), bare);
    }

    #[test]
    fn a_descriptor_has_two_byte_headers_where_it_is_long() {
        let mid = "a1".parse().expect("mid");
        let mut ids = ids();
        ids.insert(8, Extension::DependencyDescriptor)
            .expect("free id");
        let template = Template::new(Ssrc(7), PayloadType(100), mid, &ids, false);
        for len in [3, 16, 17, 120, MAX_DESCRIPTOR_LEN] {
            let mut bytes = vec![0; len];
            bytes[..3].copy_from_slice(&[0x81, 0x12, 0x34]);
            let mut stamp = stamp();
            stamp.carried.orientation = Some(3);
            let descriptor = OutgoingDescriptor {
                bytes: &bytes,
                patch: Patch {
                    number_shift: 0x34,
                    active_targets: None,
                },
            };
            stamp.descriptor = Some(&descriptor);
            let mut out = [0; 512];
            let written = template.write(&mut out, &stamp);
            let header = Header::parse(&out).expect("a header");
            assert_eq!(header.header_len, written);
            assert!(written <= template.header_len(&stamp.carried, len));
            let values = Values::read(&header, &out, &ids);
            let descriptor = values.dependency_descriptor.expect("a descriptor");
            assert_eq!(descriptor[..3], [0x81, 0x12, 0x00]);
            assert_eq!(descriptor[3..], bytes[3..]);
            assert_eq!(values.transport_sequence, Some(0x1234));
            assert_eq!(values.video_orientation, Some(&[3][..]));
            assert_eq!(values.mid, Some(mid));
        }
    }

    #[test]
    fn a_descriptor_is_left_out_where_not_negotiated() {
        let mid = "v".parse().expect("mid");
        let template = Template::new(Ssrc(7), PayloadType(100), mid, &ids(), false);
        let (mut out, mut stamp) = ([0; 512], stamp());
        let bare = template.write(&mut out, &stamp);
        let descriptor = OutgoingDescriptor {
            bytes: &[0x81, 0, 1],
            patch: Patch::default(),
        };
        stamp.descriptor = Some(&descriptor);
        assert_eq!(template.write(&mut out, &stamp), bare);
        assert_eq!(template.header_len(&stamp.carried, 3), bare);
    }
}
