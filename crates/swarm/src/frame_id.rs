//! The in-band identifier of a frame, which does not change the decoded frame.
//!
//! 16 bytes, big-endian: `sfuK`, source, encoding index (3 bits) and frame number (29 bits),
//! capture tick. In VP8 they follow the last partition, where decoders ignore them; in H.264 they
//! are an SEI message of type user_data_unregistered before the first slice, in AV1 a metadata OBU
//! before the first frame. A receiver reads the capture time from the frame id, independent of the
//! SFU's rewriting of RTP headers.
//!
//! VP9 decoders accept no bytes behind a frame. Its capture time is sent as abs-capture-time; the
//! clock offset of that extension, below 6 us, marks it as one of a bot and has the encoding index.

use crate::{nal, obu};
use std::time::Duration;
use wire::extension::AbsCaptureTime;
use wire::time::{Time, WallClock};

/// Bytes of a frame id.
pub const LEN: usize = 16;
/// The longest SEI NAL unit with a frame id: every second byte may need emulation prevention.
pub const MAX_SEI_LEN: usize = 3 + (SEI_UUID.len() + LEN) * 3 / 2 + 1;

const MAGIC: [u8; 4] = *b"sfuK";
/// UUID of the SEI messages of bots, which encoders do not use (H.264 D.1.7).
const SEI_UUID: [u8; 16] = *b"sfukit:frame-id\x01";
const SEI_HEADER: [u8; 3] = [nal::SEI, SEI_USER_DATA, (SEI_UUID.len() + LEN) as u8];
const SEI_USER_DATA: u8 = 5;
const SEI_STOP: u8 = 0x80;

/// Metadata OBU without obu_size: header, type, frame id, trailing bits (AV1 5.8).
const METADATA_START: [u8; 2] = [obu::METADATA << obu::TYPE_SHIFT, PRIVATE_METADATA];
/// Unregistered metadata of private use (AV1 6.7.1).
const PRIVATE_METADATA: u8 = 31;
const TRAILING_BITS: u8 = 0x80;
/// Bytes of the metadata OBU.
pub const OBU_LEN: usize = METADATA_START.len() + LEN + 1;

/// Clock offset in units of 2^-32 s, with the encoding index in its low bits.
const CAPTURE_MARK: i64 = 0x5f10;
const ENCODING_MASK: i64 = 7;

const FRAME_BITS: u32 = 29;
const TICK: Duration = Duration::from_micros(100);

/// Identity and capture time of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId {
    /// The publisher's stream.
    pub source: u32,
    /// Encoding index, 0 to 7.
    pub encoding: u8,
    /// Frame number within the encoding, 29 bits: its position in the clip, plus the length of the
    /// clip for each loop before. Key frames on request skip numbers.
    pub frame: u32,
    /// Scheduled capture in units of 100 us since the swarm started; wraps after 119 hours.
    pub tick: u32,
}

impl FrameId {
    /// Convert a scheduled capture time into the unit of `tick`.
    #[must_use]
    pub fn tick_of(capture: Time) -> u32 {
        (u128::from(capture.as_nanos()) / TICK.as_nanos()) as u32
    }

    /// Return the capture time, given any time at most 59 hours from it.
    #[must_use]
    pub fn captured(&self, now: Time) -> Time {
        let age = Self::tick_of(now).wrapping_sub(self.tick) as i32;
        let now_ticks = now.as_nanos() / TICK.as_nanos() as u64;
        let ticks = now_ticks.saturating_add_signed(-i64::from(age));
        Time::from_nanos(ticks * TICK.as_nanos() as u64)
    }

    /// Return the serialized frame id.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEN] {
        let numbered = u32::from(self.encoding) << FRAME_BITS | self.frame & MAX_FRAME;
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.source.to_be_bytes());
        bytes[8..12].copy_from_slice(&numbered.to_be_bytes());
        bytes[12..].copy_from_slice(&self.tick.to_be_bytes());
        bytes
    }

    /// Parse a frame id.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (source, rest) = rest.split_first_chunk::<4>()?;
        let (numbered, rest) = rest.split_first_chunk::<4>()?;
        let tick = rest.first_chunk::<4>()?;
        let numbered = u32::from_be_bytes(*numbered);
        (*magic == MAGIC).then(|| Self {
            source: u32::from_be_bytes(*source),
            encoding: (numbered >> FRAME_BITS) as u8,
            frame: numbered & MAX_FRAME,
            tick: u32::from_be_bytes(*tick),
        })
    }

    /// Parse the frame id behind the last partition of a VP8 frame, from its last payload.
    #[must_use]
    pub fn from_vp8(last_payload: &[u8]) -> Option<Self> {
        Self::from_bytes(last_payload.get(last_payload.len().checked_sub(LEN)?..)?)
    }

    /// Parse the frame id of an H.264 payload with the SEI message, alone or aggregated.
    #[must_use]
    pub fn from_h264(payload: &[u8]) -> Option<Self> {
        nal::units(payload).find_map(Self::from_sei)
    }

    /// Write the SEI NAL unit and return its length.
    pub fn write_sei(&self, out: &mut [u8; MAX_SEI_LEN]) -> usize {
        let mut body = [0; SEI_UUID.len() + LEN];
        body[..SEI_UUID.len()].copy_from_slice(&SEI_UUID);
        body[SEI_UUID.len()..].copy_from_slice(&self.to_bytes());
        out[..SEI_HEADER.len()].copy_from_slice(&SEI_HEADER);
        let end = SEI_HEADER.len() + nal::escape(&body, &mut out[SEI_HEADER.len()..]);
        out[end] = SEI_STOP;
        end + 1
    }

    /// Return the metadata OBU.
    #[must_use]
    pub fn to_obu(&self) -> [u8; OBU_LEN] {
        let mut bytes = [TRAILING_BITS; OBU_LEN];
        bytes[..METADATA_START.len()].copy_from_slice(&METADATA_START);
        bytes[METADATA_START.len()..][..LEN].copy_from_slice(&self.to_bytes());
        bytes
    }

    /// Parse the frame id of an AV1 payload with the metadata OBU.
    #[must_use]
    pub fn from_av1(payload: &[u8]) -> Option<Self> {
        obu::elements(payload).find_map(Self::from_obu)
    }

    /// Parse the frame id of the metadata OBU, without its size.
    #[must_use]
    pub fn from_obu(obu: &[u8]) -> Option<Self> {
        let (start, id) = obu.split_first_chunk::<2>()?;
        (*start == METADATA_START).then(|| Self::from_bytes(id))?
    }

    /// Return the abs-capture-time, given any time at most 59 hours from the capture.
    #[must_use]
    pub fn to_capture_time(&self, now: Time, wall: WallClock) -> AbsCaptureTime {
        AbsCaptureTime {
            captured: wall.ntp(self.captured(now)),
            clock_offset: Some(CAPTURE_MARK | i64::from(self.encoding) & ENCODING_MASK),
        }
    }

    /// Read the capture time and encoding of a bot; source and frame number are 0.
    #[must_use]
    pub fn from_capture_time(time: &AbsCaptureTime, wall: WallClock) -> Option<Self> {
        let offset = time.clock_offset?;
        if offset & !ENCODING_MASK != CAPTURE_MARK {
            return None;
        }
        let since_zero = time.captured.since(wall.ntp(Time::ZERO));
        Some(Self {
            source: 0,
            encoding: (offset & ENCODING_MASK) as u8,
            frame: 0,
            tick: Self::tick_of(Time::ZERO + since_zero + TICK / 2),
        })
    }

    fn from_sei(unit: &[u8]) -> Option<Self> {
        let (header, escaped) = unit.split_first_chunk::<3>()?;
        // nal_ref_idc may have any value; all other header bits must match.
        if header[0] & nal::TYPE_MASK != nal::SEI || header[1..] != SEI_HEADER[1..] {
            return None;
        }
        let mut body = [0; SEI_UUID.len() + LEN];
        let len = nal::unescape(escaped, &mut body);
        let (uuid, id) = body[..len].split_first_chunk::<16>()?;
        (*uuid == SEI_UUID).then(|| Self::from_bytes(id))?
    }
}

const MAX_FRAME: u32 = (1 << FRAME_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_capture_time_survives_the_wrap_of_the_tick() {
        let day = Duration::from_secs(86_400);
        let captured = Time::from_millis(10) + day * 12;
        let id = FrameId {
            source: 1,
            encoding: 0,
            frame: 0,
            tick: FrameId::tick_of(captured),
        };
        assert_eq!(id.captured(captured + Duration::from_millis(40)), captured);
        // The capture time may be later than the receiver's clock.
        assert_eq!(id.captured(captured - Duration::from_millis(1)), captured);
    }

    #[test]
    fn a_capture_time_keeps_tick_and_encoding() {
        let wall = WallClock {
            unix_at_zero: Duration::from_nanos(1_700_000_000_123_456_789),
        };
        for tenths_ms in 0..10_000 {
            let now = Time::from_millis(50_000) + Duration::from_micros(tenths_ms * 100 + 37);
            let id = FrameId {
                source: 0,
                encoding: 2,
                frame: 0,
                tick: FrameId::tick_of(now),
            };
            let time = id.to_capture_time(now, wall);
            assert_eq!(FrameId::from_capture_time(&time, wall), Some(id));
            let foreign = AbsCaptureTime {
                clock_offset: None,
                ..time
            };
            assert_eq!(FrameId::from_capture_time(&foreign, wall), None);
        }
    }

    proptest! {
        #[test]
        fn any_id_round_trips_in_band(source: u32, encoding in 0u8..8, frame in 0..=MAX_FRAME, tick: u32) {
            let id = FrameId { source, encoding, frame, tick };
            prop_assert_eq!(FrameId::from_bytes(&id.to_bytes()), Some(id));
            let payload = [&[0x10][..], &id.to_obu()].concat();
            prop_assert_eq!(FrameId::from_av1(&payload), Some(id));
            let mut sei = [0; MAX_SEI_LEN];
            let len = id.write_sei(&mut sei);
            prop_assert_eq!(FrameId::from_h264(&sei[..len]), Some(id));
            let starts_code = |window: &[u8]| window[0] == 0 && window[1] == 0 && window[2] <= 3;
            // 00 00 03 is the escape itself.
            let codes = sei[..len].windows(3).filter(|window| starts_code(window) && window[2] != 3);
            prop_assert_eq!(codes.count(), 0);
        }

        #[test]
        fn arbitrary_payloads_do_not_panic(bytes: Vec<u8>) {
            let _ = FrameId::from_vp8(&bytes);
            let _ = FrameId::from_h264(&bytes);
            let _ = FrameId::from_av1(&bytes);
        }
    }
}
