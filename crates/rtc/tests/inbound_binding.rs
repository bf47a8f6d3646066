//! An SSRC is bound by the SDP, else by mid, rid and payload type of its packets.

use rtc::inbound::bind::{Binder, Binding, Bound, Expected, Role};
use rtc::inbound::report::InboundStats;
use rtc::inbound::unbound::UnboundReason;
use wire::extension::{BlockWriter, Extension, ExtensionMap, Form, Values};
use wire::id::{PayloadType, Ssrc};
use wire::rtp::{self, Header, NewHeader};
use wire::time::Time;

const VP8: u8 = 96;
const VP8_RTX: u8 = 97;
const OPUS: u8 = 111;

const MID_ID: u8 = 4;
const RID_ID: u8 = 10;
const REPAIRED_RID_ID: u8 = 11;

/// Names of the encodings in these tests.
const AUDIO: u8 = 0;
const LOW: u8 = 1;
const HIGH: u8 = 2;
const SCREEN: u8 = 3;

fn expected(mid: &str, rid: Option<&str>, payload_type: u8, rtx: Option<u8>) -> Expected {
    Expected {
        mid: mid.parse().unwrap(),
        rid: rid.map(|rid| rid.parse().unwrap()),
        ssrc: None,
        rtx_ssrc: None,
        payload_type: PayloadType(payload_type),
        rtx_payload_type: rtx.map(PayloadType),
    }
}

/// One microphone at mid 0, a camera in two encodings at mid 1.
fn browser() -> Binder<u8> {
    let mut binder = Binder::new();
    binder.expect(AUDIO, expected("0", None, OPUS, None));
    binder.expect(LOW, expected("1", Some("l"), VP8, Some(VP8_RTX)));
    binder.expect(HIGH, expected("1", Some("h"), VP8, Some(VP8_RTX)));
    binder
}

/// A packet with these extensions and no payload at all.
fn packet(ssrc: u32, payload_type: u8, extensions: &[(u8, &str)]) -> Vec<u8> {
    let mut block = [0; 64];
    let mut writer = BlockWriter::new(&mut block, Form::OneByte);
    for (id, value) in extensions {
        writer.push(*id, value.as_bytes()).unwrap();
    }
    let block_len = writer.finish();
    let mut datagram = vec![0; 12 + block_len];
    let header = NewHeader {
        marker: false,
        payload_type: PayloadType(payload_type),
        sequence: 1,
        timestamp: 1,
        ssrc: Ssrc(ssrc),
        padding: false,
    };
    rtp::write(&mut datagram, &header, &block[..block_len]);
    datagram
}

fn bind(binder: &mut Binder<u8>, datagram: &[u8]) -> Binding<u8> {
    bind_at(binder, 0, datagram)
}

fn bind_at(binder: &mut Binder<u8>, at_ms: u64, datagram: &[u8]) -> Binding<u8> {
    let mut map = ExtensionMap::new();
    map.insert(MID_ID, Extension::Mid).unwrap();
    map.insert(RID_ID, Extension::Rid).unwrap();
    map.insert(REPAIRED_RID_ID, Extension::RepairedRid).unwrap();
    let header = Header::parse(datagram).unwrap();
    binder.bind(
        Time::from_millis(at_ms),
        &header,
        &Values::read(&header, datagram, &map),
    )
}

fn new(key: u8, role: Role) -> Binding<u8> {
    Binding::New {
        bound: Bound { key, role },
        replaced: None,
    }
}

fn unbound(reason: UnboundReason) -> Binding<u8> {
    Binding::Unbound(reason)
}

/// A stream that goes on under `ssrc` in place of `replaced`.
fn taken_over(key: u8, role: Role, replaced: u32) -> Binding<u8> {
    Binding::New {
        bound: Bound { key, role },
        replaced: Some(Ssrc(replaced)),
    }
}

/// A camera whose one encoding is known by its SSRC alone.
fn declared(mid: &str, ssrc: u32) -> Expected {
    Expected {
        ssrc: Some(Ssrc(ssrc)),
        rtx_ssrc: Some(Ssrc(ssrc + 1)),
        ..expected(mid, None, VP8, Some(VP8_RTX))
    }
}

#[test]
fn a_declared_ssrc_needs_no_extensions() {
    let mut binder = Binder::new();
    let mut low = expected("1", None, VP8, Some(VP8_RTX));
    low.ssrc = Some(Ssrc(10));
    low.rtx_ssrc = Some(Ssrc(11));
    binder.expect(LOW, low);
    let media = Bound {
        key: LOW,
        role: Role::Media,
    };
    let repair = Bound {
        key: LOW,
        role: Role::Rtx,
    };
    assert_eq!(binder.lookup(Ssrc(10)), Some(media));
    assert_eq!(
        bind(&mut binder, &packet(11, VP8_RTX, &[])),
        Binding::Known(repair)
    );
}

#[test]
fn a_declared_ssrc_goes_before_what_the_packet_says() {
    let mut binder = browser();
    let mut screen = expected("2", None, VP8, None);
    screen.ssrc = Some(Ssrc(10));
    binder.expect(SCREEN, screen);
    let datagram = packet(10, VP8, &[(MID_ID, "1"), (RID_ID, "h")]);
    let bound = Bound {
        key: SCREEN,
        role: Role::Media,
    };
    assert_eq!(bind(&mut binder, &datagram), Binding::Known(bound));
}

#[test]
fn mid_and_rid_name_an_encoding_once_and_for_all() {
    let mut binder = browser();
    let high = packet(20, VP8, &[(MID_ID, "1"), (RID_ID, "h")]);
    let low = packet(21, VP8, &[(MID_ID, "1"), (RID_ID, "l")]);
    assert_eq!(bind(&mut binder, &high), new(HIGH, Role::Media));
    assert_eq!(bind(&mut binder, &low), new(LOW, Role::Media));
    // The sender stops both extensions after the first receiver report.
    let bound = Bound {
        key: HIGH,
        role: Role::Media,
    };
    assert_eq!(
        bind(&mut binder, &packet(20, VP8, &[])),
        Binding::Known(bound)
    );
    assert_eq!(binder.ssrc(LOW, Role::Media), Some(Ssrc(21)));
}

#[test]
fn mid_and_repaired_rid_name_the_retransmissions() {
    let mut binder = browser();
    let repair = packet(30, VP8_RTX, &[(MID_ID, "1"), (REPAIRED_RID_ID, "h")]);
    assert_eq!(bind(&mut binder, &repair), new(HIGH, Role::Rtx));
    let media = packet(31, VP8, &[(MID_ID, "1"), (REPAIRED_RID_ID, "h")]);
    assert_eq!(
        bind(&mut binder, &media),
        unbound(UnboundReason::RidUnknown)
    );
}

#[test]
fn a_rid_without_its_mid_names_nothing() {
    let mut binder = browser();
    assert_eq!(
        bind(&mut binder, &packet(20, VP8, &[(RID_ID, "h")])),
        unbound(UnboundReason::RidWithoutMid)
    );
    let repair = packet(21, VP8_RTX, &[(REPAIRED_RID_ID, "h")]);
    assert_eq!(
        bind(&mut binder, &repair),
        unbound(UnboundReason::RidWithoutMid)
    );
}

#[test]
fn a_mid_alone_does_for_one_encoding_only() {
    let mut binder = browser();
    assert_eq!(
        bind(&mut binder, &packet(40, OPUS, &[(MID_ID, "0")])),
        new(AUDIO, Role::Media)
    );
    assert_eq!(
        bind(&mut binder, &packet(41, VP8, &[(MID_ID, "1")])),
        unbound(UnboundReason::EncodingAmbiguous)
    );
    assert_eq!(
        bind(&mut binder, &packet(42, 77, &[(MID_ID, "0")])),
        unbound(UnboundReason::PayloadTypeUnknown)
    );
    assert_eq!(
        bind(&mut binder, &packet(43, OPUS, &[(MID_ID, "9")])),
        unbound(UnboundReason::MidUnknown)
    );
}

#[test]
fn a_payload_type_alone_does_where_it_is_the_only_one() {
    let mut binder = browser();
    assert_eq!(
        bind(&mut binder, &packet(40, OPUS, &[])),
        new(AUDIO, Role::Media)
    );
    assert_eq!(
        bind(&mut binder, &packet(41, VP8, &[])),
        unbound(UnboundReason::EncodingAmbiguous)
    );
    // What was declared comes under the declared SSRC and no other.
    let mut binder = Binder::new();
    let mut audio = expected("0", None, OPUS, None);
    audio.ssrc = Some(Ssrc(7));
    binder.expect(AUDIO, audio);
    assert_eq!(
        bind(&mut binder, &packet(40, OPUS, &[])),
        unbound(UnboundReason::OtherSsrcActive)
    );
}

#[test]
fn extensions_of_a_padding_only_packet_count() {
    let mut binder = browser();
    let mut datagram = packet(50, VP8, &[(MID_ID, "1"), (RID_ID, "l")]);
    datagram[0] |= 0x20;
    datagram.extend([0, 0, 0, 4]);
    assert_eq!(bind(&mut binder, &datagram), new(LOW, Role::Media));
}

#[test]
fn a_new_ssrc_of_the_same_encoding_takes_its_place() {
    let mut binder = browser();
    bind(
        &mut binder,
        &packet(60, VP8, &[(MID_ID, "1"), (RID_ID, "h")]),
    );
    let again = bind(
        &mut binder,
        &packet(61, VP8, &[(MID_ID, "1"), (RID_ID, "h")]),
    );
    let bound = Bound {
        key: HIGH,
        role: Role::Media,
    };
    assert_eq!(
        again,
        Binding::New {
            bound,
            replaced: Some(Ssrc(60))
        }
    );
    assert_eq!(binder.lookup(Ssrc(60)), None);
    assert_eq!(binder.lookup(Ssrc(61)), Some(bound));
}

#[test]
fn a_forgotten_encoding_has_no_streams() {
    let mut binder = browser();
    bind(
        &mut binder,
        &packet(60, VP8, &[(MID_ID, "1"), (RID_ID, "h")]),
    );
    binder.forget(HIGH);
    assert_eq!(binder.lookup(Ssrc(60)), None);
    let again = packet(60, VP8, &[(MID_ID, "1"), (RID_ID, "h")]);
    assert_eq!(
        bind(&mut binder, &again),
        unbound(UnboundReason::RidUnknown)
    );
}

#[test]
fn unbound_ssrcs_fill_a_bounded_table_and_are_all_counted() {
    let mut binder = browser();
    for ssrc in 0..100 {
        bind(&mut binder, &packet(ssrc, VP8, &[]));
        bind(&mut binder, &packet(ssrc, VP8, &[]));
    }
    assert_eq!(binder.unbound_packets(), 200);
    assert_eq!(binder.unbound().len(), 16);
    let newest = binder.unbound().last().unwrap();
    assert_eq!((newest.ssrc, newest.packets), (Ssrc(99), 2));
    // Once a stream is known it is unbound no more.
    bind(
        &mut binder,
        &packet(99, VP8, &[(MID_ID, "1"), (RID_ID, "h")]),
    );
    assert!(
        binder
            .unbound()
            .iter()
            .all(|unbound| unbound.ssrc != Ssrc(99))
    );
}

/// Senders stop mid and rid after the first receiver report on their stream.
#[test]
fn no_report_leaves_before_the_binding() {
    let mut binder = browser();
    let mut reported: Option<InboundStats> = None;
    let mut blocks_before = 0;
    let packets = [
        packet(70, VP8, &[]),
        packet(70, VP8, &[(RID_ID, "h")]),
        packet(70, VP8, &[(MID_ID, "1"), (RID_ID, "h")]),
    ];
    for (nth, datagram) in (0..).zip(&packets) {
        if let Binding::New { .. } = bind(&mut binder, datagram) {
            reported = Some(InboundStats::new(Ssrc(70), 90_000));
        }
        let now = Time::from_millis(nth * 20);
        if let Some(stats) = &mut reported {
            stats.receive(nth, 0, now);
        } else {
            blocks_before += 1;
        }
    }
    assert_eq!(blocks_before, 2);
    let block = reported
        .unwrap()
        .report_block(Time::from_millis(100))
        .unwrap();
    assert_eq!((block.ssrc, block.cumulative_lost), (Ssrc(70), 0));
}

#[test]
fn a_bound_stream_without_packets_is_not_reported_either() {
    let mut declared = InboundStats::new(Ssrc(1), 90_000);
    assert_eq!(declared.report_block(Time::from_secs(5)), None);
}

#[test]
fn an_ssrc_takes_over_from_a_declared_one_that_fell_silent() {
    let mut binder = Binder::new();
    binder.expect(LOW, declared("1", 10));
    for at_ms in [0, 40, 80] {
        bind_at(&mut binder, at_ms, &packet(10, VP8, &[]));
    }
    let replacement = packet(20, VP8, &[]);
    for at_ms in [120, 579] {
        let bound = bind_at(&mut binder, at_ms, &replacement);
        assert_eq!(bound, unbound(UnboundReason::OtherSsrcActive), "{at_ms} ms");
    }
    let bound = bind_at(&mut binder, 580, &replacement);
    assert_eq!(bound, taken_over(LOW, Role::Media, 10));
    assert!(binder.unbound().is_empty());
    // Its retransmissions follow, and a packet of the old SSRC that comes late does not.
    let repair = bind_at(&mut binder, 600, &packet(21, VP8_RTX, &[]));
    assert_eq!(repair, taken_over(LOW, Role::Rtx, 11));
    let late = bind_at(&mut binder, 610, &packet(10, VP8, &[]));
    assert_eq!(late, unbound(UnboundReason::OtherSsrcActive));
}

#[test]
fn a_sender_may_return_to_an_ssrc_that_it_left() {
    let mut binder = browser();
    let names = [(MID_ID, "1"), (RID_ID, "h")];
    bind_at(&mut binder, 0, &packet(60, VP8, &names));
    bind_at(&mut binder, 10, &packet(61, VP8, &names));
    let early = bind_at(&mut binder, 509, &packet(60, VP8, &names));
    assert_eq!(early, unbound(UnboundReason::OtherSsrcActive));
    let returned = bind_at(&mut binder, 510, &packet(60, VP8, &names));
    assert_eq!(returned, taken_over(HIGH, Role::Media, 61));
}

#[test]
fn retransmissions_of_an_unbound_ssrc_are_not_those_of_the_declared_one() {
    let mut binder = Binder::new();
    binder.expect(LOW, declared("1", 10));
    bind_at(&mut binder, 0, &packet(10, VP8, &[]));
    let repair = bind_at(&mut binder, 600, &packet(21, VP8_RTX, &[]));
    assert_eq!(repair, unbound(UnboundReason::RtxWithoutMedia));
}

#[test]
fn of_two_m_lines_the_one_whose_ssrc_fell_silent_is_taken_over() {
    let mut binder = Binder::new();
    binder.expect(LOW, declared("1", 10));
    binder.expect(SCREEN, declared("2", 30));
    let (camera, screen) = (packet(10, VP8, &[]), packet(30, VP8, &[]));
    bind_at(&mut binder, 0, &camera);
    let replacement = packet(20, VP8, &[]);
    for at_ms in (0..=500).step_by(100) {
        bind_at(&mut binder, at_ms, &screen);
        let bound = bind_at(&mut binder, 50 + at_ms, &replacement);
        let expected = match at_ms {
            500 => taken_over(LOW, Role::Media, 10),
            _ => unbound(UnboundReason::EncodingAmbiguous),
        };
        assert_eq!(bound, expected, "{at_ms} ms");
    }
}

#[test]
fn where_two_m_lines_are_silent_neither_is_taken_over() {
    let mut binder = Binder::new();
    binder.expect(LOW, declared("1", 10));
    binder.expect(SCREEN, declared("2", 30));
    bind_at(&mut binder, 0, &packet(10, VP8, &[]));
    bind_at(&mut binder, 0, &packet(30, VP8, &[]));
    for at_ms in (100..3_000).step_by(100) {
        let bound = bind_at(&mut binder, at_ms, &packet(20, VP8, &[]));
        assert_eq!(bound, unbound(UnboundReason::EncodingAmbiguous));
    }
    // A name ends the doubt.
    let named = bind_at(&mut binder, 3_000, &packet(20, VP8, &[(MID_ID, "2")]));
    assert_eq!(named, taken_over(SCREEN, Role::Media, 30));
}

#[test]
fn encodings_known_by_ssrc_alone_are_taken_over_in_their_order() {
    let mut binder = Binder::new();
    binder.expect(LOW, declared("1", 10));
    binder.expect(HIGH, declared("1", 30));
    bind_at(&mut binder, 0, &packet(10, VP8, &[]));
    bind_at(&mut binder, 0, &packet(30, VP8, &[]));
    let fresh = [packet(50, VP8, &[]), packet(60, VP8, &[])];
    for at_ms in [100, 599] {
        for datagram in &fresh {
            let bound = bind_at(&mut binder, at_ms, datagram);
            assert_eq!(bound, unbound(UnboundReason::EncodingAmbiguous));
        }
    }
    let low = bind_at(&mut binder, 600, &fresh[0]);
    let high = bind_at(&mut binder, 600, &fresh[1]);
    assert_eq!(low, taken_over(LOW, Role::Media, 10));
    assert_eq!(high, taken_over(HIGH, Role::Media, 30));
}

#[test]
fn declared_repairs_follow_the_rid_of_their_media() {
    let mut binder = browser();
    let mid = "1".parse().unwrap();
    binder.expect_repair(mid, Ssrc(20), Ssrc(21));
    binder.expect_repair(mid, Ssrc(30), Ssrc(31));
    // Firefox names the m-line of a retransmission, and not its encoding.
    let repair = packet(31, VP8_RTX, &[(MID_ID, "1")]);
    assert_eq!(
        bind(&mut binder, &repair),
        unbound(UnboundReason::EncodingAmbiguous)
    );
    for (ssrc, rid) in [(20, "l"), (30, "h")] {
        bind(
            &mut binder,
            &packet(ssrc, VP8, &[(MID_ID, "1"), (RID_ID, rid)]),
        );
    }
    for (datagram, key) in [(packet(21, VP8_RTX, &[]), LOW), (repair, HIGH)] {
        let role = Role::Rtx;
        let bound = Bound { key, role };
        assert_eq!(bind(&mut binder, &datagram), Binding::Known(bound));
    }
}

#[test]
fn an_ssrc_is_reported_once_and_only_after_a_second() {
    let mut binder = browser();
    let mut reports = Vec::new();
    for at_ms in (0..5_000).step_by(100) {
        for ssrc in [80, 81] {
            bind_at(&mut binder, at_ms, &packet(ssrc, VP8, &[]));
            let report = binder.report_unbound(Time::from_millis(at_ms), Ssrc(ssrc));
            reports.extend(report.map(|it| (at_ms, it.ssrc.0, it.packets, it.reason.code())));
        }
    }
    let expected = [
        (1_000, 80, 11, "encoding_ambiguous"),
        (2_000, 81, 21, "encoding_ambiguous"),
    ];
    assert_eq!(reports, expected);
}
