//! Timestamps over a switch of encoding: the best that is known decides, once.

use core::time::Duration;

use proptest::prelude::*;
use rtc::timeline::{Alignment, SourceClock, Timeline};
use wire::time::{NtpTime, Time};

const RATE: u32 = 90_000;
const FRAME: u32 = 3_000;

fn ntp_ms(ms: u64) -> NtpTime {
    NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + ms))
}

fn at_ms(ms: u64) -> Time {
    Time::from_millis(1_000_000 + ms)
}

fn unknown() -> SourceClock {
    SourceClock::new(RATE)
}

/// A clock whose timestamp 0 was at `ms`, as its sender reports say.
fn reported(ms: u64) -> SourceClock {
    let mut clock = unknown();
    clock.on_sender_report(90 * 500, ntp_ms(ms + 500));
    clock
}

fn captured(ms: u64) -> SourceClock {
    let mut clock = unknown();
    clock.on_capture_time(90 * 200, ntp_ms(ms + 200));
    clock
}

/// A timeline that sent a frame with incoming timestamp 9,000 (100 ms) at 1,100 ms.
fn running() -> Timeline {
    let mut timeline = Timeline::new(RATE, 50_000);
    timeline.switch(at_ms(1_000), &unknown(), &unknown(), 0);
    timeline.sent(at_ms(1_000), 0);
    timeline.sent(at_ms(1_100), 9_000);
    timeline
}

/// The step from the last timestamp of [`running`] to the first of the new source, in ticks.
fn step(from: SourceClock, to: SourceClock, first: u32, now: Time) -> (i32, Alignment) {
    let mut timeline = running();
    let last = timeline.at(9_000);
    let alignment = timeline.switch(now, &from, &to, first);
    (timeline.at(first).wrapping_sub(last) as i32, alignment)
}

#[test]
fn the_first_source_starts_at_the_given_timestamp() {
    let mut timeline = Timeline::new(RATE, 50_000);
    let alignment = timeline.switch(at_ms(0), &unknown(), &unknown(), 777);
    assert_eq!((timeline.at(777), alignment), (50_000, Alignment::First));
    assert_eq!(timeline.at(777 + FRAME), 50_000 + FRAME);
    assert_eq!(alignment.reason(), None);
}

#[test]
fn capture_times_align_exactly_whatever_arrived_when() {
    // The old source was at 100 ms of its clock, the new one at 150 ms of the same moment.
    let first = 90 * 150;
    let (ticks, alignment) = step(captured(0), captured(0), first, at_ms(1_900));
    assert_eq!((ticks, alignment), (90 * 50, Alignment::CaptureTime));
}

#[test]
fn sender_reports_align_exactly() {
    // The old source was at 100 ms; the new one says that its first frame was at 140 ms.
    let first = 1_000_000;
    let mut to = unknown();
    to.on_sender_report(first, ntp_ms(140));
    let (ticks, alignment) = step(reported(0), to, first, at_ms(1_300));
    assert_eq!((ticks, alignment), (90 * 40, Alignment::SenderReports));
}

#[test]
fn capture_times_come_before_sender_reports() {
    let mut from = captured(0);
    let mut to = captured(0);
    from.on_sender_report(0, ntp_ms(0));
    to.on_sender_report(0, ntp_ms(333));
    let (ticks, alignment) = step(from, to, 90 * 150, at_ms(1_150));
    assert_eq!((ticks, alignment), (90 * 50, Alignment::CaptureTime));
}

#[test]
fn one_clock_alone_aligns_nothing() {
    assert!(!captured(0).aligns_with(&reported(0)));
    assert!(!unknown().aligns_with(&reported(0)));
    assert!(reported(0).aligns_with(&reported(9)));
    let (_, alignment) = step(captured(0), reported(0), 0, at_ms(1_150));
    assert_eq!(alignment, Alignment::Estimated);
    assert_eq!(alignment.reason(), Some("timestamp_estimated"));
}

#[test]
fn an_estimate_follows_arrival_within_its_bounds() {
    let estimate = |now| step(unknown(), unknown(), 123_456_789, now);
    assert_eq!(estimate(at_ms(1_140)), (90 * 40, Alignment::Estimated));
    assert_eq!(estimate(at_ms(1_100)), (1, Alignment::Estimated));
    assert_eq!(estimate(at_ms(61_100)), (90_000, Alignment::Estimated));
}

#[test]
fn a_report_without_a_wall_clock_counts_for_nothing() {
    let mut clock = unknown();
    clock.on_sender_report(0, NtpTime::default());
    assert!(!clock.aligns_with(&reported(0)));
}

#[test]
fn time_goes_forward_even_if_the_new_source_is_behind() {
    let (ticks, alignment) = step(captured(0), captured(0), 90 * 60, at_ms(1_110));
    assert_eq!((ticks, alignment), (1, Alignment::CaptureTime));
}

#[test]
fn a_broken_clock_is_not_believed() {
    for wrong_ms in [60_000, 86_400_000] {
        let (ticks, alignment) = step(reported(0), reported(wrong_ms), 90 * 140, at_ms(1_140));
        assert_eq!((ticks, alignment), (90 * 40, Alignment::Estimated));
    }
    let mut to = captured(60_000);
    to.on_sender_report(90 * 150, ntp_ms(150));
    let mut from = captured(0);
    from.on_sender_report(0, ntp_ms(0));
    let (_, alignment) = step(from, to, 90 * 150, at_ms(1_150));
    assert_eq!(alignment, Alignment::SenderReports);
}

#[test]
fn a_long_pause_passes_in_full_where_clocks_are_known() {
    let first = 90 * 60_100;
    let (ticks, alignment) = step(reported(0), reported(0), first, at_ms(61_100));
    assert_eq!((ticks, alignment), (90 * 60_000, Alignment::SenderReports));
}

#[test]
fn a_later_report_never_moves_a_running_timeline() {
    let mut timeline = running();
    let mut to = unknown();
    timeline.switch(at_ms(1_140), &unknown(), &to, 500);
    let before = timeline.at(500 + FRAME);
    to.on_sender_report(500, ntp_ms(9_999));
    to.on_capture_time(500, ntp_ms(9_999));
    timeline.sent(at_ms(1_173), 500 + FRAME);
    assert_eq!(timeline.at(500 + FRAME), before);
}

#[test]
fn late_packets_do_not_turn_the_timeline_back() {
    let mut timeline = running();
    timeline.sent(at_ms(1_120), 6_000);
    timeline.switch(at_ms(1_140), &unknown(), &unknown(), 0);
    assert_eq!(timeline.at(0), 50_000 + 9_000 + 90 * 40);
}

proptest! {
    #[test]
    fn time_goes_forward_over_any_switch(
        seed: u32, rate in 1u32..200_000, first: u32, last: u32,
        ntp in proptest::array::uniform4(any::<u64>()),
        stamps in proptest::array::uniform4(any::<u32>()),
        elapsed_ms in 0u64..10_000_000,
    ) {
        let (mut from, mut to) = (SourceClock::new(rate), SourceClock::new(rate));
        from.on_capture_time(stamps[0], NtpTime(ntp[0]));
        to.on_capture_time(stamps[1], NtpTime(ntp[1]));
        from.on_sender_report(stamps[2], NtpTime(ntp[2]));
        to.on_sender_report(stamps[3], NtpTime(ntp[3]));
        let mut timeline = Timeline::new(rate, seed);
        timeline.switch(at_ms(0), &from, &from, last);
        timeline.sent(at_ms(0), last);
        let sent = timeline.at(last);
        let alignment = timeline.switch(at_ms(elapsed_ms), &from, &to, first);
        let step = timeline.at(first).wrapping_sub(sent);
        prop_assert!(step as i32 >= 1);
        if alignment == Alignment::Estimated {
            prop_assert!(step <= rate.max(1));
        }
    }
}
