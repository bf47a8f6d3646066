//! Random commands over impaired networks: no room panics, no nonce repeats, streams stay
//! decodable, and all is released at the end.

mod common;

use common::payload::read_vp8;
use common::*;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

/// The open rooms, clients, publications and subscriptions.
#[derive(Default)]
struct Member {
    rooms: Vec<u32>,
    clients: Vec<usize>,
    /// With the camera that it shows.
    subs: Vec<(Sub, usize)>,
    /// Ended subscriptions, which are checked at the end.
    ended: Vec<Sub>,
}

struct Session {
    world: World,
    members: Member,
    random: RefCell<sfu::context::Random>,
}

impl Session {
    fn new(seed: u64) -> Self {
        Self {
            world: World::default(),
            members: Member::default(),
            random: RefCell::new(sfu::context::Random(seed)),
        }
    }

    fn below(&self, end: usize) -> usize {
        (self.random.borrow_mut().next_u64() % end.max(1) as u64) as usize
    }

    fn act(&mut self) {
        match self.below(22) {
            0 if self.members.rooms.len() < 3 => {
                let room = self.world.open_room();
                self.members.rooms.push(room);
            }
            1..=4 => self.join(),
            5..=6 => self.publish(),
            7..=11 => self.subscribe(),
            12 => self.unsubscribe(),
            13 => self.leave(),
            14..=17 => self.retarget(),
            18 => self.mute(),
            19 => self.switch_encoding_off_and_on(),
            20 => self.move_client(),
            _ if self.below(6) == 0 => self.close_room(),
            _ => {}
        }
    }

    fn join(&mut self) {
        if self.members.rooms.is_empty() || self.members.clients.len() >= 8 {
            return;
        }
        let room = self.members.rooms[self.below(self.members.rooms.len())];
        let client = self.world.join(room);
        self.world.enable_feedback(client);
        let conditions = Conditions {
            loss: self.below(4) as f64 / 100.0,
            duplication: self.below(3) as f64 / 100.0,
            delay: ms(5 + self.below(60) as u64),
            jitter: ms(self.below(15) as u64),
            ..Conditions::default()
        };
        self.world.clients[client].up.conditions = conditions;
        self.world.clients[client].down.conditions = conditions;
        self.members.clients.push(client);
    }

    fn publish(&mut self) {
        let ready = |client: &&usize| self.world.clients[**client].transport.is_connected();
        let ready: Vec<usize> = self.members.clients.iter().filter(ready).copied().collect();
        if ready.is_empty() || self.cameras().len() >= 5 {
            return;
        }
        let client = ready[self.below(ready.len())];
        let rids: &[&str] = match self.below(2) {
            0 => &[],
            _ => &["q", "h", "f"],
        };
        let camera = self.world.publish(client, Codec::Vp8, rids);
        for source in &mut self.world.cameras[camera].encodings {
            source.payload_len = 300;
            // Longer than the pacer lets go at once.
            source.keyframe_packets = 40;
        }
    }

    fn cameras(&self) -> Vec<usize> {
        let lives = |camera: &usize| {
            let client = self.world.cameras[*camera].client;
            self.members.clients.contains(&client)
        };
        (0..self.world.cameras.len()).filter(lives).collect()
    }

    fn subscribe(&mut self) {
        let cameras = self.cameras();
        if cameras.is_empty() || self.members.subs.len() >= 20 {
            return;
        }
        let camera = cameras[self.below(cameras.len())];
        let room = self.world.clients[self.world.cameras[camera].client].room;
        let same_room = |client: &&usize| self.world.clients[**client].room == room;
        let clients: Vec<usize> = self
            .members
            .clients
            .iter()
            .filter(same_room)
            .copied()
            .collect();
        let client = clients[self.below(clients.len())];
        let sub = self.world.subscribe(client, camera);
        self.members.subs.push((sub, camera));
    }

    fn unsubscribe(&mut self) {
        if self.members.subs.is_empty() {
            return;
        }
        let (sub, _) = self
            .members
            .subs
            .remove(self.below(self.members.subs.len()));
        self.members.ended.push(sub);
        self.world.command(Request::Unsubscribe {
            subscription: sub.id,
        });
    }

    fn leave(&mut self) {
        if self.members.clients.is_empty() {
            return;
        }
        let client = self
            .members
            .clients
            .remove(self.below(self.members.clients.len()));
        self.gone(&[client]);
        self.world.leave(client);
    }

    fn close_room(&mut self) {
        if self.members.rooms.is_empty() {
            return;
        }
        let room = self
            .members
            .rooms
            .remove(self.below(self.members.rooms.len()));
        let inside = |client: &usize| self.world.clients[*client].room == room;
        let (gone, left) = self
            .members
            .clients
            .iter()
            .partition(|client| inside(client));
        self.members.clients = left;
        self.gone(&gone);
        self.world.close_room(room);
    }

    /// These clients publish and receive no more.
    fn gone(&mut self, clients: &[usize]) {
        for camera in &mut self.world.cameras {
            if clients.contains(&camera.client) {
                camera.running = false;
            }
        }
        let cameras = &self.world.cameras;
        let (ended, left) = self.members.subs.drain(..).partition(|(sub, camera)| {
            clients.contains(&sub.client) || clients.contains(&cameras[*camera].client)
        });
        self.members.subs = left;
        let ended: Vec<(Sub, usize)> = ended;
        self.members
            .ended
            .extend(ended.into_iter().map(|(sub, _)| sub));
    }

    /// Once, or several times before anything could leave, keyframes being at hand or not.
    fn retarget(&mut self) {
        if self.members.subs.is_empty() {
            return;
        }
        let (sub, camera) = self.members.subs[self.below(self.members.subs.len())];
        if self.below(2) == 0 {
            for source in &mut self.world.cameras[camera].encodings {
                source.keyframe_wanted = true;
            }
            let pause = ms(self.below(200) as u64);
            self.world.run_for(pause);
        }
        for _ in 0..=self.below(3) {
            self.retarget_once(sub);
        }
    }

    fn retarget_once(&mut self, sub: Sub) {
        match self.below(4) {
            0 => self.world.set_target(sub, Target::Auto),
            index => {
                let index = index % 3;
                self.world.set_target(sub, Target::Index { index });
            }
        }
    }

    fn mute(&mut self) {
        let cameras = self.cameras();
        if let Some(camera) = cameras.get(self.below(cameras.len())) {
            let publication = self.world.cameras[*camera].publication;
            let muted = self.below(2) == 0;
            self.world.command(Request::SetMuted { publication, muted });
        }
    }

    fn switch_encoding_off_and_on(&mut self) {
        let cameras = self.cameras();
        if let Some(camera) = cameras.get(self.below(cameras.len())) {
            let nth = self.below(3) % self.world.cameras[*camera].encodings.len();
            let source = &mut self.world.cameras[*camera].encodings[nth];
            source.enabled = !source.enabled;
        }
    }

    fn move_client(&mut self) {
        if !self.members.clients.is_empty() {
            let client = self.members.clients[self.below(self.members.clients.len())];
            let address = format!("203.0.113.{}:{}", 1 + client, 1_000 + self.below(50_000));
            self.world.move_client(client, &address);
        }
    }
}

/// Assert that picture ids are continuous and that encodings change at keyframes.
fn assert_continuous_ids(world: &World, sub: Sub) {
    let payloads = repaired(world, sub);
    let neighbours = payloads.iter().zip(payloads.iter().skip(1));
    for ((index, payload), (_, next)) in neighbours.filter(|(one, next)| *next.0 == one.0 + 1) {
        let (frame, next) = (read_vp8(payload), read_vp8(next));
        let same_encoding = frame.mark.encoding == next.mark.encoding;
        let ids = (frame.picture_id, next.picture_id);
        if same_encoding && frame.mark.frame == next.mark.frame && !next.start {
            assert_eq!(ids.0, ids.1, "one frame, one picture id: {index}");
            continue;
        }
        assert!(next.start, "the middle of another frame: {index}");
        assert_eq!((ids.0 + 1) & 0x7fff, ids.1, "the next picture id: {index}");
        assert!(
            same_encoding || next.keyframe,
            "a switch away from a keyframe: {index}"
        );
    }
}

/// Run a session of random commands; return how many packets were sent.
fn run_session(seed: u64) -> u64 {
    println!("seed {seed}");
    let mut session = Session::new(seed);
    let nonces = Rc::new(RefCell::new(HashSet::new()));
    let seen = nonces.clone();
    session.world.set_filter(move |_, way, client, bytes| {
        if way == Direction::Down
            && let Some((ssrc, sequence)) = rtp_name(bytes)
        {
            // No stream here is long enough to roll over.
            let fresh = seen.borrow_mut().insert((client, ssrc, sequence));
            assert!(fresh, "{ssrc} {sequence} twice to {client}, seed {seed}");
        }
        true
    });
    for _ in 0..150 {
        session.act();
        let pause = ms(20 + session.below(200) as u64);
        session.world.run_for(pause);
    }
    let counters = session.world.engine.counters();
    assert_eq!(
        (counters.rooms_broken, counters.packets_refused_seal),
        (0, 0)
    );
    let sent = counters.packets_sent;
    let subs = session.members.subs.iter().map(|(sub, _)| *sub);
    for sub in subs.chain(session.members.ended.clone()) {
        assert_continuous_ids(&session.world, sub);
    }
    for room in std::mem::take(&mut session.members.rooms) {
        session.world.close_room(room);
    }
    let counters = session.world.engine.counters();
    let live = [counters.rooms, counters.transports, counters.publications];
    assert_eq!(
        (live, counters.subscriptions, counters.routes),
        ([0; 3], 0, 0)
    );
    sent
}

#[test]
fn many_seeds() {
    let sent: u64 = (165..190).map(run_session).sum();
    assert!(sent > 50_000, "{sent}");
}
