//! Redundant audio data (RFC 2198): read from publishers, and written for subscribers.

use super::{Described, opus};

/// Most redundant blocks that are read; libwebrtc sends one, and nine at most.
pub const MOST_REDUNDANT: usize = 16;
/// Bytes in front of two blocks: the header of the redundant one and that of the primary one.
pub const HEADERS_LEN: usize = 5;
/// Most bytes of a redundant block, and its oldest timestamp before that of the packet.
pub const MAX_BLOCK_LEN: usize = 0x03ff;
/// See [`MAX_BLOCK_LEN`].
pub const MAX_OFFSET: u32 = 0x3fff;

/// The primary block, without the redundant blocks before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary<'a> {
    /// Payload type of the block.
    pub payload_type: u8,
    /// Payload of the block.
    pub payload: &'a [u8],
}

/// A redundant block: what an earlier packet had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redundant<'a> {
    /// Payload type of the block.
    pub payload_type: u8,
    /// How much older its timestamp is than that of the packet.
    pub offset: u32,
    /// Payload of the block.
    pub payload: &'a [u8],
}

/// The blocks of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a> {
    /// The primary block.
    pub primary: Primary<'a>,
    redundant: [Redundant<'a>; MOST_REDUNDANT],
    len: usize,
}

impl<'a> Blocks<'a> {
    /// Return the redundant blocks, in the order of the payload: the oldest first.
    #[must_use]
    pub fn redundant(&self) -> &[Redundant<'a>] {
        &self.redundant[..self.len]
    }
}

/// Describe a RED payload by its primary block, which is assumed to be Opus.
pub(super) fn describe(payload: &[u8]) -> Option<Described> {
    opus::describe(primary(payload)?.payload)
}

/// Return the primary block; `None` where a length is wrong.
pub fn primary(payload: &[u8]) -> Option<Primary<'_>> {
    blocks(payload).map(|blocks| blocks.primary)
}

/// Read all blocks; `None` where a length is wrong or there are more than [`MOST_REDUNDANT`].
pub fn blocks(payload: &[u8]) -> Option<Blocks<'_>> {
    let mut redundant = [Redundant::default(); MOST_REDUNDANT];
    let mut lens = [0; MOST_REDUNDANT];
    let (mut rest, mut len) = (payload, 0);
    let payload_type = loop {
        let first = *rest.first()?;
        if first & MORE_BLOCKS == 0 {
            rest = &rest[1..];
            break first;
        }
        let (header, tail) = rest.split_first_chunk::<4>()?;
        let fields = u32::from_be_bytes(*header);
        *redundant.get_mut(len)? = Redundant {
            payload_type: first & !MORE_BLOCKS,
            offset: fields >> 10 & MAX_OFFSET,
            payload: &[],
        };
        lens[len] = (fields & MAX_BLOCK_LEN as u32) as usize;
        (rest, len) = (tail, len + 1);
    };
    for (block, len) in redundant.iter_mut().zip(lens).take(len) {
        (block.payload, rest) = rest.split_at_checked(len)?;
    }
    let primary = Primary {
        payload_type,
        payload: rest,
    };
    Some(Blocks {
        primary,
        redundant,
        len,
    })
}

/// Write the headers of a redundant block, where there is one, and of the primary block; return
/// their length. Blocks of one payload type follow them.
///
/// The redundant block has at most [`MAX_BLOCK_LEN`] bytes and [`MAX_OFFSET`].
pub fn write_headers(out: &mut [u8], payload_type: u8, redundant: Option<(u32, usize)>) -> usize {
    let mut at = 0;
    if let Some((offset, len)) = redundant {
        let fields = u32::from(MORE_BLOCKS | payload_type) << 24
            | (offset & MAX_OFFSET) << 10
            | len as u32 & MAX_BLOCK_LEN as u32;
        out[..4].copy_from_slice(&fields.to_be_bytes());
        at = 4;
    }
    out[at] = payload_type & !MORE_BLOCKS;
    at + 1
}

const MORE_BLOCKS: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = [0; 64];
        let len = write_headers(&mut out, 111, Some((960, 2)));
        assert_eq!(len, HEADERS_LEN);
        out[len..len + 5].copy_from_slice(&[1, 2, 3, 4, 5]);
        let read = blocks(&out[..len + 5]).unwrap();
        let redundant = Redundant {
            payload_type: 111,
            offset: 960,
            payload: &[1, 2],
        };
        assert_eq!(read.redundant(), [redundant]);
        assert_eq!(read.primary.payload, [3, 4, 5]);
        let len = write_headers(&mut out, 111, None);
        assert_eq!((len, out[0]), (1, 111));
    }

    #[test]
    fn the_largest_fields_are_kept() {
        let mut out = [0; HEADERS_LEN];
        write_headers(&mut out, 127, Some((MAX_OFFSET, MAX_BLOCK_LEN)));
        let payload = [&out[..], &[7; MAX_BLOCK_LEN], &[8]].concat();
        let read = blocks(&payload).unwrap();
        let block = read.redundant()[0];
        assert_eq!((block.offset, block.payload_type), (MAX_OFFSET, 127));
        assert_eq!(block.payload.len(), MAX_BLOCK_LEN);
        assert_eq!(read.primary.payload, [8]);
    }

    #[test]
    fn wrong_lengths_and_too_many_blocks_are_refused() {
        assert_eq!(blocks(&[]), None);
        assert_eq!(blocks(&[0xef, 0, 0]), None);
        assert_eq!(blocks(&[0xef, 0, 0, 9, 0x6f, 1, 2]), None);
        let mut many = [0xef, 0, 0, 0].repeat(MOST_REDUNDANT);
        many.push(0x6f);
        assert_eq!(blocks(&many).unwrap().redundant().len(), MOST_REDUNDANT);
        let more = [&[0xef, 0, 0, 0][..], &many].concat();
        assert_eq!(blocks(&more), None);
    }
}
