//! Messages of a TCP or TLS connection to a TURN server (RFC 8656 section 12.4, RFC 8489 section
//! 6.2.2): STUN messages, and ChannelData messages padded to a multiple of four bytes.

use core::ops::Range;
use std::fmt;

use wire::stun::HEADER_LEN;
use wire::stun::turn::{CHANNEL_HEADER_LEN, is_channel_number};

/// What follows is neither STUN nor ChannelData: the stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMessage;

impl fmt::Display for NoMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a STUN nor a ChannelData message")
    }
}

impl std::error::Error for NoMessage {}

/// Splits a stream into messages. It holds at most one incomplete message, which is below 64 KiB,
/// beside what the caller passes in.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: Vec<u8>,
    start: usize,
}

impl Deframer {
    /// Append received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Return the next complete message without its padding; none until more bytes are received.
    ///
    /// # Errors
    /// Where the stream holds something else; it then stays so.
    pub fn next_message(&mut self) -> Result<Option<&mut [u8]>, NoMessage> {
        let rest = &self.buffer[self.start..];
        let Some((message, padded_len)) = frame(rest)? else {
            return Ok(None);
        };
        let start = self.start;
        self.start += padded_len;
        Ok(Some(&mut self.buffer[start..][message]))
    }
}

/// Return where the first message is, and its length with padding; none where it is incomplete.
fn frame(bytes: &[u8]) -> Result<Option<(Range<usize>, usize)>, NoMessage> {
    let Some(&[t0, t1, l0, l1]) = bytes.first_chunk::<CHANNEL_HEADER_LEN>() else {
        return Ok(None);
    };
    let (kind, body) = (
        u16::from_be_bytes([t0, t1]),
        usize::from(u16::from_be_bytes([l0, l1])),
    );
    let len = match kind {
        // RFC 8489 section 5: two zero bits, and a length that is a multiple of four.
        0..0x4000 if body.is_multiple_of(4) => HEADER_LEN + body,
        number if is_channel_number(number) => CHANNEL_HEADER_LEN + body,
        _ => return Err(NoMessage),
    };
    let padded = len.next_multiple_of(4);
    Ok((bytes.len() >= padded).then_some((0..len, padded)))
}
