//! All rooms of one worker: finds the room of a datagram or command and contains its faults.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rtc::dtls;
use rtc::ice::{is_response, username_ufrag};
use rtc::outbound::history::ChunkPool;
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::wheel::Wheel;
use rustc_hash::FxHashMap;
use slab::Slab;
use wire::id::Ssrc;
use wire::rtp::{Kind, demux};
use wire::time::{Time, WallClock};

use crate::config::Config;
use crate::context::{Context, Named, Random, Route, Timer};
use crate::counters::Counters;
use crate::message::{Command, CommandError, CommandId, ErrorCode, Event, Request, RoomId};
use crate::room::Room;
use crate::stun::PlainStun;
use crate::turns::Turns;
use crate::window::window;

/// One call to [`Engine::flush`] ends when this much stands in the outbox: it stays in the
/// processor's cache until the kernel has copied it, and reading is not kept waiting.
const FLUSH_BYTES: usize = 384 * 1024;
/// So long after a drop losses are taken for our own.
const OVERLOAD_LASTS: Duration = Duration::from_millis(200);
/// Answers to strangers stop where sending is stuck.
const MOST_UNSENT_BYTES: usize = 4 * 1024 * 1024;

/// Where a peer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Home {
    room: usize,
    peer: usize,
}

/// All rooms of one worker.
pub struct Engine {
    config: Config,
    dtls: dtls::Context,
    wall: WallClock,
    overloaded_until: Time,
    window: Duration,
    stun: PlainStun,
    rooms: Slab<Room>,
    /// The room of everything that has a name, for commands.
    owners: FxHashMap<Named, usize>,
    paths: FxHashMap<PathId, Home>,
    ufrags: FxHashMap<String, Home>,
    wheel: Wheel<(usize, Timer)>,
    ready: Turns,
    out: Outbox,
    events: Vec<Event>,
    pool: ChunkPool,
    counters: Counters,
    random: Random,
    // Kept between calls for their memory.
    timers: Vec<(Time, Timer)>,
    routes: Vec<Route>,
    fired: Vec<(usize, Timer)>,
    media: Vec<(Home, Ssrc)>,
}

impl Engine {
    /// Make an engine without rooms; `seed` makes first sequence numbers unguessable.
    #[must_use]
    pub fn new(now: Time, config: Config, dtls: dtls::Context, wall: WallClock, seed: u64) -> Self {
        Self {
            window: config.calm_window(),
            config,
            dtls,
            wall,
            overloaded_until: Time::ZERO,
            stun: PlainStun::new(now),
            rooms: Slab::new(),
            owners: FxHashMap::default(),
            paths: FxHashMap::default(),
            ufrags: FxHashMap::default(),
            wheel: Wheel::new(now),
            ready: Turns::new(FLUSH_BYTES),
            out: Outbox::new(),
            events: Vec::new(),
            pool: ChunkPool::default(),
            counters: Counters::default(),
            random: Random(seed),
            timers: Vec::new(),
            routes: Vec::new(),
            fired: Vec::new(),
            media: Vec::new(),
        }
    }

    /// Load what datagrams need that will be taken in next; some of one look at a socket.
    ///
    /// Each comes from somebody else, whose state has left the cache. It is found by following
    /// pointers: a step for all of them at a time, so that they wait together.
    pub fn prefetch<'a>(&mut self, datagrams: impl Iterator<Item = (PathId, &'a [u8])>) {
        let mut media = std::mem::take(&mut self.media);
        media.clear();
        media.extend(datagrams.filter_map(|(path, bytes)| {
            let home = self.paths.get(&path)?;
            Some((*home, media_ssrc(bytes)?))
        }));
        for step in [
            Room::prefetch_peer,
            Room::prefetch_stream,
            Room::prefetch_encoding,
        ] {
            for (home, ssrc) in &media {
                if let Some(room) = self.rooms.get(home.room) {
                    step(room, home.peer, *ssrc);
                }
            }
        }
        self.media = media;
    }

    /// Take a datagram in; it is decrypted in place.
    pub fn receive(&mut self, now: Time, path: PathId, datagram: &mut [u8]) {
        if self.out.len_bytes() > MOST_UNSENT_BYTES {
            self.counters.datagrams_dropped += 1;
            return;
        }
        let Some(home) = self.home(&path, datagram) else {
            return self.receive_of_stranger(now, path, datagram);
        };
        if self.is_held_by_another(now, &path, home) {
            self.counters.stun_path_in_use += 1;
            return;
        }
        self.in_room(now, home.room, |room, context| {
            room.receive(context, home.peer, path, datagram);
        });
    }

    /// Carry out a command; its completion is among the events.
    pub fn command(&mut self, now: Time, command: Command) {
        let Command { id, request } = command;
        match request {
            Request::OpenRoom { room } => self.open_room(id, room),
            Request::CloseRoom { room } => self.close_room(now, id, room),
            request => self.pass_on(now, id, request),
        }
    }

    /// Learn that a socket dropped datagrams, because they were not read in time.
    ///
    /// Publishers are not asked for them for a while: that would be more of what was too much.
    pub fn note_overload(&mut self, now: Time) {
        self.overloaded_until = now + OVERLOAD_LASTS;
    }

    /// Learn for which share of its time the worker is busy, 0 to 1.
    pub fn note_busy(&mut self, busy: f64) {
        self.window = window(self.config.calm_window(), busy);
    }

    /// Do what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.fire(now, &mut fired);
        for (room, timer) in fired.drain(..) {
            self.in_room(now, room, |room, context| room.handle_timer(context, timer));
        }
        self.fired = fired;
    }

    /// Fill the outbox with what rooms have ready, up to a bound.
    ///
    /// Call again once it is sent, until the outbox stays empty.
    pub fn flush(&mut self, now: Time) {
        while self.out.len_bytes() < FLUSH_BYTES
            && let Some(room) = self.ready.take()
        {
            let before = self.out.len_bytes();
            let done = self.in_room(now, room, |room, context| room.flush(context, FLUSH_BYTES));
            match done {
                Some(false) => {
                    let bytes = self.out.len_bytes() - before;
                    self.ready.leave_unfinished(room, bytes);
                }
                _ => self.ready.finish(),
            }
        }
    }

    /// Return when to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.wheel.next()
    }

    /// Lend the datagrams to send.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// Say whether there is anything to report.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Take the events; where nobody takes them (`crowded`) only those that end or begin a life.
    pub fn take_events(&mut self, crowded: bool) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.events);
        if crowded {
            let before = events.len();
            events.retain(|event| {
                !matches!(
                    event,
                    Event::LayerSwitch { .. } | Event::EncodingState { .. }
                )
            });
            self.counters.events_dropped += (before - events.len()) as u64;
        }
        events
    }

    /// Return the counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.rooms = self.rooms.len() as u64;
        counters.routes = (self.owners.len() + self.paths.len() + self.ufrags.len()) as u64;
        counters.timers = self.wheel.len() as u64;
        for (_, room) in &self.rooms {
            room.count_live(&mut counters);
        }
        counters
    }

    /// Let a room panic at its next work of this kind.
    #[cfg(feature = "fault-injection")]
    pub fn inject_fault(&mut self, room: RoomId, fault: crate::room::Fault) {
        let key = self.owners.get(&Named::Room(room)).copied();
        if let Some(room) = key.and_then(|key| self.rooms.get_mut(key)) {
            room.fault = Some(fault);
        }
    }

    /// Tell a stranger who asks by STUN how it is seen, where that is wanted; drop all else.
    fn receive_of_stranger(&mut self, now: Time, path: PathId, datagram: &[u8]) {
        if demux(datagram) != Kind::Stun {
            self.counters.datagrams_unknown_path += 1;
        } else if self.config.stun && self.stun.answer(now, path, datagram, &mut self.out) {
            self.counters.stun_unauthenticated_answered += 1;
        } else {
            self.counters.stun_unknown_ufrag += 1;
        }
    }

    /// Find the transport of a datagram: Binding requests name a username, all else comes by a known
    /// path.
    fn home(&self, path: &PathId, datagram: &[u8]) -> Option<Home> {
        if demux(datagram) != Kind::Stun || is_response(datagram) {
            return self.paths.get(path).copied();
        }
        let named = username_ufrag(datagram).and_then(|ufrag| self.ufrags.get(ufrag));
        named.copied()
    }

    /// Say whether a path is in use by another transport. Its owner keeps it: the username of a
    /// session says nothing about the addresses of others.
    fn is_held_by_another(&self, now: Time, path: &PathId, home: Home) -> bool {
        let owner = self.paths.get(path).filter(|owner| **owner != home);
        owner.is_some_and(|owner| {
            let room = self.rooms.get(owner.room);
            room.is_some_and(|room| room.holds_path(now, owner.peer, path))
        })
    }

    /// Let a room work; if it panics it is dropped whole and the others go on.
    fn in_room<T>(
        &mut self,
        now: Time,
        key: usize,
        work: impl FnOnce(&mut Room, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let room = self.rooms.get_mut(key)?;
        let mut context = Context {
            now,
            wall: self.wall,
            overloaded: now < self.overloaded_until,
            window: self.window,
            config: &self.config,
            dtls: &self.dtls,
            out: &mut self.out,
            events: &mut self.events,
            pool: &mut self.pool,
            counters: &mut self.counters,
            timers: &mut self.timers,
            routes: &mut self.routes,
            random: &mut self.random,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(room, &mut context)));
        if room.take_ready_mark() {
            self.ready.push(key);
        }
        match outcome {
            Ok(value) => {
                self.apply(now, key);
                Some(value)
            }
            Err(_) => {
                // What it asked for leads to a room that is gone.
                self.timers.clear();
                self.routes.clear();
                self.drop_broken(key);
                None
            }
        }
    }

    /// Set the timers and change the routes that a room asked for.
    fn apply(&mut self, now: Time, room: usize) {
        let mut moved = Vec::new();
        for (at, timer) in self.timers.drain(..) {
            self.wheel.set(at, (room, timer));
        }
        for route in self.routes.drain(..) {
            match route {
                Route::AddPath(path, peer) => {
                    let home = Home { room, peer };
                    let before = self.paths.insert(path, home);
                    moved.extend(before.filter(|it| *it != home).map(|it| (path, it)));
                }
                // The path may have moved to another transport meanwhile.
                Route::RemovePath(path, peer) => {
                    if self.paths.get(&path) == Some(&Home { room, peer }) {
                        self.paths.remove(&path);
                    }
                }
                Route::AddUfrag(ufrag, peer) => {
                    self.ufrags.insert(ufrag, Home { room, peer });
                }
                Route::RemoveUfrag(ufrag) => {
                    self.ufrags.remove(&ufrag);
                }
                Route::AddName(name) => {
                    self.owners.insert(name, room);
                }
                Route::RemoveName(name) => {
                    self.owners.remove(&name);
                }
            }
        }
        for (path, home) in moved {
            self.in_room(now, home.room, |room, context| {
                room.lose_path(context, home.peer, &path);
            });
        }
    }

    fn open_room(&mut self, id: CommandId, room: RoomId) {
        let outcome = self.refuse_duplicate(Named::Room(room)).map(|()| {
            let key = self.rooms.insert(Room::new(room));
            self.owners.insert(Named::Room(room), key);
            None
        });
        self.done(id, outcome);
    }

    fn close_room(&mut self, now: Time, id: CommandId, room: RoomId) {
        let Some(key) = self.owners.get(&Named::Room(room)).copied() else {
            return self.done(id, Err(not_found(Named::Room(room))));
        };
        let closed = self.in_room(now, key, |room, context| room.close(context));
        // One that broke on its way out is gone as well, and said so.
        if closed.is_some() {
            self.forget(key);
        }
        self.done(id, Ok(None));
    }

    /// Find the room that a request is about and let it carry the request out.
    fn pass_on(&mut self, now: Time, id: CommandId, request: Request) {
        let subject = subject(&request);
        let Some(key) = self.owners.get(&subject).copied() else {
            return self.done(id, Err(not_found(subject)));
        };
        if let Some(Err(error)) = creation(&request).map(|name| self.refuse_duplicate(name)) {
            return self.done(id, Err(error));
        }
        let outcome = self.in_room(now, key, |room, context| room.carry_out(context, request));
        let broken = || {
            let message = "the room broke and was dropped";
            Err(CommandError::new(ErrorCode::InternalError, message))
        };
        self.done(id, outcome.unwrap_or_else(broken));
    }

    fn refuse_duplicate(&self, name: Named) -> Result<(), CommandError> {
        match self.owners.contains_key(&name) {
            true => Err(CommandError::new(
                ErrorCode::Duplicate,
                format!("{name} exists"),
            )),
            false => Ok(()),
        }
    }

    fn done(&mut self, id: CommandId, outcome: Result<Option<serde_json::Value>, CommandError>) {
        let (error, result) = match outcome {
            Ok(result) => (None, result),
            Err(error) => (Some(error), None),
        };
        self.events.push(Event::Done { id, error, result });
    }

    fn drop_broken(&mut self, key: usize) {
        self.counters.rooms_broken += 1;
        let Some(room) = self.rooms.get(key).map(Room::id) else {
            return;
        };
        self.forget(key);
        let reason = "internal_error";
        self.events.push(Event::RoomClosed { room, reason });
    }

    /// Drop a room and everything that leads to it.
    fn forget(&mut self, key: usize) {
        self.rooms.remove(key);
        self.owners.retain(|_, room| *room != key);
        self.paths.retain(|_, home| home.room != key);
        self.ufrags.retain(|_, home| home.room != key);
        self.ready.remove(key);
    }
}

/// Return the SSRC of an RTP packet.
fn media_ssrc(datagram: &[u8]) -> Option<Ssrc> {
    let ssrc = datagram.get(8..)?.first_chunk()?;
    (demux(datagram) == Kind::Rtp).then(|| Ssrc(u32::from_be_bytes(*ssrc)))
}

/// Return what a request is about: something that exists.
fn subject(request: &Request) -> Named {
    match request {
        Request::OpenRoom { room }
        | Request::CloseRoom { room }
        | Request::OpenTransport { room, .. }
        | Request::RoomStats { room } => Named::Room(*room),
        Request::SetRemote { transport, .. }
        | Request::RestartIce { transport, .. }
        | Request::CloseTransport { transport } => Named::Transport(*transport),
        Request::Publish(publish) => Named::Transport(publish.transport),
        Request::Subscribe(subscribe) => Named::Transport(subscribe.transport),
        Request::Unpublish { publication } | Request::SetMuted { publication, .. } => {
            Named::Publication(*publication)
        }
        Request::SetTarget { subscription, .. }
        | Request::ReplaceSource { subscription, .. }
        | Request::Unsubscribe { subscription } => Named::Subscription(*subscription),
    }
}

/// Return what a request wants to bring to life.
fn creation(request: &Request) -> Option<Named> {
    match request {
        Request::OpenTransport { transport, .. } => Some(Named::Transport(*transport)),
        Request::Publish(publish) => Some(Named::Publication(publish.publication)),
        Request::Subscribe(subscribe) => Some(Named::Subscription(subscribe.subscription)),
        _ => None,
    }
}

fn not_found(name: Named) -> CommandError {
    CommandError::new(ErrorCode::NotFound, format!("{name} does not exist"))
}
