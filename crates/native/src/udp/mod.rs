//! Batched UDP: many datagrams per system call, each with its local address, in both directions.
//!
//! A wildcard socket that answers from another address than it was asked at breaks ICE on hosts
//! with several, so every datagram carries its local address. Datagrams of equal size to one path
//! leave as one message that the kernel cuts (`UDP_SEGMENT`), and arrive as trains (`UDP_GRO`).

mod linux;
mod poll;
mod receive;
mod send;

pub use poll::{Interest, Poller, Ready, Waker};
pub use receive::{Datagram, RecvArena};
pub use send::{SendCounters, SendPosition, Sent};

use rtc::outbox::Outbox;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use wire::time::Time;

/// What to ask of the kernel for one socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    /// Wanted size of the receive buffer in bytes; the kernel may grant less.
    pub recv_buffer_bytes: usize,
    /// Wanted size of the send buffer in bytes; the kernel may grant less.
    pub send_buffer_bytes: usize,
    /// Send runs of datagrams as one message (`UDP_SEGMENT`) where the kernel can.
    pub gso: bool,
    /// Receive runs of datagrams as one message (`UDP_GRO`) where the kernel can.
    pub gro: bool,
    /// Let the kernel say when each datagram came: what a late reader measures is then still true.
    pub arrival_times: bool,
}

/// A nonblocking UDP socket of one address family.
pub struct UdpSocket {
    socket: Socket,
    local: SocketAddr,
    recv_buffer_bytes: usize,
    send_buffer_bytes: usize,
    gro: bool,
    /// Last count of the kernel; unknown where it does not count.
    dropped: Option<u32>,
    sender: send::Sender,
}

impl UdpSocket {
    /// Bind `address` (port 0 = any free port).
    ///
    /// # Errors
    /// What the kernel says, e.g. that the port is taken or the address is not of this host.
    pub fn bind(address: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if address.ip().is_unspecified() {
            ask_for_local_address(&socket, address)?;
        }
        raise_buffers(socket.as_fd(), options);
        let counts_drops = supports(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
        if options.arrival_times {
            // Without it a datagram arrives when it is read.
            supports(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
        }
        let gro = options.gro && supports(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
        // Segment size 0 changes nothing; a kernel without segmentation refuses the option.
        let gso = options.gso && supports(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0);
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Self {
            local,
            // The kernel doubles the size for its own book-keeping and reports the double.
            recv_buffer_bytes: socket.recv_buffer_size()? / 2,
            send_buffer_bytes: socket.send_buffer_size()? / 2,
            gro,
            dropped: counts_drops.then_some(0),
            sender: send::Sender::new(gso),
            socket,
        })
    }

    /// Tell the bound address, with the port that the kernel chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Tell the granted size of the receive buffer in bytes.
    #[must_use]
    pub fn recv_buffer_bytes(&self) -> usize {
        self.recv_buffer_bytes
    }

    /// Tell the granted size of the send buffer in bytes.
    #[must_use]
    pub fn send_buffer_bytes(&self) -> usize {
        self.send_buffer_bytes
    }

    /// Say whether runs leave as one message (until a device refuses it).
    #[must_use]
    pub fn gso(&self) -> bool {
        self.sender.gso()
    }

    /// Say whether the kernel joins arriving datagrams into trains.
    #[must_use]
    pub fn gro(&self) -> bool {
        self.gro
    }

    /// Count the datagrams dropped here because the receive buffer was full (none = unknown).
    ///
    /// The counter of the kernel has 32 bits and wraps.
    pub fn dropped(&mut self) -> Option<u32> {
        self.dropped?;
        // `SO_RXQ_OVFL` speaks only with the next datagram, which after a stall may never come.
        self.dropped = linux::kernel_drops(self.socket.as_fd()).or(self.dropped);
        self.dropped
    }

    /// Count what was sent and what was not.
    #[must_use]
    pub fn send_counters(&self) -> &SendCounters {
        self.sender.counters()
    }

    /// Receive what waits, up to one message per slot; return the number of messages.
    ///
    /// Fewer than [`RecvArena::slots`] means that nothing was left.
    ///
    /// # Errors
    /// What the kernel says; having nothing to read is no error.
    pub fn recv_batch(&mut self, arena: &mut RecvArena) -> io::Result<usize> {
        let count = arena.fill(self.socket.as_fd(), self.local.ip())?;
        self.dropped = arena
            .dropped()
            .filter(|_| self.dropped.is_some())
            .or(self.dropped);
        Ok(count)
    }

    /// Send the next messages of the runs for socket number `socket` in one system call.
    ///
    /// Call again while it returns [`Sent::More`]; look at the clock between two calls, since
    /// reading must not wait for more than a millisecond of sending. `outbox` must stay unchanged
    /// until [`Sent::Done`].
    pub fn send_batch(
        &mut self,
        now: Time,
        outbox: &Outbox,
        socket: u8,
        position: &mut SendPosition,
    ) -> Sent {
        self.sender.send(
            self.socket.as_fd(),
            self.local.ip(),
            now,
            outbox,
            socket,
            position,
        )
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn ask_for_local_address(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    let (level, name) = match address.ip() {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    linux::set_option(socket.as_fd(), level, name, 1)
}

fn raise_buffers(socket: BorrowedFd<'_>, options: &SocketOptions) {
    let SocketOptions {
        recv_buffer_bytes,
        send_buffer_bytes,
        ..
    } = *options;
    linux::set_buffer(
        socket,
        libc::SO_RCVBUFFORCE,
        libc::SO_RCVBUF,
        recv_buffer_bytes,
    );
    linux::set_buffer(
        socket,
        libc::SO_SNDBUFFORCE,
        libc::SO_SNDBUF,
        send_buffer_bytes,
    );
}

fn supports(socket: &Socket, level: i32, name: i32, value: i32) -> bool {
    linux::set_option(socket.as_fd(), level, name, value).is_ok()
}
