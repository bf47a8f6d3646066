//! A handshake recovers by its own timer from the loss of any flight and of any datagram.

#[path = "support/dtls_pair.rs"]
mod dtls_pair;

use core::time::Duration;
use dtls_pair::{MTU, Pair, ecdsa, rsa};
use proptest::prelude::*;
use rtc::dtls::{DtlsError, DtlsEvent, Role};
use rtc::srtp::Profile;
use wire::time::Time;

#[test]
fn two_round_trips_without_loss() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    let start = pair.now;
    pair.run();
    assert!(pair.is_connected());
    assert_eq!(pair.flights, 4);
    assert_eq!(pair.now.since(start), Duration::from_millis(80));
    assert_eq!(pair.client.dtls.poll_timeout(), None);
    assert_eq!(pair.server.dtls.poll_timeout(), None);
}

#[test]
fn each_lost_flight_costs_one_timeout() {
    for lost in 0..4 {
        let mut pair = Pair::new(ecdsa(), ecdsa());
        let start = pair.now;
        pair.run_over(|_, flight| {
            if flight.number == lost {
                return vec![];
            }
            flight.datagrams
        });
        assert!(pair.is_connected(), "flight {lost}");
        let took = pair.now.since(start);
        assert!(took < Duration::from_millis(400), "flight {lost}: {took:?}");
    }
}

#[test]
fn each_flight_may_be_lost_three_times_in_a_row() {
    for lost in 0..4 {
        let mut pair = Pair::new(ecdsa(), ecdsa());
        pair.run_over(|_, flight| {
            let gone = match lost {
                0 | 2 => flight.from == Role::Client,
                _ => flight.from == Role::Server,
            };
            if gone && (lost..lost + 6).contains(&flight.number) {
                return vec![];
            }
            flight.datagrams
        });
        assert!(pair.is_connected(), "from flight {lost}");
    }
}

#[test]
fn a_peer_without_responses_times_out_after_30_seconds() {
    let mut pair = Pair::new(ecdsa(), ecdsa());
    let start = pair.now;
    pair.run_over(|_, _| vec![]);
    assert_eq!(
        pair.client.events,
        [DtlsEvent::Failed(DtlsError::Timeout(None))]
    );
    assert_eq!(pair.now.since(start).as_secs(), 30);
    assert_eq!(pair.client.dtls.poll_timeout(), None);
}

#[test]
fn the_clock_is_the_one_passed_in() {
    for origin in [Time::ZERO, Time::from_secs(1 << 32)] {
        let mut pair = Pair::new(ecdsa(), ecdsa());
        pair.now = origin;
        pair.run_over(|_, flight| {
            if flight.number == 0 {
                return vec![];
            }
            flight.datagrams
        });
        assert!(pair.is_connected());
        assert!(pair.now.since(origin) < Duration::from_millis(400));
    }
}

#[test]
fn each_lost_datagram_is_recovered_where_flights_are_fragmented() {
    for lost in 0.. {
        let mut pair = Pair::without_fingerprints(rsa(), rsa(), &Profile::ALL, 300);
        pair.exchange_fingerprints(rsa(), rsa());
        let mut count = 0;
        pair.run_over(|_, mut flight| {
            flight.datagrams.retain(|_| {
                count += 1;
                count != lost + 1
            });
            flight.datagrams
        });
        assert!(pair.is_connected(), "datagram {lost}");
        if count <= lost {
            assert!(lost > 10);
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A bad path: a fifth is lost, a fifth comes twice, all of it out of order.
    #[test]
    fn a_bad_path_delays_and_does_not_prevent(fates in prop::collection::vec(0_u8..5, 500)) {
        let mut pair = Pair::without_fingerprints(ecdsa(), rsa(), &Profile::ALL, MTU / 2);
        pair.exchange_fingerprints(ecdsa(), rsa());
        let mut fates = fates.into_iter();
        pair.run_over(|_, flight| {
            let mut arriving = Vec::new();
            for datagram in flight.datagrams {
                match fates.next() {
                    Some(0) => {}
                    Some(1) => arriving.extend([datagram.clone(), datagram]),
                    Some(2) => arriving.insert(0, datagram),
                    _ => arriving.push(datagram),
                }
            }
            arriving
        });
        prop_assert!(pair.is_connected());
    }
}
