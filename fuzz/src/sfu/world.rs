//! An engine, its control plane and its clients on virtual time.

use core::net::IpAddr;
use std::collections::HashSet;
use std::time::Duration;

use rtc::path::PathId;
use rtc::srtp::Profile;
use sfu::config::{Bwe, Config};
use sfu::engine::Engine;
use sfu::message::{Command, Event, Request, SrtpChoice, TransportId};
use wire::time::{Time, WallClock};

use super::client::{self, Client};
use super::identity;
use super::request::{any_request, camera_and_microphone, usual_subscription};
use crate::input::Input;

const ROOM: u32 = 1;
const CLIENTS: usize = 3;
const HISTORY_BYTES: usize = 64 * 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// What one datagram or timer may make the engine send.
const MOST_SENT: usize = 1 << 22;

pub struct World {
    engine: Engine,
    now: Time,
    clients: Vec<Client>,
    next_command: u64,
    next_transport: TransportId,
    /// Commands without an answer so far.
    unanswered: HashSet<u64>,
}

impl World {
    /// Two clients in a room: one publishes, the other subscribes to all of it.
    pub fn new(input: &mut Input<'_>) -> Self {
        let now = Time::from_secs(1000);
        let config = any_config(input.u8());
        let dtls = identity().clone();
        let mut world = Self {
            engine: Engine::new(now, config, dtls, WallClock::default(), 7),
            now,
            clients: Vec::new(),
            next_command: 1,
            next_transport: 1,
            unanswered: HashSet::new(),
        };
        world.command(Request::OpenRoom { room: ROOM });
        for profile in Profile::ALL {
            world.join(profile);
        }
        for publication in camera_and_microphone(1) {
            world.command(Request::Publish(publication));
        }
        for publication in [1, 2] {
            let subscription = usual_subscription(2, publication, publication);
            world.command(Request::Subscribe(subscription));
        }
        world
    }

    /// Let one thing happen, and everybody react.
    pub fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0..=5 => self.send_media(input),
            6..=8 => self.send_feedback(input),
            9..=11 => {
                let request = any_request(input);
                self.command(request);
            }
            12 | 13 => self.pass(input.span().min(LONGEST_WAIT)),
            14 if input.flag() => self.rebind(input),
            14 => self.send_garbage(input),
            _ => self.come_and_go(input),
        }
        self.exchange();
        assert_eq!(self.engine.counters().rooms_broken, 0);
    }

    /// Close every room: nothing is left and nothing more is sent.
    pub fn end(&mut self) {
        self.command(Request::RoomStats { room: ROOM });
        for room in 0..6 {
            self.command(Request::CloseRoom { room });
        }
        self.exchange();
        assert!(self.unanswered.is_empty());
        let counters = self.engine.counters();
        let alive = [
            counters.rooms,
            counters.transports,
            counters.publications,
            counters.subscriptions,
        ];
        assert_eq!(alive, [0; 4]);
        self.engine.handle_timeout(self.now + LONGEST_WAIT);
        self.engine.flush(self.now + LONGEST_WAIT);
        assert!(self.engine.outbox().is_empty());
        assert_eq!(self.engine.counters().rooms_broken, 0);
    }

    fn command(&mut self, request: Request) {
        let id = self.next_command;
        self.next_command += 1;
        self.unanswered.insert(id);
        self.engine.command(self.now, Command { id, request });
        for event in self.engine.take_events(false) {
            serde_json::to_vec(&event).expect("an event is JSON");
            if let Event::Done { id, result, .. } = event {
                assert!(self.unanswered.remove(&id), "answered twice");
                result.as_ref().map(check_stats);
            }
        }
        assert!(self.unanswered.is_empty(), "not answered");
    }

    fn join(&mut self, profile: Profile) {
        let id = self.next_transport;
        self.next_transport += 1;
        self.command(Request::OpenTransport {
            room: ROOM,
            transport: id,
            local: client::local(id),
            remote: Some(client::remote(id)),
        });
        let mut client = Client::new(self.now, id, profile);
        client.transport.handle_timeout(self.now, &mut client.out);
        self.clients.push(client);
        self.exchange();
    }

    /// The oldest client leaves by its own words or the server's; another one comes.
    fn come_and_go(&mut self, input: &mut Input<'_>) {
        if self.clients.len() == CLIENTS || input.flag() {
            let nth = input.below(self.clients.len().max(1));
            if nth < self.clients.len() {
                let mut client = self.clients.remove(nth);
                if input.flag() {
                    client.transport.close(self.now, &mut client.out);
                    self.deliver(&mut client);
                }
                let transport = client.id;
                self.command(Request::CloseTransport { transport });
            }
        }
        if self.clients.len() < CLIENTS {
            self.join(input.pick(&Profile::ALL));
        }
    }

    fn client(&mut self, input: &mut Input<'_>) -> Option<&mut Client> {
        let nth = input.below(CLIENTS);
        self.clients.get_mut(nth)
    }

    fn send_media(&mut self, input: &mut Input<'_>) {
        let Some(client) = self.client(input) else {
            return;
        };
        let path = client.path;
        if let Some(mut packet) = client.media(input) {
            self.engine.receive(self.now, path, &mut packet);
        }
    }

    fn send_feedback(&mut self, input: &mut Input<'_>) {
        let now = self.now;
        if let Some(client) = self.client(input) {
            client.feedback(now, input);
        }
    }

    /// A NAT gives a client another port; it does not notice.
    fn rebind(&mut self, input: &mut Input<'_>) {
        let port = 40_000 + u16::from(input.u8() % 12);
        if let Some(client) = self.client(input) {
            client.path.remote.set_port(port);
        }
    }

    /// Bytes of nobody's making, from a client's address or from elsewhere.
    fn send_garbage(&mut self, input: &mut Input<'_>) {
        let stranger = PathId::udp(
            0,
            IpAddr::from([192, 0, 2, 1]),
            ([203, 0, 113, 9], 666).into(),
        );
        let path = self.client(input).map_or(stranger, |client| client.path);
        let mut datagram = input.run().to_vec();
        self.engine.receive(self.now, path, &mut datagram);
    }

    /// Let time go on; every timer fires in time.
    fn pass(&mut self, span: Duration) {
        let (until, mut rounds) = (self.now + span, 0);
        while let Some(due) = self.next_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.fire();
            rounds += 1;
            assert!(rounds < 20_000, "timers without end");
        }
        self.now = until;
        self.fire();
    }

    fn fire(&mut self) {
        self.engine.handle_timeout(self.now);
        for client in &mut self.clients {
            client.transport.handle_timeout(self.now, &mut client.out);
        }
        self.exchange();
        let next = self.engine.next_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a timer repeats");
    }

    fn next_timeout(&self) -> Option<Time> {
        let clients = self.clients.iter();
        let timers = clients.filter_map(|client| client.transport.poll_timeout());
        timers.chain(self.engine.next_timeout()).min()
    }

    /// Deliver datagrams both ways until nothing moves.
    fn exchange(&mut self) {
        let mut sent = 0;
        loop {
            let mut clients = std::mem::take(&mut self.clients);
            clients.iter_mut().for_each(|client| self.deliver(client));
            self.engine.flush(self.now);
            let out = self.engine.outbox();
            sent += out.len_bytes();
            for (path, datagram) in out.datagrams() {
                let ip = path.remote.ip();
                if let Some(client) = clients.iter_mut().find(|it| it.path.remote.ip() == ip) {
                    client.receive(self.now, datagram);
                }
            }
            let is_quiet = out.is_empty();
            out.clear();
            self.clients = clients;
            assert!(sent < MOST_SENT, "answers out of proportion");
            if is_quiet && self.clients.iter().all(|client| client.out.is_empty()) {
                return;
            }
        }
    }

    /// Bring the engine what a client has to say.
    fn deliver(&mut self, client: &mut Client) {
        for (_, datagram) in client.out.datagrams() {
            let mut datagram = datagram.to_vec();
            self.engine.receive(self.now, client.path, &mut datagram);
        }
        client.out.clear();
    }
}

fn any_config(choice: u8) -> Config {
    let has = |bit: u8| choice & 1 << bit != 0;
    Config {
        coalesce_ms: if has(0) { 0 } else { 3 },
        pad: !has(1),
        nack_ttl_ms: has(2).then_some(50),
        history_bytes: HISTORY_BYTES,
        stun: has(6),
        bwe: if has(3) { Bwe::LossRtt } else { Bwe::None },
        max_subscription_bitrate_bps: has(4).then_some(300_000),
        max_publish_bitrate_bps: has(5).then_some(1_000_000),
        srtp: SrtpChoice::Auto,
    }
}

/// The statistics of a room keep the bounds that its configuration sets.
fn check_stats(stats: &serde_json::Value) {
    for publication in stats["publications"].as_array().into_iter().flatten() {
        for encoding in publication["encodings"].as_array().into_iter().flatten() {
            let bytes = encoding["history_bytes"].as_u64().expect("a number");
            assert!(bytes <= HISTORY_BYTES as u64);
        }
    }
}
