//! Replay of recorded publishers: packets are encrypted beforehand, so that only the engine works.

use std::time::Duration;

use rtc::codec::Codec;
use rtc::outbox::Outbox;
use rtc::path::PathId;
use sfu::config::Config;
use sfu::counters::Counters;
use sfu::engine::Engine;
use sfu::message::SubscribeRequest;
use wire::id::Ssrc;
use wire::rtcp::{ReportBlock, TwccBuilder, write};
use wire::time::Time;

use super::participants::{DOWN_IDS, Sub, id_map};
use super::world::{World, server_path};

/// Time between two reads of a busy worker.
const READ_INTERVAL: Duration = Duration::from_millis(1);

const PREFETCHED: usize = 16;

/// The load to generate.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub codec: Codec,
    pub publishers: usize,
    pub subscribers: usize,
    pub packets_per_frame: u8,
    pub payload_len: usize,
    pub frame_interval: Duration,
    /// Time over which the packets of a frame arrive.
    pub spread: Duration,
    /// Subscribers send reports and transport-wide feedback.
    pub feedback: bool,
    /// They send NACKs for one packet in a hundred as well.
    pub nacks: bool,
    /// Duration of the load.
    pub length: Duration,
}

impl Load {
    /// One publisher of 1.7 Mb/s in frames of six packets of 1200 bytes.
    pub fn video(subscribers: usize, spread: Duration) -> Self {
        Self {
            codec: Codec::Vp8,
            publishers: 1,
            subscribers,
            packets_per_frame: 6,
            payload_len: 1_150,
            frame_interval: Duration::from_micros(33_333),
            spread,
            feedback: false,
            nacks: false,
            length: Duration::from_secs(12),
        }
    }

    /// Ten speakers and thirty listeners.
    pub fn audio() -> Self {
        Self {
            codec: Codec::Opus,
            publishers: 10,
            subscribers: 30,
            packets_per_frame: 1,
            payload_len: 80,
            frame_interval: Duration::from_millis(20),
            spread: Duration::ZERO,
            feedback: false,
            nacks: false,
            length: Duration::from_secs(12),
        }
    }
}

/// An encrypted packet that arrives at the engine.
struct Arrival {
    at: Time,
    path: PathId,
    datagram: Vec<u8>,
}

pub struct Replay {
    engine: Engine,
    arrivals: Vec<Arrival>,
    /// Number of packets received by the engine.
    received: usize,
    pub now: Time,
    /// Runs sent so far.
    pub runs: usize,
}

impl Replay {
    pub fn new(config: Config, load: &Load) -> Self {
        let mut world = World::new(config);
        let room = world.open_room();
        let publishers = world.connect_many(room, load.publishers);
        let subscribers = world.connect_many(room, load.subscribers);
        if load.feedback {
            subscribers.iter().for_each(|it| world.enable_feedback(*it));
        }
        let mut subs = Vec::new();
        for publisher in &publishers {
            let camera = world.publish_with(*publisher, load.codec, &[], |camera| {
                camera.interval = load.frame_interval;
                camera.spread = load.spread;
                let source = &mut camera.encodings[0];
                source.packets = load.packets_per_frame;
                source.payload_len = load.payload_len;
            });
            let negotiate = |request: &mut SubscribeRequest| {
                if load.feedback {
                    request.feedback = vec!["transport-cc".to_owned()];
                }
            };
            let subscribe = |it: &usize| world.subscribe_with(*it, camera, negotiate);
            subs.extend(subscribers.iter().map(subscribe));
        }
        if load.feedback {
            // Until the estimates have left their start behind and no probes are sent.
            world.run_for(Duration::from_secs(4));
        }
        let cameras = warm_up(&mut world);
        let mut arrivals = arrivals(&mut world, &cameras, load.length);
        if load.feedback {
            add_feedback(&mut world, &subs, &mut arrivals, load.nacks);
        }
        Self::with(world, arrivals)
    }

    /// Rooms of five: all receive the first large and three others small, the first receives the
    /// second large; each receives the audio of all four.
    pub fn rooms_of_five(config: Config, rooms: usize, length: Duration) -> Self {
        let mut world = World::new(config);
        for nth in 0..rooms {
            let room = world.open_room();
            let participants = world.connect_many(room, 5);
            let begin = world.now + Duration::from_micros(397 * nth as u64 % 40_000);
            let published: Vec<[usize; 3]> = participants
                .iter()
                .map(|client| publish_meeting(&mut world, *client, begin))
                .collect();
            for unsubscribed in &published[2..] {
                world.cameras[unsubscribed[0]].running = false;
            }
            for (viewer, client) in participants.iter().enumerate() {
                for other in (0..5).filter(|other| *other != viewer) {
                    let [large, small, audio] = published[other];
                    let is_large = other == usize::from(viewer == 0);
                    world.subscribe(*client, if is_large { large } else { small });
                    world.subscribe(*client, audio);
                }
            }
        }
        let cameras = warm_up(&mut world);
        let arrivals = arrivals(&mut world, &cameras, length);
        Self::with(world, arrivals)
    }

    fn with(world: World, mut arrivals: Vec<Arrival>) -> Self {
        arrivals.sort_by_key(|arrival| arrival.at);
        Self {
            now: world.now,
            engine: world.engine,
            arrivals,
            received: 0,
            runs: 0,
        }
    }

    /// Advance the time, with the reads and sends of a worker.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.read();
            while self.send(|_| ()) {}
        }
    }

    /// Advance the time for a worker that sends one outbox in so many reads; pass each to `sent`.
    pub fn run_overloaded(
        &mut self,
        span: Duration,
        reads_per_outbox: usize,
        mut sent: impl FnMut(&Outbox),
    ) {
        let end = self.now + span;
        while self.now < end {
            (0..reads_per_outbox).for_each(|_| self.read());
            self.send(&mut sent);
        }
    }

    fn read(&mut self) {
        self.now = self.now + READ_INTERVAL;
        let arrived = self.arrivals[self.received..].iter();
        let arrived = arrived.take_while(|arrival| arrival.at <= self.now).count();
        let next = self.received + arrived;
        for batch in self.arrivals[self.received..next].chunks_mut(PREFETCHED) {
            let next = batch
                .iter()
                .map(|arrival| (arrival.path, arrival.datagram.as_slice()));
            self.engine.prefetch(next);
            for arrival in batch {
                self.engine
                    .receive(arrival.at, arrival.path, &mut arrival.datagram);
            }
        }
        self.received = next;
        self.engine.handle_timeout(self.now);
    }

    /// Return whether the recorded packets last for this span.
    pub fn has_ahead(&self, span: Duration) -> bool {
        let last = self.arrivals.last();
        last.is_some_and(|arrival| arrival.at >= self.now + span)
    }

    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }

    /// Send an outbox, at no cost; return whether it held datagrams.
    fn send(&mut self, sent: impl FnOnce(&Outbox)) -> bool {
        self.engine.flush(self.now);
        let outbox = self.engine.outbox();
        let any = !outbox.is_empty();
        self.runs += outbox.runs().len();
        sent(outbox);
        outbox.clear();
        any
    }
}

/// Publish a large video, a small one and audio, out of phase with those of others.
fn publish_meeting(world: &mut World, client: usize, begin: Time) -> [usize; 3] {
    let kinds = [
        (Codec::Vp8, 7, 1_100),
        (Codec::Vp8, 1, 700),
        (Codec::Opus, 1, 80),
    ];
    kinds.map(|(codec, packets, payload_len)| {
        world.publish_with(client, codec, &[], |camera| {
            camera.interval = Duration::from_millis(40);
            camera.next_frame = begin + Duration::from_micros(7_919 * client as u64 % 40_000);
            camera.encodings[0].packets = packets;
            camera.encodings[0].payload_len = payload_len;
        })
    })
}

/// Start all streams, then stop all cameras; return those that were stopped.
fn warm_up(world: &mut World) -> Vec<usize> {
    world.run_for(Duration::from_millis(500));
    let mut stopped = Vec::new();
    for (nth, camera) in world.cameras.iter_mut().enumerate() {
        if std::mem::take(&mut camera.running) {
            stopped.push(nth);
        }
    }
    world.run_for(Duration::from_millis(100));
    stopped
}

/// Record the packets of the publishers, encrypted.
fn arrivals(world: &mut World, cameras: &[usize], length: Duration) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let end = world.now + length;
    for nth in cameras {
        let camera = &mut world.cameras[*nth];
        let client = &mut world.clients[camera.client];
        camera.running = true;
        client.forgetful = true;
        // Publishers are out of phase.
        camera.next_frame = world.now + Duration::from_micros(700 * *nth as u64 % 40_000);
        camera.encodings[0].keyframe_wanted = true;
        while let Some(at) = camera.next_due().filter(|at| *at < end) {
            camera.tick(at, client);
            for (_, datagram) in client.out.datagrams() {
                arrivals.push(Arrival {
                    at,
                    path: server_path(client.address),
                    datagram: datagram.to_vec(),
                });
            }
            client.out.clear();
        }
    }
    arrivals
}

/// Add the RTCP of the receivers of `subs` behind a network of 50 ms delay and 1 % of loss.
fn add_feedback(world: &mut World, subs: &[Sub], arrivals: &mut Vec<Arrival>, nacks: bool) {
    let media: Vec<Time> = arrivals.iter().map(|arrival| arrival.at).collect();
    for sub in subs {
        let client = &mut world.clients[sub.client];
        let last = client.stream(sub.ssrc).last().expect("a frame");
        let next = last.header.sequence;
        let ids = id_map(&DOWN_IDS);
        let number = last.values(&ids).transport_sequence.expect("negotiated");
        let mut times = Vec::new();
        for (nth, at) in media.iter().enumerate() {
            let mut rtcp = Vec::new();
            // A retransmission takes a transport-wide number, which this feedback does not know.
            if nth % 100 == 99 && nacks {
                let lost = next.wrapping_add(nth as u16);
                write::nack(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc), &[lost]);
            }
            if nth % 20 == 19 {
                let last = number.wrapping_add(nth as u16 + 1);
                acknowledge(&mut rtcp, last, &media[nth - 19..=nth]);
                let block = ReportBlock {
                    ssrc: Ssrc(sub.ssrc),
                    fraction_lost: 2,
                    ..ReportBlock::default()
                };
                write::receiver_report(&mut rtcp, Ssrc(7), &[block]);
            }
            if !rtcp.is_empty() {
                client.send_rtcp(&rtcp);
                times.push(*at + Duration::from_millis(50));
            }
        }
        let path = server_path(client.address);
        let datagrams = client
            .out
            .datagrams()
            .map(|(_, datagram)| datagram.to_vec());
        arrivals.extend(
            times
                .into_iter()
                .zip(datagrams)
                .map(|(at, datagram)| Arrival { at, path, datagram }),
        );
        client.out.clear();
    }
}

/// Acknowledge the packets up to this number, which arrived evenly spaced within these instants: a
/// bottleneck has smoothed the frames.
fn acknowledge(rtcp: &mut Vec<u8>, last: u16, arrivals: &[Time]) {
    let mut feedback = TwccBuilder::new();
    let first = last.wrapping_sub(arrivals.len() as u16 - 1);
    feedback.start(first, arrivals[0]);
    let count = arrivals.len() as u16;
    let step = arrivals[arrivals.len() - 1].since(arrivals[0]) / u32::from(count);
    for nth in 0..count {
        let at = arrivals[0] + step * u32::from(nth);
        feedback.push(first.wrapping_add(nth), at);
    }
    feedback.write(rtcp, Ssrc(7), Ssrc(7), last as u8);
}
