//! What one side seals the other opens, byte for byte, and the bytes are those of the standard.

use proptest::prelude::*;
use rtc::srtp::{MasterKey, OpenError, Opener, Profile, SealError, Sealer};
use wire::id::Ssrc;
use wire::rtp::Header;

const SSRC: Ssrc = Ssrc(0xcafe_babe);

fn master(profile: Profile) -> MasterKey {
    let key = 0xE1F97A0D3E018BE0D64FA32C06DE4139_u128.to_be_bytes();
    let salt = 0x0EC675AD498AFEEBB6960B3AABE6_u128.to_be_bytes();
    MasterKey::new(profile, &key, &salt[2..][..profile.salt_len()]).unwrap()
}

fn pair(profile: Profile) -> (Sealer, Opener) {
    let master = master(profile);
    (Sealer::new(profile, &master), Opener::new(profile, &master))
}

/// The packet whose sealed form implementations compare themselves by.
fn reference_rtp() -> Vec<u8> {
    let header = [
        0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe,
    ];
    [&header[..], &[0xab; 16]].concat()
}

#[test]
fn aes_cm_seals_to_the_reference_packet() {
    let (mut sealer, _) = pair(Profile::Aes128CmSha1_80);
    let mut stream = sealer.stream(SSRC).unwrap();
    let mut packet = [reference_rtp(), vec![0; 10]].concat();
    let len = sealer
        .seal_rtp(&mut stream, 0x1234, &mut packet, 12, 28)
        .unwrap();
    let sealed = [
        0x4e, 0x55, 0xdc, 0x4c, 0xe7, 0x99, 0x78, 0xd8, 0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d, 0x24,
        0x02, 0xb7, 0x8d, 0x6a, 0xcc, 0x99, 0xea, 0x17, 0x9b, 0x8d, 0xbb,
    ];
    assert_eq!(len, 38);
    assert_eq!(packet[12..], sealed);
}

#[test]
fn aes_cm_seals_to_the_reference_rtcp_packet() {
    let (mut sealer, _) = pair(Profile::Aes128CmSha1_80);
    let header = [0x81, 0xc8, 0x00, 0x0b, 0xca, 0xfe, 0xba, 0xbe];
    let mut packet = [&header[..], &[0xab; 16], &[0; 14]].concat();
    let len = sealer.seal_rtcp(&mut packet, 24).unwrap();
    let sealed = [
        0x71, 0x28, 0x03, 0x5b, 0xe4, 0x87, 0xb9, 0xbd, 0xbe, 0xf8, 0x90, 0x41, 0xf9, 0x77, 0xa5,
        0xa8, 0x80, 0x00, 0x00, 0x01, 0x99, 0x3e, 0x08, 0xcd, 0x54, 0xd6, 0xc1, 0x23, 0x07, 0x98,
    ];
    assert_eq!(len, 38);
    assert_eq!(packet[8..], sealed);
}

#[test]
fn a_header_with_csrcs_and_extensions_stays_in_the_clear() {
    for profile in Profile::ALL {
        let (mut sealer, mut opener) = pair(profile);
        let mut stream = sealer.stream(SSRC).unwrap();
        let mut plain = reference_rtp();
        plain[0] = 0x91;
        plain.splice(12..12, [0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
        let header = Header::parse(&plain).unwrap();
        assert_eq!(header.header_len, 24);

        let mut packet = [plain.clone(), vec![0; 16]].concat();
        let len = sealer
            .seal_rtp(&mut stream, 0x1234, &mut packet, 24, plain.len())
            .unwrap();
        assert_eq!(packet[..24], plain[..24]);
        let opened = opener.open_rtp(&header, &mut packet[..len]).unwrap();
        assert_eq!(packet[..opened.len], plain);
    }
}

#[test]
fn both_directions_and_both_protocols_have_keys_of_their_own() {
    for profile in Profile::ALL {
        let (mut sealer, _) = pair(profile);
        let mut stream = sealer.stream(SSRC).unwrap();
        let mut packet = [reference_rtp(), vec![0; 16]].concat();
        let len = sealer
            .seal_rtp(&mut stream, 0x1234, &mut packet, 12, 28)
            .unwrap();
        let salt = vec![1; profile.salt_len()];
        let other = MasterKey::new(profile, &[1; 16], &salt).unwrap();
        let header = Header::parse(&packet).unwrap();
        assert_eq!(
            Opener::new(profile, &other).open_rtp(&header, &mut packet[..len]),
            Err(OpenError::BadTag)
        );
    }
}

#[test]
fn a_packet_that_does_not_fit_is_refused() {
    for profile in Profile::ALL {
        let (mut sealer, _) = pair(profile);
        let mut stream = sealer.stream(SSRC).unwrap();
        let room = profile.rtp_overhead() - 1;
        let mut packet = [reference_rtp(), vec![0; room]].concat();
        let mut seal = |header_len, plain_len| {
            sealer.seal_rtp(&mut stream, 0x1234, &mut packet, header_len, plain_len)
        };
        assert_eq!(seal(12, 28), Err(SealError::Size));
        assert_eq!(seal(11, 20), Err(SealError::Size));
        assert_eq!(seal(21, 20), Err(SealError::Size));
        assert!(seal(12, 27).is_ok());
        assert_eq!(
            sealer.seal_rtcp(&mut [0; 64][..profile.rtcp_overhead() + 7], 7),
            Err(SealError::Size)
        );
    }
}

proptest! {
    #[test]
    fn any_rtp_payload_survives(
        payload in prop::collection::vec(any::<u8>(), 0..1500),
        index in 0_u64..0x8000,
        cm: bool,
    ) {
        let profile = Profile::ALL[usize::from(cm)];
        let (mut sealer, mut opener) = pair(profile);
        let mut stream = sealer.stream(SSRC).unwrap();
        let mut plain = [&reference_rtp()[..12], &payload].concat();
        plain[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        let mut packet = [&plain[..], &[0; 16]].concat();
        let len = sealer.seal_rtp(&mut stream, index, &mut packet, 12, plain.len()).unwrap();
        prop_assert_eq!(len, plain.len() + profile.rtp_overhead());
        let header = Header::parse(&packet).unwrap();
        let opened = opener.open_rtp(&header, &mut packet[..len]).unwrap();
        prop_assert_eq!((opened.index, opened.len), (index, plain.len()));
        prop_assert_eq!(&packet[..opened.len], &plain);
    }

    #[test]
    fn any_rtcp_payload_survives(
        payload in prop::collection::vec(any::<u8>(), 0..1500),
        cm: bool,
    ) {
        let profile = Profile::ALL[usize::from(cm)];
        let (mut sealer, mut opener) = pair(profile);
        let plain = [&[0x80, 0xc8, 0, 1, 0, 0, 0, 9], &payload[..]].concat();
        let mut packet = [&plain[..], &[0; 20]].concat();
        let len = sealer.seal_rtcp(&mut packet, plain.len()).unwrap();
        prop_assert_eq!(len, plain.len() + profile.rtcp_overhead());
        prop_assert_eq!(opener.open_rtcp(&mut packet[..len]), Ok(plain.len()));
        prop_assert_eq!(&packet[..plain.len()], &plain);
    }

    #[test]
    fn any_bytes_are_refused_without_harm(
        mut datagram in prop::collection::vec(any::<u8>(), 0..200),
        cm: bool,
    ) {
        let (_, mut opener) = pair(Profile::ALL[usize::from(cm)]);
        if let Ok(header) = Header::parse(&datagram) {
            prop_assert!(opener.open_rtp(&header, &mut datagram).is_err());
        }
        prop_assert!(opener.open_rtcp(&mut datagram).is_err());
    }
}
