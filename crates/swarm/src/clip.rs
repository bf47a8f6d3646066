//! Encoded media in a loop, packetized once for all bots that send the clip.

mod av1;
mod ivf;
mod packetise;
mod vp9;

use crate::dependency::Descriptors;
use crate::frame_id::{self, FrameId};
use crate::nal;
use rtc::codec::{Codec, Kind};
use std::ops::Range;

/// The longest payload: with header, extensions and SRTP tag a packet stays below 1200 bytes, the
/// limit of browsers.
pub const MAX_PAYLOAD_BYTES: usize = 1_150;

/// Why a file is not a valid clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipError {
    /// The file has no IVF signature.
    NotIvf,
    /// The file is truncated, or its header is inconsistent.
    Malformed,
    /// Bots cannot send this codec.
    UnknownCodec,
    /// The file has no frame, or its video does not start with a key frame.
    NoStart,
}

impl std::fmt::Display for ClipError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotIvf => "not an IVF file",
            Self::Malformed => "a cut or contradictory IVF file",
            Self::UnknownCodec => {
                "a codec that bots cannot send (VP80, H264, VP90, AV01 and OPUS they can)"
            }
            Self::NoStart => "no frame to begin with",
        })
    }
}

impl std::error::Error for ClipError {}

/// A loop of encoded frames.
#[derive(Debug)]
pub struct Clip {
    codec: Codec,
    frames: Vec<Frame>,
    packets: Vec<Packet>,
    bytes: Vec<u8>,
    /// One turn of the loop in units of the RTP clock.
    loop_ticks: u32,
    descriptors: Option<Descriptors>,
}

/// One frame of a clip.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Capture time within the loop in units of the RTP clock.
    pub at_ticks: u32,
    /// Key frame.
    pub keyframe: bool,
    /// Packet numbers for [`Clip::write`].
    pub packets: Range<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    offset: u32,
    len: u16,
    slot: Slot,
}

/// Which fields are written into a packet when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    None,
    /// VP8: the picture id, at bytes 2 and 3 of the payload.
    Vp8,
    /// VP8, last packet of a frame: the picture id, and the frame id as a trailer.
    Vp8Last,
    /// VP9: the picture id, at bytes 1 and 2 of the payload.
    Vp9,
    /// AV1: the metadata OBU with the frame id, at this offset.
    Obu {
        at: u16,
    },
    /// H.264: the SEI NAL unit with the frame id, inserted at this offset; in an aggregate with its
    /// length before it.
    Sei {
        at: u16,
        aggregated: bool,
    },
}

/// The fields of a frame that differ by bot and by turn of the loop.
#[derive(Clone, Copy, Debug)]
pub struct FrameFields {
    /// VP8 or VP9 picture id; 15 bits are sent.
    pub picture_id: u16,
    /// In-band frame id.
    pub id: FrameId,
    /// The frame id is written into the frame.
    pub in_band: bool,
}

impl Clip {
    /// Parse an IVF file and packetize its frames.
    ///
    /// # Errors
    /// Where the file is no IVF file, is truncated, or has a codec that bots cannot send.
    pub fn parse(file: &[u8]) -> Result<Self, ClipError> {
        let file = ivf::parse(file)?;
        let mut clip = Self {
            codec: file.codec,
            frames: Vec::with_capacity(file.frames.len()),
            packets: Vec::new(),
            bytes: Vec::new(),
            loop_ticks: 0,
            descriptors: None,
        };
        if file.codec == Codec::Av1 {
            clip.descriptors = Descriptors::new(file.size.0, file.size.1);
        }
        for frame in &file.frames {
            clip.add_frame(file.ticks(frame.at)?, frame.bytes)?;
        }
        if !clip.frames.first().is_some_and(|first| first.keyframe) {
            return Err(ClipError::NoStart);
        }
        clip.loop_ticks = clip.measure_loop().ok_or(ClipError::Malformed)?;
        Ok(clip)
    }

    /// Return the codec.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Return the dependency descriptors of AV1.
    #[must_use]
    pub fn descriptors(&self) -> Option<&Descriptors> {
        self.descriptors.as_ref()
    }

    /// List the frames in capture order.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Return the duration of one turn of the loop, in units of the RTP clock.
    #[must_use]
    pub fn loop_ticks(&self) -> u32 {
        self.loop_ticks
    }

    /// Return the mean bitrate of the payloads in bit/s.
    #[must_use]
    pub fn bitrate_bps(&self) -> u64 {
        let bits = self.bytes.len() as u64 * 8;
        bits * u64::from(self.codec.clock_rate()) / u64::from(self.loop_ticks.max(1))
    }

    /// Return the mean packet rate per second, at least 1.
    #[must_use]
    pub fn packets_per_s(&self) -> usize {
        let packets = self.packets.len() as u64 * u64::from(self.codec.clock_rate());
        (packets / u64::from(self.loop_ticks.max(1))).max(1) as usize
    }

    /// Return the next key frame at or after frame `index`.
    #[must_use]
    pub fn next_keyframe(&self, index: usize) -> usize {
        let ahead = self.frames[index..].iter().position(|frame| frame.keyframe);
        ahead.map_or(0, |ahead| index + ahead)
    }

    /// Return whether a packet has no payload but the frame id.
    #[must_use]
    pub fn is_frame_id(&self, packet: u32) -> bool {
        let packet = self.packets[packet as usize];
        packet.len == 0 && matches!(packet.slot, Slot::Sei { .. })
    }

    /// Return whether a packet is the last of its frame.
    #[must_use]
    pub fn ends_frame(&self, frame: &Frame, packet: u32) -> bool {
        packet + 1 == frame.packets.end
    }

    /// Write the payload of one packet and return its length, at most [`MAX_PAYLOAD_BYTES`].
    ///
    /// # Panics
    /// Where `packet` is not of this clip or `out` is shorter than [`MAX_PAYLOAD_BYTES`].
    pub fn write(&self, packet: u32, fields: &FrameFields, out: &mut [u8]) -> usize {
        let packet = self.packets[packet as usize];
        let start = packet.offset as usize;
        let bytes = &self.bytes[start..start + usize::from(packet.len)];
        if !fields.in_band {
            return write_without_id(packet.slot, bytes, fields, out);
        }
        let Slot::Sei { at, aggregated } = packet.slot else {
            out[..bytes.len()].copy_from_slice(bytes);
            return fill(packet.slot, fields, out, bytes.len());
        };
        let (before, after) = bytes.split_at(usize::from(at));
        out[..before.len()].copy_from_slice(before);
        let end = before.len() + put_sei(fields.id, aggregated, &mut out[before.len()..]);
        out[end..end + after.len()].copy_from_slice(after);
        end + after.len()
    }

    fn add_frame(&mut self, at_ticks: u32, bytes: &[u8]) -> Result<(), ClipError> {
        let first = self.packets.len() as u32;
        let keyframe = match self.codec {
            Codec::Vp8 => self.add_vp8(bytes)?,
            Codec::H264 => self.add_h264(bytes)?,
            Codec::Vp9 => self.add_vp9(bytes)?,
            Codec::Av1 => self.add_av1(bytes)?,
            _ => self.add_opus(bytes)?,
        };
        self.frames.push(Frame {
            at_ticks,
            keyframe,
            packets: first..self.packets.len() as u32,
        });
        Ok(())
    }

    /// Return the duration of the loop: the last frame lasts as long as the shortest, since a pause
    /// of DTX is never at the end.
    ///
    /// `None` where the duration overflows the RTP clock, or two frames share a timestamp: a loop
    /// of zero duration would never end.
    fn measure_loop(&self) -> Option<u32> {
        let gaps = self
            .frames
            .windows(2)
            .map(|pair| pair[1].at_ticks - pair[0].at_ticks);
        let whole_second = self.codec.clock_rate();
        let shortest = gaps.min().unwrap_or(whole_second);
        if shortest == 0 {
            return None;
        }
        self.frames.last()?.at_ticks.checked_add(shortest)
    }

    /// Return whether the clip is audio or video.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.codec.kind()
    }
}

/// Write the fields of a payload and return its length.
fn fill(slot: Slot, fields: &FrameFields, out: &mut [u8], len: usize) -> usize {
    match slot {
        Slot::None | Slot::Sei { .. } => len,
        Slot::Vp8 => {
            put_id(fields, &mut out[packetise::ID_AT..]);
            len
        }
        Slot::Vp8Last => {
            put_id(fields, &mut out[packetise::ID_AT..]);
            out[len..len + frame_id::LEN].copy_from_slice(&fields.id.to_bytes());
            len + frame_id::LEN
        }
        Slot::Vp9 => {
            put_id(fields, &mut out[vp9::ID_AT..]);
            len
        }
        Slot::Obu { at } => {
            out[usize::from(at)..][..frame_id::OBU_LEN].copy_from_slice(&fields.id.to_obu());
            len
        }
    }
}

/// Write a payload without the frame id and return its length.
fn write_without_id(slot: Slot, bytes: &[u8], fields: &FrameFields, out: &mut [u8]) -> usize {
    let (before, after) = match slot {
        // Its length field is one byte.
        Slot::Obu { at } => {
            let at = usize::from(at);
            (&bytes[..at - 1], &bytes[at + frame_id::OBU_LEN..])
        }
        _ => (bytes, &[][..]),
    };
    out[..before.len()].copy_from_slice(before);
    let len = before.len() + after.len();
    out[before.len()..len].copy_from_slice(after);
    let filled = match slot {
        Slot::Vp8Last => Slot::Vp8,
        Slot::Obu { .. } => Slot::None,
        slot => slot,
    };
    fill(filled, fields, out, len)
}

fn put_id(fields: &FrameFields, out: &mut [u8]) {
    let picture_id = fields.picture_id | packetise::WIDE_PICTURE_ID;
    out[..2].copy_from_slice(&picture_id.to_be_bytes());
}

fn put_sei(id: FrameId, aggregated: bool, out: &mut [u8]) -> usize {
    let mut unit = [0; frame_id::MAX_SEI_LEN];
    let len = id.write_sei(&mut unit);
    let at = if aggregated {
        nal::AGGREGATE_LEN_BYTES
    } else {
        0
    };
    if aggregated {
        out[..at].copy_from_slice(&(len as u16).to_be_bytes());
    }
    out[at..at + len].copy_from_slice(&unit[..len]);
    at + len
}
