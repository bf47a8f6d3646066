//! RTCP reports in both directions: lip sync, loss and round-trip times.

mod common;

use common::camera::Camera;
use common::*;
use std::time::Duration;
use wire::id::Ssrc;
use wire::rtcp::{Packet, ReportBlock, SenderInfo, XrBlock, write};
use wire::time::{NtpTime, Time};

fn playing(change: impl FnOnce(&mut Camera)) -> (World, usize, Sub) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish_with(publisher, Codec::Vp8, &[], change);
    let sub = world.subscribe(subscriber, camera);
    (world, camera, sub)
}

fn sender_reports(world: &World, sub: Sub) -> Vec<(Time, SenderInfo)> {
    let of_sub = |(at, packet)| match packet {
        Packet::SenderReport { ssrc, info, .. } if ssrc.0 == sub.ssrc => Some((at, info)),
        _ => None,
    };
    let packets = world.clients[sub.client].rtcp_packets();
    packets.filter_map(of_sub).collect()
}

fn report_blocks(world: &World, client: usize, ssrc: u32) -> Vec<ReportBlock> {
    let packets = world.clients[client].rtcp_packets();
    let blocks = packets.flat_map(|(_, packet)| match packet {
        Packet::ReceiverReport { reports, .. } => reports.collect(),
        _ => Vec::new(),
    });
    blocks.filter(|block| block.ssrc.0 == ssrc).collect()
}

/// The instant at which the publisher's wall clock shows this.
fn instant(ntp: NtpTime) -> Time {
    Time::ZERO + ntp.since(Camera::ntp(Time::ZERO))
}

#[test]
fn sender_reports_have_the_publishers_clock() {
    let (mut world, camera, sub) = playing(|_| {});
    world.run_for(ms(5_500));
    let reports = sender_reports(&world, sub);
    assert!((4..=6).contains(&reports.len()), "one a second");
    let first = world.clients[sub.client]
        .stream(sub.ssrc)
        .next()
        .expect("media");
    let sent = &world.cameras[camera].sent[0];
    let shift = first.header.timestamp.wrapping_sub(sent.packet.timestamp);
    for (arrived, info) in &reports {
        // The publisher's report took 10 ms to the server, and this one 10 ms more.
        let spoken_of = instant(info.ntp);
        let age = arrived.since(spoken_of);
        assert!(age.abs_diff(ms(20)) < Duration::from_micros(100), "{age:?}");
        let expected = world.cameras[camera]
            .timestamp(0, spoken_of)
            .wrapping_add(shift);
        let off = info.rtp_timestamp.wrapping_sub(expected) as i32;
        assert!(off.abs() <= 2, "{off} ticks");
    }
}

#[test]
fn sender_reports_count_packets_and_payload_without_padding() {
    let (mut world, camera, sub) = playing(|camera| {
        camera.encodings[0].packets = 6;
        camera.encodings[0].uneven = true;
    });
    world.run_for(ms(5_000));
    world.cameras[camera].running = false;
    world.run_for(ms(1_500));
    let client = &world.clients[sub.client];
    let (_, last) = *sender_reports(&world, sub).last().expect("a report");
    let payload: usize = client.stream(sub.ssrc).map(|it| it.payload().len()).sum();
    assert!(
        client.stream(sub.ssrc).any(|it| it.padding > 0),
        "some are padded"
    );
    assert_eq!(last.packets as usize, client.stream(sub.ssrc).count());
    assert_eq!(last.octets as usize, payload);
}

#[test]
fn no_sender_report_before_the_publishers_first() {
    let (mut world, _, sub) = playing(|camera| camera.sends_reports = false);
    world.run_for(ms(3_000));
    assert_eq!(sender_reports(&world, sub), []);
}

#[test]
fn cname_and_bye_are_sent() {
    let (mut world, _, sub) = playing(|_| {});
    world.run_for(ms(2_500));
    world.command(Request::Unsubscribe {
        subscription: sub.id,
    });
    world.run_for(ms(100));
    let packets = || world.clients[sub.client].rtcp_packets();
    let named = packets().any(|(_, packet)| match packet {
        Packet::Sdes(mut chunks) => {
            chunks.any(|chunk| chunk.ssrc.0 == sub.ssrc && chunk.cname == Some(b"subscriber"))
        }
        _ => false,
    });
    assert!(named);
    let ended = packets().any(|(_, packet)| match packet {
        Packet::Bye(mut ssrcs) => ssrcs.any(|ssrc| ssrc.0 == sub.ssrc),
        _ => false,
    });
    assert!(ended);
}

#[test]
fn publishers_get_reports_of_loss() {
    let (mut world, camera, _) = playing(|camera| camera.answers_nacks = false);
    world.run_for(ms(500));
    let (publisher, ssrc) = {
        let camera = &world.cameras[camera];
        (camera.client, camera.encodings[0].ssrc)
    };
    let next = world.cameras[camera].encodings[0].index as u16;
    world.lose(Direction::Up, ssrc, next..next + 10);
    world.run_for(ms(5_000));
    let blocks = report_blocks(&world, publisher, ssrc);
    assert!(blocks.len() >= 4);
    let last = blocks.last().expect("a block");
    assert_eq!(last.cumulative_lost, 10);
    assert_eq!(last.fraction_lost, 0);
    assert!(blocks.iter().any(|block| block.fraction_lost > 0));
    assert!(last.highest_sequence > u32::from(next));
    // It answers the publisher's last sender report.
    assert_ne!(last.last_sr, 0);
    assert!(last.delay_since_last_sr < 65_536 * 11 / 10);
}

#[test]
fn no_report_block_before_a_stream_is_bound() {
    let (mut world, camera, _) = playing(|camera| camera.running = false);
    world.run_for(ms(3_000));
    let publisher = world.cameras[camera].client;
    let of_reports =
        |(_, packet): &(Time, Packet<'_>)| matches!(packet, Packet::ReceiverReport { .. });
    let reports = world.clients[publisher].rtcp_packets().filter(of_reports);
    assert_eq!(reports.count(), 0);
}

#[test]
fn the_round_trip_comes_from_receiver_reports() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.enable_feedback(subscriber);
    world.clients[subscriber].down.conditions.delay = ms(70);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    world.subscribe(subscriber, camera);
    world.run_for(ms(4_000));
    let stats = world.room_stats(room);
    let rtt_ms = stats["subscriptions"][0]["rtt_ms"]
        .as_f64()
        .expect("measured");
    assert!((rtt_ms - 80.0).abs() < 1.0, "{rtt_ms}");
}

#[test]
fn reference_times_are_echoed() {
    let (mut world, camera, _) = playing(|_| {});
    world.run_for(ms(1_000));
    let publisher = world.cameras[camera].client;
    let mut rtcp = Vec::new();
    let reference = NtpTime(0x1122_3344_5566_7788);
    write::reference_time(&mut rtcp, Ssrc(33), reference);
    world.clients[publisher].send_rtcp(&rtcp);
    world.run_for(ms(1_500));
    let echoed = world.clients[publisher]
        .rtcp_packets()
        .find_map(|(_, packet)| match packet {
            Packet::Xr { mut blocks, .. } => blocks.find_map(|block| match block {
                XrBlock::Delays(mut entries) => entries.next(),
                _ => None,
            }),
            _ => None,
        });
    let echo = echoed.expect("an echo");
    assert_eq!((echo.ssrc, echo.last_rr), (Ssrc(33), reference.mid32()));
}

#[test]
fn publishers_without_transport_wide_feedback_get_the_limit_as_remb() {
    let limit = |feedback: Vec<&'static str>| {
        let mut world = World::new(Config {
            max_publish_bitrate_bps: Some(800_000),
            ..Config::default()
        });
        let room = world.open_room();
        let publisher = world.connect(room);
        world.publish_with(publisher, Codec::Vp8, &[], |camera| {
            camera.feedback = feedback
        });
        world.run_for(ms(2_500));
        let packets = world.clients[publisher].rtcp_packets();
        let limits = packets.filter_map(|(_, packet)| match packet {
            Packet::Remb { bitrate_bps, .. } => Some(bitrate_bps),
            _ => None,
        });
        limits.last()
    };
    assert_eq!(limit(vec!["nack", "goog-remb"]), Some(800_000));
    assert_eq!(limit(vec!["nack", "goog-remb", "transport-cc"]), None);
}
