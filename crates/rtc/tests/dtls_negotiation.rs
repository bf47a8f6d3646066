//! What the two ends agree on, and the datagrams they do it with.

#[path = "support/dtls_pair.rs"]
mod dtls_pair;

use dtls_pair::{MTU, Pair, ecdsa, rsa};
use rtc::dtls::{DtlsError, DtlsEvent, Role};
use rtc::srtp::Profile;
use wire::time::Time;

const GCM: Profile = Profile::AeadAes128Gcm;
const CM: Profile = Profile::Aes128CmSha1_80;

fn agreed(offered: &[Profile]) -> Option<Profile> {
    let mut pair = Pair::without_fingerprints(ecdsa(), ecdsa(), offered, MTU);
    pair.exchange_fingerprints(ecdsa(), ecdsa());
    pair.run();
    assert!(pair.is_connected());
    Some(pair.server.keying()?.profile)
}

#[test]
fn the_server_takes_gcm_wherever_the_client_lists_it() {
    assert_eq!(agreed(&[GCM, CM]), Some(GCM));
    assert_eq!(agreed(&[CM, GCM]), Some(GCM));
    assert_eq!(agreed(&[CM]), Some(CM));
}

#[test]
fn a_server_configured_for_cm_uses_cm() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    pair.server = dtls_pair::End::new(ecdsa(), Role::Server, &[CM], MTU);
    pair.exchange_fingerprints(ecdsa(), ecdsa());
    pair.run();
    assert!(pair.is_connected());
    assert_eq!(pair.client.keying().map(|keying| keying.profile), Some(CM));
}

#[test]
fn without_a_common_profile_both_say_so() {
    let mut pair = Pair::without_fingerprints(ecdsa(), ecdsa(), &[CM], MTU);
    pair.server = dtls_pair::End::new(ecdsa(), Role::Server, &[GCM], MTU);
    pair.exchange_fingerprints(ecdsa(), ecdsa());
    pair.run();
    let none = [DtlsEvent::Failed(DtlsError::NoSrtpProfile)];
    assert_eq!(pair.server.events, none);
    assert_eq!(pair.client.events, none);
}

#[test]
fn each_handshake_yields_keys_of_its_own() {
    let keying = || {
        let mut pair = Pair::new(ecdsa(), ecdsa());
        pair.run();
        pair.server.keying().cloned()
    };
    let (one, other) = (keying().unwrap(), keying().unwrap());
    assert!(one != other);
    assert!(one.client != one.server);
}

#[test]
fn no_datagram_is_longer_than_the_mtu() {
    for mtu in [228, 300, 500, MTU] {
        let mut pair = Pair::without_fingerprints(rsa(), rsa(), &Profile::ALL, mtu);
        pair.exchange_fingerprints(rsa(), rsa());
        let mut longest = 0;
        // Losses as well: retransmissions obey, too.
        pair.run_over(|_, flight| {
            longest = flight
                .datagrams
                .iter()
                .map(Vec::len)
                .max()
                .max(Some(longest))
                .unwrap();
            if flight.number < 4 {
                return vec![];
            }
            flight.datagrams
        });
        assert!(pair.is_connected(), "mtu {mtu}");
        assert!(longest <= mtu, "mtu {mtu}: {longest}");
        assert!(longest > mtu - 100, "mtu {mtu}: {longest}");
    }
}

/// Cut the one handshake message in `datagram` into fragments of `size` bytes, a datagram each, as
/// a client with a post-quantum key share does (RFC 6347 section 4.2.3).
fn fragmented(datagram: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (record, message) = datagram.split_at(13);
    let (header, body) = message.split_at(12);
    let cut = |(i, piece): (usize, &[u8])| {
        let len = |len: usize| (len as u32).to_be_bytes();
        let mut sequence = record[..11].to_vec();
        sequence[10] = 100 + i as u8;
        let record_len = ((12 + piece.len()) as u16).to_be_bytes();
        let place = [&len(i * size)[1..], &len(piece.len())[1..]].concat();
        [&sequence, &record_len[..], &header[..6], &place, piece].concat()
    };
    body.chunks(size).enumerate().map(cut).collect()
}

#[test]
fn a_client_hello_may_come_in_pieces_and_in_any_order() {
    for size in [30, 70, 100] {
        for reversed in [false, true] {
            let mut pair = Pair::new(ecdsa(), ecdsa());
            pair.run_over(|_, flight| {
                if flight.number > 0 {
                    return flight.datagrams;
                }
                let mut pieces = fragmented(&flight.datagrams[0], size);
                assert!(pieces.len() > 1);
                if reversed {
                    pieces.reverse();
                }
                pieces
            });
            assert!(
                pair.is_connected(),
                "pieces of {size}, reversed: {reversed}"
            );
            assert_eq!(pair.flights, 4);
        }
    }
}

#[test]
fn a_server_says_nothing_first_and_a_client_starts_at_once() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    assert_eq!(pair.server.dtls.poll_timeout(), None);
    assert_eq!(pair.client.dtls.poll_timeout(), Some(Time::ZERO));
    assert!(pair.client.sent().is_empty());
    pair.client.dtls.handle_timeout(Time::from_secs(5));
    assert_eq!(pair.client.sent().len(), 1);
    assert_eq!(
        pair.client.dtls.poll_timeout(),
        Some(Time::from_millis(5200))
    );
}
