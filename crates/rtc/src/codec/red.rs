//! Redundant audio data (RFC 2198).

use super::{Described, opus};

/// The primary block, without the redundant blocks before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary<'a> {
    /// Payload type of the block.
    pub payload_type: u8,
    /// Payload of the block.
    pub payload: &'a [u8],
}

/// Describe a RED payload by its primary block, which is assumed to be Opus.
pub(super) fn describe(payload: &[u8]) -> Option<Described> {
    opus::describe(primary(payload)?.payload)
}

/// Return the primary block, for subscribers without RED; `None` where a length is wrong.
pub fn primary(payload: &[u8]) -> Option<Primary<'_>> {
    let mut rest = payload;
    let mut redundant = 0;
    loop {
        let first = *rest.first()?;
        if first & MORE_BLOCKS == 0 {
            return Some(Primary {
                payload_type: first,
                payload: rest.get(1 + redundant..)?,
            });
        }
        let (header, tail) = rest.split_first_chunk::<4>()?;
        redundant += usize::from(u16::from_be_bytes([header[2], header[3]]) & BLOCK_LEN);
        rest = tail;
    }
}

const MORE_BLOCKS: u8 = 0x80;
const BLOCK_LEN: u16 = 0x03ff;
