//! Report blocks are those of RFC 3550, and echoed timestamps give the RTT.

use core::time::Duration;
use rtc::inbound::loss::{DuplicateFilter, Freshness};
use rtc::inbound::reference::ReferenceTimes;
use rtc::inbound::report::InboundStats;
use rtc::inbound::rtx::{self, Retransmission};
use rtc::outbound::reference::ReferenceEchoes;
use wire::id::Ssrc;
use wire::rtcp::{DlrrEntry, Packet, SenderInfo, XrBlock, compound, write};
use wire::time::{NtpTime, Time};

const CLOCK_HZ: u32 = 90_000;

/// Receive every index but those in `lost`, 20 ms apart.
fn receive(stats: &mut InboundStats, indices: core::ops::Range<u64>, lost: &[u64]) {
    for index in indices.filter(|index| !lost.contains(index)) {
        stats.receive(index, index as u32 * 1_800, Time::from_millis(index * 20));
    }
}

#[test]
fn loss_is_reported_by_interval_and_in_total() {
    let mut stats = InboundStats::new(Ssrc(5), CLOCK_HZ);
    receive(
        &mut stats,
        65_500..65_600,
        &[65_510, 65_520, 65_530, 65_540],
    );
    let block = stats.report_block(Time::from_secs(2_000)).unwrap();
    assert_eq!(block.ssrc, Ssrc(5));
    assert_eq!((block.fraction_lost, block.cumulative_lost), (10, 4));
    assert_eq!(block.highest_sequence, 0x1_003f);
    assert_eq!(block.jitter, 0);
    receive(&mut stats, 65_600..65_700, &[]);
    let block = stats.report_block(Time::from_secs(2_001)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 4));
}

#[test]
fn the_last_sender_report_is_echoed_with_its_age() {
    let mut stats = InboundStats::new(Ssrc(5), CLOCK_HZ);
    receive(&mut stats, 0..10, &[]);
    let block = stats.report_block(Time::from_secs(1)).unwrap();
    assert_eq!((block.last_sr, block.delay_since_last_sr), (0, 0));
    let info = SenderInfo {
        ntp: NtpTime(0x1111_2222_3333_4444),
        ..SenderInfo::default()
    };
    stats.on_sender_report(Time::from_secs(1), &info);
    let block = stats.report_block(Time::from_millis(3_500)).unwrap();
    assert_eq!(block.last_sr, 0x2222_3333);
    assert_eq!(block.delay_since_last_sr, 5 * 0x1_0000 / 2);
}

#[test]
fn frame_interval_is_that_of_the_source() {
    let mut stats = InboundStats::new(Ssrc(5), CLOCK_HZ);
    receive(&mut stats, 0..100, &[]);
    assert_eq!(stats.frame_interval(), Duration::from_millis(20));
}

#[test]
fn retransmissions_fill_holes_but_not_the_loss_report() {
    let mut stats = InboundStats::new(Ssrc(5), CLOCK_HZ);
    let mut recovery = DuplicateFilter::new();
    for index in [100, 101, 103] {
        stats.receive(index, 0, Time::ZERO);
        assert_eq!(recovery.receive(index), Freshness::Fresh);
    }
    let highest = stats.loss().highest().unwrap();
    let Retransmission::Original { index, payload } = rtx::read(&[0, 102, 7], highest) else {
        panic!("no original");
    };
    assert_eq!((index, payload), (102, &[7][..]));
    assert_eq!(recovery.receive(index), Freshness::Fresh);
    assert_eq!(recovery.receive(index), Freshness::Duplicate);
    assert_eq!(stats.report_block(Time::ZERO).unwrap().cumulative_lost, 1);
}

#[test]
fn a_retransmission_without_a_number_is_a_probe() {
    assert_eq!(rtx::read(&[], 100), Retransmission::Probe);
    assert_eq!(rtx::read(&[9], 100), Retransmission::Probe);
}

/// A receiver that sends no media measures its RTT by RRTR and DLRR, through real packets.
#[test]
fn a_receiver_measures_the_round_trip_by_extended_reports() {
    let our_clock = NtpTime(0xaaaa_bbbb_cccc_dddd);
    let mut receiver = ReferenceTimes::new(Ssrc(1));
    let mut sender = ReferenceEchoes::new();
    let mut datagram = Vec::new();

    write::reference_time(&mut datagram, Ssrc(1), our_clock);
    receiver.sent(Time::from_millis(1_000), our_clock);
    let Some(Ok(Packet::Xr {
        sender: from,
        mut blocks,
    })) = compound(&datagram).next()
    else {
        panic!("no XR");
    };
    let Some(XrBlock::ReferenceTime(ntp)) = blocks.next() else {
        panic!("no reference time");
    };
    sender.on_reference_time(Time::from_millis(1_015), from, ntp);

    let echoes: Vec<DlrrEntry> = sender.take(Time::from_millis(1_500)).collect();
    assert_eq!(sender.take(Time::from_millis(1_500)).count(), 0);
    datagram.clear();
    write::delays_since_rr(&mut datagram, Ssrc(2), &echoes);
    let Some(Ok(Packet::Xr { mut blocks, .. })) = compound(&datagram).next() else {
        panic!("no XR");
    };
    let Some(XrBlock::Delays(entries)) = blocks.next() else {
        panic!("no delays");
    };
    let rtt = receiver
        .on_echoes(Time::from_millis(1_530), entries)
        .unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(45)) < Duration::from_micros(20));
    assert_eq!(receiver.rtt(), Some(rtt));

    let mut other = ReferenceTimes::new(Ssrc(9));
    other.sent(Time::from_millis(1_000), our_clock);
    assert_eq!(other.on_echoes(Time::from_millis(1_530), entries), None);
}

#[test]
fn echoes_are_kept_for_few_receivers() {
    let mut sender = ReferenceEchoes::new();
    for receiver in 0..100 {
        sender.on_reference_time(Time::ZERO, Ssrc(receiver), NtpTime(1 << 16));
    }
    let known: Vec<_> = sender.take(Time::ZERO).map(|entry| entry.ssrc.0).collect();
    assert_eq!(known, [96, 97, 98, 99]);
}
