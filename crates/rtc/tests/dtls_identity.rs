//! No event is reported before the peer's certificate matches its fingerprint.

#[path = "support/dtls_pair.rs"]
mod dtls_pair;

use dtls_pair::{MTU, Pair, ecdsa, rsa};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use rtc::dtls::{Certificate, Context, DtlsError, DtlsEvent, Fingerprint, HashAlgorithm, Role};
use rtc::srtp::Profile;

fn without_fingerprints() -> Pair {
    Pair::without_fingerprints(ecdsa(), rsa(), &Profile::ALL, MTU)
}

#[test]
fn every_kind_of_certificate_meets_every_other() {
    for (client, server) in [
        (ecdsa(), ecdsa()),
        (rsa(), ecdsa()),
        (ecdsa(), rsa()),
        (rsa(), rsa()),
    ] {
        let mut pair = Pair::new(client, server);
        pair.run();
        assert!(pair.is_connected());
    }
}

/// FFmpeg with GnuTLS signs on P-224.
#[test]
fn a_certificate_may_be_on_any_curve() {
    for curve in [Nid::SECP224R1, Nid::SECP384R1, Nid::SECP521R1] {
        let group = EcGroup::from_curve_name(curve).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let other = Context::new(&Certificate::self_signed(key).unwrap()).unwrap();
        for (client, server) in [(ecdsa(), &other), (&other, ecdsa())] {
            let mut pair = Pair::new(client, server);
            pair.run();
            assert!(pair.is_connected(), "{curve:?}");
        }
    }
}

#[test]
fn a_wrong_fingerprint_fails_with_an_alert_to_the_peer() {
    let mut pair = without_fingerprints();
    pair.exchange_fingerprints(rsa(), rsa());
    pair.run();
    assert_eq!(
        pair.server.events,
        [DtlsEvent::Failed(DtlsError::CertificateMismatch)]
    );
    // RFC 8122 section 6.2: bad_certificate.
    let peer_event = pair.client.events.last();
    assert!(
        matches!(peer_event, Some(DtlsEvent::Failed(DtlsError::Broken(text))) if text.contains("BAD_CERTIFICATE")),
        "{peer_event:?}"
    );
}

#[test]
fn a_late_fingerprint_releases_what_was_held() {
    let mut pair = without_fingerprints();
    pair.client
        .dtls
        .expect_fingerprint(vec![rsa().fingerprint()]);
    pair.run();
    assert!(pair.client.keying().is_some());
    let now = pair.now;
    pair.client.dtls.send(now, b"early").unwrap();
    pair.run();
    assert_eq!(pair.server.events, []);
    assert!(pair.server.dtls.send(now, b"answer").is_err());

    pair.server
        .dtls
        .expect_fingerprint(vec![ecdsa().fingerprint()]);
    pair.run();
    let connected = pair.server.dtls.poll_event();
    assert!(matches!(connected, Some(DtlsEvent::Connected { .. })));
    assert_eq!(
        pair.server.dtls.poll_event(),
        Some(DtlsEvent::ApplicationData(b"early".to_vec()))
    );
}

#[test]
fn a_late_wrong_fingerprint_delivers_nothing() {
    let mut pair = without_fingerprints();
    pair.client
        .dtls
        .expect_fingerprint(vec![rsa().fingerprint()]);
    pair.run();
    let now = pair.now;
    pair.client.dtls.send(now, b"early").unwrap();
    pair.run();
    pair.server
        .dtls
        .expect_fingerprint(vec![rsa().fingerprint()]);
    assert_eq!(
        pair.server.dtls.poll_event(),
        Some(DtlsEvent::Failed(DtlsError::CertificateMismatch))
    );
    assert_eq!(pair.server.dtls.poll_event(), None);
}

#[test]
fn messages_of_an_unverified_peer_are_bounded() {
    let mut pair = without_fingerprints();
    pair.client
        .dtls
        .expect_fingerprint(vec![rsa().fingerprint()]);
    pair.run();
    let now = pair.now;
    for _ in 0..1000 {
        pair.client.dtls.send(now, b"flood").unwrap();
    }
    pair.run();
    pair.server
        .dtls
        .expect_fingerprint(vec![ecdsa().fingerprint()]);
    let mut events = 0;
    while pair.server.dtls.poll_event().is_some() {
        events += 1;
    }
    assert!(events <= 16, "{events}");
}

#[test]
fn no_announced_fingerprint_is_no_match() {
    let mut pair = without_fingerprints();
    pair.server.dtls.expect_fingerprint(vec![]);
    pair.run();
    assert_eq!(
        pair.server.events,
        [DtlsEvent::Failed(DtlsError::CertificateMismatch)]
    );
}

#[test]
fn one_of_several_fingerprints_is_enough() {
    let certificate = Certificate::generate_ecdsa().unwrap();
    let context = Context::new(&certificate).unwrap();
    let weak = Fingerprint::of(HashAlgorithm::Sha224, b"some other certificate");
    let mut pair = Pair::without_fingerprints(&context, ecdsa(), &Profile::ALL, MTU);
    pair.exchange_fingerprints(&context, ecdsa());
    pair.server
        .dtls
        .expect_fingerprint(vec![weak, rsa().fingerprint(), certificate.fingerprint()]);
    pair.run();
    assert!(pair.is_connected());
}

#[test]
fn messages_pass_both_ways_and_close_notify_closes() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    pair.run();
    let now = pair.now;
    pair.client.dtls.send(now, b"question").unwrap();
    pair.server.dtls.send(now, b"answer").unwrap();
    pair.run();
    let heard = |message: &[u8]| Some(DtlsEvent::ApplicationData(message.to_vec()));
    assert_eq!(pair.server.events.last().cloned(), heard(b"question"));
    assert_eq!(pair.client.events.last().cloned(), heard(b"answer"));

    pair.client.dtls.close(now);
    pair.run();
    assert_eq!(pair.server.events.last(), Some(&DtlsEvent::Closed));
    assert!(pair.server.dtls.send(now, b"too late").is_err());
    assert!(pair.end(Role::Client).dtls.send(now, b"too late").is_err());
}
