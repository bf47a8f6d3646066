//! A room on a stage: what publishers send is sealed beforehand, so that only the engine works.

use std::time::Duration;

use rtc::codec::Codec;
use rtc::path::PathId;
use sfu::config::Config;
use sfu::counters::Counters;
use sfu::engine::Engine;
use wire::id::Ssrc;
use wire::rtcp::{ReportBlock, TwccBuilder, write};
use wire::time::Time;

use super::people::Sub;
use super::world::{World, server_path};

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
    cues: std::vec::IntoIter<Cue>,
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
        world.run_for(Duration::from_millis(500));
        for camera in &mut world.cameras {
            camera.running = false;
        }
        world.run_for(Duration::from_millis(100));
        let mut cues = cues(&mut world, play);
        if play.feedback {
            add_feedback(&mut world, &subs, &mut cues);
        }
        cues.sort_by_key(|cue| cue.at);
        Self {
            now: world.now,
            engine: world.engine,
            cues: cues.into_iter(),
            runs: 0,
        }
    }

    /// Let time pass.
    pub fn play(&mut self, span: Duration) {
        let end = self.now + span;
        while self
            .cues
            .as_slice()
            .first()
            .is_some_and(|cue| cue.at <= end)
        {
            let Some(mut cue) = self.cues.next() else {
                return;
            };
            self.run_timers(cue.at);
            self.engine.receive(cue.at, cue.path, &mut cue.datagram);
            self.drain(cue.at);
        }
        self.run_timers(end);
        self.now = end;
    }

    /// Say whether enough is left to play for so long.
    pub fn play_ahead(&self, span: Duration) -> bool {
        let last = self.cues.as_slice().last();
        last.is_some_and(|cue| cue.at >= self.now + span)
    }

    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }

    fn run_timers(&mut self, until: Time) {
        while let Some(at) = self.engine.next_timeout().filter(|at| *at <= until) {
            self.engine.handle_timeout(at);
            self.drain(at);
        }
    }

    /// Send, which costs nothing here.
    fn drain(&mut self, now: Time) {
        loop {
            self.engine.flush(now);
            let outbox = self.engine.outbox();
            if outbox.is_empty() {
                return;
            }
            self.runs += outbox.runs().len();
            outbox.clear();
        }
    }
}

/// Seal all that the publishers will send.
fn cues(world: &mut World, play: &Play) -> Vec<Cue> {
    let mut cues = Vec::new();
    let end = world.now + play.length;
    for (nth, camera) in world.cameras.iter_mut().enumerate() {
        let client = &mut world.clients[camera.client];
        camera.running = true;
        client.forgetful = true;
        // Speakers do not breathe in step.
        camera.next_frame = world.now + Duration::from_micros(700 * nth as u64);
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
