//! The receiving side accepts each packet once, late ones included, and forgers move nothing.

use rtc::srtp::{MasterKey, OpenError, Opened, Opener, Profile, SealStream, Sealer};
use wire::id::Ssrc;
use wire::rtp::Header;

struct Wire {
    sealer: Sealer,
    stream: SealStream,
    opener: Opener,
}

impl Wire {
    fn new(profile: Profile) -> Wire {
        let master = MasterKey::new(profile, &[3; 16], &vec![5; profile.salt_len()]).unwrap();
        let mut sealer = Sealer::new(profile, &master);
        let stream = sealer.stream(Ssrc(7)).unwrap();
        let opener = Opener::new(profile, &master);
        Wire {
            sealer,
            stream,
            opener,
        }
    }

    fn sealed(&mut self, index: u64) -> Vec<u8> {
        let mut packet = vec![0; 60];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        packet[11] = 7;
        let len = self
            .sealer
            .seal_rtp(&mut self.stream, index, &mut packet, 12, 40)
            .unwrap();
        packet.truncate(len);
        packet
    }

    fn open(&mut self, packet: &[u8]) -> Result<Opened, OpenError> {
        let header = Header::parse(packet).unwrap();
        self.opener.open_rtp(&header, &mut packet.to_vec())
    }

    fn pass(&mut self, index: u64) {
        let packet = self.sealed(index);
        let opened = self.open(&packet);
        assert_eq!(opened.map(|opened| opened.index), Ok(index));
    }
}

#[test]
fn a_packet_is_accepted_once() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        let packet = wire.sealed(100);
        assert!(wire.open(&packet).is_ok());
        assert_eq!(wire.open(&packet), Err(OpenError::Replayed));
    }
}

#[test]
fn a_packet_may_be_late_by_a_window_of_1024() {
    let mut wire = Wire::new(Profile::AeadAes128Gcm);
    wire.pass(1);
    let (late, too_late) = (wire.sealed(1001), wire.sealed(1000));
    wire.pass(1001 + 1023);
    assert!(wire.open(&late).is_ok());
    assert_eq!(wire.open(&too_late), Err(OpenError::TooOld));
}

#[test]
fn the_rollover_counter_follows_the_sequence_number() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        for index in (65_530..65_540).chain([98_000, 130_000, 131_070, 131_073]) {
            wire.pass(index);
        }
        wire.pass(131_071);
    }
}

#[test]
fn a_forged_packet_moves_neither_window_nor_rollover_counter() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        wire.pass(65_500);
        for sequence in [65_501_u16, 20, 5000, 40_000] {
            let mut forged = vec![0x55; 60];
            forged[0] = 0x80;
            forged[2..4].copy_from_slice(&sequence.to_be_bytes());
            forged[8..12].copy_from_slice(&[0, 0, 0, 7]);
            assert!(wire.open(&forged).is_err());
        }
        wire.pass(65_501);
        wire.pass(65_540);
    }
}

#[test]
fn a_stream_may_begin_below_a_wrap_and_lose_its_first_packets() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        let late = wire.sealed(65_535);
        wire.pass(65_536 + 3);
        wire.pass(65_536 + 4);
        assert_eq!(wire.open(&late).map(|opened| opened.index), Ok(65_535));
        for index in [98_000, 130_000, 131_073] {
            wire.pass(index);
        }
    }
}

#[test]
fn only_a_small_first_number_can_be_behind_a_wrap() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        let beyond = wire.sealed(65_536 + (1 << 15));
        assert_eq!(wire.open(&beyond), Err(OpenError::BadTag));
        let mut wire = Wire::new(profile);
        let far = wire.sealed(2 * 65_536 + 3);
        assert_eq!(wire.open(&far), Err(OpenError::BadTag));
    }
}

#[test]
fn forged_first_packets_do_not_decide_the_rollover_counter() {
    for profile in Profile::ALL {
        for first in [3, 65_536 + 3] {
            let mut wire = Wire::new(profile);
            let mut forged = wire.sealed(first);
            forged[20] ^= 1;
            assert_eq!(wire.open(&forged), Err(OpenError::BadTag));
            wire.pass(first + 1);
            wire.pass(first + 2);
        }
    }
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        wire.pass(1);
        let packet = wire.sealed(2);
        // The first byte decides whether it is RTP at all; the rest must be covered by the tag.
        for bit in 8..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(wire.open(&changed).is_err(), "bit {bit}");
        }
        assert!(wire.open(&packet).is_ok());
    }
}

#[test]
fn a_truncated_packet_is_refused_at_every_length() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        let packet = wire.sealed(9);
        for len in 12..packet.len() {
            assert!(wire.open(&packet[..len]).is_err());
        }
        assert!(wire.open(&packet).is_ok());
    }
}

#[test]
fn a_forger_cannot_use_up_the_table_of_streams() {
    let mut wire = Wire::new(Profile::AeadAes128Gcm);
    for ssrc in 0..10_000_u32 {
        let mut forged = vec![0x55; 60];
        forged[0] = 0x80;
        forged[8..12].copy_from_slice(&ssrc.to_be_bytes());
        assert_eq!(wire.open(&forged), Err(OpenError::BadTag));
    }
    wire.pass(1);
}

#[test]
fn an_authentic_peer_cannot_grow_the_table_without_bound() {
    let mut wire = Wire::new(Profile::AeadAes128Gcm);
    let mut refused = 0;
    for ssrc in 1000..3000 {
        wire.stream = wire.sealer.stream(Ssrc(ssrc)).unwrap();
        let mut packet = vec![0; 60];
        packet[0] = 0x80;
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let len = wire
            .sealer
            .seal_rtp(&mut wire.stream, 0, &mut packet, 12, 40)
            .unwrap();
        refused += u32::from(wire.open(&packet[..len]) == Err(OpenError::TooManyStreams));
    }
    assert_eq!(refused, 2000 - 1024);
}

#[test]
fn rtcp_is_accepted_once_per_sender() {
    for profile in Profile::ALL {
        let mut wire = Wire::new(profile);
        let mut seal = |ssrc: u8| {
            let mut packet = vec![0x80, 0xc9, 0, 1, 0, 0, 0, ssrc];
            packet.resize(40, 0);
            let len = wire.sealer.seal_rtcp(&mut packet, 8).unwrap();
            packet.truncate(len);
            packet
        };
        let (first, second, other) = (seal(1), seal(1), seal(2));
        let mut open = |packet: &[u8]| wire.opener.open_rtcp(&mut packet.to_vec());
        assert_eq!(open(&second), Ok(8));
        assert_eq!(open(&first), Ok(8));
        assert_eq!(open(&second), Err(OpenError::Replayed));
        assert_eq!(open(&other), Ok(8));
        for len in 0..first.len() {
            assert!(open(&first[..len]).is_err());
        }
        // The first byte is covered as well: nothing of RTCP is looked at before the tag.
        for bit in 0..other.len() * 8 {
            let mut changed = other.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&changed).is_err(), "bit {bit}");
        }
    }
}
