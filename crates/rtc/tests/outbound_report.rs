//! Sender reports carry the publisher's time on, and show the round trip when they come back.

use core::time::Duration;
use rtc::inbound::report::InboundStats;
use rtc::outbound::report::{SenderReports, SourceReport};
use wire::id::Ssrc;
use wire::rtcp::ReportBlock;
use wire::time::{NtpTime, Time};

const VIDEO_HZ: u32 = 90_000;
const AUDIO_HZ: u32 = 48_000;

fn source(arrived_ms: u64, ntp: NtpTime, rtp_timestamp: u32) -> SourceReport {
    SourceReport {
        ntp,
        rtp_timestamp,
        arrived: Time::from_millis(arrived_ms),
    }
}

fn ntp_seconds(ntp: NtpTime) -> f64 {
    ntp.0 as f64 / f64::from(u32::MAX)
}

#[test]
fn nothing_is_reported_before_the_publisher_reports() {
    let mut reports = SenderReports::new(VIDEO_HZ);
    assert_eq!(reports.report(Time::from_secs(9), None, 100, 1_000), None);
}

#[test]
fn nothing_is_reported_before_the_first_packet() {
    let mut reports = SenderReports::new(VIDEO_HZ);
    let publisher = source(0, NtpTime(1 << 40), 0);
    assert_eq!(
        reports.report(Time::from_secs(9), Some(&publisher), 0, 0),
        None
    );
}

#[test]
fn time_goes_on_from_the_publishers_report() {
    let mut reports = SenderReports::new(VIDEO_HZ);
    let publisher = source(1_000, NtpTime(0x1000_0000_0000_0000), u32::MAX - 100);
    let info = reports
        .report(Time::from_millis(3_500), Some(&publisher), 7, 1 << 33 | 9)
        .unwrap();
    assert_eq!(info.ntp.since(publisher.ntp), Duration::from_millis(2_500));
    assert_eq!(info.rtp_timestamp, 225_000 - 101);
    assert_eq!((info.packets, info.octets), (7, 9));
}

/// Lip sync: what was captured together is reported with the same NTP time, whenever the
/// publisher's own reports arrived.
#[test]
fn audio_and_video_of_one_publisher_stay_in_step() {
    let start = NtpTime(0x2000_0000_0000_0000);
    let mut video = SenderReports::new(VIDEO_HZ);
    let mut audio = SenderReports::new(AUDIO_HZ);
    // Both clocks started at `start` with 0; the reports left 1.2 s and 3 s later, both took 30 ms.
    let of_video = source(1_230, start + Duration::from_millis(1_200), 108_000);
    let of_audio = source(3_030, start + Duration::from_millis(3_000), 144_000);
    let now = Time::from_millis(8_030);
    let video = video.report(now, Some(&of_video), 1, 1).unwrap();
    let audio = audio.report(now, Some(&of_audio), 1, 1).unwrap();
    let captured = |ntp: NtpTime, timestamp: u32, clock: u32| {
        ntp_seconds(ntp) - f64::from(timestamp) / f64::from(clock)
    };
    let apart = captured(video.ntp, video.rtp_timestamp, VIDEO_HZ)
        - captured(audio.ntp, audio.rtp_timestamp, AUDIO_HZ);
    assert!(apart.abs() < 0.000_1, "{apart} s");
}

/// The receiver is the one of `rtc::inbound`; 40 ms each way, held for a second.
#[test]
fn the_round_trip_comes_back_without_the_hold() {
    let mut reports = SenderReports::new(VIDEO_HZ);
    let mut receiver = InboundStats::new(Ssrc(1), VIDEO_HZ);
    let publisher = source(0, NtpTime(0x3000_0000_0000_0000), 0);
    let sent = Time::from_millis(5_000);
    let info = reports.report(sent, Some(&publisher), 1, 1).unwrap();
    receiver.receive(1, 0, Time::from_millis(5_020));
    receiver.on_sender_report(Time::from_millis(5_040), &info);
    let block = receiver.report_block(Time::from_millis(6_040)).unwrap();
    let rtt = reports
        .on_report_block(Time::from_millis(6_080), &block)
        .unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(80)) < Duration::from_micros(20));
    assert_eq!(reports.rtt(), Some(rtt));
    assert_eq!(reports.received().unwrap().block, block);
}

/// After a switch of encoding the publisher's clock may step; the round trip does not care.
#[test]
fn the_round_trip_is_looked_up_and_not_subtracted_from_any_clock() {
    let mut reports = SenderReports::new(VIDEO_HZ);
    let first = source(0, NtpTime(0x3000_0000_0000_0000), 0);
    let stepped = source(0, NtpTime(0x2fff_0000_0000_0000), 0);
    let old = reports
        .report(Time::from_secs(1), Some(&first), 1, 1)
        .unwrap();
    reports
        .report(Time::from_secs(2), Some(&stepped), 1, 1)
        .unwrap();
    let block = ReportBlock {
        last_sr: old.ntp.mid32(),
        ..ReportBlock::default()
    };
    let rtt = reports.on_report_block(Time::from_millis(1_070), &block);
    assert_eq!(rtt, Some(Duration::from_millis(70)));
}

#[test]
fn only_the_last_eight_reports_are_known() {
    let mut reports = SenderReports::new(VIDEO_HZ);
    let publisher = source(0, NtpTime(0x3000_0000_0000_0000), 0);
    let marks: Vec<_> = (1..=9)
        .map(|second| reports.report(Time::from_secs(second), Some(&publisher), 1, 1))
        .map(|info| info.unwrap().ntp.mid32())
        .collect();
    let mut rtt_of = |last_sr| {
        let block = ReportBlock {
            last_sr,
            ..ReportBlock::default()
        };
        reports.on_report_block(Time::from_secs(10), &block)
    };
    assert_eq!(rtt_of(marks[0]), None);
    assert_eq!(rtt_of(marks[1]), Some(Duration::from_secs(8)));
    assert_eq!(rtt_of(0), None);
}

#[test]
fn a_report_on_nothing_we_sent_keeps_the_last_round_trip() {
    let mut reports = SenderReports::new(AUDIO_HZ);
    let block = ReportBlock {
        last_sr: 77,
        fraction_lost: 9,
        jitter: 480,
        ..ReportBlock::default()
    };
    assert_eq!(reports.on_report_block(Time::from_secs(1), &block), None);
    assert_eq!(reports.rtt(), None);
    assert_eq!(reports.received().unwrap().block.fraction_lost, 9);
    assert_eq!(reports.remote_jitter(), Some(Duration::from_millis(10)));
}
