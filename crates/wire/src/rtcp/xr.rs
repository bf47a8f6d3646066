//! Extended reports: receiver reference time and its echo (RFC 3611 section 4.4 and 4.5).

use super::{Packet, split_ssrc, split_u32};
use crate::id::Ssrc;
use crate::time::NtpTime;

pub(super) const RECEIVER_REFERENCE_TIME: u8 = 4;
pub(super) const DELAY_SINCE_LAST_RR: u8 = 5;

/// One block of an extended report.
#[derive(Clone, Copy, Debug)]
pub enum XrBlock<'a> {
    /// RRTR: the receiver's wall clock when it sent this.
    ReferenceTime(NtpTime),
    /// DLRR: echoes of reference times.
    Delays(DlrrEntries<'a>),
    /// Any other block type.
    Unknown(u8),
}

/// The echo of one receiver's reference time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DlrrEntry {
    /// SSRC of the receiver of that reference time.
    pub ssrc: Ssrc,
    /// Middle 32 bits of that reference time; 0 if there was none.
    pub last_rr: u32,
    /// Delay since it arrived, 1/65536 s.
    pub delay_since_last_rr: u32,
}

/// Iterator over the echoes of a DLRR block.
#[derive(Clone, Copy, Debug)]
pub struct DlrrEntries<'a> {
    rest: &'a [u8],
}

impl Iterator for DlrrEntries<'_> {
    type Item = DlrrEntry;

    fn next(&mut self) -> Option<DlrrEntry> {
        let (ssrc, rest) = split_ssrc(self.rest)?;
        let (last_rr, rest) = split_u32(rest)?;
        let (delay_since_last_rr, rest) = split_u32(rest)?;
        self.rest = rest;
        Some(DlrrEntry {
            ssrc,
            last_rr,
            delay_since_last_rr,
        })
    }
}

/// Iterator over the blocks of an extended report; a malformed block ends it.
#[derive(Clone, Copy, Debug)]
pub struct XrBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for XrBlocks<'a> {
    type Item = XrBlock<'a>;

    fn next(&mut self) -> Option<XrBlock<'a>> {
        let (&[kind, _, l0, l1], rest) = self.rest.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let (content, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(match kind {
            RECEIVER_REFERENCE_TIME => {
                XrBlock::ReferenceTime(NtpTime(u64::from_be_bytes(*content.first_chunk()?)))
            }
            DELAY_SINCE_LAST_RR => XrBlock::Delays(DlrrEntries { rest: content }),
            other => XrBlock::Unknown(other),
        })
    }
}

pub(super) fn parse(body: &[u8]) -> Option<Packet<'_>> {
    let (sender, rest) = split_ssrc(body)?;
    Some(Packet::Xr {
        sender,
        blocks: XrBlocks { rest },
    })
}
