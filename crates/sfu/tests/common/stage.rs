//! A room on a stage: what publishers send is sealed beforehand, so that only the engine works.

use std::time::Duration;

use rtc::codec::Codec;
use rtc::outbox::Outbox;
use rtc::path::PathId;
use sfu::config::Config;
use sfu::counters::Counters;
use sfu::engine::Engine;
use wire::id::Ssrc;
use wire::rtcp::{ReportBlock, TwccBuilder, write};
use wire::time::Time;

use super::people::Sub;
use super::world::{World, server_path};

/// Time between two looks of a busy worker.
const LOOK: Duration = Duration::from_millis(1);

const PREFETCHED: usize = 16;

/// What to play.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    pub codec: Codec,
    pub publishers: usize,
    pub subscribers: usize,
    pub packets_per_frame: u8,
    pub payload_len: usize,
    pub frame_interval: Duration,
    /// Time over which the packets of a frame arrive.
    pub spread: Duration,
    /// Subscribers report, acknowledge transport-wide numbers and ask for one packet in a hundred.
    pub feedback: bool,
    /// What is played in all.
    pub length: Duration,
}

impl Play {
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
            length: Duration::from_secs(12),
        }
    }
}

/// A sealed packet on its way to the engine.
struct Cue {
    at: Time,
    path: PathId,
    datagram: Vec<u8>,
}

pub struct Stage {
    engine: Engine,
    cues: Vec<Cue>,
    /// How many were played.
    played: usize,
    pub now: Time,
    /// Runs put out so far.
    pub runs: usize,
}

impl Stage {
    pub fn new(config: Config, play: &Play) -> Self {
        let mut world = World::new(config);
        let room = world.open_room();
        let publishers = world.connect_many(room, play.publishers);
        let subscribers = world.connect_many(room, play.subscribers);
        let mut subs = Vec::new();
        for publisher in &publishers {
            let camera = world.publish_with(*publisher, play.codec, &[], |camera| {
                camera.interval = play.frame_interval;
                camera.spread = play.spread;
                let source = &mut camera.encodings[0];
                source.packets = play.packets_per_frame;
                source.payload_len = play.payload_len;
            });
            let subscribed = subscribers.iter().map(|it| world.subscribe(*it, camera));
            subs.extend(subscribed);
        }
        let players = rehearse(&mut world);
        let mut cues = cues(&mut world, &players, play.length);
        if play.feedback {
            add_feedback(&mut world, &subs, &mut cues);
        }
        Self::with(world, cues)
    }

    /// Rooms of five: all see the first large and three others small, the first sees the second
    /// large; each hears all four.
    pub fn rooms_of_five(config: Config, rooms: usize, length: Duration) -> Self {
        let mut world = World::new(config);
        for nth in 0..rooms {
            let room = world.open_room();
            let people = world.connect_many(room, 5);
            let begin = world.now + Duration::from_micros(397 * nth as u64 % 40_000);
            let of_each: Vec<[usize; 3]> = people
                .iter()
                .map(|client| publish_meeting(&mut world, *client, begin))
                .collect();
            for unseen in &of_each[2..] {
                world.cameras[unseen[0]].running = false;
            }
            for (viewer, client) in people.iter().enumerate() {
                for other in (0..5).filter(|other| *other != viewer) {
                    let [large, small, sound] = of_each[other];
                    let is_large = other == usize::from(viewer == 0);
                    world.subscribe(*client, if is_large { large } else { small });
                    world.subscribe(*client, sound);
                }
            }
        }
        let players = rehearse(&mut world);
        let cues = cues(&mut world, &players, length);
        Self::with(world, cues)
    }

    fn with(world: World, mut cues: Vec<Cue>) -> Self {
        cues.sort_by_key(|cue| cue.at);
        Self {
            now: world.now,
            engine: world.engine,
            cues,
            played: 0,
            runs: 0,
        }
    }

    /// Let time pass, in looks at what has arrived as a worker takes them.
    pub fn play(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.look();
            while self.send(|_| ()) {}
        }
    }

    /// Let time pass for a worker that gets rid of one outbox in so many looks; show each.
    pub fn play_overloaded(
        &mut self,
        span: Duration,
        looks_per_outbox: usize,
        mut sent: impl FnMut(&Outbox),
    ) {
        let end = self.now + span;
        while self.now < end {
            (0..looks_per_outbox).for_each(|_| self.look());
            self.send(&mut sent);
        }
    }

    fn look(&mut self) {
        self.now = self.now + LOOK;
        let arrived = self.cues[self.played..].iter();
        let arrived = arrived.take_while(|cue| cue.at <= self.now).count();
        let next = self.played + arrived;
        for batch in self.cues[self.played..next].chunks_mut(PREFETCHED) {
            let next = batch.iter().map(|cue| (cue.path, cue.datagram.as_slice()));
            self.engine.prefetch(next);
            for cue in batch {
                self.engine.receive(cue.at, cue.path, &mut cue.datagram);
            }
        }
        self.played = next;
        self.engine.handle_timeout(self.now);
    }

    /// Say whether enough is left to play for so long.
    pub fn play_ahead(&self, span: Duration) -> bool {
        let last = self.cues.last();
        last.is_some_and(|cue| cue.at >= self.now + span)
    }

    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }

    /// Send an outbox, which costs nothing here; say whether there was anything in it.
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

/// Publish a large picture, a small one and sound, none in step with those of others.
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

/// Let everything begin and everybody stop; tell who it was.
fn rehearse(world: &mut World) -> Vec<usize> {
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

/// Seal all that the publishers will send.
fn cues(world: &mut World, players: &[usize], length: Duration) -> Vec<Cue> {
    let mut cues = Vec::new();
    let end = world.now + length;
    for nth in players {
        let camera = &mut world.cameras[*nth];
        let client = &mut world.clients[camera.client];
        camera.running = true;
        client.forgetful = true;
        // Speakers do not breathe in step.
        camera.next_frame = world.now + Duration::from_micros(700 * *nth as u64 % 40_000);
        camera.encodings[0].keyframe_wanted = true;
        while let Some(at) = camera.next_due().filter(|at| *at < end) {
            camera.tick(at, client);
            for (_, datagram) in client.out.datagrams() {
                cues.push(Cue {
                    at,
                    path: server_path(client.address),
                    datagram: datagram.to_vec(),
                });
            }
            client.out.clear();
        }
    }
    cues
}

/// Let the receivers of `subs` say what they would say, a network of 50 ms and 1 % of loss between.
fn add_feedback(world: &mut World, subs: &[Sub], cues: &mut Vec<Cue>) {
    let media: Vec<Time> = cues.iter().map(|cue| cue.at).collect();
    for sub in subs {
        let client = &mut world.clients[sub.client];
        let next = client
            .stream(sub.ssrc)
            .last()
            .expect("a frame")
            .header
            .sequence;
        let mut said = Vec::new();
        for (nth, at) in media.iter().enumerate() {
            let mut rtcp = Vec::new();
            if nth % 100 == 99 {
                let lost = next.wrapping_add(nth as u16);
                write::nack(&mut rtcp, Ssrc(7), Ssrc(sub.ssrc), &[lost]);
            }
            if nth % 20 == 19 {
                acknowledge(&mut rtcp, nth as u16, *at);
                let block = ReportBlock {
                    ssrc: Ssrc(sub.ssrc),
                    fraction_lost: 2,
                    ..ReportBlock::default()
                };
                write::receiver_report(&mut rtcp, Ssrc(7), &[block]);
            }
            if !rtcp.is_empty() {
                client.send_rtcp(&rtcp);
                said.push(*at + Duration::from_millis(50));
            }
        }
        let path = server_path(client.address);
        let datagrams = client
            .out
            .datagrams()
            .map(|(_, datagram)| datagram.to_vec());
        cues.extend(said.into_iter().zip(datagrams).map(|(at, datagram)| Cue {
            at,
            path,
            datagram,
        }));
        client.out.clear();
    }
}

/// Acknowledge the twenty packets up to this number.
fn acknowledge(rtcp: &mut Vec<u8>, last: u16, now: Time) {
    let mut feedback = TwccBuilder::new();
    feedback.start(last - 19, now);
    for number in last - 19..=last {
        feedback.push(number, now);
    }
    feedback.write(rtcp, Ssrc(7), Ssrc(7), last as u8);
}
