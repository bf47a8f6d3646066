//! NACK, PLI, FIR and REMB (RFC 4585, RFC 5104, draft-alvestrand-rmcat-remb-03).

use super::{Packet, split_ssrc};
use crate::id::Ssrc;

const REMB_NAME: &[u8] = b"REMB";

/// Iterator over the sequence numbers of a generic NACK.
#[derive(Clone, Copy, Debug)]
pub struct NackSequences<'a> {
    rest: &'a [u8],
    base: u16,
    /// Bit `i` stands for `base + i`; the base itself is bit 0.
    pending: u32,
}

impl Iterator for NackSequences<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.pending == 0 {
            let (&[p0, p1, b0, b1], rest) = self.rest.split_first_chunk()?;
            self.rest = rest;
            self.base = u16::from_be_bytes([p0, p1]);
            self.pending = u32::from(u16::from_be_bytes([b0, b1])) << 1 | 1;
        }
        let offset = self.pending.trailing_zeros() as u16;
        self.pending &= self.pending - 1;
        Some(self.base.wrapping_add(offset))
    }
}

/// One stream of a full intra request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FirEntry {
    /// SSRC of the stream whose keyframe is requested.
    pub ssrc: Ssrc,
    /// Command sequence number; the same number is the same request.
    pub sequence: u8,
}

/// Iterator over the streams of a full intra request.
#[derive(Clone, Copy, Debug)]
pub struct FirEntries<'a> {
    rest: &'a [u8],
}

impl Iterator for FirEntries<'_> {
    type Item = FirEntry;

    fn next(&mut self) -> Option<FirEntry> {
        let (ssrc, rest) = split_ssrc(self.rest)?;
        let (&[sequence, ..], rest) = rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(FirEntry { ssrc, sequence })
    }
}

/// Iterator over a list of sources.
#[derive(Clone, Copy, Debug)]
pub struct Ssrcs<'a> {
    rest: &'a [u8],
}

impl<'a> Ssrcs<'a> {
    /// Take `count` sources from the start of `bytes`.
    pub(super) fn first(bytes: &'a [u8], count: u8) -> Option<Ssrcs<'a>> {
        let rest = bytes.get(..usize::from(count) * 4)?;
        Some(Ssrcs { rest })
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = Ssrc;

    fn next(&mut self) -> Option<Ssrc> {
        let (ssrc, rest) = split_ssrc(self.rest)?;
        self.rest = rest;
        Some(ssrc)
    }
}

pub(super) fn parse_nack(body: &[u8]) -> Option<Packet<'_>> {
    let (sender, media, rest) = split_head(body)?;
    let sequences = NackSequences {
        rest,
        base: 0,
        pending: 0,
    };
    Some(Packet::Nack {
        sender,
        media,
        sequences,
    })
}

pub(super) fn parse_pli(body: &[u8]) -> Option<Packet<'_>> {
    let (sender, media, _) = split_head(body)?;
    Some(Packet::Pli { sender, media })
}

pub(super) fn parse_fir(body: &[u8]) -> Option<Packet<'_>> {
    let (sender, _, rest) = split_head(body)?;
    Some(Packet::Fir {
        sender,
        entries: FirEntries { rest },
    })
}

/// Return whether application layer feedback is REMB.
pub(super) fn is_remb(body: &[u8]) -> bool {
    body.get(8..12) == Some(REMB_NAME)
}

pub(super) fn parse_remb(body: &[u8]) -> Option<Packet<'_>> {
    let (sender, _, rest) = split_head(body)?;
    let (&[_, _, _, _, count, b0, b1, b2], rest) = rest.split_first_chunk::<8>()?;
    let mantissa = u64::from(u32::from_be_bytes([0, b0 & 0x03, b1, b2]));
    let exponent = u32::from(b0 >> 2);
    let fits = exponent <= mantissa.leading_zeros();
    Some(Packet::Remb {
        sender,
        bitrate_bps: if fits { mantissa << exponent } else { u64::MAX },
        ssrcs: Ssrcs::first(rest, count)?,
    })
}

/// Return exponent and mantissa of `bitrate_bps` in REMB, rounded down.
pub(super) fn remb_bitrate(bitrate_bps: u64) -> [u8; 3] {
    let significant_bits = u64::BITS - bitrate_bps.leading_zeros();
    let exponent = significant_bits.saturating_sub(18);
    let mantissa = (bitrate_bps >> exponent) as u32;
    let [_, high, middle, low] = (exponent << 18 | mantissa).to_be_bytes();
    [high, middle, low]
}

/// Split the senders' SSRCs off (RFC 4585 section 6.1).
fn split_head(body: &[u8]) -> Option<(Ssrc, Ssrc, &[u8])> {
    let (sender, rest) = split_ssrc(body)?;
    let (media, rest) = split_ssrc(rest)?;
    Some((sender, media, rest))
}
