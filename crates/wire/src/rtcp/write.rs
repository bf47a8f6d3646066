//! Writers of RTCP packets: each function appends one packet to a buffer that the caller reuses.

use super::feedback::remb_bitrate;
use super::{DlrrEntry, FirEntry, ReportBlock, SenderInfo, format, packet_type, xr};
use crate::id::Ssrc;
use crate::time::NtpTime;

/// Most report blocks or sources that the 5-bit count allows.
const MAX_COUNT: usize = 31;

/// Append an SR; blocks over 31 follow in RRs (RFC 3550 section 6.1).
pub fn sender_report(out: &mut Vec<u8>, ssrc: Ssrc, info: &SenderInfo, reports: &[ReportBlock]) {
    let (first, rest) = reports.split_at(reports.len().min(MAX_COUNT));
    let kind = Head::new(packet_type::SENDER_REPORT, first.len());
    packet(out, kind, |out| {
        put_ssrc(out, ssrc);
        out.extend_from_slice(&info.to_bytes());
        put_reports(out, first);
    });
    if !rest.is_empty() {
        receiver_report(out, ssrc, rest);
    }
}

/// Append an RR, or several for more than 31 blocks.
pub fn receiver_report(out: &mut Vec<u8>, ssrc: Ssrc, reports: &[ReportBlock]) {
    let (first, rest) = reports.split_at(reports.len().min(MAX_COUNT));
    let kind = Head::new(packet_type::RECEIVER_REPORT, first.len());
    packet(out, kind, |out| {
        put_ssrc(out, ssrc);
        put_reports(out, first);
    });
    if !rest.is_empty() {
        receiver_report(out, ssrc, rest);
    }
}

/// Append an SDES with the CNAME of one source; a name over 255 bytes is cut.
pub fn sdes_cname(out: &mut Vec<u8>, ssrc: Ssrc, cname: &str) {
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    packet(out, Head::new(packet_type::SDES, 1), |out| {
        put_ssrc(out, ssrc);
        out.extend_from_slice(&[1, cname.len() as u8]);
        out.extend_from_slice(cname);
        // RFC 3550 section 6.5: at least one zero byte ends the items.
        out.push(0);
    });
}

/// Append a BYE of at most 31 sources.
pub fn bye(out: &mut Vec<u8>, ssrcs: &[Ssrc]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(MAX_COUNT)];
    packet(out, Head::new(packet_type::BYE, ssrcs.len()), |out| {
        for &ssrc in ssrcs {
            put_ssrc(out, ssrc);
        }
    });
}

/// Append a generic NACK of `sequences`, ascending (RFC 4585 section 6.2.1).
pub fn nack(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc, sequences: &[u16]) {
    let kind = Head::new(packet_type::TRANSPORT_FEEDBACK, usize::from(format::NACK));
    packet(out, kind, |out| {
        put_ssrc(out, sender);
        put_ssrc(out, media);
        let mut rest = sequences;
        while let Some((&base, following)) = rest.split_first() {
            let mut bits = 0_u16;
            rest = following;
            while let Some((&sequence, following)) = rest.split_first() {
                let offset = sequence.wrapping_sub(base);
                if !(1..=16).contains(&offset) {
                    break;
                }
                bits |= 1 << (offset - 1);
                rest = following;
            }
            out.extend_from_slice(&base.to_be_bytes());
            out.extend_from_slice(&bits.to_be_bytes());
        }
    });
}

/// Append a PLI.
pub fn pli(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc) {
    let kind = Head::new(packet_type::PAYLOAD_FEEDBACK, usize::from(format::PLI));
    packet(out, kind, |out| {
        put_ssrc(out, sender);
        put_ssrc(out, media);
    });
}

/// Append a FIR.
pub fn fir(out: &mut Vec<u8>, sender: Ssrc, entries: &[FirEntry]) {
    let kind = Head::new(packet_type::PAYLOAD_FEEDBACK, usize::from(format::FIR));
    packet(out, kind, |out| {
        put_ssrc(out, sender);
        // RFC 5104 section 4.3.1.2: the media source is not used and is 0.
        put_ssrc(out, Ssrc(0));
        for entry in entries {
            put_ssrc(out, entry.ssrc);
            out.extend_from_slice(&[entry.sequence, 0, 0, 0]);
        }
    });
}

/// Append a REMB; the bitrate is rounded down to 18 significant bits.
pub fn remb(out: &mut Vec<u8>, sender: Ssrc, bitrate_bps: u64, ssrcs: &[Ssrc]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(usize::from(u8::MAX))];
    let kind = Head::new(
        packet_type::PAYLOAD_FEEDBACK,
        usize::from(format::APPLICATION),
    );
    packet(out, kind, |out| {
        put_ssrc(out, sender);
        put_ssrc(out, Ssrc(0));
        out.extend_from_slice(b"REMB");
        out.push(ssrcs.len() as u8);
        out.extend_from_slice(&remb_bitrate(bitrate_bps));
        for &ssrc in ssrcs {
            put_ssrc(out, ssrc);
        }
    });
}

/// Append an XR with the receiver's reference time (RFC 3611 section 4.4).
pub fn reference_time(out: &mut Vec<u8>, sender: Ssrc, now: NtpTime) {
    packet(out, Head::new(packet_type::XR, 0), |out| {
        put_ssrc(out, sender);
        out.extend_from_slice(&[xr::RECEIVER_REFERENCE_TIME, 0, 0, 2]);
        out.extend_from_slice(&now.0.to_be_bytes());
    });
}

/// Append an XR with echoes of reference times (RFC 3611 section 4.5).
pub fn delays_since_rr(out: &mut Vec<u8>, sender: Ssrc, entries: &[DlrrEntry]) {
    packet(out, Head::new(packet_type::XR, 0), |out| {
        put_ssrc(out, sender);
        let words = (entries.len() * 3) as u16;
        out.extend_from_slice(&[xr::DELAY_SINCE_LAST_RR, 0]);
        out.extend_from_slice(&words.to_be_bytes());
        for entry in entries {
            put_ssrc(out, entry.ssrc);
            out.extend_from_slice(&entry.last_rr.to_be_bytes());
            out.extend_from_slice(&entry.delay_since_last_rr.to_be_bytes());
        }
    });
}

/// First word of a packet but for its length.
pub(super) struct Head {
    pub packet_type: u8,
    pub count: u8,
}

impl Head {
    fn new(packet_type: u8, count: usize) -> Head {
        Head {
            packet_type,
            count: count as u8 & 0x1f,
        }
    }
}

/// Append a packet whose body `body` appends: pad with zeros to 32 bits, set the length field.
pub(super) fn packet(out: &mut Vec<u8>, kind: Head, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | kind.count, kind.packet_type, 0, 0]);
    body(out);
    let len = (out.len() - start).next_multiple_of(4);
    out.resize(start + len, 0);
    let words = (len / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn put_ssrc(out: &mut Vec<u8>, ssrc: Ssrc) {
    out.extend_from_slice(&ssrc.0.to_be_bytes());
}

fn put_reports(out: &mut Vec<u8>, reports: &[ReportBlock]) {
    for report in reports {
        out.extend_from_slice(&report.to_bytes());
    }
}
