//! The sockets of a swarm: one per transport, as of real participants.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use rtc::outbox::Outbox;
use rustc_hash::FxHashMap;
use swarm::engine::Host;
use swarm::figures::GeneratorFigures;
use swarm::message::TransportId;
use swarm::relay::Relay;

use crate::clock::Clock;
use crate::swarm_drops::Drops;
use crate::swarm_polling::{ReadMode, RoundRobin};
use crate::swarm_streams::{Connectors, Inbox, Stream};
use crate::udp::{Interest, Poller, RecvArena, SendPosition, Sent, SocketOptions, UdpSocket};

/// Bound of the backlog of a socket: a server that does not read is a measurement, not a reason
/// to allocate memory.
const MAX_BACKLOG_BYTES: usize = 256 * 1024;

struct Socket {
    udp: UdpSocket,
    backlog: Outbox,
    position: SendPosition,
    mode: ReadMode,
}

/// All sockets of one thread, with their poller.
pub struct Sockets {
    clock: Clock,
    options: SocketOptions,
    sockets: FxHashMap<TransportId, Socket>,
    /// Connections to TURN servers by TCP and TLS.
    streams: FxHashMap<TransportId, Stream>,
    connectors: Connectors,
    /// Watches all sockets but the busy ones; tokens are transport identifiers.
    pub poller: Poller,
    busy: RoundRobin,
    /// Datagrams dropped at receive buffers.
    pub drops: Drops,
    send_drops: u64,
    /// Counts of closed sockets.
    closed_drops: u64,
    closed_errors: u64,
    drops_unknown: bool,
}

impl Sockets {
    /// Start without sockets.
    pub fn new(clock: Clock, options: SocketOptions, poller: Poller) -> Self {
        Self {
            clock,
            options,
            sockets: FxHashMap::default(),
            streams: FxHashMap::default(),
            connectors: Connectors::default(),
            poller,
            busy: RoundRobin::new(),
            drops: Drops::default(),
            send_drops: 0,
            closed_drops: 0,
            closed_errors: 0,
            drops_unknown: false,
        }
    }

    /// Receive from a socket; return the number of messages, 0 where the socket is closed.
    pub fn receive(&mut self, transport: TransportId, arena: &mut RecvArena) -> usize {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return 0;
        };
        // A socket error is the ICMP error of one datagram sent; the next read continues.
        socket.udp.recv_batch(arena).unwrap_or(0)
    }

    /// Return whether a transport uses a stream.
    pub fn is_stream(&self, transport: TransportId) -> bool {
        self.streams.contains_key(&transport)
    }

    /// Connect, send and receive on a stream as far as that does not block; return the address of
    /// its server, and the reason where the stream ended: it is closed then.
    pub fn serve_stream(
        &mut self,
        transport: TransportId,
        inbox: &mut Inbox,
    ) -> Option<(SocketAddr, Result<(), String>)> {
        let stream = self.streams.get_mut(&transport)?;
        let (server, served) = (stream.server(), stream.serve(inbox));
        match served {
            Ok(()) => self.watch_stream(transport),
            Err(_) => drop(self.streams.remove(&transport)),
        }
        Some((server, served))
    }

    fn watch_stream(&mut self, transport: TransportId) {
        if let Some(stream) = self.streams.get_mut(&transport)
            && let Some(interest) = stream.changed_interest()
        {
            // The stream is in the poller.
            let _ = self
                .poller
                .modify(stream.as_fd(), u64::from(transport), interest);
        }
    }

    /// Return whether there are busy sockets to poll.
    pub fn has_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    /// Return the number of busy sockets to poll now.
    pub fn polls_due(&mut self) -> usize {
        self.busy.due(self.clock.now())
    }

    /// Return the next busy socket to poll.
    pub fn next_busy(&mut self) -> Option<TransportId> {
        self.busy.next_socket()
    }

    /// Record an event of the poller; a socket that becomes busy is removed from the poller.
    pub fn on_ready(&mut self, transport: TransportId) {
        let now = self.clock.now();
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        if socket.backlog.is_empty() && socket.mode.on_ready(now) {
            let _ = self.poller.remove(socket.udp.as_fd());
            self.busy.add(transport);
        }
    }

    /// Record a poll of a busy socket; the poller watches an idle socket again.
    pub fn on_polled(&mut self, transport: TransportId, received: bool) {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        if socket.mode.is_idle_after_poll(received) {
            self.watch(transport, Interest::EdgeReadable);
        }
    }

    /// Send the backlog of a socket that became writable.
    pub fn resume(&mut self, transport: TransportId) {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        let now = self.clock.now();
        if socket.send_backlog(now) {
            self.watch(transport, Interest::EdgeReadable);
        }
    }

    /// Watch a socket with the poller; a busy socket stops being polled.
    fn watch(&mut self, transport: TransportId, interest: Interest) {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        let (fd, token) = (socket.udp.as_fd(), u64::from(transport));
        // Neither call can fail: a watched socket is in the poller, a polled one is not.
        let _ = match std::mem::replace(&mut socket.mode, ReadMode::NEW) {
            ReadMode::Watched(..) => self.poller.modify(fd, token, interest),
            ReadMode::Polled(..) => {
                self.busy.remove(transport);
                self.poller.add(fd, token, interest)
            }
        };
    }

    /// Return the figures of the sockets.
    pub fn figures(&mut self) -> GeneratorFigures {
        let mut figures = GeneratorFigures {
            sockets: self.sockets.len() + self.streams.len(),
            send_drops: self.send_drops,
            send_errors: self.closed_errors,
            ..GeneratorFigures::default()
        };
        let mut drops = (!self.drops_unknown).then_some(self.closed_drops);
        for socket in self.sockets.values_mut() {
            let dropped = socket.udp.dropped().map(u64::from);
            drops = drops.zip(dropped).map(|(sum, more)| sum + more);
            figures.send_errors += errors(&socket.udp);
            figures.send_backlog_bytes += socket.backlog.len_bytes();
            let granted = socket.udp.recv_buffer_bytes();
            let smallest = figures.recv_buffer_bytes.get_or_insert(granted);
            *smallest = granted.min(*smallest);
        }
        figures.socket_drops = drops.map(|messages| self.drops.datagrams(messages));
        figures
    }

    /// Close a socket; keep its counts.
    fn retire(&mut self, transport: TransportId, socket: Option<Socket>) {
        let Some(mut socket) = socket else { return };
        self.busy.remove(transport);
        match socket.udp.dropped() {
            Some(dropped) => self.closed_drops += u64::from(dropped),
            None => self.drops_unknown = true,
        }
        self.closed_errors += errors(&socket.udp);
    }

    fn bind(&mut self, transport: TransportId, bind: IpAddr) -> io::Result<IpAddr> {
        let udp = UdpSocket::bind(SocketAddr::new(bind, 0), &self.options)?;
        self.poller
            .add(udp.as_fd(), u64::from(transport), Interest::EdgeReadable)?;
        let local = udp.local_addr().ip();
        let socket = Socket {
            udp,
            backlog: Outbox::new(),
            position: SendPosition::default(),
            mode: ReadMode::NEW,
        };
        self.sockets.insert(transport, socket);
        Ok(local)
    }
}

impl Host for Sockets {
    fn open(&mut self, transport: TransportId, bind: IpAddr) -> Result<IpAddr, String> {
        self.streams.remove(&transport);
        let opened = self.bind(transport, bind);
        opened.map_err(|error| format!("cannot open a UDP socket at {bind}: {error}"))
    }

    fn connect(&mut self, transport: TransportId, relay: &Relay) -> Result<(), String> {
        let server = relay.server();
        let opened = Stream::open(relay, &mut self.connectors);
        let stream = opened.map_err(|error| format!("cannot connect to {server}: {error}"))?;
        let token = u64::from(transport);
        let added = self
            .poller
            .add(stream.as_fd(), token, Interest::ReadableOrWritable);
        added.map_err(|error| format!("cannot connect to {server}: {error}"))?;
        self.streams.insert(transport, stream);
        Ok(())
    }

    fn reopen(&mut self, transport: TransportId, bind: IpAddr) -> Result<IpAddr, String> {
        // Bound before the old socket is closed, so that the port is another one.
        let old = self.sockets.remove(&transport);
        match self.open(transport, bind) {
            Ok(local) => {
                self.retire(transport, old);
                Ok(local)
            }
            Err(error) => {
                self.sockets.extend(old.map(|socket| (transport, socket)));
                Err(error)
            }
        }
    }

    fn close(&mut self, transport: TransportId) {
        if let Some(mut stream) = self.streams.remove(&transport) {
            stream.shut_down();
        }
        let socket = self.sockets.remove(&transport);
        self.retire(transport, socket);
    }

    fn send(&mut self, transport: TransportId, outbox: &Outbox) {
        if let Some(stream) = self.streams.get_mut(&transport) {
            self.send_drops += stream.send(outbox, MAX_BACKLOG_BYTES);
            return self.watch_stream(transport);
        }
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        let now = self.clock.now();
        let was_empty = socket.backlog.is_empty();
        let mut position = SendPosition::default();
        if was_empty {
            loop {
                match socket.udp.send_batch(now, outbox, 0, &mut position) {
                    Sent::Done => return,
                    Sent::More => {}
                    Sent::Blocked => break,
                }
            }
            socket.position = position;
        }
        for (path, datagram) in outbox.datagrams() {
            if socket.backlog.len_bytes() + datagram.len() > MAX_BACKLOG_BYTES {
                self.send_drops += 1;
            } else {
                socket.backlog.push(path, datagram);
            }
        }
        if was_empty {
            self.watch(transport, Interest::ReadableOrWritable);
        }
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))
    }
}

impl Socket {
    /// Send the backlog; return whether it is empty.
    fn send_backlog(&mut self, now: wire::time::Time) -> bool {
        loop {
            match self
                .udp
                .send_batch(now, &self.backlog, 0, &mut self.position)
            {
                Sent::Done => {
                    self.backlog.clear();
                    self.position = SendPosition::default();
                    return true;
                }
                Sent::More => {}
                Sent::Blocked => return false,
            }
        }
    }
}

fn errors(udp: &UdpSocket) -> u64 {
    let counters = udp.send_counters();
    counters.unreachable + counters.forbidden + counters.too_long + counters.failed
}
