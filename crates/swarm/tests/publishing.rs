//! Outbound media of bots: schedule, pacing, MID and RID, responses to PLI and NACK.

mod common;

use common::reflector::{ReceivedPacket, is_rtx};
use common::{AUDIO_LEVEL_ID, CAPTURE_TIME_ID, World};
use rtc::codec::dependency::DependencyReader;
use serde_json::json;
use std::collections::BTreeMap;
use swarm::frame_id::FrameId;
use wire::extension::Extension;
use wire::id::Ssrc;
use wire::rtcp::ReportBlock;
use wire::time::Time;

fn publishing(clip: u32, more: &[(&str, serde_json::Value)]) -> World {
    let mut world = World::new();
    world.join(1, &[]);
    world.publish(1, 7, clip, more);
    world.run_for(100);
    assert_eq!(world.connected(), 1);
    world
}

/// Packets of each frame, in order of their timestamps.
fn frames(packets: &[ReceivedPacket]) -> Vec<Vec<&ReceivedPacket>> {
    let mut frames: BTreeMap<u32, Vec<&ReceivedPacket>> = BTreeMap::new();
    let first = packets[0].timestamp;
    for packet in packets {
        frames
            .entry(packet.timestamp.wrapping_sub(first))
            .or_default()
            .push(packet);
    }
    frames.into_values().collect()
}

fn begins_keyframe(packet: &ReceivedPacket) -> bool {
    packet.payload[0] & 0x10 != 0 && packet.payload[4] & 1 == 0
}

#[test]
fn frames_are_captured_on_schedule_and_frame_ids_have_the_capture_time() {
    let mut world = publishing(1, &[("paced", json!("whole"))]);
    world.run_for(4_000);
    let packets = &world.reflector.received;
    let frames = frames(packets);
    assert!((118..=124).contains(&frames.len()), "{}", frames.len());
    assert!(begins_keyframe(frames[0][0]));
    for (nth, frame) in frames.iter().enumerate() {
        let last = frame.last().unwrap();
        assert!(last.marker && frame.iter().filter(|packet| packet.marker).count() == 1);
        let id = FrameId::from_vp8(&last.payload).unwrap();
        assert_eq!((id.source, id.encoding, id.frame as usize), (7, 0, nth));
        let captured = id.captured(last.at);
        // 10 ms of network and at most one tick of the wheel.
        let delay = frame[0].at.since(captured).as_micros();
        assert!(
            (10_000..=10_600).contains(&delay),
            "frame {nth}: {delay} us"
        );
    }
    let sequences: Vec<u16> = packets.iter().map(|packet| packet.sequence).collect();
    assert!(
        sequences
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1))
    );
    assert!(sequences[0] < 0x8000);
    let steps = frames
        .windows(2)
        .map(|pair| pair[1][0].timestamp.wrapping_sub(pair[0][0].timestamp));
    assert!(steps.clone().all(|step| step == 3_000));
}

#[test]
fn pacing_spreads_a_key_frame_and_whole_frames_leave_at_once() {
    let spread = |mut world: World| {
        world.run_for(100);
        let first = frames(&world.reflector.received)[0].clone();
        let span = first.last().unwrap().at.since(first[0].at);
        let bursts = first.windows(2).filter(|pair| pair[0].at != pair[1].at);
        (span.as_millis(), bursts.count() + 1)
    };
    // 29.7 kB at 2.5 x 1.65 Mb/s take 57 ms, 40 ms of which may go at once.
    let (span_ms, bursts) = spread(publishing(2, &[]));
    assert!((38..=48).contains(&span_ms), "{span_ms}");
    assert_eq!(bursts, 2);
    let (span_ms, bursts) = spread(publishing(2, &[("paced", json!("smooth"))]));
    assert!((45..=65).contains(&span_ms), "{span_ms}");
    assert!(bursts >= 8, "{bursts}");
    let (span_ms, _) = spread(publishing(2, &[("paced", json!("whole"))]));
    assert_eq!(span_ms, 0);
}

#[test]
fn a_pli_brings_the_next_key_frame_of_the_clip_at_once() {
    let mut world = publishing(1, &[]);
    world.run_for(200);
    let before = world.reflector.received.len();
    world.reflector.send_pli(1, 7);
    world.run_for(70);
    let packets = &world.reflector.received[before..];
    assert!(packets.iter().any(begins_keyframe));
    // A second request is delayed by the minimum interval of key frames.
    let before = world.reflector.received.len();
    world.reflector.send_pli(1, 7);
    world.run_for(150);
    assert!(
        !world.reflector.received[before..]
            .iter()
            .any(begins_keyframe)
    );
    assert_eq!(world.figures()["totals"]["plis_received"], 2);
}

#[test]
fn the_policy_ignore_ignores_plis() {
    let mut world = publishing(1, &[("pli", json!("ignore"))]);
    world.run_for(300);
    let before = world.reflector.received.len();
    world.reflector.send_pli(1, 7);
    world.run_for(300);
    assert!(
        !world.reflector.received[before..]
            .iter()
            .any(begins_keyframe)
    );
}

#[test]
fn a_nack_is_answered_by_a_retransmission_of_the_same_payload() {
    let mut world = publishing(1, &[]);
    world.run_for(500);
    let wanted = world.reflector.received[20].clone();
    let mut nack = Vec::new();
    let unknown = wanted.sequence.wrapping_sub(5_000);
    wire::rtcp::write::nack(&mut nack, Ssrc(1), Ssrc(1007), &[wanted.sequence, unknown]);
    world.reflector.send_rtcp(1, &nack);
    world.run_for(50);
    let answers: Vec<&ReceivedPacket> = world
        .reflector
        .received
        .iter()
        .filter(|it| is_rtx(it))
        .collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].ssrc, 2007);
    assert_eq!(answers[0].payload[..2], wanted.sequence.to_be_bytes());
    assert_eq!(answers[0].payload[2..], wanted.payload);
    assert_eq!(
        (answers[0].timestamp, answers[0].marker),
        (wanted.timestamp, wanted.marker)
    );
    assert_eq!(world.figures()["totals"]["packets_resent"], 1);
}

#[test]
fn mid_and_rid_are_sent_until_the_first_receiver_report() {
    let mut world = publishing(0, &[]);
    let names = |packet: &ReceivedPacket| packet.extensions.iter().any(|(id, _)| *id == 1);
    let stamps = |packet: &ReceivedPacket| packet.extensions.iter().any(|(id, _)| *id == 3);
    assert!(
        world
            .reflector
            .received
            .iter()
            .all(|packet| names(packet) && stamps(packet))
    );
    world.reflector.send_report(
        1,
        &[ReportBlock {
            ssrc: Ssrc(1007),
            ..ReportBlock::default()
        }],
    );
    world.run_for(50);
    let before = world.reflector.received.len();
    world.run_for(500);
    let packets = &world.reflector.received[before..];
    assert!(
        packets
            .iter()
            .all(|packet| !names(packet) && stamps(packet))
    );
    let numbers: Vec<u16> = world
        .reflector
        .received
        .iter()
        .flat_map(|packet| packet.extensions.iter().filter(|(id, _)| *id == 3))
        .map(|(_, value)| u16::from_be_bytes([value[0], value[1]]))
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn sender_reports_are_sent_every_second_and_give_the_rtt() {
    let mut world = publishing(1, &[]);
    world.run_for(10_000);
    let reports: Vec<_> = world
        .reflector
        .rtcp
        .iter()
        .filter(|(.., text)| text.starts_with("SR 1007"))
        .cloned()
        .collect();
    assert!((7..=14).contains(&reports.len()), "{}", reports.len());
    assert!(
        world
            .reflector
            .rtcp
            .iter()
            .any(|(.., text)| text == "SDES cname 1")
    );
    let ntp: u64 = field(&reports.last().unwrap().2, "ntp=");
    let held = world.host.now.since(reports.last().unwrap().0);
    world.reflector.send_report(
        1,
        &[ReportBlock {
            ssrc: Ssrc(1007),
            last_sr: (ntp >> 16) as u32,
            delay_since_last_sr: wire::time::duration_to_short(held),
            ..ReportBlock::default()
        }],
    );
    world.run_for(20);
    let rtt = &world.figures()["histograms"]["rtt"];
    assert_eq!(rtt["count"], 1);
    assert!(
        (rtt["max_ms"].as_f64().unwrap() - 20.0).abs() < 0.6,
        "{rtt}"
    );
}

#[test]
fn a_sender_report_maps_the_rtp_time_of_the_schedule_to_wall_time() {
    let mut world = publishing(1, &[]);
    world.run_for(2_000);
    let (at, _, text) = world
        .reflector
        .rtcp
        .iter()
        .find(|(.., text)| text.starts_with("SR"))
        .unwrap();
    let sent = *at - world.host.delay;
    let frame = world.reflector.received.last().unwrap();
    let captured = FrameId::from_vp8(&frame.payload).map(|id| id.captured(*at));
    let Some(captured) = captured else { return };
    let rtp: u64 = field(text, "rtp=");
    let ticks = i64::from(frame.timestamp.wrapping_sub(rtp as u32) as i32);
    let wanted =
        captured.since(Time::ZERO).as_micros() as i64 - sent.since(Time::ZERO).as_micros() as i64;
    assert!(
        (ticks * 1_000 / 90 - wanted).abs() < 200,
        "{ticks} ticks, {wanted} us"
    );
}

fn field(text: &str, name: &str) -> u64 {
    let rest = &text[text.find(name).unwrap() + name.len()..];
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn simulcast_sends_each_encoding_under_its_rid() {
    let encodings = json!([
        {"rid": "q", "ssrc": 11, "rtx_ssrc": 21, "clip": 0, "encoding_index": 0},
        {"rid": "h", "ssrc": 12, "rtx_ssrc": 22, "clip": 1, "encoding_index": 1},
        {"rid": "f", "ssrc": 13, "rtx_ssrc": 23, "clip": 2, "encoding_index": 2},
    ]);
    let mut world = publishing(0, &[("encodings", encodings)]);
    world.run_for(1_000);
    for (ssrc, rid, encoding) in [(11, b"q", 0), (12, b"h", 1), (13, b"f", 2)] {
        let of_it = || {
            world
                .reflector
                .received
                .iter()
                .filter(|packet| packet.ssrc == ssrc)
        };
        assert!(of_it().all(|packet| packet.extensions.contains(&(2, rid.to_vec()))));
        let ids = of_it()
            .filter(|packet| packet.marker)
            .map(|p| FrameId::from_vp8(&p.payload));
        assert!(ids.clone().count() > 10);
        assert!(ids.flatten().all(|id| id.encoding == encoding));
    }
}

#[test]
fn audio_is_not_paced_and_keeps_its_dtx_gaps() {
    let mut world = publishing(4, &[]);
    world.run_for(8_000);
    let packets = &world.reflector.received;
    assert!(
        packets
            .iter()
            .all(|packet| packet.payload_type == common::AUDIO_PT)
    );
    let gaps: Vec<u32> = packets
        .windows(2)
        .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
        .collect();
    assert!(gaps.contains(&960) && gaps.iter().any(|gap| *gap > 960));
    for pair in packets.windows(2) {
        let media_us = u64::from(pair[1].timestamp.wrapping_sub(pair[0].timestamp)) * 1_000 / 48;
        let wall_us = pair[1].at.since(pair[0].at).as_micros() as u64;
        assert!(
            wall_us.abs_diff(media_us) <= 1_000,
            "{wall_us} for {media_us}"
        );
    }
}

#[test]
fn a_swarm_that_lags_skips_late_frames_and_counts_their_packets() {
    let mut world = publishing(1, &[]);
    world.run_for(500);
    let sent = world.reflector.received.len();
    world.host.now = world.host.now + std::time::Duration::from_secs(3);
    world.run_for(30);
    assert!(world.reflector.received.len() - sent < 30);
    let figures = world.figures();
    assert!(figures["totals"]["packets_unsent"].as_u64() > Some(100));
    world.run_for(100);
    assert!(world.reflector.received[sent..].iter().any(begins_keyframe));
}

#[test]
fn an_ssrc_is_never_used_twice_on_a_transport() {
    let mut world = publishing(1, &[]);
    world.command(json!({"type": "unpublish", "stream": 7}));
    let again = json!({"type": "publish", "transport": 1, "stream": 8, "mid": "0",
        "payload_type": 96, "encodings": [{"ssrc": 1007, "clip": 1}], "source_id": 1, "start_ns": 0});
    assert_eq!(world.try_command(again).as_deref(), Some("ssrc_reused"));
    let sent = world.reflector.received.len();
    world.run_for(20);
    let late = world.reflector.received.len();
    world.run_for(200);
    assert_eq!(world.reflector.received.len(), late);
    assert!(late - sent < 10);
}

#[test]
fn an_inactive_encoding_sends_nothing_and_an_activated_one_starts_with_a_key_frame() {
    let encodings = json!([
        {"rid": "q", "ssrc": 500, "rtx_ssrc": null, "clip": 1, "encoding_index": 0},
        {"rid": "f", "ssrc": 600, "rtx_ssrc": null, "clip": 1, "encoding_index": 1},
    ]);
    let mut world = publishing(1, &[("encodings", encodings)]);
    world.run_for(1_000);
    let of = |world: &World, ssrc| -> Vec<ReceivedPacket> {
        let packets = world.reflector.received.iter();
        packets.filter(|it| it.ssrc == ssrc).cloned().collect()
    };
    world.command(json!({"type": "set_active_encodings", "stream": 7, "rids": ["q"]}));
    world.run_for(50);
    let (kept, before) = (of(&world, 500).len(), of(&world, 600));
    world.run_for(2_000);
    assert!(of(&world, 500).len() > kept + 50);
    assert_eq!(of(&world, 600).len(), before.len());
    assert_eq!(world.figures()["totals"]["packets_unsent"], json!(0));

    world.command(json!({"type": "set_active_encodings", "stream": 7, "rids": ["q", "f"]}));
    let asked = world.host.now;
    world.run_for(1_000);
    let all = of(&world, 600);
    let (last, first) = (&all[before.len() - 1], &all[before.len()]);
    assert!(begins_keyframe(first));
    assert!(first.at.since(asked).as_millis() <= 50);
    assert_eq!(first.sequence, last.sequence.wrapping_add(1));
    let elapsed = first.at.since(last.at).as_millis() as u32 * 90;
    let step = first.timestamp.wrapping_sub(last.timestamp);
    assert!(step.abs_diff(elapsed) <= 3_000, "{step} ticks in {elapsed}");
    let refused =
        world.try_command(json!({"type": "set_active_encodings", "stream": 9, "rids": []}));
    assert!(refused.is_some());
}

const AV1_CLIP: u32 = 6;
const DESCRIPTOR_ID: u8 = 8;

/// Publish AV1 with dependency descriptors and capture times, in a call that loses nothing.
fn publishing_av1() -> World {
    let uris = [
        (Extension::Mid, 1),
        (Extension::TransportSequence, 3),
        (Extension::AbsCaptureTime, CAPTURE_TIME_ID),
        (Extension::DependencyDescriptor, DESCRIPTOR_ID),
    ];
    let ids: serde_json::Map<_, _> = uris
        .map(|(extension, id)| (extension.uri().to_owned(), json!(id)))
        .into_iter()
        .collect();
    publishing(AV1_CLIP, &[("extensions", json!(ids))])
}

fn descriptor(packet: &ReceivedPacket) -> &[u8] {
    let mut found = packet.extensions.iter();
    let (_, value) = found.find(|(id, _)| *id == DESCRIPTOR_ID).unwrap();
    value
}

#[test]
fn packets_of_av1_have_dependency_descriptors_with_a_structure_on_key_frames() {
    let mut world = publishing_av1();
    world.run_for(4_000);
    let packets = &world.reflector.received;
    let mut reader = DependencyReader::default();
    let mut numbers = Vec::new();
    for frame in frames(packets) {
        let is_key = frame[0].payload[0] & 0x08 != 0; // N
        for (nth, packet) in frame.iter().enumerate() {
            let read = reader.read(descriptor(packet)).unwrap();
            let info = read.info;
            assert_eq!((info.start, info.end), (nth == 0, packet.marker));
            assert_eq!(info.keyframe, is_key && nth == 0);
            assert_eq!(descriptor(packet).len() > 3, info.keyframe);
            assert!(info.switch_point && !info.discardable);
            let refers: &[u16] = if is_key { &[] } else { &[1] };
            assert_eq!(read.dependencies.differences.as_slice(), refers);
            assert_eq!(read.dependencies.chains[0], u8::from(!is_key));
            if nth == 0 {
                numbers.push(read.number);
            }
        }
    }
    assert!(numbers.len() > 55, "{}", numbers.len());
    assert!(
        numbers
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1))
    );
    let structure = reader.structure().unwrap();
    assert_eq!(structure.resolutions.as_deref(), Some(&[(320, 180)][..]));
    assert_eq!(reader.active_targets(), 1);
}

#[test]
fn retransmissions_of_av1_have_the_descriptor_of_their_packet() {
    let mut world = publishing_av1();
    world.run_for(500);
    let first = world.reflector.received[0].clone();
    let mut nack = Vec::new();
    wire::rtcp::write::nack(&mut nack, Ssrc(1), Ssrc(1007), &[first.sequence]);
    world.reflector.send_rtcp(1, &nack);
    world.run_for(100);
    let packets = &world.reflector.received;
    let again = packets.iter().find(|packet| is_rtx(packet)).unwrap();
    assert_eq!(descriptor(again), descriptor(&first));
    assert!(descriptor(again).len() > 3);
}

#[test]
fn packets_of_other_codecs_have_no_descriptor() {
    let ids = json!({Extension::DependencyDescriptor.uri(): DESCRIPTOR_ID});
    let mut world = publishing(1, &[("extensions", ids)]);
    world.run_for(200);
    let packets = &world.reflector.received;
    assert!(!packets.is_empty() && packets.iter().all(|packet| packet.extensions.is_empty()));
}

#[test]
fn audio_has_a_level_that_changes_on_command() {
    let mut world = publishing(4, &[("audio_level", json!(0x80 | 25))]);
    world.run_for(400);
    world.command(json!({"type": "set_audio_level", "stream": 7, "octet": 127}));
    world.run_for(400);
    let packets = &world.reflector.received;
    let levels: Vec<u8> = packets
        .iter()
        .filter_map(|packet| {
            let mut extensions = packet.extensions.iter();
            Some(extensions.find(|it| it.0 == AUDIO_LEVEL_ID)?.1[0])
        })
        .collect();
    assert_eq!(levels.len(), packets.len());
    let spoken = levels.iter().filter(|octet| **octet == 0x80 | 25).count();
    assert!(levels[..spoken].iter().all(|octet| *octet == 0x80 | 25));
    assert!(levels[spoken..].iter().all(|octet| *octet == 127));
    assert!(spoken > 10 && levels.len() > spoken + 10, "{levels:?}");
}
