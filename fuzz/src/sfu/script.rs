//! What a script makes the control plane and the clients of a world do.

use std::net::SocketAddr;
use std::time::Duration;

use rtc::srtp::Profile;
use sfu::config::{Bwe, Config};
use sfu::message::{Event, Request, Setup, SrtpChoice, TransportId};

use super::client::Wild;
use super::common::{Client, Conditions, World};
use super::identity;
use super::request::{any_request, camera_and_microphone, usual_subscription};
use crate::input::Input;

const ROOM: u32 = 1;
const CLIENTS: usize = 3;
const HISTORY_BYTES: usize = 64 * 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// What one datagram or timer may make the engine send.
const MOST_SENT: usize = 1 << 22;
const ELSEWHERE: &str = "203.0.113.9:666";

pub struct Script {
    world: World,
    /// Those who are here, by their place in the world.
    clients: Vec<(usize, Wild)>,
    next_transport: TransportId,
}

impl Script {
    /// Two clients in a room: one publishes, the other subscribes to all of it.
    pub fn new(input: &mut Input<'_>) -> Self {
        let config = any_config(input.u8());
        let mut script = Self {
            world: World::between(config, identity().clone(), identity().clone()),
            clients: Vec::new(),
            next_transport: 1,
        };
        script.command(Request::OpenRoom { room: ROOM });
        for profile in Profile::ALL {
            script.join(profile);
        }
        assert!(script.world.clients.iter().all(Client::is_connected));
        for publication in camera_and_microphone(1) {
            script.command(Request::Publish(publication));
        }
        for publication in [1, 2] {
            let subscription = usual_subscription(2, publication, publication);
            script.command(Request::Subscribe(subscription));
        }
        script
    }

    /// Run one action, then every reaction to it.
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
        self.pass(Duration::ZERO);
        assert_eq!(self.world.engine.counters().rooms_broken, 0);
    }

    /// Close every room: nothing is left and nothing more is sent.
    pub fn end(&mut self) {
        self.command(Request::RoomStats { room: ROOM });
        for room in 0..6 {
            self.command(Request::CloseRoom { room });
        }
        self.pass(Duration::ZERO);
        let later = self.world.now + LONGEST_WAIT;
        let engine = &mut self.world.engine;
        let counters = engine.counters();
        let alive = [
            counters.rooms,
            counters.transports,
            counters.publications,
            counters.subscriptions,
        ];
        assert_eq!(alive, [0; 4]);
        engine.handle_timeout(later);
        engine.flush(later);
        assert!(engine.outbox().is_empty());
        assert_eq!(engine.counters().rooms_broken, 0);
    }

    fn command(&mut self, request: Request) {
        if let Ok(stats) = self.world.try_command(request) {
            check_stats(&stats);
        }
        let done = |event: &&Event| matches!(event, Event::Done { .. });
        assert_eq!(self.world.events.iter().filter(done).count(), 1);
        serde_json::to_vec(&self.world.events).expect("events are JSON");
        self.world.events.clear();
    }

    fn join(&mut self, profile: Profile) {
        let id = self.next_transport;
        self.next_transport += 1;
        let announced = Some(identity().fingerprint().to_string());
        let world = &mut self.world;
        // It is refused where a transport of the script has that id.
        let Ok(key) = world.join_as(ROOM, id, Setup::Active, announced, &[profile]) else {
            return;
        };
        let client = &mut world.clients[key];
        for link in [&mut client.up, &mut client.down] {
            link.conditions = Conditions {
                delay: Duration::ZERO,
                ..Conditions::default()
            };
        }
        self.clients.push((key, Wild::default()));
        self.world.events.clear();
        self.pass(Duration::ZERO);
    }

    /// A client leaves by its own words or the server's; another one comes.
    fn come_and_go(&mut self, input: &mut Input<'_>) {
        if self.clients.len() == CLIENTS || input.flag() {
            let nth = input.below(self.clients.len().max(1));
            if nth < self.clients.len() {
                let (key, _) = self.clients.remove(nth);
                let now = self.world.now;
                let client = &mut self.world.clients[key];
                let transport = client.transport_id;
                if input.flag() {
                    client.transport.close(now, &mut client.out);
                    self.pass(Duration::ZERO);
                }
                self.command(Request::CloseTransport { transport });
            }
        }
        if self.clients.len() < CLIENTS {
            self.join(input.pick(&Profile::ALL));
        }
    }

    fn client(&mut self, input: &mut Input<'_>) -> Option<(&mut Client, &mut Wild)> {
        let (key, wild) = self.clients.get_mut(input.below(CLIENTS))?;
        Some((&mut self.world.clients[*key], wild))
    }

    fn send_media(&mut self, input: &mut Input<'_>) {
        let Some((client, wild)) = self.client(input) else {
            return;
        };
        let from = client.mapped_address();
        if let Some(packet) = wild.media(client, input) {
            self.world.inject(from, &packet);
        }
    }

    fn send_feedback(&mut self, input: &mut Input<'_>) {
        if let Some((client, wild)) = self.client(input) {
            wild.feedback(client, input);
        }
    }

    /// A NAT gives a client another port; it does not notice.
    fn rebind(&mut self, input: &mut Input<'_>) {
        let port = 40_000 + u16::from(input.u8() % 12);
        let Some((key, _)) = self.clients.get(input.below(CLIENTS)) else {
            return;
        };
        let mut address = self.world.clients[*key].mapped_address();
        address.set_port(port);
        self.world.take_address(*key, address);
    }

    /// Random bytes, from a client's address or from an unknown one.
    fn send_garbage(&mut self, input: &mut Input<'_>) {
        let elsewhere: SocketAddr = ELSEWHERE.parse().expect("an address");
        let from = self.client(input);
        let from = from.map_or(elsewhere, |(client, _)| client.mapped_address());
        self.world.inject(from, input.run());
    }

    /// Let time go on, or what is due now happen; every timer fires in time.
    fn pass(&mut self, span: Duration) {
        let mut rounds = 0;
        self.world.runs.clear();
        self.world.run_until(span, |_| {
            rounds += 1;
            assert!(rounds < 20_000, "timers without end");
            false
        });
        if span.is_zero() {
            let sent: usize = self.world.runs.iter().map(|run| run.len).sum();
            assert!(sent < MOST_SENT, "answers out of proportion");
        }
        for (key, wild) in &mut self.clients {
            wild.note(&mut self.world.clients[*key]);
        }
        serde_json::to_vec(&self.world.events).expect("events are JSON");
        self.world.events.clear();
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
        last_n: has(7).then_some(1),
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
