//! An (SSRC, rollover counter, sequence number) is sealed once per key, whatever the caller does.

use proptest::prelude::*;
use rtc::srtp::{MasterKey, Profile, SealError, SealStream, Sealer, SsrcReused};
use std::collections::HashSet;
use wire::id::Ssrc;

fn sealer() -> Sealer {
    let profile = Profile::AeadAes128Gcm;
    let master = MasterKey::new(profile, &[3; 16], &[5; 12]).unwrap();
    Sealer::new(profile, &master)
}

fn seal(sealer: &mut Sealer, stream: &mut SealStream, index: u64) -> Result<usize, SealError> {
    let mut packet = [0; 60];
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
    packet[8..12].copy_from_slice(&stream.ssrc().0.to_be_bytes());
    sealer.seal_rtp(stream, index, &mut packet, 12, 40)
}

#[test]
fn ten_thousand_subscriptions_of_one_transport_never_repeat_a_nonce() {
    let mut sealer = sealer();
    let mut nonces = HashSet::new();
    for cycle in 0..10_000_u32 {
        // A caller whose SSRCs wrap around requests used ones, which are rejected.
        let wanted = Ssrc(cycle % 4096);
        let Ok(mut stream) = sealer.stream(wanted) else {
            continue;
        };
        for index in 0..3 {
            assert!(seal(&mut sealer, &mut stream, index).is_ok());
            assert!(nonces.insert((wanted, index)));
        }
    }
    assert_eq!(nonces.len(), 3 * 4096);
}

#[test]
fn an_ssrc_is_handed_out_once_even_after_its_stream_is_gone() {
    let mut sealer = sealer();
    assert!(sealer.stream(Ssrc(1)).is_ok());
    assert_eq!(sealer.stream(Ssrc(1)).err(), Some(SsrcReused(Ssrc(1))));
    assert!(sealer.stream(Ssrc(2)).is_ok());
}

#[test]
fn a_packet_under_another_ssrc_or_sequence_number_is_refused() {
    let mut sealer = sealer();
    let mut stream = sealer.stream(Ssrc(1)).unwrap();
    let mut packet = [0; 60];
    packet[11] = 2;
    assert_eq!(
        sealer.seal_rtp(&mut stream, 0, &mut packet, 12, 40),
        Err(SealError::HeaderMismatch)
    );
    packet[11] = 1;
    assert_eq!(
        sealer.seal_rtp(&mut stream, 9, &mut packet, 12, 40),
        Err(SealError::HeaderMismatch)
    );
    assert!(sealer.seal_rtp(&mut stream, 0, &mut packet, 12, 40).is_ok());
}

#[test]
fn indices_end_at_48_bits() {
    let mut sealer = sealer();
    let mut stream = sealer.stream(Ssrc(1)).unwrap();
    assert!(seal(&mut sealer, &mut stream, (1 << 48) - 1).is_ok());
    assert_eq!(
        seal(&mut sealer, &mut stream, 1 << 48),
        Err(SealError::IndexExhausted)
    );
}

proptest! {
    #[test]
    fn no_order_of_indices_seals_one_twice(steps in prop::collection::vec(-1200_i64..1200, 1..300)) {
        let (mut sealer, mut index) = (sealer(), 100_000_u64);
        let mut stream = sealer.stream(Ssrc(1)).unwrap();
        let mut sealed = HashSet::new();
        for step in steps {
            index = index.saturating_add_signed(step);
            match seal(&mut sealer, &mut stream, index) {
                Ok(_) => prop_assert!(sealed.insert(index)),
                Err(SealError::IndexReused) => prop_assert!(sealed.contains(&index)),
                Err(error) => prop_assert_eq!(error, SealError::IndexTooOld),
            }
        }
    }
}
