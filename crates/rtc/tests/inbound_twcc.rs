//! Transport-wide feedback reports every packet to the publisher, once, in time.

use core::time::Duration;
use std::collections::BTreeMap;

use rtc::inbound::twcc::TwccReceiver;
use wire::id::Ssrc;
use wire::rtcp::{Packet, compound};
use wire::time::Time;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// Build all feedback; return sequence numbers and arrivals of each packet.
fn feedback(receiver: &mut TwccReceiver) -> Vec<Vec<(u16, Option<i64>)>> {
    let mut all = Vec::new();
    let mut out = Vec::new();
    while receiver.build_feedback(&mut out, Ssrc(1), Ssrc(2)) {
        assert!(out.len() <= 1_000);
        let Some(Ok(Packet::TransportFeedback(feedback))) = compound(&out).next() else {
            panic!("no feedback");
        };
        all.push(feedback.packets().collect());
        out.clear();
    }
    all
}

fn ticks(millis: i64) -> Option<i64> {
    Some(millis * 4)
}

#[test]
fn feedback_is_due_100_ms_after_the_first_arrival() {
    let mut receiver = TwccReceiver::new();
    assert_eq!(receiver.poll_timeout(), None);
    assert_eq!(feedback(&mut receiver), Vec::<Vec<_>>::new());
    receiver.received(7, at(1_000));
    receiver.received(8, at(1_050));
    assert_eq!(receiver.poll_timeout(), Some(at(1_100)));
    assert_eq!(
        feedback(&mut receiver),
        [[(7, ticks(1_000)), (8, ticks(1_050))]]
    );
    assert_eq!(receiver.poll_timeout(), None);
}

#[test]
fn losses_between_two_feedbacks_are_reported() {
    let mut receiver = TwccReceiver::new();
    receiver.received(65_534, at(10));
    feedback(&mut receiver);
    receiver.received(1, at(20));
    receiver.received(0, at(21));
    let expected = [[(65_535, None), (0, ticks(21)), (1, ticks(20))]];
    assert_eq!(feedback(&mut receiver), expected);
}

#[test]
fn a_packet_reported_lost_that_comes_after_all_is_reported_alone() {
    let mut receiver = TwccReceiver::new();
    receiver.received(1, at(10));
    receiver.received(4, at(11));
    feedback(&mut receiver);
    receiver.received(2, at(200));
    receiver.received(5, at(201));
    let reports = feedback(&mut receiver);
    assert_eq!(reports, [vec![(2, ticks(200))], vec![(5, ticks(201))]]);
    receiver.received(6, at(300));
    assert_eq!(feedback(&mut receiver), [[(6, ticks(300))]]);
}

#[test]
fn a_duplicate_counts_once_with_its_first_arrival() {
    let mut receiver = TwccReceiver::new();
    receiver.received(1, at(10));
    receiver.received(2, at(11));
    receiver.received(1, at(12));
    assert_eq!(feedback(&mut receiver), [[(1, ticks(10)), (2, ticks(11))]]);
}

#[test]
fn a_pause_of_more_than_eight_seconds_starts_another_feedback() {
    let mut receiver = TwccReceiver::new();
    receiver.received(1, at(10));
    receiver.received(2, at(9_000));
    let reports = feedback(&mut receiver);
    assert_eq!(reports, [[(1, ticks(10))], [(2, ticks(9_000))]]);
}

#[test]
fn a_far_jump_is_no_loss() {
    let mut receiver = TwccReceiver::new();
    receiver.received(1, at(10));
    feedback(&mut receiver);
    receiver.received(20_000, at(20));
    assert_eq!(feedback(&mut receiver), [[(20_000, ticks(20))]]);
}

#[test]
fn a_number_before_the_first_cycle_does_not_derail() {
    let mut receiver = TwccReceiver::new();
    receiver.received(0, at(10));
    receiver.received(65_535, at(11));
    receiver.received(1, at(12));
    assert_eq!(feedback(&mut receiver), [[(0, ticks(10)), (1, ticks(12))]]);
    assert_eq!(receiver.dropped(), 1);
}

#[test]
fn many_arrivals_make_feedback_due_and_memory_is_bounded() {
    let mut receiver = TwccReceiver::new();
    for sequence in 0..5_000 {
        receiver.received(
            sequence,
            at(1_000) + Duration::from_micros(u64::from(sequence)),
        );
    }
    assert!(receiver.poll_timeout().unwrap() < at(1_006));
    let reported: usize = feedback(&mut receiver)
        .iter()
        .flatten()
        .filter(|(_, arrival)| arrival.is_some())
        .count();
    assert_eq!(reported, 1_024);
    assert_eq!(receiver.dropped(), 5_000 - 1_024);
}

/// Over a lossy, reordering path every packet is reported to the publisher.
#[test]
fn every_packet_is_reported() {
    let mut receiver = TwccReceiver::new();
    let mut random = 7_u64;
    let mut reported = BTreeMap::new();
    let mut arrived = Vec::new();
    for sequence in 0..30_000_u16 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        if random >> 60 == 0 {
            continue;
        }
        let delay = random >> 33 & 0x7;
        arrived.push((u64::from(sequence) * 2 + delay * 3, sequence));
    }
    arrived.sort_unstable();
    for &(millis, sequence) in &arrived {
        if receiver.poll_timeout().is_some_and(|due| due <= at(millis)) {
            apply(&mut reported, feedback(&mut receiver));
        }
        receiver.received(sequence, at(millis));
    }
    apply(&mut reported, feedback(&mut receiver));
    for (millis, sequence) in arrived.iter().filter(|(_, sequence)| *sequence > 20) {
        assert_eq!(
            reported[sequence],
            ticks(*millis as i64),
            "packet {sequence}"
        );
    }
    let first_to_last = 29_970;
    assert!(reported.len() > first_to_last);
}

/// Apply feedback: a packet reported as received is never reported as lost afterwards.
fn apply(reported: &mut BTreeMap<u16, Option<i64>>, reports: Vec<Vec<(u16, Option<i64>)>>) {
    for (sequence, arrival) in reports.into_iter().flatten() {
        let known = reported.insert(sequence, arrival);
        assert!(known.flatten().is_none() || arrival.is_some());
    }
}
