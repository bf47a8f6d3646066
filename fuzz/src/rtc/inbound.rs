//! Inbound streams: binding, counters, NACK, feedback.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rtc::inbound::bind::{Binder, Binding, Bound, Expected, Role};
use rtc::inbound::loss::{DuplicateFilter, Freshness};
use rtc::inbound::nack::{Arrival, MAX_REQUEST, NackTracker};
use rtc::inbound::report::InboundStats;
use rtc::inbound::rtx;
use rtc::inbound::twcc::TwccReceiver;
use rtc::outbound::twcc::TwccSender;
use wire::extension::Values;
use wire::id::{Mid, PayloadType, Rid, Ssrc};
use wire::rtcp::{Packet, SenderInfo, compound};
use wire::rtp::Header;
use wire::time::{NtpTime, Time};

use crate::input::Input;

const INDEX_END: u64 = 1 << 48;
const CLOCK_RATES: [u32; 3] = [8_000, 48_000, 90_000];

fn some_mid(input: &mut Input<'_>) -> Option<Mid> {
    input.pick(&["", "0", "1", "2"]).parse().ok()
}

fn some_rid(input: &mut Input<'_>) -> Option<Rid> {
    input.pick(&["", "", "h", "l"]).parse().ok()
}

fn some_ssrc(input: &mut Input<'_>) -> Option<Ssrc> {
    Some(input.u8() % 24)
        .filter(|ssrc| *ssrc > 0)
        .map(|ssrc| Ssrc(ssrc.into()))
}

fn some_type(input: &mut Input<'_>) -> Option<PayloadType> {
    input
        .pick(&[None, Some(96), Some(97), Some(98), Some(111)])
        .map(PayloadType)
}

/// Descriptions that overlap or contradict each other, and packets that fit one, several or none.
///
/// What is bound stays bound until another SSRC takes its place or the encoding is forgotten.
pub fn binder(data: &[u8]) {
    let mut input = Input::new(data);
    let mut binder = Binder::new();
    let mut alive = HashSet::new();
    let (mut now, mut packets) = (Time::from_secs(1), 0);
    while !input.is_empty() {
        now = now + Duration::from_millis(input.below(4) as u64 * 200);
        let key = input.u8() % 6;
        match input.below(8) {
            0 | 1 => {
                let Some(expected) = any_expected(&mut input) else {
                    continue;
                };
                alive.insert(key);
                binder.expect(key, expected);
                for (ssrc, role) in [(expected.ssrc, Role::Media), (expected.rtx_ssrc, Role::Rtx)] {
                    let taken_twice = expected.ssrc == expected.rtx_ssrc;
                    let bound = ssrc.and_then(|ssrc| binder.lookup(ssrc));
                    assert!(taken_twice || bound == ssrc.map(|_| Bound { key, role }));
                }
            }
            2 => {
                binder.forget(key);
                alive.remove(&key);
                let roles = [Role::Media, Role::Rtx];
                assert!(roles.iter().all(|role| binder.ssrc(key, *role).is_none()));
            }
            _ => {
                packets += 1;
                bind(&mut binder, now, &alive, &mut input);
            }
        }
        assert!(binder.unbound().len() <= 16);
        assert!(binder.unbound_packets() <= packets);
    }
}

fn any_expected(input: &mut Input<'_>) -> Option<Expected> {
    Some(Expected {
        mid: some_mid(input)?,
        rid: some_rid(input),
        ssrc: some_ssrc(input),
        rtx_ssrc: some_ssrc(input),
        payload_type: some_type(input)?,
        rtx_payload_type: some_type(input),
    })
}

fn bind(binder: &mut Binder<u8>, now: Time, alive: &HashSet<u8>, input: &mut Input<'_>) {
    let header = Header {
        marker: false,
        payload_type: some_type(input).unwrap_or_default(),
        sequence: 0,
        timestamp: 0,
        ssrc: some_ssrc(input).unwrap_or_default(),
        has_padding: false,
        header_len: 12,
        extension: None,
    };
    let values = Values {
        mid: some_mid(input),
        rid: some_rid(input),
        repaired_rid: some_rid(input),
        ..Values::default()
    };
    if let Some(mid) = values.mid.filter(|_| header.ssrc.0.is_multiple_of(4)) {
        binder.expect_repair(mid, header.ssrc, Ssrc(header.ssrc.0 + 1));
    }
    let before = binder.lookup(header.ssrc);
    match binder.bind(now, &header, &values) {
        Binding::Known(bound) => assert_eq!(before, Some(bound)),
        Binding::New { bound, replaced } => {
            assert_eq!(before, None);
            assert!(alive.contains(&bound.key));
            assert_eq!(binder.ssrc(bound.key, bound.role), Some(header.ssrc));
            assert!(replaced.is_none_or(|ssrc| binder.lookup(ssrc).is_none()));
        }
        Binding::Unbound(_) => assert_eq!(before, None),
    }
    let after = binder.lookup(header.ssrc);
    assert!(after.is_none_or(|bound| alive.contains(&bound.key)));
}

/// Packets in any order: only missing packets are requested, a bounded number of times.
pub fn nack(data: &[u8]) {
    let mut input = Input::new(data);
    let mut tracker = NackTracker::new();
    let (mut now, start) = (Time::from_secs(1), u64::from(input.u32()));
    let (mut arrived, mut asked, mut out) = (HashSet::new(), HashMap::new(), Vec::new());
    let mut highest = None;
    while !input.is_empty() {
        match input.below(4) {
            0 | 1 => {
                let index = input.near(highest.unwrap_or(start), INDEX_END);
                highest = highest.max(Some(index));
                let was_missing = tracker.is_missing(index);
                let arrival = tracker.received(now, index);
                assert_eq!(was_missing, arrival == Arrival::Recovered);
                arrived.insert(index);
            }
            2 => {
                now = now + input.span();
                let rtt = Some(input.span()).filter(|rtt| !rtt.is_zero());
                tracker.poll(now, rtt, &mut out);
                check_request(&out, highest.unwrap_or(0), &arrived, &mut asked);
                let next = tracker.poll_timeout();
                assert!(next.is_none_or(|due| due > now) || out.len() == MAX_REQUEST);
            }
            _ if input.below(8) == 0 => tracker.clear(),
            _ => {}
        }
    }
    drain(&mut tracker, &mut out);
}

fn check_request(
    out: &[u16],
    highest: u64,
    arrived: &HashSet<u64>,
    asked: &mut HashMap<u64, usize>,
) {
    assert!(out.len() <= MAX_REQUEST);
    for sequence in out {
        let behind = (highest as u16).wrapping_sub(*sequence);
        let index = highest - u64::from(behind);
        assert!(!arrived.contains(&index), "requested a received packet");
        let times = asked.entry(index).or_default();
        *times += 1;
        assert!(*times <= 10, "requests without end");
    }
}

/// With nothing coming any more all is given up in the end.
fn drain(tracker: &mut NackTracker, out: &mut Vec<u16>) {
    let mut rounds = 0;
    while let Some(due) = tracker.poll_timeout() {
        tracker.poll(due, None, out);
        rounds += 1;
        assert!(rounds < 10_000, "requests without end");
    }
    let counters = tracker.counters();
    assert_eq!(counters.missing, counters.recovered + counters.given_up);
}

/// Transport-wide numbers in any order: feedback names what came and the sender counts it once.
pub fn twcc(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut receiver, mut sender) = (TwccReceiver::new(), TwccSender::new());
    let mut now = Time::from_millis(u64::from(input.u32()));
    let (mut center, mut arrived) = (u64::from(input.u16()), HashSet::new());
    let mut known = 0;
    while !input.is_empty() {
        match input.below(4) {
            0 | 1 => {
                let index = input.near(center, INDEX_END);
                center = index;
                receiver.received(index as u16, now);
                arrived.insert(index as u16);
                sender.stamp(now, usize::from(input.u16()));
            }
            2 => now = now + input.span(),
            _ => {
                let feedback = take_feedback(&mut receiver, &arrived);
                known += apply(&mut sender, now, &feedback);
                known += apply(&mut sender, now, &lying_feedback(input.run()));
                assert!(known <= sender.stamped(), "counted twice");
            }
        }
    }
}

fn take_feedback(receiver: &mut TwccReceiver, arrived: &HashSet<u16>) -> Vec<u8> {
    let (mut out, mut rounds) = (Vec::new(), 0);
    while receiver.build_feedback(&mut out, Ssrc(1), Ssrc(2)) {
        rounds += 1;
        assert!(rounds <= 1024, "feedback without end");
    }
    assert_eq!(receiver.poll_timeout(), None);
    for packet in compound(&out) {
        let Ok(Packet::TransportFeedback(feedback)) = packet else {
            panic!("not what was written");
        };
        assert_eq!(
            feedback.packets().count(),
            usize::from(feedback.packet_count)
        );
        let came = feedback.packets().filter(|(_, at)| at.is_some());
        for (sequence, _) in came {
            assert!(arrived.contains(&sequence), "never came");
        }
    }
    out
}

fn lying_feedback(body: &[u8]) -> Vec<u8> {
    let words = body.len() / 4;
    let mut packet = vec![0x8f, 205, 0, words as u8];
    packet.extend(&body[..words * 4]);
    packet
}

/// Return the number of packets newly acknowledged.
fn apply(sender: &mut TwccSender, now: Time, feedback: &[u8]) -> u64 {
    let mut acked = 0;
    for packet in compound(feedback).flatten() {
        if let Packet::TransportFeedback(feedback) = packet {
            let summary = sender.on_feedback(now, &feedback);
            acked += u64::from(summary.acked_packets);
        }
    }
    acked
}

/// Indices and timestamps of any kind: counts stay true, and nothing is fresh twice.
pub fn reception(data: &[u8]) {
    let mut input = Input::new(data);
    let mut stats = InboundStats::new(Ssrc(1), input.pick(&CLOCK_RATES));
    let (mut recovery, mut fresh) = (DuplicateFilter::new(), HashSet::new());
    let (mut now, start) = (Time::from_secs(1), u64::from(input.u32()));
    let mut highest = None;
    while !input.is_empty() {
        let timestamp = input.u32();
        match input.below(4) {
            0 | 1 => {
                let index = input.near(highest.unwrap_or(start), INDEX_END);
                highest = highest.max(Some(index));
                stats.receive(index, timestamp, now);
                let is_fresh = recovery.receive(index) == Freshness::Fresh;
                assert!(!is_fresh || fresh.insert(index), "fresh twice");
                rtx::read(input.run(), highest.unwrap_or(0));
            }
            2 => now = now + input.span(),
            _ => {
                let info = sender_info(input.u64(), timestamp);
                stats.on_sender_report(now, &info);
                let highest_sequence = highest.map(|index| index as u32);
                let block = stats.report_block(now);
                assert_eq!(block.map(|block| block.highest_sequence), highest_sequence);
            }
        }
        let _ = (stats.jitter(), stats.frame_interval());
    }
}

fn sender_info(ntp: u64, rtp_timestamp: u32) -> SenderInfo {
    SenderInfo {
        ntp: NtpTime(ntp),
        rtp_timestamp,
        packets: 0,
        octets: 0,
    }
}
