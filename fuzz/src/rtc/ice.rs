//! Both ICE agents with forged and replayed checks and responses.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::{HashMap, HashSet};

use rtc::ice::{
    Base, CONSENT_EXPIRY, Credentials, IceControlling, IceEvent, IceLite, is_response,
    username_ufrag,
};
use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::stun::{Builder, Class, IntegrityKey, Message, Method, TransactionId};
use wire::time::Time;

use crate::input::Input;

const MAX_PATHS: usize = 8;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// More than the table of paths holds.
const REMOTES: u8 = 12;

fn remote(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number], 5000))
}

fn path(number: u8) -> PathId {
    PathId::udp(0, LOCAL, remote(number))
}

fn credentials(side: &str, generation: u8) -> Credentials {
    Credentials {
        ufrag: format!("{side}{generation}"),
        pwd: format!("{side} password of generation {generation}"),
    }
}

fn key(credentials: &Credentials) -> IntegrityKey {
    IntegrityKey::new(credentials.pwd.as_bytes())
}

/// Build a Binding message; the script selects its errors.
fn forge(
    input: &mut Input<'_>,
    class: Class,
    id: TransactionId,
    to: &Credentials,
    signer: &Credentials,
) -> Vec<u8> {
    let flags = input.u8();
    let has = |bit: u8| flags & (1 << bit) != 0;
    let mut bytes = Vec::new();
    let mut message = Builder::new(&mut bytes, class, Method::BINDING, id);
    if class == Class::Error {
        message = message.error_code(300 + u16::from(input.u8()), "why");
    }
    message = match has(0) {
        true => message.username("unknown:peer"),
        false => message.username(&format!("{}:peer", to.ufrag)),
    };
    message = match has(1) {
        true => message.ice_controlled(1),
        false => message.ice_controlling(1),
    };
    if has(2) {
        message = message.use_candidate();
    }
    if has(3) {
        message = message.attribute(0x7f00, input.run());
    }
    if !has(4) {
        let pwd = if has(5) { "wrong" } else { &signer.pwd };
        message = message.integrity(&IntegrityKey::new(pwd.as_bytes()));
    }
    message.fingerprint();
    if has(6) {
        let at = input.below(bytes.len());
        bytes[at] ^= input.u8();
    }
    bytes
}

fn is_signed(datagram: &[u8], by: &[Credentials]) -> bool {
    Message::parse(datagram)
        .is_ok_and(|message| by.iter().any(|it| message.check_integrity(&key(it))))
}

/// The validated paths by the events.
#[derive(Default)]
struct Open {
    paths: HashSet<PathId>,
    selected: Option<PathId>,
}

impl Open {
    fn note(&mut self, event: IceEvent) {
        match event {
            IceEvent::PathValidated(path) => assert!(self.paths.insert(path), "opened twice"),
            IceEvent::PathSelected(path) => self.selected = Some(path),
            IceEvent::PathRetired(path) => {
                assert!(self.paths.remove(&path), "closed twice");
                self.selected.take_if(|selected| *selected == path);
            }
            IceEvent::Disconnected(_) | IceEvent::Failed(_) => assert!(self.selected.is_none()),
        }
    }

    fn check(&self, accepts: impl Fn(&PathId) -> bool, send_path: Option<PathId>) {
        assert!(self.paths.len() <= MAX_PATHS);
        for path in (0..REMOTES).map(path) {
            assert_eq!(accepts(&path), self.paths.contains(&path));
        }
        assert_eq!(send_path, self.selected);
        assert!(send_path.is_none_or(|path| self.paths.contains(&path)));
    }
}

/// A lite agent: only requests with its password validate a path, only responses to its checks
/// change the selected path once DTLS is connected, and the amplification limit of three holds for
/// every address that is not validated.
pub fn ice_lite(data: &[u8]) {
    let mut input = Input::new(data);
    let mut side = Lite::new();
    while !input.is_empty() {
        let at = path(input.u8() % REMOTES);
        match input.below(8) {
            0..=2 => side.check(&mut input, at),
            3 => side.answer(&mut input, at),
            4 if side.agent.accepts(&at) => side.receive_dtls(at),
            4 => side.agent.retire(side.now, &at),
            5 => side.touch(at),
            6 => side.change(&mut input),
            _ => side.wait(&mut input),
        }
        side.settle();
    }
}

struct Lite {
    agent: IceLite,
    now: Time,
    generation: u8,
    established: Option<Time>,
    /// A check that left after the handshake was answered.
    consented: bool,
    out: Outbox,
    open: Open,
    /// Where checks went and when, the newest last.
    asked: Vec<(PathId, TransactionId, Time)>,
    /// Paths that ever answered a check.
    answered: HashSet<PathId>,
    /// Bytes that came from each path and went there.
    traffic: HashMap<PathId, (usize, usize)>,
}

impl Lite {
    fn new() -> Self {
        let mut agent = IceLite::new(&credentials("local", 0));
        let now = Time::from_secs(1);
        agent.set_remote(now, &credentials("peer", 0));
        Self {
            agent,
            now,
            generation: 0,
            established: None,
            consented: false,
            out: Outbox::new(),
            open: Open::default(),
            asked: Vec::new(),
            answered: HashSet::new(),
            traffic: HashMap::new(),
        }
    }

    fn check(&mut self, input: &mut Input<'_>, at: PathId) {
        let back = input.u8() % 3;
        let to = credentials("local", self.generation.saturating_sub(back));
        let id = TransactionId([input.u8(); 12]);
        let check = match input.below(8) {
            7 => input.run().to_vec(),
            _ => forge(input, Class::Request, id, &to, &to),
        };
        let named = username_ufrag(&check).map(str::to_owned);
        let valid = self.generations("local");
        self.came(at, check.len());
        let taken = self.agent.receive(self.now, at, &check, &mut self.out);
        assert!(taken.is_err() || is_signed(&check, &valid));
        let is_ours = |ufrag| valid.iter().any(|it| it.ufrag == ufrag);
        assert!(taken.is_err() || named.is_some_and(is_ours));
        let answers = self.out.datagrams().filter(|(_, bytes)| is_response(bytes));
        assert!(answers.count() <= 1, "one check, one answer");
    }

    /// Answer a check, mostly one of the last, mostly from where it went.
    fn answer(&mut self, input: &mut Input<'_>, elsewhere: PathId) {
        let back = input.below(8);
        let Some((asked, id, sent)) = self.asked.iter().rev().nth(back).copied() else {
            return;
        };
        let from = match input.below(4) {
            0 => elsewhere,
            _ => asked,
        };
        let peer = credentials("peer", self.generation.saturating_sub(input.u8() % 3));
        let answer = forge(input, Class::Success, id, &peer, &peer);
        let before = self.agent.send_path();
        let taken = self.agent.receive(self.now, from, &answer, &mut self.out);
        self.came(from, answer.len());
        match taken {
            Ok(()) => {
                assert!(from == asked && is_signed(&answer, &self.generations("peer")));
                self.answered.insert(from);
                let is_fresh = self.now.since(sent) < CONSENT_EXPIRY;
                self.consented |= is_fresh && self.established.is_some_and(|at| sent > at);
            }
            Err(_) => assert_eq!(self.agent.send_path(), before),
        }
    }

    fn receive_dtls(&mut self, at: PathId) {
        self.came(at, 200);
        self.agent.received_dtls(self.now, at, 200);
    }

    fn touch(&mut self, at: PathId) {
        self.came(at, 1200);
        self.agent.touch(self.now, &at, 1200);
    }

    /// Restart, end the handshake, or send media.
    fn change(&mut self, input: &mut Input<'_>) {
        match input.below(4) {
            0 => {
                self.generation = self.generation.saturating_add(1);
                let [local, peer] =
                    ["local", "peer"].map(|side| credentials(side, self.generation));
                self.agent.restart(self.now, &local, &peer);
            }
            // A handshake over several paths proves none of them.
            1 => {
                self.established.get_or_insert(self.now);
                self.agent.dtls_connected(self.now, None);
            }
            _ => {
                let len = usize::from(input.u16());
                if let Some(path) = self.agent.send_path()
                    && self.agent.may_send(len)
                {
                    self.went(path, len);
                }
            }
        }
    }

    fn wait(&mut self, input: &mut Input<'_>) {
        let until = self.now + input.span();
        let mut rounds = 0;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now, &mut self.out);
            assert!(self.agent.poll_timeout().is_none_or(|next| next > self.now));
            self.settle();
            rounds += 1;
            assert!(rounds < 5_000, "timers without end");
        }
        self.now = until;
    }

    fn settle(&mut self) {
        for (path, datagram) in std::mem::take(&mut self.out).datagrams() {
            self.went(path, datagram.len());
            let message = Message::parse(datagram).expect("our own");
            if message.class == Class::Request {
                assert!(
                    self.agent.accepts(&path),
                    "a check of a path that is closed"
                );
                self.asked.push((path, message.transaction, self.now));
            }
        }
        let before = self.open.selected;
        while let Some(event) = self.agent.poll_event() {
            self.open.note(event);
        }
        let selected = self.open.selected.filter(|path| before != Some(*path));
        assert!(selected.is_none_or(|path| !self.consented || self.answered.contains(&path)));
        let agent = &self.agent;
        self.open
            .check(|path| agent.accepts(path), agent.send_path());
    }

    fn came(&mut self, from: PathId, len: usize) {
        self.traffic.entry(from).or_default().0 += len;
    }

    fn went(&mut self, to: PathId, len: usize) {
        let (received, sent) = self.traffic.entry(to).or_default();
        *sent += len;
        let proven = self.answered.contains(&to);
        assert!(proven || *sent <= 3 * *received, "{sent} for {received}");
    }

    /// The present and the former credentials of a side.
    fn generations(&self, side: &str) -> [Credentials; 2] {
        [self.generation, self.generation.saturating_sub(1)].map(|it| credentials(side, it))
    }
}

/// A controlling agent: only answers to its own checks, from where it sent them, open a path.
pub fn ice_controlling(data: &[u8]) {
    let mut input = Input::new(data);
    let mut side = Controlling::new(input.u64());
    while !input.is_empty() {
        let at = path(input.u8() % REMOTES);
        match input.below(8) {
            0 => side.set_remote(&mut input),
            1..=3 => side.answer(&mut input, at),
            4 => side.check(&mut input, at),
            5 => drop(side.agent.receive(side.now, at, input.run(), &mut side.out)),
            6 => side.agent.touch(side.now, &at),
            _ => side.wait(&mut input),
        }
        side.settle();
    }
}

struct Controlling {
    agent: IceControlling,
    now: Time,
    generation: u8,
    out: Outbox,
    open: Open,
    /// Where checks went, the newest last.
    asked: Vec<(PathId, TransactionId)>,
}

impl Controlling {
    fn new(tie_breaker: u64) -> Self {
        let base = Base {
            socket: 0,
            local: LOCAL,
        };
        let local = credentials("local", 0);
        Self {
            agent: IceControlling::new(&local, tie_breaker, vec![base]),
            now: Time::from_secs(1),
            generation: 0,
            out: Outbox::new(),
            open: Open::default(),
            asked: Vec::new(),
        }
    }

    fn set_remote(&mut self, input: &mut Input<'_>) {
        let restarts = input.flag();
        let candidates: Vec<_> = input.run().iter().map(|it| remote(it % REMOTES)).collect();
        self.generation = self.generation.saturating_add(u8::from(restarts));
        let (local, peer) = (self.local(), self.peer());
        match restarts {
            true => self.agent.restart(self.now, &local, &peer, &candidates),
            false => self.agent.set_remote(self.now, &peer, &candidates),
        }
    }

    /// Answer a check, mostly one of the last, mostly from where it went.
    fn answer(&mut self, input: &mut Input<'_>, elsewhere: PathId) {
        let back = input.below(8);
        let Some((asked, id)) = self.asked.iter().rev().nth(back).copied() else {
            return;
        };
        let from = match input.below(8) {
            0 => elsewhere,
            _ => asked,
        };
        let class = match input.below(4) {
            0 => Class::Error,
            _ => Class::Success,
        };
        let (local, peer) = (self.local(), self.peer());
        let answer = forge(input, class, id, &local, &peer);
        let taken = self.agent.receive(self.now, from, &answer, &mut self.out);
        assert!(taken.is_err() || is_signed(&answer, &[peer]));
        assert!(taken.is_err() || class == Class::Error || from == asked);
    }

    fn check(&mut self, input: &mut Input<'_>, from: PathId) {
        let (local, id) = (self.local(), TransactionId([input.u8(); 12]));
        let check = forge(input, Class::Request, id, &local, &local);
        let taken = self.agent.receive(self.now, from, &check, &mut self.out);
        assert!(taken.is_err() || is_signed(&check, &[local]));
    }

    fn wait(&mut self, input: &mut Input<'_>) {
        let until = self.now + input.span();
        let mut rounds = 0;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now, &mut self.out);
            assert!(self.agent.poll_timeout().is_none_or(|next| next > self.now));
            self.settle();
            rounds += 1;
            // One check in 50 ms, and what is repeated of at most 32.
            assert!(rounds < 5_000, "timers without end");
        }
        self.now = until;
    }

    fn settle(&mut self) {
        assert!(self.out.datagrams().count() <= 64);
        for (path, datagram) in self.out.datagrams() {
            let message = Message::parse(datagram).expect("our own");
            if message.class == Class::Request {
                self.asked.push((path, message.transaction));
            }
        }
        self.out.clear();
        while let Some(event) = self.agent.poll_event() {
            self.open.note(event);
        }
        let agent = &self.agent;
        self.open
            .check(|path| agent.accepts(path), agent.send_path());
    }

    fn local(&self) -> Credentials {
        credentials("local", self.generation)
    }

    fn peer(&self) -> Credentials {
        credentials("peer", self.generation)
    }
}
