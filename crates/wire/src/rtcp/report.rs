//! Sender and receiver reports (RFC 3550 section 6.4).

use super::{Packet, split_ssrc, split_u32};
use crate::id::Ssrc;
use crate::time::NtpTime;

/// Length of a report block, bytes.
const BLOCK_LEN: usize = 24;
/// Length of the sender information behind the SSRC, bytes.
const SENDER_INFO_LEN: usize = 20;
/// Range of the 24-bit cumulative loss.
const MAX_CUMULATIVE_LOST: i32 = 0x007f_ffff;

/// Sender information of an SR.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SenderInfo {
    /// NTP time of the report, sender's wall clock.
    pub ntp: NtpTime,
    /// The same instant on the RTP clock.
    pub rtp_timestamp: u32,
    /// Packets sent since the start.
    pub packets: u32,
    /// Payload bytes sent since the start, headers and padding excluded.
    pub octets: u32,
}

impl SenderInfo {
    fn parse(bytes: &[u8]) -> Option<(SenderInfo, &[u8])> {
        let (&ntp, rest) = bytes.split_first_chunk::<8>()?;
        let (rtp_timestamp, rest) = split_u32(rest)?;
        let (packets, rest) = split_u32(rest)?;
        let (octets, rest) = split_u32(rest)?;
        let info = SenderInfo {
            ntp: NtpTime(u64::from_be_bytes(ntp)),
            rtp_timestamp,
            packets,
            octets,
        };
        Some((info, rest))
    }

    pub(super) fn to_bytes(self) -> [u8; SENDER_INFO_LEN] {
        let mut out = [0; SENDER_INFO_LEN];
        out[..8].copy_from_slice(&self.ntp.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.rtp_timestamp.to_be_bytes());
        out[12..16].copy_from_slice(&self.packets.to_be_bytes());
        out[16..].copy_from_slice(&self.octets.to_be_bytes());
        out
    }
}

/// Report block about a received stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: Ssrc,
    /// Loss since the last report, 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start, negative after duplicates; clamped to 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter, RTP timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last SR's NTP timestamp; 0 if there was none.
    pub last_sr: u32,
    /// Delay since the last SR, 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8; BLOCK_LEN]) -> ReportBlock {
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        ReportBlock {
            ssrc: Ssrc(word(0)),
            fraction_lost: bytes[4],
            // The shift pair extends the sign of the 24 bits.
            cumulative_lost: (word(4) << 8) as i32 >> 8,
            highest_sequence: word(8),
            jitter: word(12),
            last_sr: word(16),
            delay_since_last_sr: word(20),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; BLOCK_LEN] {
        let lost = self
            .cumulative_lost
            .clamp(-MAX_CUMULATIVE_LOST - 1, MAX_CUMULATIVE_LOST);
        let loss = u32::from(self.fraction_lost) << 24 | lost as u32 & 0x00ff_ffff;
        let words = [
            self.ssrc.0,
            loss,
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ];
        let mut out = [0; BLOCK_LEN];
        for (bytes, word) in out.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        out
    }
}

/// Iterator over the report blocks of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Reports<'a> {
    rest: &'a [u8],
}

impl<'a> Reports<'a> {
    fn first(bytes: &'a [u8], count: u8) -> Option<Reports<'a>> {
        let rest = bytes.get(..usize::from(count) * BLOCK_LEN)?;
        Some(Reports { rest })
    }
}

impl Iterator for Reports<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(ReportBlock::parse(block))
    }
}

pub(super) fn parse_sender(body: &[u8], count: u8) -> Option<Packet<'_>> {
    let (ssrc, rest) = split_ssrc(body)?;
    let (info, rest) = SenderInfo::parse(rest)?;
    Some(Packet::SenderReport {
        ssrc,
        info,
        reports: Reports::first(rest, count)?,
    })
}

pub(super) fn parse_receiver(body: &[u8], count: u8) -> Option<Packet<'_>> {
    let (ssrc, rest) = split_ssrc(body)?;
    Some(Packet::ReceiverReport {
        ssrc,
        reports: Reports::first(rest, count)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_loss_is_signed_and_clamped() {
        for (lost, on_wire) in [
            (-1, -1),
            (5, 5),
            (i32::MAX, MAX_CUMULATIVE_LOST),
            (i32::MIN, -MAX_CUMULATIVE_LOST - 1),
        ] {
            let block = ReportBlock {
                cumulative_lost: lost,
                fraction_lost: 200,
                ..ReportBlock::default()
            };
            let back = ReportBlock::parse(&block.to_bytes());
            assert_eq!((back.cumulative_lost, back.fraction_lost), (on_wire, 200));
        }
    }
}
