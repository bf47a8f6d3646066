//! Sources and sinks that are no transports: a recorder receives what a participant would, and a
//! participant receives what a relay delivers.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::camera::Camera;
use common::payload::{Mark, Part, read_vp8, vp8};
use common::*;
use sfu::egress::sink::Sink;
use sfu::ingress::packet::Packet;
use sfu::ingress::source::Source;
use sfu::keys::{EncodingKey, PublisherKey, SubscriberKey};
use sfu::message::SubscribeRequest;
use wire::extension::Values;
use wire::id::Ssrc;
use wire::rtp::Header;
use wire::time::Time;

/// Packets with their instants.
type Recorded = Arc<Mutex<Vec<(Time, Vec<u8>)>>>;

/// Keeps every packet.
#[derive(Clone, Default)]
struct Recorder(Recorded);

impl Sink for Recorder {
    fn take(&mut self, now: Time, packet: &[u8]) {
        self.0
            .lock()
            .expect("unpoisoned")
            .push((now, packet.to_vec()));
    }
}

impl Recorder {
    fn packets(&self) -> Vec<(Header, Vec<u8>)> {
        let recorded = self.0.lock().expect("unpoisoned");
        let read = |(_, bytes): &(Time, Vec<u8>)| {
            let header = Header::parse(bytes).expect("an RTP packet");
            let payload = bytes[header.header_len..].to_vec();
            (header, payload)
        };
        recorded.iter().map(read).collect()
    }
}

/// What a relay is told.
#[derive(Clone, Debug, Default)]
struct Told {
    keyframes: usize,
    missing: Vec<u16>,
}

#[derive(Clone, Default)]
struct Relay(Arc<Mutex<Told>>);

impl Source for Relay {
    fn request_keyframe(&mut self, encoding: EncodingKey) {
        assert_eq!(encoding.encoding, 0);
        self.0.lock().expect("unpoisoned").keyframes += 1;
    }

    fn request_packets(&mut self, encoding: EncodingKey, sequences: &[u16]) {
        assert_eq!(encoding.encoding, 0);
        self.0.lock().expect("unpoisoned").missing.extend(sequences);
    }
}

/// A relay and the publication that it feeds.
struct Fed {
    relay: Relay,
    publisher: PublisherKey,
    key: EncodingKey,
    publication: u32,
    index: u64,
    frame: u32,
}

/// Packets of a frame of a relay.
const PACKETS: u8 = 3;

impl Fed {
    fn attach(world: &mut World, room: u32) -> Self {
        let relay = Relay::default();
        let id = world.fresh_id();
        let mut request =
            Camera::new(world.now, 0, id, Codec::Vp8, &[]).publish_request(0, &UP_IDS);
        request.transport = u32::MAX;
        let source = Box::new(relay.clone());
        let (now, engine) = (world.now, &mut world.engine);
        let attached = engine.with_room(now, room, |room, context| {
            let publisher = room.attach_source(context, source);
            let key = room.publish_from(context, publisher, &request);
            (publisher, key.expect("published"))
        });
        let (publisher, publication) = attached.expect("a room");
        world.flush();
        Self {
            relay,
            publisher,
            key: EncodingKey {
                publication,
                encoding: 0,
            },
            publication: id,
            index: 70_000,
            frame: 0,
        }
    }

    /// Return the packets of the next frame.
    fn frame(&mut self, keyframe: bool) -> Vec<(u64, Vec<u8>)> {
        self.frame += 1;
        let part = |packet| Part {
            mark: Mark {
                encoding: 0,
                frame: self.frame,
                packet,
            },
            keyframe,
            last: packet + 1 == PACKETS,
            len: 900,
            picture_id: self.frame as u16,
            tl0: self.frame as u8,
            key_index: 1,
        };
        let packets =
            (0..PACKETS).map(|packet| (self.index + u64::from(packet), vp8(&part(packet))));
        let packets: Vec<_> = packets.collect();
        self.index += u64::from(PACKETS);
        packets
    }

    fn deliver(&self, world: &mut World, room: u32, index: u64, payload: &[u8]) {
        let values = Values::default();
        let mark = read_vp8(payload).mark;
        let packet = Packet {
            ssrc: Ssrc(4_242),
            index,
            timestamp: 5_000 + 3_000 * mark.frame,
            marker: mark.packet + 1 == PACKETS,
            header_len: 12,
            values: &values,
            payload,
        };
        let (now, key) = (world.now, self.key);
        let done = world.engine.with_room(now, room, |room, context| {
            room.receive_packet(context, key, &packet);
        });
        assert_eq!(done, Some(()), "the room has not panicked");
        world.flush();
    }

    /// Deliver frames for some time, 30 a second; a requested keyframe is the next frame.
    fn play(&mut self, world: &mut World, room: u32, frames: usize, lost: &[u64]) {
        for _ in 0..frames {
            let keyframe = std::mem::take(&mut self.relay.0.lock().expect("unpoisoned").keyframes);
            for (index, payload) in self.frame(keyframe > 0 || self.frame == 0) {
                if !lost.contains(&index) {
                    self.deliver(world, room, index, &payload);
                }
            }
            world.run_for(ms(33));
        }
    }
}

fn request(world: &mut World, publication: u32) -> SubscribeRequest {
    let id = world.fresh_id();
    SubscribeRequest {
        transport: u32::MAX,
        subscription: id,
        publication,
        mid: "0".into(),
        payload_type: 96,
        rtx_payload_type: None,
        red_payload_type: None,
        ssrc: 77,
        rtx_ssrc: None,
        extensions: std::collections::BTreeMap::new(),
        feedback: Vec::new(),
        cname: "recorder".into(),
        target: Target::Auto,
        preference: Preference::default(),
    }
}

fn record(world: &mut World, room: u32, publication: u32) -> (Recorder, SubscriberKey) {
    let recorder = Recorder::default();
    let request = request(world, publication);
    let sink = Box::new(recorder.clone());
    let (now, engine) = (world.now, &mut world.engine);
    let key = engine.with_room(now, room, |room, context| {
        let subscriber = room.attach_sink(context, sink);
        let subscribed = room.subscribe_to(context, subscriber, request);
        subscribed.expect("subscribed");
        subscriber
    });
    world.flush();
    (recorder, key.expect("a room"))
}

fn assert_continuous(packets: &[(Header, Vec<u8>)]) {
    let sequences: Vec<u16> = packets.iter().map(|(header, _)| header.sequence).collect();
    let expected: Vec<u16> = (0..sequences.len() as u16)
        .map(|nth| sequences[0].wrapping_add(nth))
        .collect();
    assert_eq!(sequences, expected);
}

#[test]
fn a_recorder_gets_every_packet_of_a_participant_in_the_clear() {
    let mut world = World::default();
    let room = world.open_room();
    let publisher = world.connect(room);
    let camera = world.publish(publisher, Codec::Vp8, &[]);
    world.run_for(ms(500));
    let publication = world.cameras[camera].publication;
    let (recorder, sink) = record(&mut world, room, publication);
    world.run_for(ms(1_500));
    let packets = recorder.packets();
    assert!(packets.len() > 60, "{}", packets.len());
    assert_continuous(&packets);
    let first = read_vp8(&packets[0].1);
    assert!(first.keyframe && first.start, "a keyframe was requested");
    assert_eq!(world.cameras[camera].keyframe_requests.len(), 1);
    let sent: BTreeMap<Mark, &Vec<u8>> = world.cameras[camera]
        .sent
        .iter()
        .map(|sent| &sent.packet.payload)
        .map(|payload| (read_vp8(payload).mark, payload))
        .collect();
    for (header, payload) in &packets {
        assert_eq!((header.ssrc, header.payload_type.0), (Ssrc(77), 96));
        assert_eq!(
            Some(&payload),
            sent.get(&read_vp8(payload).mark),
            "unchanged"
        );
    }

    let now = world.now;
    world.engine.with_room(now, room, |room, context| {
        room.detach_sink(context, sink);
    });
    let recorded = recorder.packets().len();
    world.run_for(ms(500));
    assert_eq!(recorder.packets().len(), recorded);
    let stats = world.room_stats(room);
    assert_eq!(stats["publications"][0]["encodings"][0]["history_bytes"], 0);
    assert_eq!(world.engine.counters().subscriptions, 0);
}

#[test]
fn a_recorder_does_not_change_what_participants_get() {
    let received = |recorded: bool| {
        let mut world = World::default();
        let room = world.open_room();
        let publisher = world.connect(room);
        let subscriber = world.connect(room);
        let camera = world.publish(publisher, Codec::Vp8, &["low", "high"]);
        let sub = world.subscribe(subscriber, camera);
        world.run_for(ms(1_000));
        if recorded {
            let publication = world.cameras[camera].publication;
            record(&mut world, room, publication);
        }
        world.run_for(ms(2_000));
        let stream = world.clients[subscriber].stream(sub.ssrc);
        let marks: Vec<Mark> = stream.map(|it| read_vp8(it.payload()).mark).collect();
        assert!(marks.is_sorted_by_key(|mark| (mark.frame, mark.packet)));
        (marks.len(), world.engine.counters().transports)
    };
    // The recorder's keyframe is larger than the frame in its place.
    let (alone, recorded) = (received(false), received(true));
    assert!(recorded.0.abs_diff(alone.0) <= 8, "{alone:?} {recorded:?}");
    assert_eq!(recorded.1, 2, "a sink is no transport");
}

#[test]
fn a_participant_gets_what_a_relay_delivers() {
    let mut world = World::default();
    let room = world.open_room();
    let subscriber = world.connect(room);
    let mut fed = Fed::attach(&mut world, room);
    let mut request = request(&mut world, fed.publication);
    request.transport = world.clients[subscriber].transport_id;
    request.extensions = DOWN_IDS
        .iter()
        .map(|(id, extension)| (extension.uri().to_owned(), *id))
        .collect();
    world.command(Request::Subscribe(request));
    fed.play(&mut world, room, 30, &[]);
    world.run_for(ms(100));
    let received: Vec<_> = world.clients[subscriber].stream(77).collect();
    assert_eq!(received.len(), 30 * usize::from(PACKETS));
    let marks: Vec<Mark> = received
        .iter()
        .map(|it| read_vp8(it.payload()).mark)
        .collect();
    assert!(marks.is_sorted(), "in the order of the relay");
    let indices: Vec<u64> = received.iter().map(|arrived| arrived.index).collect();
    assert!(indices.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn a_relay_is_asked_for_keyframes_and_for_missing_packets() {
    let mut world = World::default();
    let room = world.open_room();
    let mut fed = Fed::attach(&mut world, room);
    fed.play(&mut world, room, 10, &[]);
    // No transport takes part from here to the recorder.
    let (recorder, _) = record(&mut world, room, fed.publication);
    let told = fed.relay.0.lock().expect("unpoisoned").clone();
    assert_eq!(told.keyframes, 1, "as for a participant");
    fed.play(&mut world, room, 10, &[]);
    let lost = fed.index + 1;
    fed.play(&mut world, room, 1, &[lost]);
    fed.play(&mut world, room, 3, &[]);
    world.run_for(ms(50));
    let told = fed.relay.0.lock().expect("unpoisoned").clone();
    assert_eq!(told.missing.first(), Some(&(lost as u16)));
    assert!(told.missing.iter().all(|sequence| *sequence == lost as u16));

    let mark = Mark {
        encoding: 0,
        frame: fed.frame - 3,
        packet: 1,
    };
    let part = Part {
        mark,
        keyframe: false,
        last: false,
        len: 900,
        picture_id: mark.frame as u16,
        tl0: mark.frame as u8,
        key_index: 1,
    };
    fed.deliver(&mut world, room, lost, &vp8(&part));
    world.run_for(ms(50));
    let packets = recorder.packets();
    let mut sequences: Vec<u16> = packets.iter().map(|(header, _)| header.sequence).collect();
    sequences.sort_unstable();
    let span = sequences[sequences.len() - 1] - sequences[0];
    assert_eq!(usize::from(span) + 1, sequences.len(), "no gap is left");
    assert_eq!(read_vp8(&packets[packets.len() - 1].1).mark, mark, "late");
}

#[test]
fn a_detached_source_leaves_nothing_and_its_keys_find_nothing() {
    let mut world = World::default();
    let room = world.open_room();
    let mut fed = Fed::attach(&mut world, room);
    let (recorder, _) = record(&mut world, room, fed.publication);
    fed.play(&mut world, room, 5, &[]);
    assert_eq!(recorder.packets().len(), 5 * usize::from(PACKETS));
    let (now, publisher) = (world.now, fed.publisher);
    world.engine.with_room(now, room, |room, context| {
        room.detach_source(context, publisher);
    });
    // Another publication takes the place of the first; the stale key does not lead to it.
    let other = Fed::attach(&mut world, room);
    record(&mut world, room, other.publication);
    fed.play(&mut world, room, 5, &[]);
    assert_eq!(recorder.packets().len(), 5 * usize::from(PACKETS));
    let counters = world.engine.counters();
    assert_eq!((counters.publications, counters.subscriptions), (1, 1));
    let stats = world.room_stats(room);
    let encoding = &stats["publications"][0]["encodings"][0];
    assert_eq!(encoding["packets_received"], 0, "{encoding}");
    assert_eq!(stats["publications"][0]["publication"], other.publication);
    world.close_room(room);
    let counters = world.engine.counters();
    assert_eq!((counters.publications, counters.routes), (0, 0));
}
