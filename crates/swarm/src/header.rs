//! The RTP header of one stream that a bot sends: prepared once, copied and stamped per packet.

use wire::extension::{BlockWriter, Extension, ExtensionMap};
use wire::id::{Mid, PayloadType, Rid, Ssrc};
use wire::rtp::{self, NewHeader};

const BLOCK_LEN: usize = 96;

/// What an m-line and an encoding are called in the headers.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Media identification.
    pub mid: Mid,
    /// Encoding, where there are several.
    pub rid: Option<Rid>,
    /// The stream repairs another one.
    pub repairs: bool,
}

/// What changes from packet to packet.
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
}

/// The header of one stream.
#[derive(Clone, Debug)]
pub struct HeaderTemplate {
    ssrc: Ssrc,
    payload_type: PayloadType,
    naming: Block,
    plain: Block,
    /// Whoever receives the stream has not shown yet that it knows which one it is.
    is_named: bool,
}

#[derive(Clone, Debug)]
struct Block {
    bytes: [u8; BLOCK_LEN],
    len: usize,
    transport_sequence_at: Option<usize>,
    abs_send_time_at: Option<usize>,
}

impl HeaderTemplate {
    /// Prepare the header with the extensions that were negotiated.
    #[must_use]
    pub fn new(ssrc: Ssrc, payload_type: PayloadType, names: Names, ids: &ExtensionMap) -> Self {
        Self {
            ssrc,
            payload_type,
            naming: Block::new(Some(names), ids),
            plain: Block::new(None, ids),
            is_named: true,
        }
    }

    /// Leave MID and RID out from now on, as browsers do once a receiver report came.
    pub fn stop_naming(&mut self) {
        self.is_named = false;
    }

    /// Say whether packets carry a transport-wide sequence number.
    #[must_use]
    pub fn has_transport_sequence(&self) -> bool {
        self.plain.transport_sequence_at.is_some()
    }

    /// Return the length of the next header in bytes, 108 at most.
    #[must_use]
    pub fn header_len(&self) -> usize {
        rtp::FIXED_HEADER_LEN + self.block().len
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
        let block = self.block();
        let len = rtp::write(out, &header, &block.bytes[..block.len]);
        let written = &mut out[rtp::FIXED_HEADER_LEN..len];
        if let Some(at) = block.transport_sequence_at {
            written[at..at + 2].copy_from_slice(&stamp.transport_sequence.to_be_bytes());
        }
        if let Some(at) = block.abs_send_time_at {
            written[at..at + 3].copy_from_slice(&stamp.abs_send_time.to_be_bytes()[1..]);
        }
        len
    }

    fn block(&self) -> &Block {
        if self.is_named {
            &self.naming
        } else {
            &self.plain
        }
    }
}

impl Block {
    fn new(names: Option<Names>, ids: &ExtensionMap) -> Self {
        let mut bytes = [0; BLOCK_LEN];
        let mut writer = BlockWriter::new(&mut bytes, ids.form());
        let mut push = |extension, value: &[u8]| writer.push(ids.id(extension)?, value);
        if let Some(Names { mid, rid, repairs }) = names {
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
        let len = writer.finish();
        Self {
            bytes,
            len,
            transport_sequence_at,
            abs_send_time_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::extension::Values;
    use wire::rtp::Header;

    #[test]
    fn names_go_out_until_they_are_known_and_stamps_always() {
        let mut ids = ExtensionMap::new();
        for (id, extension) in (1..).zip(Extension::ALL) {
            ids.insert(id, extension).unwrap();
        }
        let names = Names {
            mid: "0".parse().unwrap(),
            rid: "f".parse().ok(),
            repairs: true,
        };
        let mut template = HeaderTemplate::new(Ssrc(7), PayloadType(97), names, &ids);
        let stamp = Stamp {
            marker: true,
            sequence: 5,
            timestamp: 6,
            transport_sequence: 0x1234,
            abs_send_time: 0x00ab_cdef,
        };
        let mut out = [0; 128];
        let len = template.write(&mut out, &stamp);
        let header = Header::parse(&out[..len]).unwrap();
        let values = Values::read(&header, &out[..len], &ids);
        assert_eq!(values.mid, Some(names.mid));
        assert_eq!((values.rid, values.repaired_rid), (None, names.rid));
        template.stop_naming();
        let len = template.write(&mut out, &stamp);
        let header = Header::parse(&out[..len]).unwrap();
        let values = Values::read(&header, &out[..len], &ids);
        assert_eq!((values.mid, values.repaired_rid), (None, None));
        assert_eq!(values.transport_sequence, Some(0x1234));
        assert_eq!(values.abs_send_time, Some(0x00ab_cdef));
        assert_eq!(
            (header.sequence, header.timestamp, header.marker),
            (5, 6, true)
        );
    }
}
