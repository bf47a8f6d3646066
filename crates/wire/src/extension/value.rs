//! Values of the header extensions.

use super::{Extension, ExtensionMap};
use crate::id::{Mid, Rid};
use crate::rtp::Header;
use crate::time::NtpTime;

/// Audio level of a packet (RFC 6464 section 3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AudioLevel {
    /// V bit: the encoder believes that this is speech.
    pub voice: bool,
    /// Level below overload, -dBov: 0 is loudest, 127 is silence.
    pub minus_dbov: u8,
}

impl AudioLevel {
    /// Read the value; the two-byte form may carry a second, unused byte.
    pub fn parse(value: &[u8]) -> Option<AudioLevel> {
        let &byte = value.first()?;
        Some(AudioLevel {
            voice: byte & 0x80 != 0,
            minus_dbov: byte & 0x7f,
        })
    }

    /// Return the value on the wire.
    pub fn to_byte(self) -> u8 {
        u8::from(self.voice) << 7 | self.minus_dbov & 0x7f
    }
}

/// abs-capture-time: when the frame was captured, by the capturer's clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AbsCaptureTime {
    /// Capture time, NTP clock of the capturer.
    pub captured: NtpTime,
    /// Estimated offset between the capturer's clock and the sender's, 32.32 seconds.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    /// Read the value: 8 bytes, or 16 with the clock offset.
    pub fn parse(value: &[u8]) -> Option<AbsCaptureTime> {
        let (captured, rest) = value.split_first_chunk::<8>()?;
        Some(AbsCaptureTime {
            captured: NtpTime(u64::from_be_bytes(*captured)),
            clock_offset: rest.first_chunk().map(|offset| i64::from_be_bytes(*offset)),
        })
    }

    /// Write the value to `out`; return its length, 8 or 16 bytes.
    pub fn write(&self, out: &mut [u8; 16]) -> usize {
        let (captured, offset) = out.split_at_mut(8);
        captured.copy_from_slice(&self.captured.0.to_be_bytes());
        let Some(clock_offset) = self.clock_offset else {
            return 8;
        };
        offset.copy_from_slice(&clock_offset.to_be_bytes());
        16
    }
}

/// Read a transport-wide sequence number.
///
/// Version 2 of the extension appends a feedback request, which is ignored.
pub fn read_transport_sequence(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// The extensions of one packet, parsed in one pass; malformed ones are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Values<'a> {
    /// Media identification.
    pub mid: Option<Mid>,
    /// Encoding of a primary stream.
    pub rid: Option<Rid>,
    /// Encoding that an RTX stream repairs.
    pub repaired_rid: Option<Rid>,
    /// Departure time, 6.18 seconds.
    pub abs_send_time: Option<u32>,
    /// Transport-wide sequence number.
    pub transport_sequence: Option<u16>,
    /// Audio level.
    pub audio_level: Option<AudioLevel>,
    /// Capture time.
    pub abs_capture_time: Option<AbsCaptureTime>,
    /// Video orientation, passed through.
    pub video_orientation: Option<&'a [u8]>,
    /// Playout delay limits, passed through.
    pub playout_delay: Option<&'a [u8]>,
    /// Dependency descriptor.
    pub dependency_descriptor: Option<&'a [u8]>,
    /// Layers allocation.
    pub video_layers_allocation: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    /// Read the extensions of the packet `header` was parsed from.
    #[inline]
    pub fn read(header: &Header, datagram: &'a [u8], map: &ExtensionMap) -> Values<'a> {
        let mut values = Values::default();
        for (id, value) in header.extensions(datagram) {
            if let Some(extension) = map.extension(id) {
                values.set(extension, value);
            }
        }
        values
    }

    fn set(&mut self, extension: Extension, value: &'a [u8]) {
        match extension {
            Extension::Mid => self.mid = Mid::try_from(value).ok(),
            Extension::Rid => self.rid = Rid::try_from(value).ok(),
            Extension::RepairedRid => self.repaired_rid = Rid::try_from(value).ok(),
            Extension::AbsSendTime => self.abs_send_time = read_u24(value),
            Extension::TransportSequence => {
                self.transport_sequence = read_transport_sequence(value);
            }
            Extension::AudioLevel => self.audio_level = AudioLevel::parse(value),
            Extension::AbsCaptureTime => self.abs_capture_time = AbsCaptureTime::parse(value),
            Extension::VideoOrientation => self.video_orientation = Some(value),
            Extension::PlayoutDelay => self.playout_delay = Some(value),
            Extension::DependencyDescriptor => self.dependency_descriptor = Some(value),
            Extension::VideoLayersAllocation => self.video_layers_allocation = Some(value),
        }
    }
}

fn read_u24(value: &[u8]) -> Option<u32> {
    let &[b0, b1, b2] = value.first_chunk()?;
    Some(u32::from_be_bytes([0, b0, b1, b2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{BlockWriter, Form};
    use crate::id::{PayloadType, Ssrc};
    use crate::rtp::{NewHeader, write};

    #[test]
    fn audio_level_round_trip() {
        let level = AudioLevel::parse(&[0x80 | 37]).unwrap();
        assert_eq!((level.voice, level.minus_dbov), (true, 37));
        assert_eq!(level.to_byte(), 0x80 | 37);
        assert_eq!(AudioLevel::parse(&[]), None);
    }

    #[test]
    fn capture_time_with_and_without_offset() {
        let mut out = [0; 16];
        let mut time = AbsCaptureTime {
            captured: NtpTime(0x0102_0304_0506_0708),
            clock_offset: None,
        };
        assert_eq!(time.write(&mut out), 8);
        assert_eq!(AbsCaptureTime::parse(&out[..8]), Some(time));
        time.clock_offset = Some(-5);
        assert_eq!(time.write(&mut out), 16);
        assert_eq!(AbsCaptureTime::parse(&out), Some(time));
        assert_eq!(AbsCaptureTime::parse(&out[..7]), None);
    }

    #[test]
    fn one_pass_reads_all_values() {
        let mut map = ExtensionMap::new();
        map.insert(1, Extension::Mid).unwrap();
        map.insert(2, Extension::Rid).unwrap();
        map.insert(3, Extension::TransportSequence).unwrap();
        map.insert(4, Extension::AbsSendTime).unwrap();
        let mut block = [0; 64];
        let mut writer = BlockWriter::new(&mut block, Form::OneByte);
        writer.push(1, b"0").unwrap();
        writer.push(2, b"hi").unwrap();
        writer.push(3, &[0xab, 0xcd]).unwrap();
        writer.push(4, &[1, 2, 3]).unwrap();
        writer.push(9, b"unknown").unwrap();
        let block_len = writer.finish();
        let mut packet = [0; 128];
        let fields = NewHeader {
            marker: false,
            payload_type: PayloadType(96),
            sequence: 1,
            timestamp: 2,
            ssrc: Ssrc(3),
            padding: false,
        };
        write(&mut packet, &fields, &block[..block_len]);
        let header = Header::parse(&packet).unwrap();
        let values = Values::read(&header, &packet, &map);
        assert_eq!(values.mid, "0".parse().ok());
        assert_eq!(values.rid, "hi".parse().ok());
        assert_eq!(values.transport_sequence, Some(0xabcd));
        assert_eq!(values.abs_send_time, Some(0x010203));
        assert_eq!(values.repaired_rid, None);
    }
}
