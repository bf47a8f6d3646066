//! All rooms of one worker: finds the room of a datagram or command and contains its faults.

pub mod batching;
mod commands;
mod round_robin;
mod routes;
mod stun;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rtc::dtls;
use rtc::outbound::history::ChunkPool;
use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::wheel::Wheel;
use rustc_hash::FxHashSet;
use wire::id::Ssrc;
use wire::rtp::{Kind, demux};
use wire::time::{Time, WallClock};

use crate::config::Config;
use crate::context::{Context, EntityId, Random, Route, Timer};
use crate::counters::Counters;
use crate::keys::{RoomKey, TransportKey};
use crate::message::{Event, RoomId};
use crate::room::Room;
use crate::slab::Slab;
use batching::batching_window;
use round_robin::RoundRobin;
use routes::{Routes, TransportRef};
use stun::PlainStun;

/// One call to [`Engine::flush`] ends when this much stands in the outbox: it stays in the
/// processor's cache until the kernel has copied it, and reading is not kept waiting.
const FLUSH_BYTES: usize = 384 * 1024;
/// For so long after dropped datagrams gaps are attributed to this worker.
const OVERLOAD_HOLD: Duration = Duration::from_millis(200);
/// Datagrams are dropped while more than this waits to be sent.
const MAX_UNSENT_BYTES: usize = 4 * 1024 * 1024;

/// All rooms of one worker.
pub struct Engine {
    config: Config,
    dtls: dtls::Context,
    wall: WallClock,
    overloaded_until: Time,
    window: Duration,
    stun: PlainStun,
    rooms: Slab<RoomKey, Room>,
    /// Where datagrams and commands go.
    directory: Routes,
    wheel: Wheel<(RoomKey, Timer)>,
    ready: RoundRobin<RoomKey>,
    out: Outbox,
    events: Vec<Event>,
    pool: ChunkPool,
    counters: Counters,
    random: Random,
    // Kept between calls for their memory.
    timers: Vec<(Time, Timer)>,
    routes: Vec<Route>,
    fired: Vec<(RoomKey, Timer)>,
    media: Vec<(TransportRef, Ssrc)>,
    reports: Vec<(TransportRef, Ssrc)>,
}

impl Engine {
    /// Make an engine without rooms; `seed` makes first sequence numbers unguessable.
    #[must_use]
    pub fn new(now: Time, config: Config, dtls: dtls::Context, wall: WallClock, seed: u64) -> Self {
        Self {
            window: config.base_window(),
            config,
            dtls,
            wall,
            overloaded_until: Time::ZERO,
            stun: PlainStun::new(now),
            rooms: Slab::new(),
            directory: Routes::default(),
            wheel: Wheel::new(now),
            ready: RoundRobin::new(FLUSH_BYTES),
            out: Outbox::new(),
            events: Vec::new(),
            pool: ChunkPool::default(),
            counters: Counters::default(),
            random: Random(seed),
            timers: Vec::new(),
            routes: Vec::new(),
            fired: Vec::new(),
            media: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Load the state that the datagrams received next need; some of one read of a socket.
    ///
    /// Each comes from another peer, whose state has left the cache. It is found by following
    /// pointers: a step for all of them at a time, so that the loads overlap.
    pub fn prefetch<'a>(&mut self, datagrams: impl Iterator<Item = (PathId, &'a [u8])>) {
        self.media.clear();
        self.reports.clear();
        for (path, bytes) in datagrams {
            let loaded = match demux(bytes) {
                Kind::Rtp => &mut self.media,
                Kind::Rtcp => &mut self.reports,
                _ => continue,
            };
            if let Some((found, ssrc)) = self.directory.by_path(&path).zip(media_ssrc(bytes)) {
                loaded.push((found, ssrc));
            }
        }
        let media: [Prefetch; 4] = [
            Room::prefetch_connection,
            Room::prefetch_publisher,
            Room::prefetch_binder,
            Room::prefetch_encoding,
        ];
        let reports: [Prefetch; 4] = [
            Room::prefetch_connection,
            Room::prefetch_subscriber,
            Room::prefetch_estimator,
            Room::prefetch_arrivals,
        ];
        for (load_media, load_report) in media.iter().zip(reports) {
            self.prefetch_step(&self.media, *load_media);
            self.prefetch_step(&self.reports, load_report);
        }
    }

    fn prefetch_step(&self, datagrams: &[(TransportRef, Ssrc)], load: Prefetch) {
        for (found, ssrc) in datagrams {
            if let Some(room) = self.rooms.get(found.room) {
                load(room, found.transport, *ssrc);
            }
        }
    }

    /// Note that a socket took the datagrams to these paths, flushed at `flushed`, late by this: they
    /// were not in the queue of the bottleneck meanwhile.
    pub fn sent_late(
        &mut self,
        paths: impl Iterator<Item = PathId>,
        flushed: Time,
        late: Duration,
    ) {
        let mut done = FxHashSet::default();
        for path in paths.filter(|path| done.insert(*path)) {
            if let Some(found) = self.directory.by_path(&path)
                && let Some(room) = self.rooms.get_mut(found.room)
            {
                room.sent_late(found.transport, flushed, late);
            }
        }
    }

    /// Receive a datagram; it is decrypted in place.
    pub fn receive(&mut self, now: Time, path: PathId, datagram: &mut [u8]) {
        if self.out.len_bytes() > MAX_UNSENT_BYTES {
            self.counters.datagrams_dropped += 1;
            return;
        }
        let Some(found) = self.directory.find(&path, datagram) else {
            return self.receive_unauthenticated(now, path, datagram);
        };
        if self.is_used_by_another(now, &path, found) {
            self.counters.stun_path_in_use += 1;
            return;
        }
        self.in_room(now, found.room, |room, context| {
            room.receive(context, found.transport, path, datagram);
        });
    }

    /// Run `work` on a room, as sources and sinks beside its transports need it; `None` where there
    /// is no such room or it panicked, and is dropped then. What it has to send is flushed as ever.
    pub fn with_room<T>(
        &mut self,
        now: Time,
        room: RoomId,
        work: impl FnOnce(&mut Room, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let key = self.directory.room_of(EntityId::Room(room))?;
        self.in_room(now, key, work)
    }

    /// Note that a socket dropped datagrams, because they were not read in time.
    ///
    /// No NACK is sent for a while: retransmissions would add to the overload.
    pub fn note_overload(&mut self, now: Time) {
        self.overloaded_until = now + OVERLOAD_HOLD;
    }

    /// Note the worker's load: the share of its time for which it is busy, 0 to 1.
    pub fn note_busy(&mut self, load: f64) {
        self.window = batching_window(self.config.base_window(), load);
    }

    /// Handle the timers that are due.
    pub fn handle_timeout(&mut self, now: Time) {
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.fire(now, &mut fired);
        for (room, timer) in fired.drain(..) {
            self.in_room(now, room, |room, context| room.handle_timer(context, timer));
        }
        self.fired = fired;
    }

    /// Fill the outbox with the packets that rooms have ready, up to a bound.
    ///
    /// Call again once they are sent, until the outbox stays empty.
    pub fn flush(&mut self, now: Time) {
        while self.out.len_bytes() < FLUSH_BYTES
            && let Some(room) = self.ready.take()
        {
            let before = self.out.len_bytes();
            let done = self.in_room(now, room, |room, context| room.flush(context, FLUSH_BYTES));
            match done {
                Some(false) => {
                    let bytes = self.out.len_bytes() - before;
                    self.ready.requeue(room, bytes);
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

    /// Return the datagrams to send.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// Return whether there are events.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Take the events; where they are not read in time (`crowded`), without layer switches and
    /// encoding states.
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
        counters.routes = self.directory.len() as u64;
        counters.timers = self.wheel.len() as u64;
        for (_, room) in self.rooms.iter() {
            room.count_live(&mut counters);
        }
        counters
    }

    /// Make a room panic at its next work of this kind.
    #[cfg(feature = "fault-injection")]
    pub fn inject_fault(&mut self, room: RoomId, fault: crate::room::Fault) {
        let key = self.directory.room_of(EntityId::Room(room));
        if let Some(room) = key.and_then(|key| self.rooms.get_mut(key)) {
            room.fault = Some(fault);
        }
    }

    /// Answer a Binding request of an unauthenticated peer, where the server is a STUN server; drop
    /// all else.
    fn receive_unauthenticated(&mut self, now: Time, path: PathId, datagram: &[u8]) {
        if demux(datagram) != Kind::Stun {
            self.counters.datagrams_unknown_path += 1;
        } else if self.config.stun && self.stun.answer(now, path, datagram, &mut self.out) {
            self.counters.stun_unauthenticated_answered += 1;
        } else {
            self.counters.stun_unknown_ufrag += 1;
        }
    }

    /// Return whether a path is in use by another transport, which keeps it: the username of a
    /// session proves nothing about the addresses of others.
    fn is_used_by_another(&self, now: Time, path: &PathId, found: TransportRef) -> bool {
        let owner = self.directory.by_path(path).filter(|owner| *owner != found);
        owner.is_some_and(|owner| {
            let room = self.rooms.get(owner.room);
            room.is_some_and(|room| room.holds_path(now, owner.transport, path))
        })
    }

    /// Run `work` on a room; if it panics the room is dropped whole and the others go on.
    fn in_room<T>(
        &mut self,
        now: Time,
        key: RoomKey,
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
        if room.take_round_request() {
            self.ready.push(key);
        }
        match outcome {
            Ok(value) => {
                self.apply(now, key);
                Some(value)
            }
            Err(_) => {
                // The requested timers and routes lead to a room that is dropped.
                self.timers.clear();
                self.routes.clear();
                self.drop_broken(key);
                None
            }
        }
    }

    /// Set the timers and change the routes that a room requested.
    fn apply(&mut self, now: Time, room: RoomKey) {
        let mut moved = Vec::new();
        for (at, timer) in self.timers.drain(..) {
            self.wheel.set(at, (room, timer));
        }
        for route in self.routes.drain(..) {
            moved.extend(self.directory.change(room, route));
        }
        for (path, found) in moved {
            self.in_room(now, found.room, |room, context| {
                room.retire_path(context, found.transport, &path);
            });
        }
    }

    fn drop_broken(&mut self, key: RoomKey) {
        self.counters.rooms_broken += 1;
        let Some(room) = self.rooms.get(key).map(Room::id) else {
            return;
        };
        self.forget(key);
        let reason = "internal_error";
        self.events.push(Event::RoomClosed { room, reason });
    }

    /// Drop a room and all routes to it.
    fn forget(&mut self, key: RoomKey) {
        self.rooms.remove(key);
        self.directory.forget(key);
        self.ready.remove(key);
    }
}

/// Return what stands at the place of the SSRC in an RTP packet.
fn media_ssrc(datagram: &[u8]) -> Option<Ssrc> {
    let ssrc = datagram.get(8..)?.first_chunk()?;
    Some(Ssrc(u32::from_be_bytes(*ssrc)))
}

/// Loads some state that a datagram of a transport needs.
type Prefetch = fn(&Room, TransportKey, Ssrc);
