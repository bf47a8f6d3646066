//! Transport-wide sequence numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01), both ways.

mod common;

use common::*;
use wire::id::Ssrc;
use wire::rtcp::{Packet, TwccFeedback, write};

fn feedbacks(world: &World, client: usize) -> impl Iterator<Item = TwccFeedback<'_>> {
    let packets = world.clients[client].rtcp_packets();
    packets.filter_map(|(_, packet)| match packet {
        Packet::TransportFeedback(feedback) => Some(feedback),
        _ => None,
    })
}

#[test]
fn numbers_are_shared_by_streams_and_retransmissions() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let video = world.publish(publisher, Codec::Vp8, &[]);
    let audio = world.publish(publisher, Codec::Opus, &[]);
    let sub = world.subscribe(subscriber, video);
    world.subscribe(subscriber, audio);
    for _ in 0..20 {
        world.run_for(ms(100));
        if let Some(last) = world.clients[subscriber].stream(sub.ssrc).last() {
            let mut rtcp = Vec::new();
            write::nack(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc), &[last.header.sequence]);
            world.clients[subscriber].send_rtcp(&rtcp);
        }
    }
    world.run_for(ms(100));
    let ids = id_map(&DOWN_IDS);
    let client = &world.clients[subscriber];
    assert!(client.stream(sub.rtx_ssrc).count() >= 15);
    let number = |arrived: &Arrived| arrived.values(&ids).transport_sequence.expect("a number");
    let numbers: Vec<u16> = client.rtp.iter().map(number).collect();
    assert!(numbers.len() > 200);
    for pair in numbers.windows(2) {
        assert_eq!(pair[1], pair[0].wrapping_add(1));
    }
}

#[test]
fn publishers_get_transport_wide_feedback() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    world.run_for(ms(500));
    world.cameras[camera].answers_nacks = false;
    let source = &world.cameras[camera].encodings[0];
    let next = source.index as u16;
    world.lose(Direction::Up, source.ssrc, [next, next + 3]);
    world.run_for(ms(1_000));
    world.cameras[camera].running = false;
    world.run_for(ms(300));
    let packets: Vec<_> = feedbacks(&world, publisher)
        .flat_map(|feedback| feedback.packets().collect::<Vec<_>>())
        .collect();
    let sent = world.cameras[camera].sent.len();
    assert_eq!(packets.len(), sent, "each number once");
    assert_eq!(packets.iter().filter(|(_, at)| at.is_none()).count(), 2);
    assert!(feedbacks(&world, publisher).count() >= 10);
}

#[test]
fn publishers_that_did_not_negotiate_feedback_get_none() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    world.publish_with(publisher, Codec::Vp8, &[], |camera| {
        camera.feedback = vec!["nack", "nack pli"];
    });
    world.run_for(ms(1_000));
    assert_eq!(feedbacks(&world, publisher).count(), 0);
}

#[test]
fn feedback_of_subscribers_is_processed() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.enable_feedback(subscriber);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    world.subscribe(subscriber, camera);
    world.run_for(ms(2_000));
    let counters = world.engine.counters();
    assert!(counters.transport_feedback_received >= 10);
    assert_eq!(counters.rtcp_malformed, 0);
}

#[test]
fn a_publisher_without_the_negotiated_extension_still_gets_nacks() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.clients[publisher].sends_transport_sequence = false;
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(1_000));
    let source = &world.cameras[camera].encodings[0];
    let (ssrc, lost) = (source.ssrc, source.index as u16);
    world.lose(Direction::Up, ssrc, [lost]);
    let mut rtcp = Vec::new();
    write::pli(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc));
    world.clients[subscriber].send_rtcp(&rtcp);
    world.run_for(ms(3_000));
    assert!(
        world.cameras[camera]
            .nacks
            .iter()
            .any(|(_, _, sequence)| *sequence == lost)
    );
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 1);
    let (mut reports, mut feedback) = (0, 0);
    for (_, packet) in world.clients[publisher].rtcp_packets() {
        match packet {
            Packet::ReceiverReport {
                reports: mut blocks,
                ..
            } => {
                reports += usize::from(blocks.any(|block| block.ssrc.0 == ssrc));
            }
            Packet::TransportFeedback(_) => feedback += 1,
            _ => {}
        }
    }
    assert!(
        (3..=4).contains(&reports),
        "{reports} receiver reports in four seconds"
    );
    assert_eq!(feedback, 0);
    assert_whole(&repaired(&world, sub));
}
