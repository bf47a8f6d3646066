//! Whatever indices, times and feedback a peer brings about: no panic, and memory stays bounded.

use core::time::Duration;

use proptest::prelude::*;
use rtc::inbound::loss::DuplicateFilter;
use rtc::inbound::nack::{MAX_REQUEST, NackTracker};
use rtc::inbound::report::InboundStats;
use rtc::inbound::rtx;
use rtc::inbound::twcc::TwccReceiver;
use rtc::outbound::report::SenderReports;
use rtc::outbound::twcc::TwccSender;
use wire::id::Ssrc;
use wire::rtcp::{Packet, ReportBlock, compound};
use wire::time::Time;

/// Indices that SRTP can give: 32 bits of roll-over and 16 of sequence.
fn indices() -> impl Strategy<Value = Vec<u64>> {
    let near = (
        0_u64..1 << 48,
        prop::collection::vec(-3_000_i64..3_000, 1..200),
    )
        .prop_map(|(start, steps)| {
            let step = |step: i64| start.saturating_add_signed(step).min((1 << 48) - 1);
            steps.into_iter().map(step).collect()
        });
    prop_oneof![near, prop::collection::vec(0_u64..1 << 48, 1..200)]
}

proptest! {
    #[test]
    fn reception_takes_any_order(indices in indices(), timestamps in any::<[u32; 8]>()) {
        let mut stats = InboundStats::new(Ssrc(1), 90_000);
        let mut recovery = DuplicateFilter::new();
        for (nth, index) in (0..).zip(&indices) {
            stats.receive(*index, timestamps[nth % 8], Time::from_millis(nth as u64));
            recovery.receive(*index);
            rtx::read(&index.to_be_bytes(), *index);
        }
        let highest = indices.iter().max().copied();
        prop_assert_eq!(stats.loss().highest(), highest);
        let block = stats.report_block(Time::FAR).unwrap();
        prop_assert_eq!(block.highest_sequence, highest.unwrap() as u32);
        prop_assert!(stats.loss().expected() >= 1);
    }

    #[test]
    fn requests_stay_bounded(indices in indices(), rtt_ms in 0_u64..5_000) {
        let mut tracker = NackTracker::new();
        let mut out = Vec::new();
        for (nth, index) in (0..).zip(&indices) {
            let now = Time::from_millis(nth * 7);
            tracker.received(now, *index);
            tracker.poll(now, Some(Duration::from_millis(rtt_ms)), &mut out);
            prop_assert!(out.len() <= MAX_REQUEST);
        }
        // Requests end.
        let mut rounds = 0;
        while let Some(due) = tracker.poll_timeout() {
            tracker.poll(due, None, &mut out);
            rounds += 1;
            prop_assert!(rounds < 10_000);
        }
        let counters = tracker.counters();
        prop_assert_eq!(counters.missing, counters.recovered + counters.given_up);
    }

    #[test]
    fn feedback_takes_any_numbers(arrivals in prop::collection::vec((any::<u16>(), 0_u64..20_000), 0..300)) {
        let mut receiver = TwccReceiver::new();
        let mut sender = TwccSender::new();
        for (sequence, millis) in &arrivals {
            sender.stamp(Time::from_millis(*millis), 1_200);
            receiver.received(*sequence, Time::from_millis(*millis));
        }
        let mut out = Vec::new();
        let mut rounds = 0;
        while receiver.build_feedback(&mut out, Ssrc(1), Ssrc(2)) {
            let Some(Ok(Packet::TransportFeedback(feedback))) = compound(&out).next() else {
                panic!("no feedback");
            };
            sender.on_feedback(Time::FAR, &feedback);
            out.clear();
            rounds += 1;
        }
        prop_assert!(rounds <= arrivals.len());
    }

    #[test]
    fn reports_take_any_block(words in any::<[u32; 4]>(), fraction_lost in any::<u8>(), now in any::<u64>()) {
        let mut reports = SenderReports::new(words[0]);
        let block = ReportBlock {
            ssrc: Ssrc(1),
            fraction_lost,
            cumulative_lost: words[1] as i32,
            highest_sequence: words[2],
            jitter: words[3],
            last_sr: words[1],
            delay_since_last_sr: words[2],
        };
        prop_assert_eq!(reports.on_report_block(Time::from_nanos(now), &block), None);
        reports.remote_jitter();
    }
}
