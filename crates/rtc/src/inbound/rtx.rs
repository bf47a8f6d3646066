//! Parsing of RTX packets (RFC 4588 section 4).

use wire::id::nearest_index;

/// A parsed RTX packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retransmission<'a> {
    /// Too short for an original sequence number: a bandwidth probe of padding.
    Probe,
    /// A retransmitted packet.
    Original {
        /// Index of the original in the media stream.
        index: u64,
        /// Payload of the original.
        payload: &'a [u8],
    },
}

/// Parse the payload of an RTX packet, padding removed.
///
/// `highest` is the highest index of the media stream; the original is the one nearest to it.
pub fn read(payload: &[u8], highest: u64) -> Retransmission<'_> {
    let Some((&sequence, payload)) = payload.split_first_chunk::<2>() else {
        return Retransmission::Probe;
    };
    let index = nearest_index(u16::from_be_bytes(sequence), highest);
    Retransmission::Original { index, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_two_bytes_is_a_probe() {
        assert_eq!(read(&[], 9), Retransmission::Probe);
        assert_eq!(read(&[1], 9), Retransmission::Probe);
    }

    #[test]
    fn the_original_is_near_the_highest() {
        let read_index = |bytes: [u8; 2], highest| match read(&bytes, highest) {
            Retransmission::Original { index, payload: [] } => index,
            other => panic!("{other:?}"),
        };
        assert_eq!(read_index([0xff, 0xfe], 0x2_0003), 0x1_fffe);
        assert_eq!(read_index([0, 5], 0x2_0003), 0x2_0005);
        assert_eq!(read_index([0xff, 0xfe], 3), 0xfffe);
    }

    #[test]
    fn the_payload_follows_the_number() {
        let expected = Retransmission::Original {
            index: 7,
            payload: b"media",
        };
        assert_eq!(read(b"\x00\x07media", 8), expected);
    }
}
