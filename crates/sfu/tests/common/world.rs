//! An engine, participants around it, and the ways between them, on virtual time.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rtc::codec::Codec;
use rtc::dtls::{Certificate, Context, Role};
use rtc::ice::{Base, Credentials};
use rtc::path::PathId;
use rtc::srtp::Profile;
use rtc::transport::{IceRole, RemoteParameters, Transport, TransportConfig};
use serde_json::Value;
use sfu::config::Config;
use sfu::engine::Engine;
use sfu::message::{self, Command, CommandError, Event, Request, SubscribeRequest, Target};
use wire::extension::{Extension, ExtensionMap};
use wire::time::{Time, WallClock};

use super::camera::Camera;
use super::client::Client;
use super::rtp_name;
use super::viewer::Viewer;

pub const SERVER: &str = "192.0.2.1:7081";

/// Extension ids on the way up and, others, on the way down.
pub const UP_IDS: [(u8, Extension); 8] = [
    (1, Extension::AudioLevel),
    (2, Extension::AbsSendTime),
    (3, Extension::TransportSequence),
    (4, Extension::Mid),
    (10, Extension::Rid),
    (11, Extension::RepairedRid),
    (12, Extension::AbsCaptureTime),
    (13, Extension::VideoOrientation),
];
pub const DOWN_IDS: [(u8, Extension); 5] = [
    (5, Extension::TransportSequence),
    (6, Extension::AudioLevel),
    (7, Extension::VideoOrientation),
    (8, Extension::AbsSendTime),
    (9, Extension::Mid),
];

pub fn id_map(ids: &[(u8, Extension)]) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    for (id, extension) in ids {
        map.insert(*id, *extension).expect("free");
    }
    map
}

/// A subscription as its receiver knows it.
#[derive(Clone, Copy, Debug)]
pub struct Sub {
    pub id: u32,
    pub client: usize,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub payload_type: u8,
    pub rtx_payload_type: u8,
}

/// A run of datagrams as the engine put it out.
#[derive(Clone, Copy, Debug)]
pub struct SentRun {
    pub at: Time,
    pub path: PathId,
    pub segments: usize,
    pub len: usize,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Up,
    Down,
}

/// Decide whether a datagram of a client passes.
pub type Filter = Box<dyn FnMut(Time, Way, usize, &[u8]) -> bool>;

type Parcel = (Time, u64, Way, usize, SocketAddr, Vec<u8>);

pub struct World {
    pub now: Time,
    pub engine: Engine,
    pub clients: Vec<Client>,
    pub cameras: Vec<Camera>,
    pub events: Vec<Event>,
    pub runs: Vec<SentRun>,
    pub config: Config,
    by_address: HashMap<SocketAddr, usize>,
    identity: Context,
    client_identity: Context,
    in_flight: BinaryHeap<Reverse<Parcel>>,
    filter: Option<Filter>,
    next_id: u32,
    next_command: u64,
    posted: u64,
}

impl Default for World {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl World {
    pub fn new(config: Config) -> Self {
        let identity = || {
            let certificate = Certificate::generate_ecdsa().expect("a certificate");
            Context::new(&certificate).expect("a context")
        };
        let (server, client) = (identity(), identity());
        // No test should depend on where time begins.
        let now = Time::from_secs(1_000);
        let wall = WallClock {
            unix_at_zero: Duration::from_secs(1_700_000_000),
        };
        Self {
            now,
            engine: Engine::new(now, config.clone(), server.clone(), wall, 42),
            clients: Vec::new(),
            cameras: Vec::new(),
            events: Vec::new(),
            runs: Vec::new(),
            config,
            by_address: HashMap::new(),
            identity: server,
            client_identity: client,
            in_flight: BinaryHeap::new(),
            filter: None,
            next_id: 0,
            next_command: 0,
            posted: 0,
        }
    }

    pub fn set_filter(&mut self, filter: impl FnMut(Time, Way, usize, &[u8]) -> bool + 'static) {
        self.filter = Some(Box::new(filter));
    }

    /// Take one RTP packet off the wire and return where it will stand.
    pub fn hold_once(&mut self, way: Way, ssrc: u32, sequence: u16) -> Rc<RefCell<Vec<u8>>> {
        let held = Rc::new(RefCell::new(Vec::new()));
        let (place, mut done) = (held.clone(), false);
        self.set_filter(move |_, went, _, bytes| {
            if done || went != way || rtp_name(bytes) != Some((ssrc, sequence)) {
                return true;
            }
            done = true;
            place.replace(bytes.to_vec());
            false
        });
        held
    }

    /// Lose these RTP packets of a stream, once each.
    pub fn lose(&mut self, way: Way, ssrc: u32, sequences: impl IntoIterator<Item = u16>) {
        let mut doomed: Vec<u16> = sequences.into_iter().collect();
        self.set_filter(move |_, went, _, bytes| {
            let name = rtp_name(bytes).filter(|(of, _)| went == way && *of == ssrc);
            let at = name.and_then(|(_, seq)| doomed.iter().position(|lost| *lost == seq));
            at.map(|at| doomed.remove(at)).is_none()
        });
    }

    pub fn clear_filter(&mut self) {
        self.filter = None;
    }

    /// A number never used before.
    pub fn fresh_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// Carry out a request and return its completion.
    pub fn try_command(&mut self, request: Request) -> Result<Value, CommandError> {
        self.next_command += 1;
        let id = self.next_command;
        self.engine.command(self.now, Command { id, request });
        self.flush();
        let done = self.events.iter().rev().find_map(|event| match event {
            Event::Done {
                id: done,
                error,
                result,
            } if *done == id => Some((error.clone(), result.clone())),
            _ => None,
        });
        let (error, result) = done.expect("a completion");
        match error {
            Some(error) => Err(error),
            None => Ok(result.unwrap_or_default()),
        }
    }

    pub fn command(&mut self, request: Request) -> Value {
        self.try_command(request).expect("carried out")
    }

    pub fn open_room(&mut self) -> u32 {
        let room = self.fresh_id();
        self.command(Request::OpenRoom { room });
        room
    }

    pub fn close_room(&mut self, room: u32) {
        let reason = "test".into();
        self.command(Request::CloseRoom { room, reason });
    }

    /// Open a transport and let a client begin to connect to it.
    pub fn join(&mut self, room: u32) -> usize {
        let fingerprint = self.client_identity.fingerprint().to_string();
        self.join_with(room, fingerprint)
    }

    /// Join with another certificate than the one announced.
    pub fn join_as_impostor(&mut self, room: u32) -> usize {
        let fingerprint = self.identity.fingerprint().to_string();
        self.join_with(room, fingerprint)
    }

    fn join_with(&mut self, room: u32, fingerprint: String) -> usize {
        let transport_id = self.fresh_id();
        let key = self.clients.len();
        let ip = format!("198.51.{}.{}", 100 + key / 250, 1 + key % 250);
        let address = SocketAddr::new(ip.parse().expect("ip"), 40_000);
        let server: SocketAddr = SERVER.parse().expect("address");
        let ours = credentials(transport_id, "server");
        let theirs = credentials(transport_id, "client");
        self.command(Request::OpenTransport {
            room,
            transport: transport_id,
            local: message::LocalParameters {
                ufrag: ours.ufrag.clone(),
                pwd: ours.pwd.clone(),
            },
            remote: Some(description(&theirs, fingerprint)),
            srtp: Default::default(),
        });
        let mut transport = self.client_transport(transport_id, address, &theirs);
        transport.set_remote(
            self.now,
            RemoteParameters {
                credentials: ours.clone(),
                fingerprints: vec![self.identity.fingerprint()],
                candidates: vec![server],
            },
        );
        self.by_address.insert(address, key);
        self.clients.push(Client::new(
            (room, transport_id),
            (address, server),
            transport,
            (theirs, ours),
            id_map(&UP_IDS),
        ));
        key
    }

    /// Join and wait until media may flow.
    pub fn connect(&mut self, room: u32) -> usize {
        let key = self.join(room);
        self.wait_connected(&[key]);
        key
    }

    /// Join several and wait for all of them.
    pub fn connect_many(&mut self, room: u32, count: usize) -> Vec<usize> {
        let keys: Vec<usize> = (0..count).map(|_| self.join(room)).collect();
        self.wait_connected(&keys);
        keys
    }

    pub fn wait_connected(&mut self, keys: &[usize]) {
        let connected = self.run_until(Duration::from_secs(10), |world| {
            let is_connected = |key: &usize| world.clients[*key].transport.is_connected();
            keys.iter().all(is_connected)
        });
        assert!(connected, "not connected");
        // The last flight is still on its way to the engine.
        self.run_for(Duration::from_millis(30));
    }

    pub fn leave(&mut self, client: usize) {
        let transport = self.clients[client].transport_id;
        let reason = "left".into();
        self.command(Request::CloseTransport { transport, reason });
    }

    /// Make a camera and publish it; it sends from now on.
    pub fn publish(&mut self, client: usize, codec: Codec, rids: &[&'static str]) -> usize {
        self.publish_with(client, codec, rids, |_| {})
    }

    pub fn publish_with(
        &mut self,
        client: usize,
        codec: Codec,
        rids: &[&'static str],
        change: impl FnOnce(&mut Camera),
    ) -> usize {
        let publication = self.fresh_id();
        let mut camera = Camera::new(self.now, client, publication, codec, rids);
        change(&mut camera);
        let transport = self.clients[client].transport_id;
        let request = camera.publish_request(transport, &UP_IDS);
        self.command(Request::Publish(request));
        self.cameras.push(camera);
        self.cameras.len() - 1
    }

    /// Subscribe a client to what a camera publishes.
    pub fn subscribe(&mut self, client: usize, camera: usize) -> Sub {
        self.subscribe_with(client, camera, |_| {})
    }

    pub fn subscribe_with(
        &mut self,
        client: usize,
        camera: usize,
        change: impl FnOnce(&mut SubscribeRequest),
    ) -> Sub {
        let id = self.fresh_id();
        let mut request = self.subscribe_request(client, camera, id);
        change(&mut request);
        let sub = Sub {
            id,
            client,
            ssrc: request.ssrc,
            rtx_ssrc: request.rtx_ssrc.unwrap_or(0),
            payload_type: request.payload_type,
            rtx_payload_type: request.rtx_payload_type.unwrap_or(0),
        };
        self.command(Request::Subscribe(request));
        let clock_rate = self.cameras[camera].codec.clock_rate();
        if let Some(viewer) = &mut self.clients[client].viewer {
            viewer.watch(sub.ssrc, Some(sub.rtx_ssrc), clock_rate);
        }
        sub
    }

    pub fn subscribe_request(&self, client: usize, camera: usize, id: u32) -> SubscribeRequest {
        let audio = self.cameras[camera].codec.kind() == rtc::codec::Kind::Audio;
        SubscribeRequest {
            transport: self.clients[client].transport_id,
            subscription: id,
            publication: self.cameras[camera].publication,
            mid: format!("s{id}"),
            payload_type: 120,
            rtx_payload_type: (!audio).then_some(121),
            ssrc: 0x1000_0000 + id,
            rtx_ssrc: (!audio).then_some(0x2000_0000 + id),
            extensions: DOWN_IDS
                .iter()
                .map(|(id, extension)| (extension.uri().to_owned(), *id))
                .collect(),
            feedback: vec!["nack".into(), "nack pli".into(), "transport-cc".into()],
            cname: "someone".into(),
            target: Target::Auto,
            active: true,
        }
    }

    /// Let a client report, ask and acknowledge as a browser does.
    pub fn watch(&mut self, client: usize) {
        self.clients[client].viewer = Some(Viewer::new(self.now, id_map(&DOWN_IDS)));
    }

    pub fn set_target(&mut self, sub: Sub, target: Target) {
        self.command(Request::SetTarget {
            subscription: sub.id,
            target,
        });
    }

    pub fn room_stats(&mut self, room: u32) -> Value {
        self.command(Request::RoomStats { room })
    }

    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Run until `done`; return false where `limit` passed first.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        self.settle();
        loop {
            if done(self) {
                return true;
            }
            let Some(next) = self.next_due().filter(|at| *at <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            self.step();
        }
    }

    /// Put a datagram on the way to the engine as if it came from this address.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let path = server_path(from);
        self.engine.receive(self.now, path, &mut bytes);
        self.flush();
    }

    /// Let a client be seen under another address from now on, as after a change of network.
    pub fn move_client(&mut self, key: usize, address: &str) {
        self.take_address(key, address.parse().expect("address"));
    }

    /// Let a client take over the address of whoever had it.
    pub fn take_address(&mut self, key: usize, address: SocketAddr) {
        self.by_address.retain(|_, client| *client != key);
        self.by_address.insert(address, key);
        self.clients[key].outside = Some(address);
    }

    /// Give both sides of a transport new ICE credentials.
    pub fn restart_ice(&mut self, key: usize) {
        let id = self.fresh_id();
        let (ours, theirs) = (credentials(id, "server"), credentials(id, "client"));
        let fingerprint = self.client_identity.fingerprint().to_string();
        self.command(Request::RestartIce {
            transport: self.clients[key].transport_id,
            local: message::LocalParameters {
                ufrag: ours.ufrag.clone(),
                pwd: ours.pwd.clone(),
            },
            remote: description(&theirs, fingerprint),
        });
        let remote = RemoteParameters {
            credentials: ours,
            fingerprints: vec![self.identity.fingerprint()],
            candidates: vec![self.clients[key].server],
        };
        let now = self.now;
        self.clients[key]
            .transport
            .restart_ice(now, &theirs, &remote);
    }

    /// Let the engine send, and take its events.
    pub fn flush(&mut self) {
        loop {
            self.engine.flush(self.now);
            let sending = std::mem::take(self.engine.outbox());
            if sending.is_empty() {
                break;
            }
            for run in sending.runs() {
                self.runs.push(SentRun {
                    at: self.now,
                    path: run.path,
                    segments: run.segments(),
                    len: run.len,
                });
            }
            for (path, bytes) in sending.datagrams() {
                if let Some(client) = self.by_address.get(&path.remote).copied() {
                    self.post(Way::Down, client, path.remote, bytes);
                }
            }
        }
        self.events.extend(self.engine.take_events(false));
    }

    fn client_transport(&self, id: u32, address: SocketAddr, local: &Credentials) -> Transport {
        let config = TransportConfig {
            ice: IceRole::Controlling {
                tie_breaker: id.into(),
                bases: vec![Base {
                    socket: 0,
                    local: address.ip(),
                }],
            },
            local: local.clone(),
            dtls: self.client_identity.clone(),
            dtls_role: Role::Client,
            profiles: Profile::ALL.to_vec(),
            mtu: 1200,
        };
        Transport::new(config, self.now).expect("a transport")
    }

    fn next_due(&self) -> Option<Time> {
        let arrival = self.in_flight.peek().map(|Reverse((at, ..))| *at);
        let clients = self.clients.iter().filter_map(Client::poll_timeout);
        let cameras = self.cameras.iter().filter_map(Camera::next_due);
        let engine = self.engine.next_timeout();
        clients.chain(cameras).chain(arrival).chain(engine).min()
    }

    fn step(&mut self) {
        while let Some(Reverse(first)) = self.in_flight.peek()
            && first.0 <= self.now
        {
            self.deliver();
        }
        if self.engine.next_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(self.now);
            self.flush();
        }
        for client in &mut self.clients {
            if client.poll_timeout().is_some_and(|at| at <= self.now) {
                client.handle_timeout(self.now);
            }
        }
        for camera in &mut self.cameras {
            if camera.next_due().is_some_and(|at| at <= self.now) {
                camera.tick(self.now, &mut self.clients[camera.client]);
            }
        }
        self.settle();
    }

    fn deliver(&mut self) {
        let Some(Reverse((_, _, way, client, remote, mut bytes))) = self.in_flight.pop() else {
            return;
        };
        match way {
            Way::Up => {
                self.engine
                    .receive(self.now, server_path(remote), &mut bytes);
                self.flush();
            }
            Way::Down => {
                self.clients[client].receive(self.now, &mut bytes);
                for camera in &mut self.cameras {
                    if camera.client == client {
                        camera.read_rtcp(self.now, &mut self.clients[client]);
                    }
                }
            }
        }
    }

    /// Put what clients want to send on its way.
    pub fn settle(&mut self) {
        for key in 0..self.clients.len() {
            if self.clients[key].out.is_empty() {
                continue;
            }
            let out = std::mem::take(&mut self.clients[key].out);
            let from = self.clients[key].seen_as();
            for (_, bytes) in out.datagrams() {
                self.post(Way::Up, key, from, bytes);
            }
        }
    }

    fn post(&mut self, way: Way, client: usize, remote: SocketAddr, bytes: &[u8]) {
        let now = self.now;
        if let Some(filter) = &mut self.filter
            && !filter(now, way, client, bytes)
        {
            return;
        }
        let link = match way {
            Way::Up => &mut self.clients[client].up,
            Way::Down => &mut self.clients[client].down,
        };
        for at in link.arrivals(now, bytes.len()).into_iter().flatten() {
            self.posted += 1;
            let parcel = (at, self.posted, way, client, remote, bytes.to_vec());
            self.in_flight.push(Reverse(parcel));
        }
    }
}

/// The path that the engine sees for an address.
pub fn server_path(remote: SocketAddr) -> PathId {
    let server: SocketAddr = SERVER.parse().expect("address");
    PathId::udp(0, server.ip(), remote)
}

fn description(theirs: &Credentials, fingerprint: String) -> message::RemoteParameters {
    message::RemoteParameters {
        ufrag: theirs.ufrag.clone(),
        pwd: theirs.pwd.clone(),
        fingerprints: vec![fingerprint],
    }
}

fn credentials(id: u32, side: &str) -> Credentials {
    Credentials {
        ufrag: format!("{side}{id:06}"),
        pwd: format!("{side}-password-of-{id:012}"),
    }
}
