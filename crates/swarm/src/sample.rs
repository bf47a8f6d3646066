//! Frames of sampled streams, which the control plane takes and decodes.
//!
//! Decodable frames are kept in decoding order, as encoders wrote them, until they are taken. Memory
//! is bounded: frames beyond it are dropped up to the next key frame, and counted.

mod depacketize;

use crate::assemble::Frame;
use rtc::codec::Codec;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use wire::time::Time;

/// Payloads of frames that wait to be taken, of one stream: five seconds of 3 Mb/s.
const MAX_FRAME_BYTES: usize = 2 * 1024 * 1024;
/// Packets of frames that are not complete.
const MAX_PACKETS: usize = 2_048;

/// One decodable frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampledFrame {
    /// Frame number by its frame id: the position in the clip, plus a clip length for each loop.
    /// 0 in VP9, whose capture time has no frame number.
    pub number: u32,
    /// Encoding index by its frame id.
    pub encoding: u8,
    /// Capture time by its frame id, in units of 100 us; wraps.
    pub tick: u32,
    /// The frame has a frame id; without it number, encoding and tick are 0.
    pub identified: bool,
    /// When its last packet arrived, in nanoseconds of the swarm's clock.
    pub completed_ns: u64,
    /// Key frame.
    pub keyframe: bool,
    /// Frames before it were dropped here, not by the network.
    pub after_drop: bool,
    /// VP8 or VP9 frame, H.264 access unit with start codes, or AV1 temporal unit; base64 in JSON.
    #[serde(serialize_with = "base64")]
    pub payload: Vec<u8>,
}

/// The frames since the last time, and counts since the start of the measurement window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TakenFrames {
    /// Frames in decoding order.
    pub frames: Vec<SampledFrame>,
    /// Frames dropped at the bound of memory.
    pub dropped: u64,
    /// Frames without frame id, which cannot be compared.
    pub unidentified: u64,
}

/// The frames of one sampled stream.
#[derive(Debug)]
pub struct FrameSampler {
    codec: Codec,
    /// Frames without frame id are kept as well.
    unidentified: bool,
    packets: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
    taken: TakenFrames,
    /// The decoder cannot continue with a delta frame.
    needs_keyframe: bool,
    after_drop: bool,
}

impl FrameSampler {
    /// Start with the first key frame; keep frames without frame id where they are wanted.
    #[must_use]
    pub fn new(codec: Codec, unidentified: bool) -> Self {
        Self {
            codec,
            unidentified,
            packets: BTreeMap::new(),
            bytes: 0,
            taken: TakenFrames::default(),
            needs_keyframe: true,
            after_drop: true,
        }
    }

    /// Forget all frames and counts, since the measurement window opens; packets of its first frames
    /// may have been received.
    pub fn restart(&mut self) {
        *self = Self {
            packets: std::mem::take(&mut self.packets),
            ..Self::new(self.codec, self.unidentified)
        };
    }

    /// Keep the payload of a packet that is no duplicate.
    pub fn packet(&mut self, index: u64, payload: &[u8]) {
        self.packets.insert(index, payload.to_vec());
        if self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
        }
    }

    /// Keep a decodable frame if it is `recorded`, and forget the packets up to it.
    pub fn frame(&mut self, frame: &Frame, recorded: bool) {
        let later = self.packets.split_off(&(frame.last + 1));
        let mut packets = std::mem::replace(&mut self.packets, later);
        if !recorded || self.needs_keyframe && !frame.keyframe {
            return;
        }
        let packets = packets.split_off(&frame.first);
        let id = frame.identity();
        if id.is_none() {
            self.taken.unidentified += 1;
        }
        if id.is_none() && !self.unidentified {
            self.drop_up_to_keyframe();
            return;
        }
        let is_whole = packets.len() as u64 == frame.last - frame.first + 1;
        let in_band = frame.id.is_some();
        let payload = is_whole.then(|| depacketize::frame(self.codec, packets.values(), in_band));
        let Some(payload) = payload.flatten() else {
            self.taken.dropped += 1;
            self.drop_up_to_keyframe();
            return;
        };
        if self.bytes + payload.len() > MAX_FRAME_BYTES {
            self.taken.dropped += 1;
            self.drop_up_to_keyframe();
            return;
        }
        self.bytes += payload.len();
        self.taken.frames.push(SampledFrame {
            number: id.map_or(0, |id| id.frame),
            encoding: id.map_or(0, |id| id.encoding),
            tick: id.map_or(0, |id| id.tick),
            identified: id.is_some(),
            completed_ns: frame.completed.map_or(0, Time::as_nanos),
            keyframe: frame.keyframe,
            after_drop: std::mem::take(&mut self.after_drop),
            payload,
        });
        self.needs_keyframe = false;
    }

    /// Return the frames since the last call.
    pub fn take(&mut self) -> TakenFrames {
        self.bytes = 0;
        TakenFrames {
            frames: std::mem::take(&mut self.taken.frames),
            ..self.taken
        }
    }

    fn drop_up_to_keyframe(&mut self) {
        (self.needs_keyframe, self.after_drop) = (true, true);
    }
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |nth: usize| u32::from(group.get(nth).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            match digit <= group.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    serializer.serialize_str(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_id;
    use proptest::prelude::*;

    fn frame(first: u64, last: u64, keyframe: bool) -> Frame {
        Frame {
            timestamp: 0,
            first,
            last,
            bytes: 0,
            keyframe,
            picture_id: None,
            id: Some(frame_id::FrameId {
                source: 1,
                encoding: 0,
                frame: first as u32,
                tick: 0,
            }),
            captured: None,
            completed: Some(Time::from_millis(first)),
        }
    }

    fn vp8(len: usize) -> Vec<u8> {
        [vec![0x90, 0x80, 0x81, 2], vec![7; len + frame_id::LEN]].concat()
    }

    #[test]
    fn frames_beyond_the_bound_are_dropped_up_to_a_key_frame_and_counted() {
        let mut sampler = FrameSampler::new(Codec::Vp8, false);
        let push = |sampler: &mut FrameSampler, index: u64, keyframe| {
            sampler.packet(index, &vp8(1024 * 1024));
            sampler.frame(&frame(index, index, keyframe), true);
        };
        for index in 0..6 {
            push(&mut sampler, index, index == 1 || index == 4);
        }
        let taken = sampler.take();
        let numbers: Vec<_> = taken.frames.iter().map(|frame| frame.number).collect();
        // The delta frame before the first key frame, and those after a drop, are not counted:
        // frame 3 and key frame 4 did not fit.
        assert_eq!((numbers, taken.dropped), (vec![1, 2], 2));
        assert!(taken.frames[0].after_drop && !taken.frames[1].after_drop);
        push(&mut sampler, 6, false);
        push(&mut sampler, 7, true);
        let taken = sampler.take();
        assert_eq!((taken.frames.len(), taken.frames[0].number), (1, 7));
        assert!(taken.frames[0].after_drop);
        sampler.restart();
        assert_eq!(sampler.take(), TakenFrames::default());
    }

    #[test]
    fn packets_of_frames_that_never_complete_are_bounded() {
        let mut sampler = FrameSampler::new(Codec::Vp8, false);
        for index in 0..10_000 {
            sampler.packet(index, &[0]);
        }
        assert_eq!(sampler.packets.len(), MAX_PACKETS);
        sampler.frame(&frame(9_999, 9_999, true), false);
        assert!(sampler.packets.is_empty());
    }

    #[test]
    fn a_frame_whose_first_packets_came_before_the_window_is_whole() {
        let mut sampler = FrameSampler::new(Codec::Vp8, false);
        sampler.packet(1, &vp8(100));
        sampler.restart();
        sampler.packet(2, &vp8(100));
        sampler.frame(&frame(1, 2, true), true);
        assert_eq!(sampler.take().frames[0].payload.len(), 2 * 116 - 16);
        sampler.packet(4, &vp8(100));
        sampler.frame(&frame(3, 4, false), true);
        assert_eq!(sampler.take().dropped, 1);
    }

    #[test]
    fn payloads_are_base64() {
        let encoded = |bytes: &[u8]| {
            let mut sampled = SampledFrame {
                number: 0,
                encoding: 0,
                tick: 0,
                identified: true,
                completed_ns: 0,
                keyframe: true,
                after_drop: false,
                payload: Vec::new(),
            };
            sampled.payload = bytes.to_vec();
            serde_json::to_value(sampled).unwrap()["payload"].clone()
        };
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
        ] {
            assert_eq!(encoded(bytes), text); // RFC 4648 section 10
        }
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_do_not_panic(payloads: Vec<Vec<u8>>, codec in 0usize..4) {
            let codecs = [Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1];
            let mut sampler = FrameSampler::new(codecs[codec], false);
            for (index, payload) in (0..).zip(&payloads) {
                sampler.packet(index, payload);
            }
            sampler.frame(&frame(0, payloads.len() as u64, true), true);
            sampler.take();
        }
    }
}
