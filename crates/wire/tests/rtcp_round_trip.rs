//! RTCP packets that we write are read back as they were.

use proptest::prelude::*;
use wire::id::Ssrc;
use wire::rtcp::{DlrrEntry, FirEntry, Packet, ReportBlock, SenderInfo, XrBlock, compound, write};
use wire::time::NtpTime;

fn only(datagram: &[u8]) -> Packet<'_> {
    let mut packets = compound(datagram);
    let first = packets.next().unwrap().unwrap();
    assert!(packets.next().is_none());
    first
}

fn ssrc() -> impl Strategy<Value = Ssrc> {
    any::<u32>().prop_map(Ssrc)
}

fn report_block() -> impl Strategy<Value = ReportBlock> {
    let loss = (any::<u8>(), -0x80_0000..0x80_0000_i32);
    (ssrc(), loss, any::<[u32; 4]>()).prop_map(|(ssrc, (fraction_lost, cumulative_lost), rest)| {
        ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost,
            highest_sequence: rest[0],
            jitter: rest[1],
            last_sr: rest[2],
            delay_since_last_sr: rest[3],
        }
    })
}

fn sender_info() -> impl Strategy<Value = SenderInfo> {
    (any::<u64>(), any::<[u32; 3]>()).prop_map(|(ntp, rest)| SenderInfo {
        ntp: NtpTime(ntp),
        rtp_timestamp: rest[0],
        packets: rest[1],
        octets: rest[2],
    })
}

proptest! {
    #[test]
    fn sender_report(
        sender in ssrc(),
        sent in sender_info(),
        blocks in prop::collection::vec(report_block(), 0..80),
    ) {
        let mut out = Vec::new();
        write::sender_report(&mut out, sender, &sent, &blocks);
        let mut back = Vec::new();
        for (nth, packet) in compound(&out).map(Result::unwrap).enumerate() {
            match packet {
                Packet::SenderReport { ssrc, info, reports } => {
                    prop_assert_eq!((nth, ssrc, info), (0, sender, sent));
                    back.extend(reports);
                }
                Packet::ReceiverReport { ssrc, reports } => {
                    prop_assert_eq!(ssrc, sender);
                    back.extend(reports);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(back, blocks);
    }

    #[test]
    fn generic_nack(
        start in any::<u16>(),
        steps in prop::collection::vec(1_u16..40, 0..100),
    ) {
        let sequences: Vec<u16> = steps
            .iter()
            .scan(start, |at, step| {
                *at = at.wrapping_add(*step);
                Some(*at)
            })
            .collect();
        let mut out = Vec::new();
        write::nack(&mut out, Ssrc(1), Ssrc(2), &sequences);
        let Packet::Nack { sender, media, sequences: back } = only(&out) else {
            panic!("no NACK");
        };
        prop_assert_eq!((sender, media), (Ssrc(1), Ssrc(2)));
        prop_assert_eq!(back.collect::<Vec<_>>(), sequences);
    }

    #[test]
    fn remb_rounds_down_to_18_bits(
        bitrate in any::<u64>(),
        shift in 0_u32..64,
        ssrcs in prop::collection::vec(ssrc(), 0..6),
    ) {
        let bitrate = bitrate >> shift;
        let mut out = Vec::new();
        write::remb(&mut out, Ssrc(1), bitrate, &ssrcs);
        let Packet::Remb { sender, bitrate_bps, ssrcs: back } = only(&out) else {
            panic!("no REMB");
        };
        prop_assert_eq!(sender, Ssrc(1));
        prop_assert!(bitrate_bps <= bitrate);
        prop_assert!(bitrate - bitrate_bps <= bitrate >> 17);
        prop_assert_eq!(back.collect::<Vec<_>>(), ssrcs);
    }

    #[test]
    fn full_intra_request(entries in prop::collection::vec((ssrc(), any::<u8>()), 1..6)) {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(ssrc, sequence)| FirEntry { ssrc, sequence })
            .collect();
        let mut out = Vec::new();
        write::fir(&mut out, Ssrc(1), &entries);
        let Packet::Fir { sender, entries: back } = only(&out) else {
            panic!("no FIR");
        };
        prop_assert_eq!(sender, Ssrc(1));
        prop_assert_eq!(back.collect::<Vec<_>>(), entries);
    }

    #[test]
    fn sdes_and_bye(name in "[a-zA-Z0-9{}/-]{0,300}", ssrcs in prop::collection::vec(ssrc(), 1..31)) {
        let mut out = Vec::new();
        write::sdes_cname(&mut out, ssrcs[0], &name);
        write::bye(&mut out, &ssrcs);
        prop_assert_eq!(out.len() % 4, 0);
        let packets: Vec<_> = compound(&out).map(Result::unwrap).collect();
        let [Packet::Sdes(mut chunks), Packet::Bye(left)] = packets[..] else {
            panic!("{packets:?}");
        };
        let chunk = chunks.next().unwrap();
        prop_assert_eq!(chunk.ssrc, ssrcs[0]);
        prop_assert_eq!(chunk.cname.unwrap(), &name.as_bytes()[..name.len().min(255)]);
        prop_assert!(chunks.next().is_none());
        prop_assert_eq!(left.collect::<Vec<_>>(), ssrcs);
    }

    #[test]
    fn extended_reports(ntp in any::<u64>(), echoes in prop::collection::vec(any::<[u32; 3]>(), 0..9)) {
        let echoes: Vec<_> = echoes
            .into_iter()
            .map(|[ssrc, last_rr, delay_since_last_rr]| DlrrEntry {
                ssrc: Ssrc(ssrc),
                last_rr,
                delay_since_last_rr,
            })
            .collect();
        let mut out = Vec::new();
        write::reference_time(&mut out, Ssrc(1), NtpTime(ntp));
        write::delays_since_rr(&mut out, Ssrc(2), &echoes);
        let packets: Vec<_> = compound(&out).map(Result::unwrap).collect();
        let [
            Packet::Xr { sender: Ssrc(1), blocks: mut first },
            Packet::Xr { sender: Ssrc(2), blocks: mut second },
        ] = packets[..] else {
            panic!("{packets:?}");
        };
        let Some(XrBlock::ReferenceTime(back)) = first.next() else {
            panic!("no reference time");
        };
        prop_assert_eq!(back, NtpTime(ntp));
        let Some(XrBlock::Delays(back)) = second.next() else {
            panic!("no delays");
        };
        prop_assert_eq!(back.collect::<Vec<_>>(), echoes);
    }
}

#[test]
fn extreme_remb_saturates() {
    let mut out = Vec::new();
    write::remb(&mut out, Ssrc(1), 1_000_000, &[]);
    // Exponent 63 with a full mantissa does not fit 64 bits.
    out[17..20].fill(0xff);
    let Packet::Remb { bitrate_bps, .. } = only(&out) else {
        panic!("no REMB");
    };
    assert_eq!(bitrate_bps, u64::MAX);
}
