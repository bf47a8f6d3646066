//! The parsers: any bytes end in a value or an error, and what was written is read back.

use wire::extension::{
    BlockWriter, Elements, Extension, ExtensionMap, Form, MAX_BLOCK_LEN, Values,
};
use wire::id::Ssrc;
use wire::rtcp::{Packet, XrBlock, compound, write};
use wire::rtp::{self, Header, Kind, NewHeader, padding_len};
use wire::stun::{
    Attribute, Builder, HEADER_LEN, IntegrityKey, Message, attribute as stun_attribute,
};

const KEY: &[u8] = b"a password of enough bytes";

/// A datagram as it comes, then with the fields mended that refuse most bytes at once.
pub fn stun(datagram: &[u8]) {
    read_stun(datagram);
    if datagram.len() >= HEADER_LEN {
        let mut mended = datagram[..datagram.len() & !3].to_vec();
        let body_len = (mended.len() - HEADER_LEN) as u16;
        mended[0] &= 0x3f;
        mended[2..4].copy_from_slice(&body_len.to_be_bytes());
        mended[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        read_stun(&mended);
    }
}

fn read_stun(datagram: &[u8]) {
    let Ok(message) = Message::parse(datagram) else {
        return;
    };
    assert!(message.attributes().count() <= datagram.len() / 4);
    let _ = (message.username(), message.priority(), message.software());
    let _ = (message.ice_controlling(), message.ice_controlled());
    let _ = (message.mapped_address(), message.check_fingerprint());
    message.unknown_attributes().count();
    message.not_understood().count();
    if let Some((code, _)) = message.error_code() {
        assert!((300..700).contains(&code));
    }
    rewrite_stun(&message);
}

/// The same attributes under our key: all that was understood is understood again.
fn rewrite_stun(message: &Message<'_>) {
    let key = IntegrityKey::new(KEY);
    assert!(!message.check_integrity(&key), "made without the password");
    let is_ours = |it: &Attribute<'_>| {
        !matches!(
            it.kind,
            stun_attribute::MESSAGE_INTEGRITY | stun_attribute::FINGERPRINT
        )
    };
    let mut out = Vec::new();
    let builder = Builder::new(&mut out, message.class, message.method, message.transaction);
    let covered = message
        .attributes()
        .take_while(|it| it.kind != stun_attribute::MESSAGE_INTEGRITY);
    covered
        .filter(is_ours)
        .fold(builder, |builder, it| builder.attribute(it.kind, it.value))
        .integrity(&key)
        .fingerprint();
    // What no datagram can carry cannot be written either.
    if out.len() > usize::from(u16::MAX) {
        return;
    }
    let again = Message::parse(&out).expect("what was written is read");
    assert!(again.check_integrity(&key));
    assert_eq!(again.check_fingerprint(), Some(true));
    assert_eq!(again.username(), message.username());
    assert_eq!(again.use_candidate(), message.use_candidate());
    assert_eq!(again.xor_mapped_address(), message.xor_mapped_address());
    assert!(again.not_understood().eq(message.not_understood()));
}

/// A packet as it comes, then as version 2.
pub fn rtp(datagram: &[u8]) {
    read_rtp(datagram);
    let mut mended = datagram.to_vec();
    if let Some(first) = mended.first_mut() {
        *first = *first & 0x3f | 0x80;
        read_rtp(&mended);
    }
}

fn read_rtp(datagram: &[u8]) {
    let Ok(header) = Header::parse(datagram) else {
        return;
    };
    assert!(header.header_len <= datagram.len());
    assert!(header.extensions(datagram).count() <= datagram.len());
    Values::read(&header, datagram, &all_extensions());
    let payload = &datagram[header.header_len..];
    if let Ok(padding) = padding_len(payload) {
        assert!((1..=payload.len().min(255)).contains(&padding));
    }
    // The header of one datagram with the bytes of another: the caller's fault, and no panic.
    header.extensions(&datagram[..datagram.len() / 2]).count();
    rewrite_rtp(&header, datagram);
}

fn all_extensions() -> ExtensionMap {
    let mut map = ExtensionMap::new();
    for (id, extension) in (1..).zip(Extension::ALL) {
        map.insert(id, extension).expect("free");
    }
    map
}

fn rewrite_rtp(header: &Header, datagram: &[u8]) {
    let elements: Vec<(u8, &[u8])> = header.extensions(datagram).collect();
    for form in [Form::OneByte, Form::TwoByte] {
        let mut block = [0; MAX_BLOCK_LEN];
        let mut writer = BlockWriter::new(&mut block, form);
        let mut written = Vec::new();
        for (id, value) in &elements {
            if writer.push(*id, value).is_some() {
                written.push((*id, *value));
            }
        }
        let block_len = writer.finish();
        let fields = NewHeader {
            marker: header.marker,
            payload_type: header.payload_type,
            sequence: header.sequence,
            timestamp: header.timestamp,
            ssrc: header.ssrc,
            padding: header.has_padding,
        };
        let mut out = [0; MAX_BLOCK_LEN + rtp::FIXED_HEADER_LEN];
        let len = rtp::write(&mut out, &fields, &block[..block_len]);
        let again = Header::parse(&out[..len]).expect("what was written is read");
        assert_eq!(again.header_len, len);
        assert!(again.extensions(&out).eq(written));
        assert_eq!(again.sequence, header.sequence);
        assert_eq!(again.has_padding, header.has_padding);
    }
}

/// A compound as it comes, then with version and length of its packets mended.
pub fn rtcp(datagram: &[u8]) {
    read_rtcp(datagram);
    let mut mended = datagram.to_vec();
    mend_lengths(&mut mended);
    read_rtcp(&mended);
}

/// Fix the length fields, so that bodies are parsed.
fn mend_lengths(datagram: &mut [u8]) {
    let mut rest = datagram;
    while rest.len() >= 4 {
        rest[0] = rest[0] & 0x3f | 0x80;
        let words_left = rest.len() / 4 - 1;
        let words = usize::from(rest[3]).min(words_left);
        rest[2..4].copy_from_slice(&(words as u16).to_be_bytes());
        rest = rest.split_at_mut(4 + words * 4).1;
    }
}

fn read_rtcp(datagram: &[u8]) {
    let mut items = 0;
    for packet in compound(datagram).flatten() {
        items += 1 + items_of(packet);
        rewrite_rtcp(packet);
    }
    // A NACK entry of 4 bytes names 17 packets, a feedback chunk of 2 bytes up to 8191.
    assert!(items <= datagram.len() * 4096 + 1);
}

fn items_of(packet: Packet<'_>) -> usize {
    match packet {
        Packet::SenderReport { reports, .. } | Packet::ReceiverReport { reports, .. } => {
            reports.count()
        }
        Packet::Sdes(chunks) => chunks.count(),
        Packet::Bye(ssrcs) | Packet::Remb { ssrcs, .. } => ssrcs.count(),
        Packet::Nack { sequences, .. } => sequences.count(),
        Packet::TransportFeedback(feedback) => {
            let count = feedback.packets().count();
            assert!(count <= usize::from(feedback.packet_count));
            count
        }
        Packet::Fir { entries, .. } => entries.count(),
        Packet::Xr { blocks, .. } => blocks.map(items_of_block).sum(),
        Packet::App { .. } | Packet::Pli { .. } | Packet::Unknown { .. } => 0,
    }
}

fn items_of_block(block: XrBlock<'_>) -> usize {
    match block {
        XrBlock::Delays(entries) => entries.count(),
        XrBlock::ReferenceTime(_) | XrBlock::Unknown(_) => 1,
    }
}

/// A packet that is written again is parsed to the same values.
fn rewrite_rtcp(packet: Packet<'_>) {
    let mut out = Vec::new();
    match packet {
        Packet::SenderReport {
            ssrc,
            info,
            reports,
        } => {
            let reports: Vec<_> = reports.collect();
            write::sender_report(&mut out, ssrc, &info, &reports);
            let Packet::SenderReport {
                info: again,
                reports: blocks,
                ..
            } = only(&out)
            else {
                panic!("no SR");
            };
            assert_eq!(again, info);
            assert!(blocks.eq(reports));
        }
        Packet::Nack {
            media, sequences, ..
        } => {
            let mut wanted: Vec<u16> = sequences.collect();
            wanted.sort_unstable();
            wanted.dedup();
            write::nack(&mut out, Ssrc(1), media, &wanted);
            let Packet::Nack { sequences, .. } = only(&out) else {
                panic!("no NACK");
            };
            assert!(sequences.eq(wanted));
        }
        Packet::Remb { bitrate_bps, .. } => {
            write::remb(&mut out, Ssrc(1), bitrate_bps, &[]);
            let Packet::Remb {
                bitrate_bps: again, ..
            } = only(&out)
            else {
                panic!("no REMB");
            };
            // 18 significant bits are kept.
            assert!(again <= bitrate_bps && bitrate_bps - again <= bitrate_bps >> 17);
        }
        _ => {}
    }
}

fn only(datagram: &[u8]) -> Packet<'_> {
    let mut packets = compound(datagram);
    let first = packets.next().expect("one").expect("valid");
    assert!(packets.next().is_none());
    first
}

/// Any datagram goes to one parser, and the others would not take it.
pub fn demux(datagram: &[u8]) {
    let kind = rtp::demux(datagram);
    let is_media = matches!(kind, Kind::Rtp | Kind::Rtcp);
    assert_eq!(
        is_media,
        datagram.first().is_some_and(|first| first >> 6 == 2)
    );
    assert!(is_media || Header::parse(datagram).is_err());
    assert!(!is_media || Message::parse(datagram).is_err());
    match kind {
        Kind::Stun => read_stun(datagram),
        Kind::Rtp => read_rtp(datagram),
        Kind::Rtcp => read_rtcp(datagram),
        Kind::Dtls | Kind::Unknown => {}
    }
    if let Some((profile, data)) = datagram.split_first_chunk::<2>() {
        let elements = Elements::new(u16::from_be_bytes(*profile), data);
        assert!(elements.count() <= data.len());
    }
}
