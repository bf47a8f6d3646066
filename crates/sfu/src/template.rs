//! The header of one outgoing stream: prepared once, copied and stamped per packet.
//!
//! Every packet of a stream carries the same set of extensions, whatever its publisher sent: an
//! extension on some packets only would change their size and break runs.

use rtc::outbound::history::Carried;
use wire::extension::{BlockWriter, Extension, ExtensionMap};
use wire::id::{Mid, PayloadType, Ssrc};
use wire::rtp::{self, NewHeader};

const BLOCK_LEN: usize = 64;

/// What changes from packet to packet.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
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
    /// What the incoming packet's extensions said.
    pub carried: Carried,
}

/// Header of one outgoing stream.
#[derive(Clone, Debug)]
pub struct Template {
    ssrc: Ssrc,
    payload_type: PayloadType,
    block: [u8; BLOCK_LEN],
    block_len: usize,
    transport_sequence_at: Option<usize>,
    abs_send_time_at: Option<usize>,
    audio_level_at: Option<usize>,
    orientation_at: Option<usize>,
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
        let mut block = [0; BLOCK_LEN];
        let mut writer = BlockWriter::new(&mut block, ids.form());
        let mut push = |extension, value: &[u8]| writer.push(ids.id(extension)?, value);
        push(Extension::Mid, mid.as_bytes());
        let transport_sequence_at = push(Extension::TransportSequence, &[0; 2]);
        let abs_send_time_at = push(Extension::AbsSendTime, &[0; 3]);
        // 127 is silence (RFC 6464): what a publisher without the extension is taken for.
        let audio_level_at = audio.then(|| push(Extension::AudioLevel, &[127])).flatten();
        let orientation_at = (!audio)
            .then(|| push(Extension::VideoOrientation, &[0]))
            .flatten();
        let block_len = writer.finish();
        Self {
            ssrc,
            payload_type,
            block,
            block_len,
            transport_sequence_at,
            abs_send_time_at,
            audio_level_at,
            orientation_at,
        }
    }

    /// Say whether packets carry a transport-wide sequence number.
    #[must_use]
    pub fn has_transport_sequence(&self) -> bool {
        self.transport_sequence_at.is_some()
    }

    /// Write the header to the start of `out` and return its length in bytes.
    #[inline]
    pub fn write(&self, out: &mut [u8], stamp: &Stamp) -> usize {
        let header = NewHeader {
            marker: stamp.marker,
            payload_type: self.payload_type,
            sequence: stamp.sequence,
            timestamp: stamp.timestamp,
            ssrc: self.ssrc,
            padding: stamp.padding,
        };
        let len = rtp::write(out, &header, &self.block[..self.block_len]);
        let block = &mut out[rtp::FIXED_HEADER_LEN..len];
        if let Some(at) = self.transport_sequence_at {
            block[at..at + 2].copy_from_slice(&stamp.transport_sequence.to_be_bytes());
        }
        if let Some(at) = self.abs_send_time_at {
            block[at..at + 3].copy_from_slice(&stamp.abs_send_time.to_be_bytes()[1..]);
        }
        if let (Some(at), Some(level)) = (self.audio_level_at, stamp.carried.audio_level) {
            block[at] = level;
        }
        if let (Some(at), Some(orientation)) = (self.orientation_at, stamp.carried.orientation) {
            block[at] = orientation;
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::extension::Values;
    use wire::rtp::Header;

    fn ids() -> ExtensionMap {
        let mut ids = ExtensionMap::new();
        for (id, extension) in [
            (1, Extension::Mid),
            (2, Extension::TransportSequence),
            (3, Extension::AbsSendTime),
            (4, Extension::AudioLevel),
            (5, Extension::VideoOrientation),
        ] {
            ids.insert(id, extension).expect("free id");
        }
        ids
    }

    #[test]
    fn every_packet_has_the_same_extensions() {
        let mid = "a1".parse().expect("mid");
        let template = Template::new(Ssrc(7), PayloadType(100), mid, &ids(), true);
        let mut stamp = Stamp {
            sequence: 9,
            timestamp: 10,
            marker: true,
            padding: false,
            transport_sequence: 0x1234,
            abs_send_time: 0x0056_789a,
            carried: Carried::default(),
        };
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
}
