//! One worker thread: receive, run the engine, send. The thread never takes the GIL.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rtc::outbox::Outbox;
use rtc::path::PathId;
use sfu::counters::Counters;
use sfu::engine::Engine;
use sfu::message::{Command, Event};
use wire::time::Time;

use crate::bridge::lock;
use crate::clock::Clock;
use crate::cpu;
use crate::handle::{self, Shared};
use crate::load::Load;
use crate::supervise::Report;
use crate::udp::{
    Datagram, Interest, Poller, RecvArena, SendPosition, Sent, SocketOptions, UdpSocket,
};

const WAKER_TOKEN: u64 = u64::MAX;
const RECV_SLOTS: usize = 32;
/// Batches read from one socket before the next socket: about half a millisecond of work.
const READS_IN_A_ROW: usize = 8;
/// Longest time of sending without reading: longer would overflow the receive buffer.
const LONGEST_SEND: Duration = Duration::from_millis(1);
/// Interval of reads while busy (interrupt moderation in user space).
const MODERATION: Duration = Duration::from_micros(1000);
const COUNTERS_EVERY: Duration = Duration::from_millis(50);
const COMMANDS_PER_ROUND: usize = 64;
/// Bound of queued events, beyond which state events (layer switches) are dropped.
const MOST_STATE_EVENTS: usize = 16 * 1024;
/// Longest time that events of states stay queued without waking asyncio. A wake-up costs more than
/// handling the event: a participant that joins has a dozen of them within a fraction of a second.
const STATE_EVENTS_WITHIN: Duration = Duration::from_millis(10);
/// Id of commands whose outcome nothing waits for.
const WITHOUT_OUTCOME: u64 = 0;

/// Counters of a worker, updated every 50 ms.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Snapshot {
    /// The engine's counters.
    #[serde(flatten)]
    pub engine: Counters,
    /// CPU time of the thread, nanoseconds.
    pub worker_cpu_ns: u64,
    /// Datagrams dropped by the kernel at a full receive buffer.
    pub socket_drops: u64,
    /// Send calls.
    pub send_calls: u64,
    /// Messages sent: with GSO a message is a run of datagrams.
    pub messages_sent: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Send calls refused at a full send buffer.
    pub send_blocked: u64,
    /// Datagrams dropped by a send error.
    pub send_failed: u64,
}

impl handle::Snapshot for Snapshot {
    fn add(&mut self, other: &Self) {
        self.engine.add(&other.engine);
        self.worker_cpu_ns += other.worker_cpu_ns;
        self.socket_drops += other.socket_drops;
        self.send_calls += other.send_calls;
        self.messages_sent += other.messages_sent;
        self.datagrams_sent += other.datagrams_sent;
        self.send_blocked += other.send_blocked;
        self.send_failed += other.send_failed;
    }
}

/// One worker thread.
pub struct Worker {
    clock: Clock,
    shared: Arc<Shared<Command, Report, Snapshot>>,
    poller: Poller,
    sockets: Vec<UdpSocket>,
    arena: RecvArena,
    engine: Engine,
    /// The outbox being sent, while the engine fills its own.
    sending: Outbox,
    positions: Vec<SendPosition>,
    blocked: bool,
    /// When the outbox was filled.
    flushed: Time,
    /// The paths whose datagrams a full send buffer holds back.
    held_back: Vec<PathId>,
    published: Time,
    /// Time to wake asyncio, where events are queued.
    events_due: Option<Time>,
    /// `socket_drops` at the last snapshot.
    dropped: u64,
    /// Time of the last read.
    last_read: Time,
    /// The last read returned datagrams.
    received: bool,
    /// Load of the thread.
    load: Load,
    /// Latest arrival time passed to the engine.
    last_arrival: Time,
}

impl Worker {
    /// Open the poller of a worker, for its commands and sockets.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn poller(
        shared: &Shared<Command, Report, Snapshot>,
        sockets: &[UdpSocket],
    ) -> io::Result<Poller> {
        let poller = Poller::new(sockets.len() + 1)?;
        poller.add(
            shared.commands.waker().as_fd(),
            WAKER_TOKEN,
            Interest::Readable,
        )?;
        for (token, socket) in sockets.iter().enumerate() {
            poller.add(socket.as_fd(), token as u64, Interest::Readable)?;
        }
        Ok(poller)
    }

    /// Create a worker with bound sockets and their poller.
    #[must_use]
    pub fn new(
        clock: Clock,
        shared: Arc<Shared<Command, Report, Snapshot>>,
        sockets: Vec<UdpSocket>,
        poller: Poller,
        engine: Engine,
    ) -> Self {
        let gro = sockets.iter().any(UdpSocket::gro);
        Self {
            arena: RecvArena::new(RECV_SLOTS, gro),
            positions: vec![SendPosition::default(); sockets.len()],
            clock,
            shared,
            poller,
            sockets,
            engine,
            sending: Outbox::new(),
            blocked: false,
            flushed: Time::ZERO,
            held_back: Vec::new(),
            published: Time::ZERO,
            events_due: None,
            dropped: 0,
            last_read: Time::ZERO,
            received: false,
            load: Load::default(),
            last_arrival: Time::ZERO,
        }
    }

    /// Run until the handle stops the worker.
    ///
    /// # Errors
    /// Where the poller fails, which no peer can cause.
    pub fn run(mut self) -> io::Result<()> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.wait()?;
            // Events and counters are published in each iteration, since overload may never end.
            let mut more = true;
            while more && !self.shared.stop.load(Ordering::Relaxed) {
                self.run_commands();
                more = self.receive();
                self.engine.handle_timeout(self.clock.now());
                more |= self.send()?;
                self.publish_events();
                self.publish_snapshot();
            }
        }
        Ok(())
    }

    /// Sleep until a timer is due or a socket is readable; while busy, at least [`MODERATION`].
    ///
    /// A wake-up costs as much as forwarding several packets, and the feedback of hundreds of
    /// subscribers would wake the thread for each datagram. The first datagram after a pause is
    /// read at once. The kernel timestamps arrivals, so the wait falsifies no transport feedback.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let next = self.engine.next_timeout().unwrap_or(Time::FAR);
        let wake_at = next
            .min(self.published + COUNTERS_EVERY)
            .min(self.events_due.unwrap_or(Time::FAR));
        let pause = wake_at.min(self.last_read + MODERATION).since(now);
        if self.received && !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.last_read = self.clock.now();
        let mut has_commands = false;
        for ready in self.poller.wait(Some(wake_at.since(self.last_read)))? {
            has_commands |= ready.token == WAKER_TOKEN;
        }
        self.received = false;
        self.load.slept(self.clock.now().since(now));
        if has_commands {
            self.shared.commands.waker().drain();
        }
        Ok(())
    }

    fn run_commands(&mut self) {
        for _ in 0..COMMANDS_PER_ROUND {
            let Some(command) = self.shared.commands.pop() else {
                return;
            };
            self.engine.command(self.clock.now(), command);
        }
        self.shared.commands.wake();
    }

    /// Read every socket, [`READS_IN_A_ROW`] batches at most; return whether one may not be empty.
    ///
    /// More datagrams are read before sending the higher the load is, which makes GSO runs longer.
    fn receive(&mut self) -> bool {
        let mut more = false;
        for index in 0..self.sockets.len() {
            more |= (0..READS_IN_A_ROW).all(|_| self.read(index));
        }
        more
    }

    /// Read a batch from a socket; return whether the socket may not be empty.
    fn read(&mut self, index: usize) -> bool {
        // A socket error is an ICMP error of a datagram sent: none is fatal.
        let count = self.sockets[index].recv_batch(&mut self.arena);
        let Some(count) = count.ok().filter(|count| *count > 0) else {
            return false;
        };
        self.received = true;
        let path = |of: &Datagram<'_>| PathId::udp(index as u8, of.local, of.remote);
        let next = self.arena.datagrams();
        self.engine.prefetch(next.map(|of| (path(&of), &*of.bytes)));
        // Arrival times of the kernel: by the time of a late read a burst would arrive at once, and
        // the publisher's bandwidth estimator could not evaluate its probes.
        let now = self.clock.now();
        for datagram in self.arena.datagrams() {
            // The time of the engine is monotonic.
            self.last_arrival = self.last_arrival.max(now - datagram.waited);
            self.engine
                .receive(self.last_arrival, path(&datagram), datagram.bytes);
        }
        count == self.arena.slots()
    }

    /// Send for up to a millisecond; return whether datagrams remain that could be sent now.
    fn send(&mut self) -> io::Result<bool> {
        let started = self.clock.now();
        loop {
            if self.sending.is_empty() && !self.refill(started) {
                return Ok(false);
            }
            if !self.send_outbox(started)? {
                return Ok(false);
            }
            if self.clock.now().since(started) > LONGEST_SEND {
                return Ok(true);
            }
        }
    }

    /// Swap in the engine's outbox; return whether it has datagrams.
    fn refill(&mut self, now: Time) -> bool {
        self.engine.flush(now);
        self.flushed = now;
        std::mem::swap(&mut self.sending, self.engine.outbox());
        self.positions.fill(SendPosition::default());
        !self.sending.is_empty()
    }

    /// Send the outbox; return `false` where the send buffer of a socket is full.
    fn send_outbox(&mut self, now: Time) -> io::Result<bool> {
        let mut blocked = false;
        for (index, socket) in self.sockets.iter_mut().enumerate() {
            loop {
                match socket.send_batch(now, &self.sending, index as u8, &mut self.positions[index])
                {
                    Sent::More => {}
                    Sent::Done => break,
                    Sent::Blocked => {
                        blocked = true;
                        break;
                    }
                }
            }
        }
        self.note_late(blocked);
        self.watch_writability(blocked)?;
        if !blocked {
            self.sending.clear();
        }
        Ok(!blocked)
    }

    /// Tell the engine how late the datagrams leave that a full send buffer held back.
    fn note_late(&mut self, blocked: bool) {
        if blocked && !self.blocked {
            for (index, position) in self.positions.iter().enumerate() {
                let rest = &self.sending.runs()[position.run()..];
                let rest = rest.iter().map(|run| run.path);
                self.held_back
                    .extend(rest.filter(|path| usize::from(path.socket) == index));
            }
        } else if self.blocked && !blocked {
            let late = self.clock.now().since(self.flushed);
            let paths = self.held_back.drain(..);
            self.engine.sent_late(paths, self.flushed, late);
        }
    }

    fn watch_writability(&mut self, blocked: bool) -> io::Result<()> {
        if blocked == self.blocked {
            return Ok(());
        }
        self.blocked = blocked;
        let interest = match blocked {
            true => Interest::ReadableOrWritable,
            false => Interest::Readable,
        };
        for (token, socket) in self.sockets.iter().enumerate() {
            self.poller.modify(socket.as_fd(), token as u64, interest)?;
        }
        Ok(())
    }

    fn publish_events(&mut self) {
        let now = self.clock.now();
        if self.engine.has_events() {
            self.queue_events(now);
        }
        if self.events_due.is_some_and(|due| due <= now) {
            self.events_due = None;
            self.shared.events.wake();
        }
    }

    fn queue_events(&mut self, now: Time) {
        let crowded = self.shared.events.queued() > MOST_STATE_EVENTS;
        let mut events = self.engine.take_events(crowded);
        events.retain(|event| !matches!(event, Event::Done { id, .. } if *id == WITHOUT_OUTCOME));
        for event in &events {
            let due = match is_state(event) {
                true => now + STATE_EVENTS_WITHIN,
                false => now,
            };
            self.events_due = Some(self.events_due.map_or(due, |earlier| earlier.min(due)));
        }
        let reports = events.into_iter().map(Report::Engine);
        self.shared.events.push_silently(reports);
    }

    fn publish_snapshot(&mut self) {
        let now = self.clock.now();
        if now.since(self.published) < COUNTERS_EVERY {
            return;
        }
        self.published = now;
        let snapshot = self.snapshot();
        if snapshot.socket_drops > self.dropped {
            self.dropped = snapshot.socket_drops;
            self.engine.note_overload(now);
        }
        *lock(&self.shared.snapshot) = snapshot;
        self.engine.note_busy(self.load.busy(now));
    }

    fn snapshot(&mut self) -> Snapshot {
        let mut snapshot = Snapshot {
            engine: self.engine.counters(),
            worker_cpu_ns: cpu::thread_nanos(),
            ..Snapshot::default()
        };
        for socket in &mut self.sockets {
            snapshot.socket_drops += u64::from(socket.dropped().unwrap_or(0));
            let sent = socket.send_counters();
            snapshot.send_calls += sent.calls;
            snapshot.messages_sent += sent.messages;
            snapshot.datagrams_sent += sent.datagrams;
            snapshot.send_blocked += sent.blocked;
            snapshot.send_failed += sent.unreachable + sent.forbidden + sent.too_long + sent.failed;
        }
        snapshot
    }
}

/// Whether an event only tells of a state, so that nothing waits for it.
fn is_state(event: &Event) -> bool {
    matches!(
        event,
        Event::TransportState { .. }
            | Event::PublicationStarted { .. }
            | Event::EncodingState { .. }
            | Event::LayerSwitch { .. }
            | Event::SsrcUnbound { .. }
            | Event::DataChannelClosed { .. }
    )
}

/// Bind the sockets of one worker: all addresses on one port (0 = any free port).
///
/// # Errors
/// The address and the kernel's error.
pub fn bind(
    addresses: &[IpAddr],
    port: u16,
    options: &SocketOptions,
) -> Result<Vec<UdpSocket>, String> {
    let mut sockets: Vec<UdpSocket> = Vec::new();
    for address in addresses {
        let port = sockets
            .first()
            .map_or(port, |first| first.local_addr().port());
        let address = SocketAddr::new(*address, port);
        match UdpSocket::bind(address, options) {
            Ok(socket) => sockets.push(socket),
            Err(error) if is_family_absent(&error) && addresses.len() > 1 => {}
            Err(error) => return Err(format!("cannot bind UDP {address}: {error}")),
        }
    }
    match sockets.is_empty() {
        true => Err("no address to bind UDP to".into()),
        false => Ok(sockets),
    }
}

/// Hosts without IPv6 refuse IPv6 sockets or addresses; one address family is enough.
fn is_family_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}
