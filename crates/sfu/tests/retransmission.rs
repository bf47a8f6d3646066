//! NACKs of subscribers are answered over RTX (RFC 4588), from the history.

mod common;

use common::payload::read_vp8;
use common::*;
use wire::id::Ssrc;
use wire::rtcp::write;

fn nack(world: &mut World, sub: Sub, sequences: &[u16]) {
    let mut rtcp = Vec::new();
    write::nack(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc), sequences);
    world.clients[sub.client].send_rtcp(&rtcp);
    world.settle();
}

/// A subscriber in the middle of a stream, and the numbers of packets that it has received.
fn playing(change: impl FnOnce(&mut sfu::message::SubscribeRequest)) -> (World, usize, Sub) {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &["q", "f"]);
    let sub = world.subscribe_with(subscriber, camera, |request| {
        request.target = Target::Index { index: 0 };
        change(request);
    });
    world.run_for(ms(2_000));
    // After a switch, so that numbers inside the payload are rewritten.
    world.set_target(sub, Target::Index { index: 1 });
    world.run_for(ms(1_000));
    (world, camera, sub)
}

fn last_sequences(world: &World, sub: Sub, count: usize) -> Vec<u16> {
    let stream = world.clients[sub.client].stream(sub.ssrc);
    let indices: Vec<u16> = stream.map(|arrived| arrived.index as u16).collect();
    indices[indices.len() - count..].to_vec()
}

#[test]
fn a_lost_packet_is_retransmitted_unchanged() {
    let (mut world, _, sub) = playing(|_| {});
    let wanted = last_sequences(&world, sub, 5);
    nack(&mut world, sub, &wanted);
    world.run_for(ms(60));
    let client = &world.clients[sub.client];
    let again: Vec<_> = client.stream(sub.rtx_ssrc).collect();
    assert_eq!(again.len(), 5);
    let ids = id_map(&DOWN_IDS);
    for (nth, repair) in again.iter().enumerate() {
        let original_sequence = u16::from_be_bytes([repair.payload()[0], repair.payload()[1]]);
        assert_eq!(original_sequence, wanted[nth]);
        let mut own = client.stream(sub.ssrc);
        let original = own.find(|it| it.index as u16 == original_sequence);
        let original = original.expect("received before");
        assert_eq!(&repair.payload()[2..], original.payload());
        assert_eq!(repair.header.timestamp, original.header.timestamp);
        assert_eq!(repair.header.marker, original.header.marker);
        assert_eq!(repair.header.payload_type.0, sub.rtx_payload_type);
        assert_eq!(repair.index, again[0].index + nth as u64);
        assert_eq!(repair.values(&ids).mid, original.values(&ids).mid);
    }
    assert!(again[0].index < 1 << 15);
}

#[test]
fn no_packet_is_retransmitted_twice_within_one_rtt() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.clients[subscriber].down.conditions.delay = ms(50);
    world.enable_feedback(subscriber);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    // Long enough for a sender report and the receiver report that answers it.
    world.run_for(ms(4_000));
    let wanted = last_sequences(&world, sub, 1);
    for wait_ms in [5, 20, 15, 80] {
        nack(&mut world, sub, &wanted);
        world.run_for(ms(wait_ms));
    }
    world.run_for(ms(200));
    // NACKs at 0, 5, 25 and 40 ms, with a round trip of 60 ms.
    assert_eq!(world.clients[subscriber].stream(sub.rtx_ssrc).count(), 1);
    nack(&mut world, sub, &wanted);
    world.run_for(ms(200));
    assert_eq!(world.clients[subscriber].stream(sub.rtx_ssrc).count(), 2);
}

#[test]
fn a_packet_is_retransmitted_again_after_the_rtt_of_the_receiver() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let subscriber = world.connect(room);
    world.clients[subscriber].down.conditions.delay = ms(80);
    world.enable_feedback(subscriber);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let sub = world.subscribe(subscriber, camera);
    world.run_for(ms(4_000));
    let wanted = last_sequences(&world, sub, 1);
    nack(&mut world, sub, &wanted);
    // It takes the round trip for 80 ms, we for 90.
    world.run_for(ms(80));
    nack(&mut world, sub, &wanted);
    world.run_for(ms(200));
    assert_eq!(world.clients[subscriber].stream(sub.rtx_ssrc).count(), 2);
}

#[test]
fn nacks_without_rtx_are_counted_as_unanswered() {
    let (mut world, _, sub) = playing(|request| {
        request.rtx_ssrc = None;
        request.rtx_payload_type = None;
    });
    let wanted = last_sequences(&world, sub, 3);
    let before = world.clients[sub.client].rtp.len();
    world.cameras[0].running = false;
    world.run_for(ms(100));
    let settled = world.clients[sub.client].rtp.len();
    nack(&mut world, sub, &wanted);
    world.run_for(ms(100));
    assert!(settled >= before);
    assert_eq!(world.clients[sub.client].rtp.len(), settled);
    assert_eq!(world.engine.counters().nacks_unanswered, 3);
}

#[test]
fn old_packets_are_not_retransmitted() {
    let (mut world, _, sub) = playing(|_| {});
    let wanted = last_sequences(&world, sub, 3);
    world.run_for(ms(3_500));
    nack(&mut world, sub, &wanted);
    world.run_for(ms(100));
    assert_eq!(world.clients[sub.client].stream(sub.rtx_ssrc).count(), 0);
    assert_eq!(world.engine.counters().nacks_unanswered, 3);
}

#[test]
fn numbers_never_sent_are_not_answered() {
    let (mut world, _, sub) = playing(|_| {});
    let ahead = last_sequences(&world, sub, 1)[0].wrapping_add(5_000);
    nack(&mut world, sub, &[ahead]);
    world.run_for(ms(100));
    assert_eq!(world.clients[sub.client].stream(sub.rtx_ssrc).count(), 0);
}

#[test]
fn packets_from_before_a_switch_are_still_answered() {
    let (mut world, _, sub) = playing(|_| {});
    let wanted = last_sequences(&world, sub, 2);
    world.set_target(sub, Target::Index { index: 0 });
    let switched = world.run_until(ms(500), |world| {
        let last = world.clients[sub.client].stream(sub.ssrc).last();
        last.is_some_and(|it| read_vp8(it.payload()).mark.encoding == 0)
    });
    assert!(switched);
    nack(&mut world, sub, &wanted);
    world.run_for(ms(60));
    let again = world.clients[sub.client].stream(sub.rtx_ssrc);
    let encodings: Vec<u8> = again
        .map(|repair| read_vp8(&repair.payload()[2..]).mark.encoding)
        .collect();
    assert_eq!(encodings, [1, 1]);
}

#[test]
fn two_percent_of_loss_is_repaired() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    let subs: Vec<Sub> = world
        .connect_many(room, 4)
        .into_iter()
        .map(|client| {
            world.enable_feedback(client);
            let conditions = Conditions {
                loss: 0.02,
                delay: ms(40),
                jitter: ms(8),
                duplication: 0.01,
                ..Conditions::default()
            };
            world.clients[client].down.conditions = conditions;
            world.clients[client].up.conditions = conditions;
            world.subscribe(client, camera)
        })
        .collect();
    world.run_for(ms(20_000));
    world.cameras[camera].running = false;
    world.run_for(ms(1_000));
    let sent = world.cameras[camera].sent.len();
    for sub in subs {
        let payloads = repaired(&world, sub);
        assert!(payloads.len() + 20 > sent, "{} of {sent}", payloads.len());
        assert_whole(&payloads);
    }
    let counters = world.engine.counters();
    let lost = 4.0 * 0.02 * sent as f64;
    let resent = counters.retransmitted_packets_sent as f64;
    assert!(resent < 1.5 * lost, "{resent} resent for {lost} lost");
}

#[test]
fn a_flood_of_nacks_costs_no_more_than_the_media() {
    let (mut world, camera, sub) = playing(|_| {});
    let last = last_sequences(&world, sub, 1)[0];
    let before = world.clients[sub.client].stream(sub.rtx_ssrc).count();
    let sent = world.cameras[camera].sent_of(1).count();
    for _ in 0..2_000 {
        let all: Vec<u16> = (0..500).map(|nth| last.wrapping_sub(nth)).collect();
        nack(&mut world, sub, &all);
        world.run_for(ms(1));
    }
    let resent = world.clients[sub.client].stream(sub.rtx_ssrc).count() - before;
    let sent = world.cameras[camera].sent_of(1).count() - sent;
    assert!(resent > 50, "{resent}");
    assert!(resent < sent * 2, "{resent} for {sent}");
}
