//! Transport-wide feedback that we write is read back, whatever the pattern of loss.

use core::time::Duration;
use proptest::prelude::*;
use wire::id::Ssrc;
use wire::rtcp::{Packet, TWCC_TICK, TwccBuilder, compound};
use wire::time::Time;

/// Parse a feedback: sequence number and arrival of each packet, in ticks.
fn read(datagram: &[u8]) -> Vec<(u16, Option<i64>)> {
    let mut packets = compound(datagram);
    let Some(Ok(Packet::TransportFeedback(feedback))) = packets.next() else {
        panic!("no feedback");
    };
    assert!(packets.next().is_none());
    assert_eq!((feedback.sender, feedback.media), (Ssrc(1), Ssrc(2)));
    assert_eq!(feedback.feedback_count, 200);
    let read: Vec<_> = feedback.packets().collect();
    assert_eq!(read.len(), usize::from(feedback.packet_count));
    read
}

fn ticks(at: Time) -> i64 {
    (at.as_nanos() / TWCC_TICK.as_nanos() as u64) as i64
}

/// Holes before each arrival and milliseconds between arrivals, negative for reordering.
fn pattern() -> impl Strategy<Value = Vec<(u16, i64)>> {
    let hole = prop_oneof![6 => Just(0_u16), 2 => 1_u16..4, 1 => 4_u16..60, 1 => 60_u16..3_000];
    let step_us = prop_oneof![8 => 0_i64..3_000, 1 => -40_000_i64..0, 1 => 0_i64..900_000];
    prop::collection::vec((hole, step_us), 1..400)
}

proptest! {
    #[test]
    fn every_arrival_comes_back(base in any::<u16>(), pattern in pattern()) {
        let mut builder = TwccBuilder::new();
        let mut sequence = base;
        let mut now_us = 3_000_000_i64;
        let mut expected = Vec::new();
        for (nth, (hole, step_us)) in pattern.into_iter().enumerate() {
            now_us += step_us.max(1_000_000 - now_us);
            let at = Time::from_micros(now_us as u64);
            if nth == 0 {
                builder.start(base, at);
            }
            let arrived = sequence.wrapping_add(hole);
            if !builder.push(arrived, at) {
                break;
            }
            expected.extend((0..hole).map(|lost| (sequence.wrapping_add(lost), None)));
            expected.push((arrived, Some(ticks(at))));
            sequence = arrived.wrapping_add(1);
        }
        prop_assert_eq!(builder.end(), sequence);
        let mut out = Vec::new();
        builder.write(&mut out, Ssrc(1), Ssrc(2), 200);
        prop_assert!(out.len() <= 1_000, "{} bytes", out.len());
        prop_assert_eq!(read(&out), expected);
    }
}

#[test]
fn a_steady_stream_takes_one_byte_a_packet() {
    let mut builder = TwccBuilder::new();
    builder.start(0, Time::from_millis(500));
    for sequence in 0..100 {
        assert!(builder.push(sequence, Time::from_millis(500 + u64::from(sequence))));
    }
    let mut out = Vec::new();
    builder.write(&mut out, Ssrc(1), Ssrc(2), 200);
    assert_eq!(out.len(), 124);
}

#[test]
fn a_delta_beyond_16_bits_wants_another_feedback() {
    let mut builder = TwccBuilder::new();
    let start = Time::from_secs(1);
    builder.start(0, start);
    assert!(builder.push(0, start));
    assert!(!builder.push(1, start + Duration::from_secs(9)));
    assert!(builder.push(1, start + Duration::from_secs(8)));
}

#[test]
fn the_builder_is_used_again() {
    let mut builder = TwccBuilder::new();
    builder.start(7, Time::from_secs(1));
    assert!(builder.is_empty());
    assert!(builder.push(9, Time::from_secs(1)));
    builder.start(65_535, Time::from_secs(2));
    assert!(builder.is_empty());
    assert!(builder.push(65_535, Time::from_secs(2)));
    assert!(builder.push(0, Time::from_secs(2)));
    let mut out = Vec::new();
    builder.write(&mut out, Ssrc(1), Ssrc(2), 200);
    assert_eq!(read(&out), [(65_535, Some(8_000)), (0, Some(8_000))]);
}
