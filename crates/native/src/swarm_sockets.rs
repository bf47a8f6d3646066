//! The sockets of a swarm: one for each transport, as the server would see of real participants.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use rtc::outbox::Outbox;
use rustc_hash::FxHashMap;
use swarm::engine::Host;
use swarm::figures::GeneratorFigures;
use swarm::message::TransportId;

use crate::clock::Clock;
use crate::swarm_turns::{Attention, Turns};
use crate::udp::{Interest, Poller, RecvArena, SendPosition, Sent, SocketOptions, UdpSocket};

/// More than this waits in no socket: a server that does not read is a finding, not a reason to
/// grow.
const MAX_BACKLOG_BYTES: usize = 256 * 1024;

struct Socket {
    udp: UdpSocket,
    backlog: Outbox,
    position: SendPosition,
    attention: Attention,
}

/// All sockets of one thread, and the poller that watches them.
pub struct Sockets {
    clock: Clock,
    options: SocketOptions,
    sockets: FxHashMap<TransportId, Socket>,
    /// Watches the sockets by the names of their transports, but for the busy ones.
    pub poller: Poller,
    turns: Turns,
    send_drops: u64,
    /// What closed sockets counted.
    closed_drops: u64,
    closed_errors: u64,
    drops_unknown: bool,
}

impl Sockets {
    /// Hold no sockets yet.
    pub fn new(clock: Clock, options: SocketOptions, poller: Poller) -> Self {
        Self {
            clock,
            options,
            sockets: FxHashMap::default(),
            poller,
            turns: Turns::new(),
            send_drops: 0,
            closed_drops: 0,
            closed_errors: 0,
            drops_unknown: false,
        }
    }

    /// Receive what waits at a socket; return the number of messages, 0 where it is gone.
    pub fn receive(&mut self, transport: TransportId, arena: &mut RecvArena) -> usize {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return 0;
        };
        // What a socket reports instead of data is of one datagram sent; the next read goes on.
        socket.udp.recv_batch(arena).unwrap_or(0)
    }

    /// Say whether sockets are to be looked at by turns.
    pub fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Tell how many sockets have their turn now.
    pub fn turns_due(&mut self) -> usize {
        self.turns.due(self.clock.now())
    }

    /// Tell whose turn is next.
    pub fn take_turn(&mut self) -> Option<TransportId> {
        self.turns.take()
    }

    /// The poller reported a socket: where that goes on it is looked at by turns instead.
    pub fn reported(&mut self, transport: TransportId) {
        let now = self.clock.now();
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        if socket.backlog.is_empty() && socket.attention.reported(now) {
            let _ = self.poller.remove(socket.udp.as_fd());
            self.turns.join(transport);
        }
    }

    /// A socket had its turn: where nothing comes any more the poller watches it again.
    pub fn had_turn(&mut self, transport: TransportId, found: bool) {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        if socket.attention.is_idle_after_turn(found) {
            self.watch(transport, Interest::NewlyReadable);
        }
    }

    /// Send what had no room, now that there is some.
    pub fn resume(&mut self, transport: TransportId) {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        let now = self.clock.now();
        if socket.push_out(now) {
            self.watch(transport, Interest::NewlyReadable);
        }
    }

    /// Let the poller watch a socket, which has no turns then.
    fn watch(&mut self, transport: TransportId, interest: Interest) {
        let Some(socket) = self.sockets.get_mut(&transport) else {
            return;
        };
        let (fd, token) = (socket.udp.as_fd(), u64::from(transport));
        // The poller can refuse neither: it has the socket in the one case and not in the other.
        let _ = match std::mem::replace(&mut socket.attention, Attention::NEW) {
            Attention::Watched(..) => self.poller.modify(fd, token, interest),
            Attention::ByTurns(_) => {
                self.turns.leave(transport);
                self.poller.add(fd, token, interest)
            }
        };
    }

    /// Tell what the sockets went through.
    pub fn figures(&mut self) -> GeneratorFigures {
        let mut figures = GeneratorFigures {
            sockets: self.sockets.len(),
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
        figures.socket_drops = drops;
        figures
    }

    fn bind(&mut self, transport: TransportId, bind: IpAddr) -> io::Result<IpAddr> {
        let udp = UdpSocket::bind(SocketAddr::new(bind, 0), &self.options)?;
        self.poller
            .add(udp.as_fd(), u64::from(transport), Interest::NewlyReadable)?;
        let local = udp.local_addr().ip();
        let socket = Socket {
            udp,
            backlog: Outbox::new(),
            position: SendPosition::default(),
            attention: Attention::NEW,
        };
        self.sockets.insert(transport, socket);
        Ok(local)
    }
}

impl Host for Sockets {
    fn open(&mut self, transport: TransportId, bind: IpAddr) -> Result<IpAddr, String> {
        let opened = self.bind(transport, bind);
        opened.map_err(|error| format!("cannot open a UDP socket at {bind}: {error}"))
    }

    fn close(&mut self, transport: TransportId) {
        let Some(mut socket) = self.sockets.remove(&transport) else {
            return;
        };
        self.turns.leave(transport);
        match socket.udp.dropped() {
            Some(dropped) => self.closed_drops += u64::from(dropped),
            None => self.drops_unknown = true,
        }
        self.closed_errors += errors(&socket.udp);
    }

    fn send(&mut self, transport: TransportId, outbox: &Outbox) {
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
    /// Send the backlog; true where nothing is left.
    fn push_out(&mut self, now: wire::time::Time) -> bool {
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
