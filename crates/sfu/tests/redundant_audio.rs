//! Redundant audio (RED, RFC 2198): unpacked for those who do not take it, packed for those who do,
//! and its blocks in the places of lost packets.

mod common;

use common::camera::RED_PAYLOAD_TYPE;
use common::payload::read_opus;
use common::*;
use rtc::codec::red::{self, Blocks};

struct Call {
    world: World,
    camera: usize,
    /// Takes Opus alone.
    plain: Sub,
    /// Takes RED.
    taking: Sub,
}

impl Call {
    fn with(blocks: Option<usize>) -> Self {
        let mut world = World::default();
        let room = world.open_room();
        let [publisher, plain, taking] = world.connect_many(room, 3)[..] else {
            unreachable!("three clients")
        };
        let camera = world.publish_with(publisher, Codec::Opus, &[], |camera| camera.red = blocks);
        let plain = world.subscribe(plain, camera);
        let taking = world.subscribe_with(taking, camera, |request| {
            request.red_payload_type = Some(RED_PAYLOAD_TYPE);
        });
        world.run_for(ms(500));
        Self {
            world,
            camera,
            plain,
            taking,
        }
    }

    fn next_sequence(&self) -> u16 {
        self.world.cameras[self.camera].encodings[0].index as u16
    }

    fn lose(&mut self, sequences: impl IntoIterator<Item = u16>) {
        let ssrc = self.world.cameras[self.camera].encodings[0].ssrc;
        self.world.lose(Direction::Up, ssrc, sequences);
    }

    fn arrived(&self, sub: Sub) -> Vec<&Arrived> {
        self.world.clients[sub.client].stream(sub.ssrc).collect()
    }

    /// Return the numbers of the frames that a subscriber of Opus has got, in order.
    fn frames(&self) -> Vec<u32> {
        let arrived = self.arrived(self.plain);
        arrived
            .iter()
            .map(|it| read_opus(it.payload()).frame)
            .collect()
    }

    fn recovered(&self) -> u64 {
        self.world.engine.counters().audio_packets_recovered
    }
}

fn blocks(arrived: &Arrived) -> Blocks<'_> {
    red::blocks(arrived.payload()).expect("RED")
}

/// Check that numbers follow one another, and that timestamps differ by frames of 20 ms.
fn assert_continuous(arrived: &[&Arrived]) {
    for pair in arrived.windows(2) {
        assert_eq!(pair[1].index, pair[0].index + 1);
        assert_eq!(
            pair[1]
                .header
                .timestamp
                .wrapping_sub(pair[0].header.timestamp),
            960
        );
    }
}

#[test]
fn red_is_unpacked_for_subscribers_without_it_and_packed_for_those_with_it() {
    let call = Call::with(Some(1));
    let (plain, taking) = (call.arrived(call.plain), call.arrived(call.taking));
    assert!(plain.len() > 15 && taking.len() > 15);
    assert_continuous(&plain);
    assert_continuous(&taking);
    assert!(
        plain
            .iter()
            .all(|it| it.header.payload_type.0 == call.plain.payload_type)
    );
    assert!(
        taking
            .iter()
            .all(|it| it.header.payload_type.0 == RED_PAYLOAD_TYPE)
    );
    for pair in taking.windows(2) {
        let (before, this) = (blocks(pair[0]), blocks(pair[1]));
        let [redundant] = this.redundant() else {
            panic!("{this:?}")
        };
        assert_eq!(redundant.payload, before.primary.payload);
        assert_eq!(redundant.offset, 960);
        // The payload types of the blocks are those of the subscriber.
        let types = [redundant.payload_type, this.primary.payload_type];
        assert_eq!(types, [call.taking.payload_type; 2]);
    }
    assert_eq!(call.recovered(), 0);
}

#[test]
fn subscribers_that_take_red_get_it_of_publishers_without() {
    let call = Call::with(None);
    let taking = call.arrived(call.taking);
    assert!(taking.len() > 15);
    assert!(
        taking[1..]
            .iter()
            .all(|it| blocks(it).redundant().len() == 1)
    );
}

#[test]
fn lost_packets_are_taken_from_the_blocks_of_the_next() {
    for (blocks, lost, expected) in [(1, 1, 1), (1, 2, 1), (2, 2, 2), (2, 3, 2)] {
        let mut call = Call::with(Some(blocks));
        let first = call.next_sequence() + 3;
        call.lose(first..first + lost);
        call.world.run_for(ms(500));
        assert_eq!(call.recovered(), expected, "{blocks} blocks, {lost} lost");
        let frames = call.frames();
        let missing = frames
            .windows(2)
            .map(|pair| pair[1] - pair[0] - 1)
            .sum::<u32>();
        assert_eq!(u64::from(missing), u64::from(lost) - expected);
        let taking = call.arrived(call.taking);
        let holes = taking
            .windows(2)
            .filter(|pair| pair[1].index != pair[0].index + 1);
        assert_eq!(holes.count(), usize::from(missing > 0));
    }
}

#[test]
fn half_of_the_packets_lost_leaves_no_gap() {
    let mut call = Call::with(Some(1));
    let first = call.next_sequence();
    call.lose((first..first + 200).step_by(2));
    call.world.run_for(ms(5_000));
    assert_eq!(call.recovered(), 100);
    let plain = call.arrived(call.plain);
    assert!(plain.len() > 250);
    assert_continuous(&plain);
    let frames = call.frames();
    assert!(frames.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn a_packet_that_comes_late_is_a_duplicate_of_its_block() {
    let mut call = Call::with(Some(1));
    let sequence = call.next_sequence() + 2;
    let ssrc = call.world.cameras[call.camera].encodings[0].ssrc;
    let held = call.world.hold_once(Direction::Up, ssrc, sequence);
    call.world.run_for(ms(200));
    let address = call.world.clients[call.world.cameras[call.camera].client].address;
    let bytes = held.borrow().clone();
    let before = call.world.engine.counters();
    call.world.inject(address, &bytes);
    call.world.run_for(ms(200));
    let after = call.world.engine.counters();
    assert_eq!(after.packets_duplicate, before.packets_duplicate + 1);
    assert_continuous(&call.arrived(call.plain));
}

#[test]
fn malformed_red_is_dropped_and_counted() {
    let mut call = Call::with(Some(1));
    let hostile: [&[u8]; 5] = [
        &[],
        &[0x80 | 111],
        &[0x80 | 111, 0, 4, 0xff, 111, 1],
        // The primary block is of another payload type.
        &[112, 0x78, 1, 2],
        &[0xff; 1100],
    ];
    let camera = &call.world.cameras[call.camera];
    let client = camera.client;
    let first = camera.encodings[0].index + 40;
    for (index, payload) in (first..).zip(hostile) {
        let mut packet = plain_packet(&call.world.cameras[call.camera], index);
        (packet.payload_type, packet.payload) = (RED_PAYLOAD_TYPE, payload.to_vec());
        call.world.clients[client].send_rtp(&packet);
    }
    let frames = call.frames().len();
    call.world.run_for(ms(30));
    let counters = call.world.engine.counters();
    assert_eq!(counters.payloads_unreadable, hostile.len() as u64);
    call.world.run_for(ms(500));
    assert!(call.frames().len() > frames + 20);
}

#[test]
fn plain_opus_of_a_publisher_with_red_is_forwarded() {
    let mut call = Call::with(Some(1));
    call.world.cameras[call.camera].red = None;
    call.world.run_for(ms(500));
    let plain = call.arrived(call.plain);
    assert!(plain.len() > 40);
    assert_continuous(&plain);
    assert_eq!(call.world.engine.counters().payloads_unreadable, 0);
}
