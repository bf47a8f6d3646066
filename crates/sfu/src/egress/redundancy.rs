//! Redundant audio (RFC 2198) to subscribers that take it: each packet with the one before it.

use rtc::codec::red::{HEADERS_LEN, MAX_BLOCK_LEN, MAX_OFFSET, write_headers};
use rtc::outbound::history::{History, Slot};

/// What is in front of the payload of a RED packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redundancy<'a> {
    /// Payload type of the blocks; `None`: the packet is no RED.
    pub block: Option<u8>,
    /// Difference of the timestamps, and payload of the packet before.
    before: Option<(u32, &'a [u8])>,
}

impl<'a> Redundancy<'a> {
    /// Return the redundancy of a packet of `header_len` bytes of header, within this length.
    #[must_use]
    pub fn of(
        block: Option<u8>,
        history: &'a History,
        slot: &Slot,
        header_len: usize,
        max_rtp_len: usize,
    ) -> Self {
        let before = block.and_then(|_| {
            let before = history.slot(history.find(slot.index.checked_sub(1)?)?)?;
            let offset = slot.timestamp.wrapping_sub(before.timestamp);
            let (len, more) = (before.payload_len(), HEADERS_LEN + slot.payload_len());
            let fits = (1..=MAX_OFFSET).contains(&offset)
                && (1..=MAX_BLOCK_LEN).contains(&len)
                && header_len + more + len <= max_rtp_len;
            // Silence needs no second copy.
            (fits && !before.described.dtx).then(|| (offset, history.payload(before)))
        });
        Self { block, before }
    }

    /// Return the bytes that it adds.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match (self.block, self.before) {
            (None, _) => 0,
            (Some(_), None) => 1,
            (Some(_), Some((_, before))) => HEADERS_LEN + before.len(),
        }
    }

    /// Write it to the start of `out`.
    #[inline]
    pub fn write(&self, out: &mut [u8]) {
        let Some(block) = self.block else {
            return;
        };
        let before = self.before.map(|(offset, payload)| (offset, payload.len()));
        let at = write_headers(out, block, before);
        if let Some((_, payload)) = self.before {
            out[at..at + payload.len()].copy_from_slice(payload);
        }
    }
}
