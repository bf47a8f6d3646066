//! A publication of packets that a test plays, and what a recorder gets of it.

use std::sync::{Arc, Mutex};

use rtc::codec::Codec;
use sfu::egress::sink::Sink;
use sfu::ingress::packet::Packet;
use sfu::ingress::source::Source;
use sfu::keys::EncodingKey;
use sfu::message::{Preference, SubscribeRequest, Target};
use wire::extension::{Extension, ExtensionMap, Values};
use wire::id::Ssrc;
use wire::rtp::Header;
use wire::time::Time;

use super::camera::Camera;
use super::participants::UP_IDS;
use super::world::World;

/// The extension id of descriptors that are sent; not that of the publisher.
pub const DESCRIPTOR_ID: u8 = 11;

/// The packets that a sink got.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Vec<u8>>>>);

impl Recorder {
    pub fn taken(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

impl Sink for Recorder {
    fn take(&mut self, _: Time, packet: &[u8]) {
        self.0.lock().expect("unpoisoned").push(packet.to_vec());
    }
}

struct Silent;

impl Source for Silent {
    fn request_keyframe(&mut self, _: EncodingKey) {}

    fn request_packets(&mut self, _: EncodingKey, _: &[u16]) {}
}

/// A packet of the publication.
#[derive(Clone, Debug, Default)]
pub struct Played {
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub descriptor: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

/// A room with one publication, which is not that of a transport.
pub struct Player {
    pub world: World,
    pub room: u32,
    /// The camera of the publication, which sends nothing.
    pub camera: usize,
    key: EncodingKey,
    timestamp: Option<u32>,
}

impl Player {
    pub fn new(codec: Codec) -> Self {
        let mut world = World::default();
        let room = world.open_room();
        let publication = world.fresh_id();
        let mut camera = Camera::new(world.now, 0, publication, codec, &[]);
        camera.running = false;
        let mut published = camera.publish_request(0, &UP_IDS);
        published.transport = u32::MAX;
        let now = world.now;
        let publication = world.engine.with_room(now, room, |room, context| {
            let publisher = room.attach_source(context, Box::new(Silent));
            room.publish_from(context, publisher, &published)
                .expect("published")
        });
        world.cameras.push(camera);
        Self {
            camera: world.cameras.len() - 1,
            key: EncodingKey {
                publication: publication.expect("a room"),
                encoding: 0,
            },
            world,
            room,
            timestamp: None,
        }
    }

    /// Attach a recorder of some layers; return its subscription.
    pub fn record(&mut self, preference: Preference) -> (u32, Recorder) {
        let id = self.world.fresh_id();
        let request = SubscribeRequest {
            transport: u32::MAX,
            subscription: id,
            publication: self.world.cameras[self.camera].publication,
            mid: "0".into(),
            payload_type: 45,
            rtx_payload_type: None,
            red_payload_type: None,
            ssrc: 77,
            rtx_ssrc: None,
            extensions: [(
                Extension::DependencyDescriptor.uri().to_owned(),
                DESCRIPTOR_ID,
            )]
            .into(),
            feedback: Vec::new(),
            cname: "recorder".into(),
            target: Target::Auto,
            preference,
        };
        let recorder = Recorder::default();
        let (sink, now) = (Box::new(recorder.clone()), self.world.now);
        self.world
            .engine
            .with_room(now, self.room, |room, context| {
                let subscriber = room.attach_sink(context, sink);
                room.subscribe_to(context, subscriber, request)
                    .expect("subscribed");
            });
        (id, recorder)
    }

    /// Publish a packet; time passes between those with other timestamps.
    pub fn play(&mut self, packet: &Played) {
        let values = Values {
            dependency_descriptor: packet.descriptor.as_deref(),
            ..Values::default()
        };
        let received = Packet {
            ssrc: Ssrc(4_242),
            index: packet.index,
            timestamp: packet.timestamp,
            marker: packet.marker,
            header_len: 12,
            values: &values,
            payload: &packet.payload,
        };
        let last = self.timestamp.replace(packet.timestamp);
        if last.is_some_and(|last| last != packet.timestamp) {
            self.world.run_for(super::ms(33));
        }
        let (now, key) = (self.world.now, self.key);
        let done = self
            .world
            .engine
            .with_room(now, self.room, |room, context| {
                room.receive_packet(context, key, &received);
            });
        assert_eq!(done, Some(()), "the room has not panicked");
        self.world.flush();
    }
}

/// The sequence numbers of packets have no gap, and none is used twice.
pub fn assert_continuous(sent: &[Vec<u8>]) {
    let sequence = |packet: &Vec<u8>| Header::parse(packet).expect("RTP").sequence;
    let mut sequences: Vec<u16> = sent.iter().map(sequence).collect();
    let first = sequences[0];
    sequences.sort_by_key(|it| it.wrapping_sub(first));
    for (nth, sequence) in (0..).zip(sequences) {
        assert_eq!(sequence, first.wrapping_add(nth));
    }
}

/// The extensions of recorded packets.
pub fn recorded_ids() -> ExtensionMap {
    super::id_map(&[(DESCRIPTOR_ID, Extension::DependencyDescriptor)])
}
