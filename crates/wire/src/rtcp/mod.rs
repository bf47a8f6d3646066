//! RTCP: compound and reduced-size packets (RFC 3550 section 6, RFC 5506), parsed in place.

mod feedback;
mod report;
mod sdes;
mod twcc;
mod twcc_build;
pub mod write;
mod xr;

pub use feedback::{FirEntries, FirEntry, NackSequences, Ssrcs};
pub use report::{ReportBlock, Reports, SenderInfo};
pub use sdes::{Chunks, SdesChunk};
pub use twcc::{TWCC_TICK, TwccFeedback, TwccPackets};
pub use twcc_build::TwccBuilder;
pub use xr::{DlrrEntries, DlrrEntry, XrBlock, XrBlocks};

use crate::error::RtcpError;
use crate::id::Ssrc;

/// Packet types (RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611 section 2).
mod packet_type {
    pub const SENDER_REPORT: u8 = 200;
    pub const RECEIVER_REPORT: u8 = 201;
    pub const SDES: u8 = 202;
    pub const BYE: u8 = 203;
    pub const APP: u8 = 204;
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    pub const XR: u8 = 207;
}

/// Feedback message types (RFC 4585 section 6.2 and 6.3, RFC 5104 section 4.3.1).
mod format {
    pub const NACK: u8 = 1;
    pub const TWCC: u8 = 15;
    pub const PLI: u8 = 1;
    pub const FIR: u8 = 4;
    pub const APPLICATION: u8 = 15;
}

const HEADER_LEN: usize = 4;

/// One RTCP packet of a compound; lists are not copied.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// SR (RFC 3550 section 6.4.1).
    SenderReport {
        /// SSRC of the reporter.
        ssrc: Ssrc,
        /// Sender information.
        info: SenderInfo,
        /// Report blocks.
        reports: Reports<'a>,
    },
    /// RR (RFC 3550 section 6.4.2).
    ReceiverReport {
        /// SSRC of the reporter.
        ssrc: Ssrc,
        /// Report blocks.
        reports: Reports<'a>,
    },
    /// SDES (RFC 3550 section 6.5).
    Sdes(Chunks<'a>),
    /// BYE (RFC 3550 section 6.6): these sources end.
    Bye(Ssrcs<'a>),
    /// APP (RFC 3550 section 6.7).
    App {
        /// SSRC of the sender.
        ssrc: Ssrc,
        /// Name of four characters.
        name: [u8; 4],
    },
    /// Generic NACK (RFC 4585 section 6.2.1).
    Nack {
        /// SSRC of the requester.
        sender: Ssrc,
        /// The stream with the loss.
        media: Ssrc,
        /// Sequence numbers lost.
        sequences: NackSequences<'a>,
    },
    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
    TransportFeedback(TwccFeedback<'a>),
    /// Picture loss indication (RFC 4585 section 6.3.1).
    Pli {
        /// SSRC of the requester.
        sender: Ssrc,
        /// SSRC of the stream whose keyframe is requested.
        media: Ssrc,
    },
    /// Full intra request (RFC 5104 section 4.3.1).
    Fir {
        /// SSRC of the requester.
        sender: Ssrc,
        /// The streams whose keyframes are requested.
        entries: FirEntries<'a>,
    },
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb {
        /// SSRC of the receiver.
        sender: Ssrc,
        /// Limit of all streams together, bit/s.
        bitrate_bps: u64,
        /// The streams of the limit.
        ssrcs: Ssrcs<'a>,
    },
    /// Extended report (RFC 3611).
    Xr {
        /// SSRC of the reporter.
        sender: Ssrc,
        /// Report blocks.
        blocks: XrBlocks<'a>,
    },
    /// A well-formed packet of another type.
    Unknown {
        /// Packet type.
        packet_type: u8,
        /// Count or feedback message type.
        format: u8,
    },
}

/// Iterate over the packets of a decrypted RTCP datagram.
///
/// A packet with a bad body is one `Err`, and the next packet follows; a bad header ends the
/// iteration after its `Err`.
pub fn compound(datagram: &[u8]) -> Compound<'_> {
    Compound { rest: datagram }
}

/// Iterator made by [`compound`].
#[derive(Clone, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = self.split_packet();
        if parsed.is_err() {
            self.rest = &[];
        }
        Some(parsed.and_then(|raw| raw.parse()))
    }
}

impl<'a> Compound<'a> {
    fn split_packet(&mut self) -> Result<RawPacket<'a>, RtcpError> {
        let Some((&[flags, packet_type, l0, l1], _)) = self.rest.split_first_chunk::<4>() else {
            return Err(RtcpError::Truncated);
        };
        if flags >> 6 != 2 {
            return Err(RtcpError::BadVersion);
        }
        let len = HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let Some((packet, rest)) = self.rest.split_at_checked(len) else {
            return Err(RtcpError::Truncated);
        };
        self.rest = rest;
        Ok(RawPacket {
            count: flags & 0x1f,
            padded: flags & 0x20 != 0,
            packet_type,
            body: &packet[HEADER_LEN..],
        })
    }
}

/// A packet of which only the header has been read.
struct RawPacket<'a> {
    count: u8,
    padded: bool,
    packet_type: u8,
    body: &'a [u8],
}

impl<'a> RawPacket<'a> {
    fn parse(mut self) -> Result<Packet<'a>, RtcpError> {
        self.strip_padding()?;
        let packet = match (self.packet_type, self.count) {
            (packet_type::SENDER_REPORT, count) => report::parse_sender(self.body, count),
            (packet_type::RECEIVER_REPORT, count) => report::parse_receiver(self.body, count),
            (packet_type::SDES, count) => Some(Packet::Sdes(Chunks::new(self.body, count))),
            (packet_type::BYE, count) => Ssrcs::first(self.body, count).map(Packet::Bye),
            (packet_type::APP, _) => parse_app(self.body),
            (packet_type::TRANSPORT_FEEDBACK, format::NACK) => feedback::parse_nack(self.body),
            (packet_type::TRANSPORT_FEEDBACK, format::TWCC) => twcc::parse(self.body),
            (packet_type::PAYLOAD_FEEDBACK, format::PLI) => feedback::parse_pli(self.body),
            (packet_type::PAYLOAD_FEEDBACK, format::FIR) => feedback::parse_fir(self.body),
            (packet_type::PAYLOAD_FEEDBACK, format::APPLICATION)
                if feedback::is_remb(self.body) =>
            {
                feedback::parse_remb(self.body)
            }
            (packet_type::XR, _) => xr::parse(self.body),
            (packet_type, format) => Some(Packet::Unknown {
                packet_type,
                format,
            }),
        };
        packet.ok_or(RtcpError::Truncated)
    }

    /// Cut the padding off, which counts itself (RFC 3550 section 6.4.1).
    ///
    /// It should be a multiple of 4; libwebrtc fills transport-wide feedback up with 1 to 3 bytes.
    fn strip_padding(&mut self) -> Result<(), RtcpError> {
        if !self.padded {
            return Ok(());
        }
        let count = self.body.last().map_or(0, |&count| usize::from(count));
        if count == 0 || count > self.body.len() {
            return Err(RtcpError::BadPadding);
        }
        self.body = &self.body[..self.body.len() - count];
        Ok(())
    }
}

fn parse_app(body: &[u8]) -> Option<Packet<'_>> {
    let (ssrc, rest) = split_ssrc(body)?;
    let &name = rest.first_chunk()?;
    Some(Packet::App { ssrc, name })
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(first), rest))
}

fn split_ssrc(bytes: &[u8]) -> Option<(Ssrc, &[u8])> {
    split_u32(bytes).map(|(ssrc, rest)| (Ssrc(ssrc), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(datagram: &[u8]) -> Vec<Option<RtcpError>> {
        compound(datagram).map(Result::err).collect()
    }

    #[test]
    fn a_bad_header_ends_the_compound() {
        assert_eq!(faults(&[0x40, 200, 0, 0]), [Some(RtcpError::BadVersion)]);
        assert_eq!(faults(&[0x80, 200, 0]), [Some(RtcpError::Truncated)]);
        assert_eq!(
            faults(&[0x80, 200, 0, 2, 0, 0, 0, 1]),
            [Some(RtcpError::Truncated)]
        );
        assert_eq!(faults(&[]), []);
    }

    #[test]
    fn a_bad_body_spoils_only_its_packet() {
        let mut datagram = vec![0x81, 201, 0, 1, 0, 0, 0, 1];
        write::pli(&mut datagram, Ssrc(1), Ssrc(2));
        assert_eq!(faults(&datagram), [Some(RtcpError::Truncated), None]);
    }

    #[test]
    fn reduced_size_needs_no_report_first() {
        let mut datagram = Vec::new();
        write::pli(&mut datagram, Ssrc(1), Ssrc(2));
        let Some(Ok(Packet::Pli { sender, media })) = compound(&datagram).next() else {
            panic!("no PLI");
        };
        assert_eq!((sender, media), (Ssrc(1), Ssrc(2)));
    }

    #[test]
    fn padding_is_cut_off() {
        let padded = [0xa0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4];
        let Some(Ok(Packet::ReceiverReport { ssrc, reports })) = compound(&padded).next() else {
            panic!("no RR");
        };
        assert_eq!((ssrc, reports.count()), (Ssrc(9), 0));
        for bad in [0, 9, 12] {
            let mut broken = padded;
            broken[11] = bad;
            assert_eq!(faults(&broken), [Some(RtcpError::BadPadding)]);
        }
    }

    #[test]
    fn unknown_kinds_are_passed_on() {
        let datagram = [
            0x8b, 209, 0, 1, 0, 0, 0, 1, 0x80, 204, 0, 2, 0, 0, 0, 1, b'n', b'a', b'm', b'e',
        ];
        let packets: Vec<_> = compound(&datagram).map(Result::unwrap).collect();
        assert!(matches!(
            packets[0],
            Packet::Unknown {
                packet_type: 209,
                format: 11
            }
        ));
        assert!(matches!(packets[1], Packet::App { ssrc: Ssrc(1), name } if &name == b"name"));
    }
}
