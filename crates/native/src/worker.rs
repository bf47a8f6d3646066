//! One worker thread: sockets in, engine, sockets out. It never takes the GIL.

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
use sfu::message::Command;
use wire::time::Time;

use crate::bridge::lock;
use crate::clock::Clock;
use crate::cpu;
use crate::handle::{self, Shared};
use crate::load::Load;
use crate::udp::{
    Datagram, Interest, Poller, RecvArena, SendPosition, Sent, SocketOptions, UdpSocket,
};
use crate::watched::Report;

const WAKER_TOKEN: u64 = u64::MAX;
const RECV_SLOTS: usize = 32;
/// Batches read from a socket before others have their turn: half a millisecond of work or so.
const READS_IN_A_ROW: usize = 8;
/// Sending longer than this would overflow the receive buffer meanwhile.
const LONGEST_SEND: Duration = Duration::from_millis(1);
/// Time between two looks at sockets that are busy.
const MODERATION: Duration = Duration::from_micros(1000);
const COUNTERS_EVERY: Duration = Duration::from_millis(50);
const COMMANDS_PER_ROUND: usize = 64;
/// Layer switches and the like are dropped where nobody has taken this many events.
const MOST_STATE_EVENTS: usize = 16 * 1024;

/// What a worker says of itself every now and then.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Snapshot {
    /// The engine's counters.
    #[serde(flatten)]
    pub engine: Counters,
    /// CPU time of the thread, nanoseconds.
    pub worker_cpu_ns: u64,
    /// Datagrams that the kernel dropped since the receive buffer was full.
    pub socket_drops: u64,
    /// Send calls.
    pub send_calls: u64,
    /// Messages handed to the kernel: runs of datagrams, where it segments.
    pub messages_sent: u64,
    /// Datagrams handed to the kernel.
    pub datagrams_sent: u64,
    /// Times the send buffer was full.
    pub send_blocked: u64,
    /// Datagrams that could not be sent.
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

/// One worker, to be run on its own thread.
pub struct Worker {
    clock: Clock,
    shared: Arc<Shared<Command, Report, Snapshot>>,
    poller: Poller,
    sockets: Vec<UdpSocket>,
    arena: RecvArena,
    engine: Engine,
    /// What is being sent now; the engine fills its own meanwhile.
    sending: Outbox,
    positions: Vec<SendPosition>,
    blocked: bool,
    published: Time,
    /// Datagrams that the kernel had dropped by then.
    dropped: u64,
    /// When it looked for datagrams last.
    looked: Time,
    /// That look found some.
    found: bool,
    /// How busy it is.
    load: Load,
    /// The last instant that the engine was told.
    arrived: Time,
}

impl Worker {
    /// Prepare a worker for bound sockets.
    ///
    /// # Errors
    /// Where the kernel gives no poller.
    pub fn new(
        clock: Clock,
        shared: Arc<Shared<Command, Report, Snapshot>>,
        sockets: Vec<UdpSocket>,
        engine: Engine,
    ) -> io::Result<Self> {
        let poller = Poller::new(sockets.len() + 1)?;
        poller.add(
            shared.commands.waker().as_fd(),
            WAKER_TOKEN,
            Interest::Readable,
        )?;
        for (token, socket) in sockets.iter().enumerate() {
            poller.add(socket.as_fd(), token as u64, Interest::Readable)?;
        }
        let gro = sockets.iter().any(UdpSocket::gro);
        Ok(Self {
            arena: RecvArena::new(RECV_SLOTS, gro),
            positions: vec![SendPosition::default(); sockets.len()],
            clock,
            shared,
            poller,
            sockets,
            engine,
            sending: Outbox::new(),
            blocked: false,
            published: Time::ZERO,
            dropped: 0,
            looked: Time::ZERO,
            found: false,
            load: Load::default(),
            arrived: Time::ZERO,
        })
    }

    /// Run until told to stop.
    ///
    /// # Errors
    /// Where the poller breaks, which no peer can cause.
    pub fn run(mut self) -> io::Result<()> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.wait()?;
            // Under overload there is always more: completions and counters leave all the same.
            let mut more = true;
            while more && !self.shared.stop.load(Ordering::Relaxed) {
                self.take_commands();
                more = self.receive();
                self.engine.handle_timeout(self.clock.now());
                more |= self.send()?;
                self.put_events();
                self.publish();
            }
        }
        Ok(())
    }

    /// Sleep until something is due or arrives, though while busy not less than [`MODERATION`].
    ///
    /// Waking up costs as much as forwarding several packets, and feedback of hundreds of
    /// subscribers would wake the thread for each datagram. The first one after a pause is served
    /// at once; the kernel stamps arrivals, so the wait spoils no feedback either.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let next = self.engine.next_timeout().unwrap_or(Time::FAR);
        let wake_at = next.min(self.published + COUNTERS_EVERY);
        let pause = wake_at.min(self.looked + MODERATION).since(now);
        if self.found && !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.looked = self.clock.now();
        let mut commanded = false;
        for ready in self.poller.wait(Some(wake_at.since(self.looked)))? {
            commanded |= ready.token == WAKER_TOKEN;
        }
        self.found = false;
        self.load.slept(self.clock.now().since(now));
        if commanded {
            self.shared.commands.waker().drain();
        }
        Ok(())
    }

    fn take_commands(&mut self) {
        for _ in 0..COMMANDS_PER_ROUND {
            let Some(command) = self.shared.commands.take() else {
                return;
            };
            self.engine.command(self.clock.now(), command);
        }
        self.shared.commands.wake();
    }

    /// Read every socket until it is empty or has had its turn; say whether one of them may hold
    /// more.
    ///
    /// The more waits, the more is read before anything is sent: runs grow with the load.
    fn receive(&mut self) -> bool {
        let mut more = false;
        for index in 0..self.sockets.len() {
            more |= (0..READS_IN_A_ROW).all(|_| self.read(index));
        }
        more
    }

    /// Read a batch from a socket; say whether it may hold more.
    fn read(&mut self, index: usize) -> bool {
        // A socket reports the ICMP errors of others' datagrams: none is fatal.
        let count = self.sockets[index].recv_batch(&mut self.arena);
        let Some(count) = count.ok().filter(|count| *count > 0) else {
            return false;
        };
        self.found = true;
        let path = |of: &Datagram<'_>| PathId::udp(index as u8, of.local, of.remote);
        let next = self.arena.datagrams();
        self.engine.prefetch(next.map(|of| (path(&of), &*of.bytes)));
        // Read late, a burst would seem to have come at one instant, and a publisher's probe for
        // bandwidth would tell it nothing.
        let now = self.clock.now();
        for datagram in self.arena.datagrams() {
            // Never earlier than what the engine was told before.
            self.arrived = self.arrived.max(now - datagram.waited);
            self.engine
                .receive(self.arrived, path(&datagram), datagram.bytes);
        }
        count == self.arena.slots()
    }

    /// Send for up to a millisecond; say whether something is left that could go now.
    fn send(&mut self) -> io::Result<bool> {
        let started = self.clock.now();
        loop {
            if self.sending.is_empty() && !self.refill(started) {
                return Ok(false);
            }
            if !self.push_out(started)? {
                return Ok(false);
            }
            if self.clock.now().since(started) > LONGEST_SEND {
                return Ok(true);
            }
        }
    }

    /// Let the engine fill an outbox and take it over; say whether there is anything in it.
    fn refill(&mut self, now: Time) -> bool {
        self.engine.flush(now);
        std::mem::swap(&mut self.sending, self.engine.outbox());
        self.positions.fill(SendPosition::default());
        !self.sending.is_empty()
    }

    /// Hand the outbox to the sockets; `false` where one of them has no room now.
    fn push_out(&mut self, now: Time) -> io::Result<bool> {
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
        self.watch_writability(blocked)?;
        if !blocked {
            self.sending.clear();
        }
        Ok(!blocked)
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

    fn put_events(&mut self) {
        if !self.engine.has_events() {
            return;
        }
        let crowded = self.shared.events.waiting() > MOST_STATE_EVENTS;
        let events = self.engine.take_events(crowded);
        self.shared
            .events
            .put(events.into_iter().map(Report::Engine));
    }

    fn publish(&mut self) {
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

/// Bind the sockets of one worker: all addresses on one port, 0 for any free one.
///
/// # Errors
/// The address and what the kernel said of it.
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
        let wanted = SocketAddr::new(*address, port);
        match UdpSocket::bind(wanted, options) {
            Ok(socket) => sockets.push(socket),
            Err(error) if is_family_absent(&error) && addresses.len() > 1 => {}
            Err(error) => return Err(format!("cannot bind UDP {wanted}: {error}")),
        }
    }
    match sockets.is_empty() {
        true => Err("no address to bind UDP to".into()),
        false => Ok(sockets),
    }
}

/// Hosts without IPv6 refuse its sockets or its addresses; one family is enough.
fn is_family_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}
