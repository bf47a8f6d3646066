//! An engine of the server and one of the swarm, and the datagrams between them.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rtc::dtls::{Certificate, Context};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::srtp::Profile;
use serde_json::{Value, json};
use swarm::engine::{EngineConfig, Host};
use swarm::relay::Relay;
use wire::time::{Time, WallClock};

/// Between server and bots, where nothing else delays a datagram.
const LOOPBACK: Duration = Duration::from_micros(100);

const PASSWORD: &str = "password-of-twenty-two-and-more";

struct Datagram {
    at: Time,
    transport: u32,
    to_bot: bool,
    bytes: Vec<u8>,
}

/// The sockets of the bots, and the datagrams on their way.
struct Sockets {
    now: Time,
    in_flight: VecDeque<Datagram>,
}

impl Sockets {
    fn push(&mut self, transport: u32, to_bot: bool, bytes: &[u8]) {
        self.in_flight.push_back(Datagram {
            at: self.now + LOOPBACK,
            transport,
            to_bot,
            bytes: bytes.to_vec(),
        });
    }
}

impl Host for Sockets {
    fn open(&mut self, _: u32, _: IpAddr) -> Result<IpAddr, String> {
        Ok(bot_address(0).ip())
    }

    fn connect(&mut self, _: u32, _: &Relay) -> Result<(), String> {
        Err("no relay".into())
    }

    fn reopen(&mut self, _: u32, _: IpAddr) -> Result<IpAddr, String> {
        Err("no other address".into())
    }

    fn close(&mut self, _: u32) {}

    fn send(&mut self, transport: u32, outbox: &Outbox) {
        for (_, bytes) in outbox.datagrams() {
            self.push(transport, false, bytes);
        }
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sfukit/media/clips");
        std::fs::read(clips.join(path)).map_err(|error| error.to_string())
    }
}

/// Both engines and the time.
pub struct Net {
    pub now: Time,
    pub server: sfu::engine::Engine,
    pub bots: swarm::engine::Engine,
    pub server_events: Vec<sfu::message::Event>,
    pub bot_events: Vec<swarm::message::Event>,
    sockets: Sockets,
    fingerprints: [String; 2],
    commands: u64,
}

fn server_address() -> SocketAddr {
    SocketAddr::new(IpAddr::from([192, 0, 2, 1]), 7081)
}

fn bot_address(transport: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from([198, 51, 100, 1]), 20_000 + transport as u16)
}

fn ufrag(side: &str, transport: u32) -> String {
    format!("{side}{transport:04}")
}

impl Net {
    pub fn new(config: sfu::config::Config, seed: u64) -> Self {
        let now = Time::from_secs(1_000);
        let certificate = || Certificate::generate_ecdsa().expect("a certificate");
        let (ours, theirs) = (certificate(), certificate());
        let context = |it: &Certificate| Context::new(it).expect("a context");
        let wall = WallClock {
            unix_at_zero: Duration::from_secs(1_700_000_000),
        };
        let bots = EngineConfig {
            seed,
            profiles: vec![Profile::AeadAes128Gcm],
            sample_decrypt: 1.0,
            dtls: context(&theirs),
            wall,
        };
        Self {
            now,
            server: sfu::engine::Engine::new(now, config, context(&ours), wall, seed),
            bots: swarm::engine::Engine::new(now, bots),
            server_events: Vec::new(),
            bot_events: Vec::new(),
            sockets: Sockets {
                now,
                in_flight: VecDeque::new(),
            },
            fingerprints: [&ours, &theirs].map(|it| it.fingerprint().to_string()),
            commands: 0,
        }
    }

    /// Execute a command of the server; return its result.
    pub fn server_command(&mut self, mut command: Value) -> Value {
        self.commands += 1;
        command["id"] = self.commands.into();
        let parsed = serde_json::from_value(command.clone()).expect("a command");
        self.server.command(self.now, parsed);
        self.send_server();
        let done = self
            .server_events
            .iter()
            .rev()
            .find_map(|event| match event {
                sfu::message::Event::Done { id, error, result } if *id == self.commands => {
                    Some((error, result))
                }
                _ => None,
            });
        let (error, result) = done.expect("a completion");
        assert!(error.is_none(), "{command}: {error:?}");
        result.clone().unwrap_or_default()
    }

    /// Execute a command of the swarm; return its result.
    pub fn bot_command(&mut self, mut command: Value) -> Option<swarm::message::CommandResult> {
        self.commands += 1;
        command["id"] = self.commands.into();
        let parsed = serde_json::from_value(command.clone()).expect("a command");
        self.bots.execute(self.now, parsed, &mut self.sockets);
        self.bot_events.extend(self.bots.take_events());
        let done = self.bot_events.iter().rev().find_map(|event| match event {
            swarm::message::Event::Done { id, error, result } if *id == self.commands => {
                Some((error, result))
            }
            _ => None,
        });
        let (error, result) = done.expect("a completion");
        assert!(error.is_none(), "{command}: {error:?}");
        result.clone()
    }

    /// Open a transport between a bot and the server.
    pub fn connect(&mut self, room: u32, bot: u32, transport: u32, up: Value, down: Value) {
        let address = server_address();
        let credentials = |side| json!({"ufrag": ufrag(side, transport), "pwd": PASSWORD});
        let [ours, theirs] = self.fingerprints.clone();
        self.server_command(json!({
            "type": "open_transport", "room": room, "transport": transport,
            "local": credentials("serv"),
            "remote": {"ufrag": ufrag("bots", transport), "pwd": PASSWORD,
                "fingerprints": [theirs], "setup": "active"},
        }));
        self.bot_command(json!({
            "type": "open_transport", "bot": bot, "transport": transport,
            "cname": format!("bot {bot}"), "dtls_role": "client",
            "local": credentials("bots"),
            "remote": {"ufrag": ufrag("serv", transport), "pwd": PASSWORD, "fingerprints": [ours],
                "candidates": [{"ip": address.ip(), "port": address.port()}]},
            "net_up": up, "net_down": down,
        }));
    }

    pub fn run_until(&mut self, end: Time) {
        loop {
            let arrival = self.sockets.in_flight.front().map(|it| it.at);
            let next = [
                arrival,
                self.server.next_timeout(),
                self.bots.poll_timeout(),
            ];
            let next = next.into_iter().flatten().min().filter(|at| *at <= end);
            let Some(next) = next else {
                break;
            };
            self.set_now(self.now.max(next));
            self.step();
        }
        self.set_now(end);
    }

    fn set_now(&mut self, now: Time) {
        (self.now, self.sockets.now) = (now, now);
    }

    fn step(&mut self) {
        while self
            .sockets
            .in_flight
            .front()
            .is_some_and(|it| it.at <= self.now)
        {
            if let Some(datagram) = self.sockets.in_flight.pop_front() {
                self.deliver(datagram);
            }
        }
        if self.server.next_timeout().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now);
        }
        self.send_server();
        if self.bots.poll_timeout().is_some_and(|at| at <= self.now) {
            self.bots.handle_timeout(self.now, &mut self.sockets);
        }
        self.bot_events.extend(self.bots.take_events());
    }

    fn deliver(&mut self, mut datagram: Datagram) {
        let (now, transport) = (self.now, datagram.transport);
        if datagram.to_bot {
            let bytes = &mut datagram.bytes[..];
            let received = std::iter::once((server_address(), Duration::ZERO, bytes));
            self.bots
                .receive(now, transport, received, &mut self.sockets);
        } else {
            let path = PathId::udp(0, server_address().ip(), bot_address(transport));
            self.server.receive(now, path, &mut datagram.bytes);
        }
    }

    fn send_server(&mut self) {
        loop {
            self.server.flush(self.now);
            let sending = std::mem::take(self.server.outbox());
            if sending.is_empty() {
                break;
            }
            for (path, bytes) in sending.datagrams() {
                let transport = u32::from(path.remote.port()) - 20_000;
                self.sockets.push(transport, true, bytes);
            }
        }
        self.server_events.extend(self.server.take_events(false));
    }
}
