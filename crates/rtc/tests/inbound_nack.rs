//! Missing packets are requested once reordering is excluded, a bounded number of times.

use core::time::Duration;
use rtc::inbound::nack::{Arrival, NackTracker};
use wire::time::Time;

const RTT: Option<Duration> = Some(Duration::from_millis(50));

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn poll(tracker: &mut NackTracker, now: Time) -> Vec<u16> {
    let mut out = Vec::new();
    tracker.poll(now, RTT, &mut out);
    out
}

/// Poll at each timeout until `end`; return (millisecond, number) of each request.
fn run(tracker: &mut NackTracker, end: Time) -> Vec<(u64, u16)> {
    let mut requests = Vec::new();
    while let Some(due) = tracker.poll_timeout().filter(|&due| due <= end) {
        let asked = poll(tracker, due);
        requests.extend(asked.into_iter().map(|number| (due.as_millis(), number)));
    }
    requests
}

#[test]
fn a_complete_stream_requests_nothing() {
    let mut tracker = NackTracker::new();
    for index in 65_000..66_000 {
        assert_eq!(tracker.received(at(index), index), Arrival::Next);
    }
    assert_eq!(tracker.poll_timeout(), None);
    assert_eq!(tracker.counters(), Default::default());
}

#[test]
fn reordering_by_two_is_tolerated() {
    let mut tracker = NackTracker::new();
    for index in [0, 3, 2] {
        tracker.received(at(0), index);
    }
    assert_eq!(poll(&mut tracker, at(1)), []);
    assert_eq!(tracker.received(at(1), 1), Arrival::Recovered);
    assert_eq!(tracker.poll_timeout(), None);
}

#[test]
fn three_later_packets_make_it_a_loss() {
    let mut tracker = NackTracker::new();
    for index in [0, 2, 3] {
        tracker.received(at(0), index);
    }
    assert_eq!(poll(&mut tracker, at(1)), []);
    tracker.received(at(1), 4);
    assert_eq!(tracker.poll_timeout(), Some(at(1)));
    assert_eq!(poll(&mut tracker, at(1)), [1]);
}

#[test]
fn ten_milliseconds_make_it_a_loss_of_a_slow_stream() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    tracker.received(at(40), 2);
    assert_eq!(tracker.poll_timeout(), Some(at(50)));
    assert_eq!(poll(&mut tracker, at(49)), []);
    assert_eq!(poll(&mut tracker, at(50)), [1]);
}

#[test]
fn retries_are_a_round_trip_apart_and_end() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    tracker.received(at(0), 2);
    let requests = run(&mut tracker, at(10_000));
    let expected: Vec<_> = (0..10).map(|nth| (10 + nth * 50, 1)).collect();
    assert_eq!(requests, expected);
    assert!(!tracker.is_missing(1));
    let counters = tracker.counters();
    assert_eq!(
        (counters.missing, counters.given_up, counters.requested),
        (1, 1, 10)
    );
    assert_eq!(tracker.received(at(10_000), 1), Arrival::Unexpected);
}

#[test]
fn without_a_round_trip_requests_are_100_ms_apart_and_never_below_20() {
    for (rtt, apart) in [(None, 100), (Some(Duration::from_millis(1)), 20)] {
        let mut tracker = NackTracker::new();
        tracker.received(at(0), 0);
        tracker.received(at(0), 2);
        let mut out = Vec::new();
        tracker.poll(at(10), rtt, &mut out);
        assert_eq!(out, [1]);
        assert_eq!(tracker.poll_timeout(), Some(at(10 + apart)));
    }
}

#[test]
fn received_packets_are_not_requested_again() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    tracker.received(at(0), 5);
    assert_eq!(poll(&mut tracker, at(0)), [1, 2]);
    assert_eq!(tracker.received(at(5), 2), Arrival::Recovered);
    assert_eq!(tracker.received(at(5), 2), Arrival::Unexpected);
    assert_eq!(poll(&mut tracker, at(10)), [3, 4]);
    assert_eq!(poll(&mut tracker, at(60)), [1, 3, 4]);
    assert_eq!(tracker.counters().recovered, 1);
}

#[test]
fn numbers_wrap() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0xfffd);
    tracker.received(at(0), 0x1_0002);
    assert_eq!(poll(&mut tracker, at(10)), [0xfffe, 0xffff, 0, 1]);
}

#[test]
fn a_burst_is_requested_in_parts_that_fit_a_packet() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    tracker.received(at(0), 401);
    let requests = run(&mut tracker, at(10));
    assert_eq!(requests.len(), 400);
    assert_eq!(poll(&mut tracker, at(10)).len(), 0);
    // The second time no more than is left of 500 requests; the rest is given up.
    assert_eq!(poll(&mut tracker, at(200)).len(), 100);
    assert_eq!(tracker.poll_timeout(), None);
}

#[test]
fn memory_is_bounded_and_the_oldest_are_given_up() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    for index in 1..=2_000 {
        tracker.received(at(0), index * 2);
    }
    assert!(!tracker.is_missing(1_999));
    assert!(tracker.is_missing(2_001));
    assert!(tracker.is_missing(3_999));
    let counters = tracker.counters();
    assert_eq!((counters.missing, counters.given_up), (2_000, 1_000));
}

#[test]
fn a_jump_is_a_new_start() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    tracker.received(at(0), 2);
    tracker.received(at(0), 30_000);
    assert_eq!(tracker.poll_timeout(), None);
    let counters = tracker.counters();
    assert_eq!(counters.missing, counters.given_up);
    tracker.received(at(0), 30_002);
    assert!(tracker.is_missing(30_001));
}

#[test]
fn a_cleared_stream_requests_nothing() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    tracker.received(at(0), 9);
    tracker.clear();
    assert_eq!(tracker.poll_timeout(), None);
    assert_eq!(run(&mut tracker, at(1_000)), []);
    assert_eq!(tracker.counters().given_up, 8);
}

/// Every count adds up whatever is lost, late or repeated.
#[test]
fn counters_balance_under_random_loss() {
    let mut tracker = NackTracker::new();
    let mut random = 1_u64;
    let mut waiting = 0;
    for index in 0..20_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let now = at(index);
        if random >> 60 != 0 {
            tracker.received(now, index);
        }
        for number in poll(&mut tracker, now) {
            if number % 3 != 0 {
                let cycle = index & !0xffff;
                tracker.received(now, cycle | u64::from(number));
            }
        }
        if index == 19_999 {
            waiting = (0..index).filter(|&it| tracker.is_missing(it)).count();
        }
    }
    let counters = tracker.counters();
    assert!(counters.recovered > 500 && counters.given_up > 200);
    assert_eq!(
        counters.missing,
        counters.recovered + counters.given_up + waiting as u64
    );
}

/// Where most is lost, something is overloaded: asking for all of it would be the end.
#[test]
fn requests_never_exceed_a_quarter_of_what_arrives() {
    let mut tracker = NackTracker::new();
    let (mut arrived, mut requested) = (0, 0);
    for index in 0..20_000u64 {
        if index % 5 < 2 {
            tracker.received(at(index), index);
            arrived += 1;
        }
        requested += poll(&mut tracker, at(index)).len();
    }
    assert!(requested <= arrived / 4 + 500, "{requested} of {arrived}");
    assert!(requested >= arrived / 5, "{requested} of {arrived}");
    assert!(!tracker.is_missing(19_999));
}

#[test]
fn skipped_packets_are_not_requested() {
    let mut tracker = NackTracker::new();
    tracker.received(at(0), 0);
    tracker.received(at(0), 5);
    tracker.skip(40);
    assert_eq!(tracker.poll_timeout(), None);
    tracker.skip(30);
    tracker.received(at(0), 43);
    assert_eq!(poll(&mut tracker, at(10)), [41, 42]);
}
