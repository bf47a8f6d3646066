//! A room on a stage: what publishers send is sealed beforehand, so that only the engine works.

use std::time::Duration;

use rtc::codec::Codec;
use rtc::path::PathId;
use sfu::config::Config;
use sfu::counters::Counters;
use sfu::engine::Engine;
use wire::time::Time;

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
}

impl Stage {
    pub fn new(config: Config, play: &Play) -> Self {
        let mut world = World::new(config);
        let room = world.open_room();
        let publishers = world.connect_many(room, play.publishers);
        let subscribers = world.connect_many(room, play.subscribers);
        for publisher in &publishers {
            let camera = world.publish_with(*publisher, play.codec, &[], |camera| {
                camera.running = false;
                camera.interval = play.frame_interval;
                camera.spread = play.spread;
                let source = &mut camera.encodings[0];
                source.packets = play.packets_per_frame;
                source.payload_len = play.payload_len;
            });
            for subscriber in &subscribers {
                world.subscribe(*subscriber, camera);
            }
        }
        world.run_for(Duration::from_millis(500));
        let cues = cues(&mut world, play);
        Self {
            now: world.now,
            engine: world.engine,
            cues: cues.into_iter(),
        }
    }

    /// Let time pass; return false where nothing is left to play.
    pub fn play(&mut self, span: Duration) -> bool {
        let end = self.now + span;
        while let Some(cue) = self
            .cues
            .as_mut_slice()
            .first_mut()
            .filter(|cue| cue.at <= end)
        {
            let (at, path) = (cue.at, cue.path);
            run_timers(&mut self.engine, at);
            self.engine.receive(at, path, &mut cue.datagram);
            drain(&mut self.engine, at);
            self.cues.next();
        }
        run_timers(&mut self.engine, end);
        self.now = end;
        self.cues.len() > 0
    }

    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }
}

/// Seal all that the publishers will send.
fn cues(world: &mut World, play: &Play) -> Vec<Cue> {
    let mut cues = Vec::new();
    let end = world.now + play.length;
    for (nth, camera) in world.cameras.iter_mut().enumerate() {
        let client = &mut world.clients[camera.client];
        camera.running = true;
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
    cues.sort_by_key(|cue| cue.at);
    cues
}

fn run_timers(engine: &mut Engine, until: Time) {
    while let Some(at) = engine.next_timeout().filter(|at| *at <= until) {
        engine.handle_timeout(at);
        drain(engine, at);
    }
}

/// Send, which costs nothing here.
fn drain(engine: &mut Engine, now: Time) {
    loop {
        engine.flush(now);
        if engine.outbox().is_empty() {
            return;
        }
        engine.outbox().clear();
    }
}
