//! An engine, its participants and the network between them, in virtual time.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rtc::dtls::{Certificate, Context};
use rtc::path::PathId;
use serde_json::Value;
use sfu::config::Config;
use sfu::engine::Engine;
use sfu::message::{Command, CommandError, Event, Request};
use wire::time::{Time, WallClock};

use super::camera::Camera;
use super::client::Client;
use super::rtp_name;

pub const SERVER: &str = "192.0.2.1:7081";

/// A run of datagrams sent by the engine.
#[derive(Clone, Copy, Debug)]
pub struct SentRun {
    pub at: Time,
    pub path: PathId,
    pub segments: usize,
    pub len: usize,
}

/// Direction of a datagram, as seen from the participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Up,
    Down,
}

/// Returns whether a datagram of a client is delivered.
pub type Filter = Box<dyn FnMut(Time, Direction, usize, &[u8]) -> bool>;

type InFlight = (Time, u64, Direction, usize, SocketAddr, Vec<u8>);

pub struct World {
    pub now: Time,
    pub engine: Engine,
    pub clients: Vec<Client>,
    pub cameras: Vec<Camera>,
    pub events: Vec<Event>,
    pub runs: Vec<SentRun>,
    /// The send buffer of the server's socket is full until then.
    pub blocked_until: Time,
    pub config: Config,
    pub(super) by_address: HashMap<SocketAddr, usize>,
    pub(super) identity: Context,
    pub(super) client_identity: Context,
    in_flight: BinaryHeap<Reverse<InFlight>>,
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
        Self::between(config, identity(), identity())
    }

    /// Make a world whose server and clients have these certificates.
    pub fn between(config: Config, server: Context, client: Context) -> Self {
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
            blocked_until: now,
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

    pub fn set_filter(
        &mut self,
        filter: impl FnMut(Time, Direction, usize, &[u8]) -> bool + 'static,
    ) {
        self.filter = Some(Box::new(filter));
    }

    /// Drop one RTP packet; the returned cell will hold it.
    pub fn hold_once(&mut self, way: Direction, ssrc: u32, sequence: u16) -> Rc<RefCell<Vec<u8>>> {
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
    pub fn lose(&mut self, way: Direction, ssrc: u32, sequences: impl IntoIterator<Item = u16>) {
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

    /// Return a new identifier.
    pub fn fresh_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// Execute a request and return its completion.
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

    /// Send a datagram to the engine with this source address.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let path = server_path(from);
        self.engine.receive(self.now, path, &mut bytes);
        self.flush();
    }

    /// Flush the engine and take its events.
    pub fn flush(&mut self) {
        loop {
            self.engine.flush(self.now);
            let sending = std::mem::take(self.engine.outbox());
            if sending.is_empty() {
                break;
            }
            // Until the socket takes it.
            let late = self.blocked_until.since(self.now);
            if !late.is_zero() {
                let paths = sending.runs().iter().map(|run| run.path);
                self.engine.sent_late(paths, self.now, late);
            }
            for run in sending.runs() {
                self.runs.push(SentRun {
                    at: self.now,
                    path: run.path,
                    segments: run.segments(),
                    len: run.len,
                });
            }
            let flushed = self.now;
            self.now = flushed + late;
            for (path, bytes) in sending.datagrams() {
                if let Some(client) = self.by_address.get(&path.remote).copied() {
                    self.post(Direction::Down, client, path.remote, bytes);
                }
            }
            self.now = flushed;
        }
        let events = self.engine.take_events(false);
        for event in &events {
            self.apply_dynacast(event);
        }
        self.events.extend(events);
    }

    fn apply_dynacast(&mut self, event: &Event) {
        if let Event::EncodingsWanted { publication, rids } = event {
            let of_it =
                |camera: &&mut Camera| camera.dynacast && camera.publication == *publication;
            if let Some(camera) = self.cameras.iter_mut().find(of_it) {
                camera.send_only(rids);
            }
        }
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
            Direction::Up => {
                self.engine
                    .receive(self.now, server_path(remote), &mut bytes);
                self.flush();
            }
            Direction::Down => {
                self.clients[client].receive(self.now, &mut bytes);
                for camera in &mut self.cameras {
                    if camera.client == client {
                        camera.read_rtcp(self.now, &mut self.clients[client]);
                    }
                }
            }
        }
    }

    /// Send the datagrams of the clients.
    pub fn settle(&mut self) {
        for key in 0..self.clients.len() {
            if self.clients[key].out.is_empty() {
                continue;
            }
            let out = std::mem::take(&mut self.clients[key].out);
            let from = self.clients[key].mapped_address();
            for (_, bytes) in out.datagrams() {
                self.post(Direction::Up, key, from, bytes);
            }
        }
    }

    fn post(&mut self, way: Direction, client: usize, remote: SocketAddr, bytes: &[u8]) {
        let now = self.now;
        if let Some(filter) = &mut self.filter
            && !filter(now, way, client, bytes)
        {
            return;
        }
        let link = match way {
            Direction::Up => &mut self.clients[client].up,
            Direction::Down => &mut self.clients[client].down,
        };
        for at in link.arrivals(now, bytes.len()).into_iter().flatten() {
            self.posted += 1;
            let parcel = (at, self.posted, way, client, remote, bytes.to_vec());
            self.in_flight.push(Reverse(parcel));
        }
    }
}

/// The engine's path to an address.
pub fn server_path(remote: SocketAddr) -> PathId {
    let server: SocketAddr = SERVER.parse().expect("address");
    PathId::udp(0, server.ip(), remote)
}
