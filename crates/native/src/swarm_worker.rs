//! One thread of a swarm: sockets in, bots, sockets out. It never takes the GIL.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use swarm::engine::Engine;
use swarm::figures::{GeneratorFigures, Totals};
use swarm::message::{Command, Event, TransportId};
use wire::time::Time;

use crate::bridge::lock;
use crate::clock::Clock;
use crate::cpu;
use crate::handle::{self, Shared};
use crate::swarm_sockets::Sockets;
use crate::udp::{Interest, Poller, Ready, RecvArena, SocketOptions};

const WAKER_TOKEN: u64 = u64::MAX;
/// Sockets that one wait reports.
const READY: usize = 1024;
/// A bot gets few messages at a time; a train of segments is one of them.
const RECV_SLOTS: usize = 16;
/// Sockets read between two looks at the timers: reading all may take longer than a frame may be
/// late.
const SOCKETS_PER_ROUND: usize = 32;
/// Time between two looks at sockets that are busy.
const MODERATION: Duration = Duration::from_millis(1);
const COMMANDS_PER_ROUND: usize = 64;
const COUNTERS_EVERY: Duration = Duration::from_millis(100);

/// What a thread of a swarm says of itself every now and then.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SwarmSnapshot {
    /// Counts over all bots since the start.
    #[serde(flatten)]
    pub totals: Totals,
    /// Transports that are connected now.
    pub transports_connected: usize,
    /// CPU time of the thread, nanoseconds.
    pub cpu_ns: u64,
}

impl handle::Snapshot for SwarmSnapshot {
    fn add(&mut self, other: &Self) {
        self.totals = self.totals.plus(&other.totals);
        self.transports_connected += other.transports_connected;
        self.cpu_ns += other.cpu_ns;
    }
}

/// One thread of a swarm.
pub struct SwarmWorker {
    clock: Clock,
    shared: Arc<Shared<Command, Event, SwarmSnapshot>>,
    sockets: Sockets,
    arena: RecvArena,
    engine: Engine,
    ready: Vec<Ready>,
    /// When it looked for datagrams last.
    looked: Time,
    published: Time,
}

impl SwarmWorker {
    /// Prepare a worker without bots.
    ///
    /// # Errors
    /// Where the kernel gives no poller.
    pub fn new(
        clock: Clock,
        shared: Arc<Shared<Command, Event, SwarmSnapshot>>,
        options: SocketOptions,
        engine: Engine,
    ) -> io::Result<Self> {
        let poller = Poller::new(READY)?;
        let waker = shared.commands.waker().as_fd();
        poller.add(waker, WAKER_TOKEN, Interest::Readable)?;
        Ok(Self {
            arena: RecvArena::new(RECV_SLOTS, options.gro),
            sockets: Sockets::new(clock, options, poller),
            clock,
            shared,
            engine,
            ready: Vec::with_capacity(READY),
            looked: Time::ZERO,
            published: Time::ZERO,
        })
    }

    /// Run until told to stop.
    ///
    /// # Errors
    /// Where the poller breaks, which no peer can cause.
    pub fn run(mut self) -> io::Result<()> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.wait()?;
            self.take_commands();
            self.read_sockets();
            self.take_turns();
            self.handle_timeout();
            self.put_events();
            self.publish();
        }
        Ok(())
    }

    /// Sleep until something is due or arrives, though after work, and while sockets have their
    /// turns, not less than [`MODERATION`].
    ///
    /// A thread that wakes for each datagram costs itself, and on one machine the server that
    /// sends to it, more than the datagram does. Arrivals are stamped by the kernel, so nothing
    /// that is measured grows by the pause.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let next = self.engine.poll_timeout().unwrap_or(Time::FAR);
        let wake_at = next.min(now + COUNTERS_EVERY);
        let pause = wake_at.min(self.looked + MODERATION).since(now);
        let turns = self.sockets.has_turns();
        if (turns || !self.ready.is_empty()) && !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.looked = self.clock.now();
        let limit = match turns {
            true => Duration::ZERO,
            false => wake_at.since(self.looked),
        };
        self.ready.clear();
        self.ready.extend(self.sockets.poller.wait(Some(limit))?);
        Ok(())
    }

    fn take_commands(&mut self) {
        if !self.ready.iter().any(|ready| ready.token == WAKER_TOKEN) {
            return;
        }
        self.shared.commands.waker().drain();
        for _ in 0..COMMANDS_PER_ROUND {
            let Some(command) = self.shared.commands.take() else {
                return;
            };
            self.engine
                .execute(self.clock.now(), command, &mut self.sockets);
        }
        self.shared.commands.wake();
    }

    fn read_sockets(&mut self) {
        for nth in 0..self.ready.len() {
            let Ready {
                token,
                readable,
                writable,
            } = self.ready[nth];
            let Ok(transport) = TransportId::try_from(token) else {
                continue;
            };
            if writable {
                self.sockets.resume(transport);
            }
            if readable {
                self.read_socket(transport);
                self.sockets.reported(transport);
            }
            if nth % SOCKETS_PER_ROUND == SOCKETS_PER_ROUND - 1 {
                self.handle_timeout();
            }
        }
    }

    fn take_turns(&mut self) {
        for nth in 1..=self.sockets.turns_due() {
            let Some(transport) = self.sockets.take_turn() else {
                return;
            };
            let found = self.read_socket(transport);
            self.sockets.had_turn(transport, found);
            if nth % SOCKETS_PER_ROUND == 0 {
                self.handle_timeout();
            }
        }
    }

    /// Read all there is at a socket: it is told of once. Say whether there was anything.
    fn read_socket(&mut self, transport: TransportId) -> bool {
        let mut found = false;
        loop {
            let messages = self.sockets.receive(transport, &mut self.arena);
            if messages > 0 {
                found = true;
                let now = self.clock.now();
                let datagrams = self.arena.datagrams();
                let datagrams = datagrams.map(|of| (of.remote, of.waited, of.bytes));
                self.engine
                    .receive(now, transport, datagrams, &mut self.sockets);
            }
            if messages < self.arena.slots() {
                return found;
            }
        }
    }

    fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.engine.poll_timeout().is_some_and(|due| due <= now) {
            self.engine.handle_timeout(now, &mut self.sockets);
        }
    }

    fn put_events(&mut self) {
        let mut events: Vec<Event> = self.engine.take_events().collect();
        for event in &mut events {
            if let Event::Done {
                result: Some(figures),
                ..
            } = event
            {
                figures.generator = Some(self.generator());
            }
        }
        self.shared.events.put(events.into_iter());
    }

    fn generator(&mut self) -> GeneratorFigures {
        GeneratorFigures {
            cpu_ns: cpu::thread_nanos(),
            run_queue_wait_ns: cpu::run_queue_wait_nanos(),
            ..self.sockets.figures()
        }
    }

    fn publish(&mut self) {
        let now = self.clock.now();
        if now.since(self.published) < COUNTERS_EVERY {
            return;
        }
        self.published = now;
        *lock(&self.shared.snapshot) = SwarmSnapshot {
            totals: *self.engine.totals(),
            transports_connected: self.engine.transports_connected(),
            cpu_ns: cpu::thread_nanos(),
        };
    }
}
