//! One thread of a swarm: receive, run the bots, send. The thread never takes the GIL.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use swarm::engine::Engine;
use swarm::figures::{GeneratorFigures, Totals};
use swarm::message::{Command, CommandResult, Event, Request, TransportId};
use wire::time::Time;

use crate::bridge::lock;
use crate::clock::Clock;
use crate::cpu;
use crate::handle::{self, Shared};
use crate::swarm_sockets::Sockets;
use crate::swarm_streams::Inbox;
use crate::udp::{Interest, Poller, Ready, RecvArena, SocketOptions};

const WAKER_TOKEN: u64 = u64::MAX;
/// Events per wait of the poller.
const READY: usize = 1024;
/// A bot receives few messages at a time; a GRO train is one message.
const RECV_SLOTS: usize = 16;
/// Sockets read between two runs of the timers: reading all may take longer than the lag of a
/// frame may be.
const SOCKETS_PER_ROUND: usize = 32;
/// Interval of reads while busy (interrupt moderation in user space).
const MODERATION: Duration = Duration::from_millis(1);
const COMMANDS_PER_ROUND: usize = 64;
const COUNTERS_EVERY: Duration = Duration::from_millis(100);

/// Counters of a thread of a swarm, updated every 100 ms.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SwarmSnapshot {
    /// Counts over all bots since the start.
    #[serde(flatten)]
    pub totals: Totals,
    /// Connected transports.
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
    inbox: Inbox,
    engine: Engine,
    ready: Vec<Ready>,
    /// Time of the last read.
    last_read: Time,
    published: Time,
}

impl SwarmWorker {
    /// Create a worker without bots.
    ///
    /// # Errors
    /// Where the poller cannot be opened.
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
            inbox: Inbox::default(),
            sockets: Sockets::new(clock, options, poller),
            clock,
            shared,
            engine,
            ready: Vec::with_capacity(READY),
            last_read: Time::ZERO,
            published: Time::ZERO,
        })
    }

    /// Run until the handle stops the worker.
    ///
    /// # Errors
    /// Where the poller fails, which no peer can cause.
    pub fn run(mut self) -> io::Result<()> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.wait()?;
            self.run_commands();
            self.read_sockets();
            self.poll_busy_sockets();
            self.handle_timeout();
            self.publish_events();
            self.publish_snapshot();
        }
        Ok(())
    }

    /// Sleep until a timer is due or a socket is readable; after work, and while there are busy
    /// sockets, at least [`MODERATION`].
    ///
    /// A wake-up per datagram costs the thread, and on one machine the server that sends, more than
    /// the datagram itself. The kernel timestamps arrivals, so the pause adds to no measurement.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let next = self.engine.poll_timeout().unwrap_or(Time::FAR);
        let wake_at = next.min(now + COUNTERS_EVERY);
        let pause = wake_at.min(self.last_read + MODERATION).since(now);
        let busy = self.sockets.has_busy();
        if (busy || !self.ready.is_empty()) && !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.last_read = self.clock.now();
        let limit = match busy {
            true => Duration::ZERO,
            false => wake_at.since(self.last_read),
        };
        self.ready.clear();
        self.ready.extend(self.sockets.poller.wait(Some(limit))?);
        Ok(())
    }

    fn run_commands(&mut self) {
        if !self.ready.iter().any(|ready| ready.token == WAKER_TOKEN) {
            return;
        }
        self.shared.commands.waker().drain();
        for _ in 0..COMMANDS_PER_ROUND {
            let Some(command) = self.shared.commands.pop() else {
                return;
            };
            if let Request::ChangeAddress { transport } = command.request {
                // What has arrived on the old address counts.
                self.read_socket(transport);
            }
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
            if self.sockets.is_stream(transport) {
                self.serve_stream(transport);
                continue;
            }
            if writable {
                self.sockets.resume(transport);
            }
            if readable {
                self.read_socket(transport);
                self.sockets.on_ready(transport);
            }
            if nth % SOCKETS_PER_ROUND == SOCKETS_PER_ROUND - 1 {
                self.handle_timeout();
            }
        }
    }

    /// Serve a connection to a TURN server. Its messages have no time stamps of the kernel.
    fn serve_stream(&mut self, transport: TransportId) {
        self.inbox.clear();
        let served = self.sockets.serve_stream(transport, &mut self.inbox);
        let Some((server, served)) = served else {
            return;
        };
        let now = self.clock.now();
        let messages = self.inbox.messages();
        let messages = messages.map(|bytes| (server, Duration::ZERO, bytes));
        self.engine
            .receive(now, transport, messages, &mut self.sockets);
        // The last message may name another server, to which there is a stream by now.
        if let Err(reason) = served
            && !self.sockets.is_stream(transport)
        {
            self.engine
                .relay_lost(now, transport, &reason, &mut self.sockets);
        }
    }

    fn poll_busy_sockets(&mut self) {
        for nth in 1..=self.sockets.polls_due() {
            let Some(transport) = self.sockets.next_busy() else {
                return;
            };
            let received = self.read_socket(transport);
            self.sockets.on_polled(transport, received);
            if nth % SOCKETS_PER_ROUND == 0 {
                self.handle_timeout();
            }
        }
    }

    /// Read a socket until it is empty, since epoll is edge-triggered; return whether any datagram
    /// was received.
    fn read_socket(&mut self, transport: TransportId) -> bool {
        let mut received = false;
        loop {
            let messages = self.sockets.receive(transport, &mut self.arena);
            if messages > 0 {
                received = true;
                let now = self.clock.now();
                let mut count = 0;
                let datagrams = self.arena.datagrams().map(|of| {
                    count += 1;
                    (of.remote, of.waited, of.bytes)
                });
                self.engine
                    .receive(now, transport, datagrams, &mut self.sockets);
                self.sockets.drops.on_received(messages, count);
            }
            if messages < self.arena.slots() {
                return received;
            }
        }
    }

    fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.engine.poll_timeout().is_some_and(|due| due <= now) {
            self.engine.handle_timeout(now, &mut self.sockets);
        }
    }

    fn publish_events(&mut self) {
        let mut events: Vec<Event> = self.engine.take_events().collect();
        for event in &mut events {
            if let Event::Done {
                result: Some(CommandResult::Figures(figures)),
                ..
            } = event
            {
                figures.generator = Some(self.generator());
            }
        }
        self.shared.events.push(events.into_iter());
    }

    fn generator(&mut self) -> GeneratorFigures {
        GeneratorFigures {
            cpu_ns: cpu::thread_nanos(),
            run_queue_wait_ns: cpu::run_queue_wait_nanos(),
            ..self.sockets.figures()
        }
    }

    fn publish_snapshot(&mut self) {
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
