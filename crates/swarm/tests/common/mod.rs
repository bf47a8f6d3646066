//! A swarm against a peer that reflects media, on virtual time.
//!
//! The reflector has real ICE, DTLS and SRTP. It forwards each media packet to every subscriber
//! under another SSRC, and NACK and PLI to the publisher; nothing else, since bots are tested here.

#![allow(dead_code)]

pub mod call;
pub mod reflector;

use reflector::Reflector;
use rtc::dtls::{Certificate, Context};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::srtp::Profile;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use swarm::engine::{Engine, EngineConfig, Host};
use swarm::figures::{Figures, FlowFigures, LinkFigures};
use swarm::message::{CommandResult, Event, TransportId};
use swarm::relay::Relay;
use swarm::sample::TakenFrames;
use wire::extension::Extension;
use wire::time::{Time, WallClock};

pub const VIDEO_PT: u8 = 96;
pub const RTX_PT: u8 = 97;
pub const AUDIO_PT: u8 = 111;
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const TWCC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

const CAPTURE_TIME_URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
/// Id of abs-capture-time, which VP9 is sent with.
pub const CAPTURE_TIME_ID: u8 = 6;
pub const AUDIO_LEVEL_ID: u8 = 7;
const VP9_CLIP: u32 = 5;

/// A datagram in flight; bots are at 10.0.1.1, the reflector is at 10.0.0.1, a port per transport.
#[derive(Debug)]
pub struct Datagram {
    pub at: Time,
    nth: u64,
    pub transport: TransportId,
    pub to_bot: bool,
    /// The bot's address.
    pub bot: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// Return its place in the order of all that were sent.
    pub fn number(&self) -> u64 {
        self.nth
    }
}

/// The network and the files of the bots.
pub struct TestHost {
    pub now: Time,
    pub delay: Duration,
    pub in_flight: BinaryHeap<Reverse<Datagram>>,
    pub sent: u64,
    pub open: Vec<TransportId>,
    /// Which datagrams the network drops.
    pub drops: Box<dyn Fn(&Datagram) -> bool>,
    /// Whether the system refuses new sockets.
    pub is_full: bool,
    /// Changes of address so far.
    changes: BTreeMap<TransportId, u16>,
    nth: u64,
}

impl TestHost {
    /// Return the current address of a bot's transport.
    pub fn address(&self, transport: TransportId) -> SocketAddr {
        let changes = self.changes.get(&transport).copied().unwrap_or(0);
        let port = 50_000 + transport as u16 + 100 * changes;
        SocketAddr::new(IpAddr::from([10, 0, 1, 1]), port)
    }

    pub fn send_bytes(
        &mut self,
        transport: TransportId,
        to_bot: bool,
        bot: SocketAddr,
        bytes: &[u8],
    ) {
        self.nth += 1;
        let datagram = Datagram {
            at: self.now + self.delay,
            nth: self.nth,
            transport,
            to_bot,
            bot,
            bytes: bytes.to_vec(),
        };
        if !(self.drops)(&datagram) {
            self.in_flight.push(Reverse(datagram));
        }
    }
}

impl Host for TestHost {
    fn open(&mut self, transport: TransportId, _bind: IpAddr) -> Result<IpAddr, String> {
        self.open.push(transport);
        Ok(IpAddr::from([0, 0, 0, 0]))
    }

    fn connect(&mut self, transport: TransportId, _relay: &Relay) -> Result<(), String> {
        self.open.push(transport);
        Ok(())
    }

    fn reopen(&mut self, transport: TransportId, bind: IpAddr) -> Result<IpAddr, String> {
        if self.is_full {
            return Err("too many open files".into());
        }
        *self.changes.entry(transport).or_default() += 1;
        Ok(bind)
    }

    fn close(&mut self, transport: TransportId) {
        self.open.retain(|open| *open != transport);
    }

    fn send(&mut self, transport: TransportId, outbox: &Outbox) {
        for (_, bytes) in outbox.datagrams() {
            self.sent += 1;
            assert!(
                bytes.len() <= 1200,
                "no browser sends {} bytes",
                bytes.len()
            );
            self.send_bytes(transport, false, self.address(transport), bytes);
        }
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sfukit/media/clips");
        std::fs::read(clips.join(path)).map_err(|error| error.to_string())
    }
}

/// A swarm, a reflector and the time.
pub struct World {
    pub engine: Engine,
    pub host: TestHost,
    pub reflector: Reflector,
    pub events: Vec<Event>,
    /// Called with true before and with false after the bots process a datagram.
    pub around_receive: fn(bool),
    next_command: u64,
}

pub fn server_address(transport: TransportId) -> SocketAddr {
    SocketAddr::new(IpAddr::from([10, 0, 0, 1]), 40_000 + transport as u16)
}

impl World {
    pub fn new() -> Self {
        Self::with(1.0, vec![Profile::AeadAes128Gcm])
    }

    pub fn with(sample_decrypt: f64, profiles: Vec<Profile>) -> Self {
        let now = Time::from_millis(1);
        let certificate = Certificate::generate_ecdsa().unwrap();
        let config = EngineConfig {
            seed: 71,
            profiles,
            sample_decrypt,
            dtls: Context::new(&certificate).unwrap(),
            wall: WallClock {
                unix_at_zero: Duration::from_secs(1_700_000_000),
            },
        };
        let mut world = Self {
            engine: Engine::new(now, config),
            host: TestHost {
                now,
                delay: Duration::from_millis(10),
                in_flight: BinaryHeap::new(),
                sent: 0,
                open: Vec::new(),
                drops: Box::new(|_| false),
                is_full: false,
                changes: BTreeMap::new(),
                nth: 0,
            },
            reflector: Reflector::new(certificate.fingerprint()),
            events: Vec::new(),
            around_receive: |_| {},
            next_command: 0,
        };
        let clips = [
            "vp8-180p15",
            "vp8-360p30",
            "vp8-720p30",
            "h264-360p30",
            "opus",
            "../../../crates/swarm/tests/fixtures/vp9-180p15",
            "../../../crates/swarm/tests/fixtures/av1-180p15",
        ];
        for (clip, name) in clips.into_iter().enumerate() {
            world
                .command(json!({"type": "load_clip", "clip": clip, "path": format!("{name}.ivf")}));
        }
        world
    }

    /// Return the figures of the impaired links.
    pub fn links(&mut self) -> Vec<LinkFigures> {
        self.paths(false).links
    }

    /// Return the figures of the impaired links with the series of traced ones.
    pub fn traces(&mut self) -> Vec<LinkFigures> {
        self.paths(true).links
    }

    /// Return the figures of the TCP-like flows.
    pub fn flows(&mut self) -> Vec<FlowFigures> {
        self.paths(false).flows
    }

    fn paths(&mut self, traces: bool) -> Figures {
        self.command(json!({"type": "snapshot", "links": true, "traces": traces}));
        let snapshot = self.events.iter().rev().find_map(|event| match event {
            Event::Done {
                result: Some(CommandResult::Figures(figures)),
                ..
            } => Some((**figures).clone()),
            _ => None,
        });
        snapshot.expect("a snapshot")
    }

    /// Execute a command and return its error code, if it was refused.
    pub fn try_command(&mut self, mut command: Value) -> Option<String> {
        self.next_command += 1;
        command["id"] = self.next_command.into();
        let command = serde_json::from_value(command).unwrap();
        self.engine.execute(self.host.now, command, &mut self.host);
        self.take_events();
        let done = self.events.iter().rev().find_map(|event| match event {
            Event::Done { id, error, .. } if *id == self.next_command => Some(error.clone()),
            _ => None,
        });
        let code = done.expect("a completion").map(|error| json!(error.code));
        code.map(|code| code.as_str().unwrap_or_default().to_owned())
    }

    /// Take the frames of a sampled stream.
    pub fn taken(&mut self, stream: u32) -> TakenFrames {
        self.command(json!({"type": "take_frames", "stream": stream}));
        match self.events.pop() {
            Some(Event::Done {
                result: Some(CommandResult::Frames(taken)),
                ..
            }) => taken,
            other => panic!("{other:?}"),
        }
    }

    pub fn command(&mut self, command: Value) {
        let text = command.to_string();
        assert_eq!(self.try_command(command), None, "{text}");
    }

    /// Add a bot with one transport, both with this identifier, and its peer.
    pub fn join(&mut self, name: u32, more: &[(&str, Value)]) {
        self.command(
            json!({"type": "add_bot", "bot": name, "name": format!("bot {name}"),
            "scheduled_ns": self.host.now.as_nanos()}),
        );
        self.open(name, name, more);
    }

    pub fn open(&mut self, bot: u32, name: u32, more: &[(&str, Value)]) {
        let remote = self.reflector.add(self.host.now, name);
        let mut command = json!({
            "type": "open_transport", "bot": bot, "transport": name, "cname": format!("cname {bot}"),
            "local": {"ufrag": reflector::bot_ufrag(name), "pwd": reflector::PWD},
            "remote": remote, "dtls_role": "client",
        });
        for (key, value) in more {
            command[*key] = value.clone();
        }
        self.command(command);
    }

    /// Publish one clip under SSRC 1000 + stream and RTX SSRC 2000 + stream.
    pub fn publish(&mut self, transport: u32, stream: u32, clip: u32, more: &[(&str, Value)]) {
        let is_audio = clip == 4;
        let mut command = json!({
            "type": "publish", "transport": transport, "stream": stream, "mid": format!("{stream}"),
            "payload_type": if is_audio { AUDIO_PT } else { VIDEO_PT },
            "rtx_payload_type": if is_audio { Value::Null } else { json!(RTX_PT) },
            "extensions": {MID_URI: 1, RID_URI: 2, TWCC_URI: 3},
            "encodings": [{"ssrc": 1000 + stream, "clip": clip, "encoding_index": 0,
                "rtx_ssrc": if is_audio { Value::Null } else { json!(2000 + stream) }}],
            "source_id": stream, "start_ns": self.host.now.as_nanos(),
        });
        if is_audio {
            command["extensions"][Extension::AudioLevel.uri()] = AUDIO_LEVEL_ID.into();
        }
        if clip == VP9_CLIP {
            command["extensions"][CAPTURE_TIME_URI] = CAPTURE_TIME_ID.into();
        }
        for (key, value) in more {
            command[*key] = value.clone();
        }
        self.command(command);
    }

    /// Receive the published stream `from` under SSRC 3000 + stream and RTX SSRC 4000 + stream.
    pub fn receive(&mut self, transport: u32, stream: u32, from: u32, codec: &str) {
        self.receive_with(transport, stream, from, codec, &[]);
    }

    pub fn receive_untimed(&mut self, transport: u32, stream: u32, from: u32, codec: &str) {
        self.receive_with(transport, stream, from, codec, &[("untimed", json!(true))]);
    }

    /// Receive with further fields of the command.
    pub fn receive_with(
        &mut self,
        transport: u32,
        stream: u32,
        from: u32,
        codec: &str,
        more: &[(&str, Value)],
    ) {
        let is_audio = codec == "opus";
        let feedback = if is_audio {
            vec![]
        } else {
            vec!["nack", "nack pli", "transport-cc", "rrtr"]
        };
        let mut command = json!({
            "type": "receive", "transport": transport, "stream": stream, "codec": codec,
            "mid": format!("{stream}"), "payload_type": if is_audio { AUDIO_PT } else { VIDEO_PT },
            "rtx_payload_type": if is_audio { Value::Null } else { json!(RTX_PT) },
            "ssrc": 3000 + stream, "rtx_ssrc": 4000 + stream,
            "extensions": {MID_URI: 1, TWCC_URI: 3, CAPTURE_TIME_URI: CAPTURE_TIME_ID}, "source": format!("stream {from}"),
            "feedback": feedback,
        });
        for (key, value) in more {
            command[*key] = value.clone();
        }
        self.command(command);
        self.reflector.route(from, transport, stream);
    }

    pub fn run_for(&mut self, ms: u64) {
        let until = self.host.now + Duration::from_millis(ms);
        self.step();
        loop {
            let datagram = self
                .host
                .in_flight
                .peek()
                .map(|Reverse(datagram)| datagram.at);
            let next = [
                datagram,
                self.engine.poll_timeout(),
                self.reflector.poll_timeout(),
            ];
            let next = next.into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.host.now = self.host.now.max(next);
            self.step();
        }
        self.host.now = until;
    }

    fn step(&mut self) {
        let now = self.host.now;
        while let Some(Reverse(datagram)) = self.host.in_flight.peek() {
            if datagram.at > now {
                break;
            }
            let Reverse(mut datagram) = self.host.in_flight.pop().unwrap();
            if datagram.to_bot && datagram.bot != self.host.address(datagram.transport) {
                continue;
            }
            if datagram.to_bot {
                let from = server_address(datagram.transport);
                let bytes = std::iter::once((from, Duration::ZERO, &mut datagram.bytes[..]));
                (self.around_receive)(true);
                self.engine
                    .receive(now, datagram.transport, bytes, &mut self.host);
                (self.around_receive)(false);
            } else {
                self.reflector
                    .receive(now, datagram.transport, datagram.bot, &mut datagram.bytes);
            }
        }
        self.engine.handle_timeout(now, &mut self.host);
        self.reflector.handle_timeout(now);
        for (transport, bot, bytes) in self.reflector.take_outgoing() {
            self.host.send_bytes(transport, true, bot, &bytes);
        }
        self.take_events();
    }

    fn take_events(&mut self) {
        self.events.extend(self.engine.take_events());
    }

    pub fn connected(&self) -> usize {
        let is_connected = |event: &&Event| {
            matches!(
                event,
                Event::TransportState {
                    state: swarm::message::TransportState::Connected,
                    ..
                }
            )
        };
        self.events.iter().filter(is_connected).count()
    }

    pub fn figures(&self) -> Value {
        serde_json::to_value(self.engine.figures(self.host.now, true)).unwrap()
    }

    /// Figures of the inbound streams by identifier.
    pub fn streams(&self) -> BTreeMap<u64, Value> {
        let figures = self.figures();
        let streams = figures["streams"].as_array().unwrap().iter();
        streams
            .map(|stream| (stream["stream"].as_u64().unwrap(), stream.clone()))
            .collect()
    }
}

pub fn path_to(bot: SocketAddr) -> PathId {
    PathId::udp(0, IpAddr::from([10, 0, 0, 1]), bot)
}

impl Ord for Datagram {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.nth).cmp(&(other.at, other.nth))
    }
}

impl PartialOrd for Datagram {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Datagram {
    fn eq(&self, other: &Self) -> bool {
        self.nth == other.nth
    }
}

impl Eq for Datagram {}
