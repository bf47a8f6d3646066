//! What is looked at in an SCTP packet before the association gets it (RFC 9260 section 3).

use super::MAX_STREAMS;

const COMMON_HEADER_LEN: usize = 12;
const CHUNK_HEADER_LEN: usize = 4;
const DATA: u8 = 0;
const I_DATA: u8 = 64;
/// Offset of the stream in a DATA and in an I-DATA chunk.
const STREAM_OFFSET: usize = 8;
/// Bytes of a DATA chunk before its payload.
const DATA_HEADER_LEN: usize = 16;

/// Return the bytes of user data in a packet; `None` where a stream is none of those announced.
///
/// An association has state for each stream that it has received data of.
pub fn user_bytes(packet: &[u8]) -> Option<usize> {
    let mut bytes = 0;
    let mut rest = packet.get(COMMON_HEADER_LEN..).unwrap_or_default();
    while let Some(&[kind, _, high, low]) = rest.first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        if matches!(kind, DATA | I_DATA) {
            let stream = rest
                .get(STREAM_OFFSET..)
                .and_then(|rest| rest.first_chunk());
            if stream.is_some_and(|stream| u16::from_be_bytes(*stream) >= MAX_STREAMS) {
                return None;
            }
            bytes += len.saturating_sub(DATA_HEADER_LEN);
        }
        let padded = len.max(CHUNK_HEADER_LEN).next_multiple_of(4);
        rest = rest.get(padded..).unwrap_or_default();
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(stream: u16, payload: usize) -> Vec<u8> {
        let mut packet = vec![0; COMMON_HEADER_LEN];
        packet.extend_from_slice(&[3, 0, 0, 7, 0, 0, 0, 0]); // another chunk, padded
        let len = (DATA_HEADER_LEN + payload) as u16;
        packet.extend_from_slice(&[DATA, 3]);
        packet.extend_from_slice(&len.to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(&stream.to_be_bytes());
        packet.resize(packet.len() + 6 + payload, 0);
        packet
    }

    #[test]
    fn user_data_is_counted_on_announced_streams_only() {
        assert_eq!(user_bytes(&packet(7, 100)), Some(100));
        assert_eq!(user_bytes(&packet(MAX_STREAMS - 1, 1)), Some(1));
        assert_eq!(user_bytes(&packet(MAX_STREAMS, 1)), None);
        assert_eq!(user_bytes(&packet(65_535, 1)), None);
    }

    #[test]
    fn chunk_lengths_of_zero_end() {
        assert_eq!(user_bytes(&[0; 1200]), Some(0));
        assert_eq!(user_bytes(&[]), Some(0));
        assert_eq!(user_bytes(&[0xff; 13]), Some(0));
    }
}
