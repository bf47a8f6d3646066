//! Transport-wide numbers are stamped once per packet, and feedback on them counts once.

use core::time::Duration;
use rtc::inbound::twcc::TwccReceiver;
use rtc::outbound::twcc::{Summary, TwccSender};
use wire::id::Ssrc;
use wire::rtcp::{Packet, compound};
use wire::time::Time;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// Hand all feedback of `receiver` to `sender`.
fn deliver(receiver: &mut TwccReceiver, sender: &mut TwccSender, now: Time) -> Vec<Summary> {
    let mut summaries = Vec::new();
    let mut out = Vec::new();
    while receiver.build_feedback(&mut out, Ssrc(1), Ssrc(2)) {
        let Some(Ok(Packet::TransportFeedback(feedback))) = compound(&out).next() else {
            panic!("no feedback");
        };
        summaries.push(sender.on_feedback(now, &feedback));
        out.clear();
    }
    summaries
}

#[test]
fn numbers_count_up_from_one_and_wrap() {
    let mut sender = TwccSender::new();
    for expected in (1..=u16::MAX).chain([0, 1, 2]) {
        assert_eq!(sender.stamp(at(0), 1_200), expected);
    }
    assert_eq!(sender.stamped(), 65_538);
}

#[test]
fn arrivals_losses_and_the_age_are_summed_up() {
    let mut sender = TwccSender::new();
    let mut receiver = TwccReceiver::new();
    for millis in 0..10 {
        let sequence = sender.stamp(at(millis), 1_000);
        if !matches!(sequence, 4 | 5) {
            receiver.received(sequence, at(millis + 30));
        }
    }
    let summaries = deliver(&mut receiver, &mut sender, at(130));
    let expected = Summary {
        acked_packets: 8,
        acked_bytes: 8_000,
        lost_packets: 2,
        lost_bytes: 2_000,
        newest_age: Some(Duration::from_millis(121)),
    };
    assert_eq!(summaries, [expected]);
}

#[test]
fn feedback_that_comes_twice_counts_once_and_late_packets_count_as_arrived() {
    let mut sender = TwccSender::new();
    let mut first = TwccReceiver::new();
    for _ in 0..3 {
        sender.stamp(at(0), 100);
    }
    first.received(1, at(20));
    first.received(3, at(21));
    let mut again = first.clone();
    assert_eq!(deliver(&mut first, &mut sender, at(40))[0].lost_packets, 1);
    assert_eq!(
        deliver(&mut again, &mut sender, at(41)),
        [Summary::default()]
    );
    first.received(2, at(50));
    let late = deliver(&mut first, &mut sender, at(60));
    assert_eq!((late[0].acked_packets, late[0].lost_packets), (1, 0));
}

#[test]
fn numbers_never_sent_or_long_forgotten_count_nothing() {
    let mut sender = TwccSender::new();
    let mut receiver = TwccReceiver::new();
    receiver.received(0, at(1));
    receiver.received(9, at(1));
    assert_eq!(
        deliver(&mut receiver, &mut sender, at(2)),
        [Summary::default()]
    );
    for _ in 0..2_000 {
        sender.stamp(at(3), 100);
    }
    for sequence in [10, 976, 977, 2_000, 2_001] {
        receiver.received(sequence, at(4));
    }
    let summaries = deliver(&mut receiver, &mut sender, at(5));
    let acked: u32 = summaries.iter().map(|summary| summary.acked_packets).sum();
    assert_eq!(acked, 2);
}

/// A report of a few bytes that claims 65,535 packets, all lost.
fn blanket_loss(base: u16) -> Vec<u8> {
    let mut packet = vec![0x8f, 205, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2];
    packet.extend(base.to_be_bytes());
    packet.extend([0xff, 0xff, 0, 0, 1, 0]);
    packet.extend([0x1f, 0xff].repeat(10));
    packet
}

#[test]
fn a_report_on_everything_tells_only_of_what_is_remembered() {
    let mut sender = TwccSender::new();
    for _ in 0..5_000 {
        sender.stamp(at(0), 100);
    }
    for (base, lost) in [(5_001, 0), (4_999, 2), (3_500, 1_024), (1_000, 0)] {
        let packet = blanket_loss(base);
        let Some(Ok(Packet::TransportFeedback(feedback))) = compound(&packet).next() else {
            panic!("no feedback");
        };
        let summary = sender.clone().on_feedback(at(1), &feedback);
        assert_eq!(summary.lost_packets, lost, "from {base}");
    }
}
