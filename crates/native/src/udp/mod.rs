//! Batched UDP: many datagrams per system call, each with its local address, in both directions.
//!
//! Every datagram has its local address: on a multihomed host a response from another address than
//! the request was sent to breaks ICE. Datagrams of equal size on one path are sent as one message
//! that the kernel segments (`UDP_SEGMENT`), and received as trains (`UDP_GRO`).

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

/// Options of a socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    /// Requested size of the receive buffer in bytes; the kernel may grant less.
    pub recv_buffer_bytes: usize,
    /// Requested size of the send buffer in bytes; the kernel may grant less.
    pub send_buffer_bytes: usize,
    /// Send runs of datagrams as one message (`UDP_SEGMENT`) where the kernel can.
    pub gso: bool,
    /// Receive runs of datagrams as one message (`UDP_GRO`) where the kernel can.
    pub gro: bool,
    /// Timestamps of the kernel (`SO_TIMESTAMPNS`), which are right for late reads too.
    pub arrival_times: bool,
    /// The local address of each datagram (`IP_PKTINFO`) where a socket has the wildcard; without,
    /// that is the wildcard.
    pub local_addresses: bool,
}

/// A nonblocking UDP socket of one address family.
pub struct UdpSocket {
    socket: Socket,
    local: SocketAddr,
    recv_buffer_bytes: usize,
    send_buffer_bytes: usize,
    gro: bool,
    /// Last drop count of the kernel; none where the kernel does not count.
    dropped: Option<u32>,
    sender: send::Sender,
}

impl UdpSocket {
    /// Bind `address` (port 0 = any free port).
    ///
    /// # Errors
    /// The kernel's error, e.g. that the port is in use or the address is not local.
    pub fn bind(address: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if options.local_addresses && address.ip().is_unspecified() {
            enable_packet_info(&socket, address)?;
        }
        raise_buffers(socket.as_fd(), options);
        let counts_drops = supports(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
        if options.arrival_times {
            // Without the option the arrival time is the time of the read.
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

    /// Return the bound address, with the port that the kernel selected.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Return the granted size of the receive buffer in bytes.
    #[must_use]
    pub fn recv_buffer_bytes(&self) -> usize {
        self.recv_buffer_bytes
    }

    /// Return the granted size of the send buffer in bytes.
    #[must_use]
    pub fn send_buffer_bytes(&self) -> usize {
        self.send_buffer_bytes
    }

    /// Return whether runs are sent as one message, which a device may refuse later.
    #[must_use]
    pub fn gso(&self) -> bool {
        self.sender.gso()
    }

    /// Return whether the kernel coalesces received datagrams into trains.
    #[must_use]
    pub fn gro(&self) -> bool {
        self.gro
    }

    /// Return the datagrams dropped at the full receive buffer (none = unknown).
    ///
    /// The kernel's counter has 32 bits and wraps.
    pub fn dropped(&mut self) -> Option<u32> {
        self.dropped?;
        // `SO_RXQ_OVFL` reports drops with the next datagram only, which may never be received.
        self.dropped = linux::kernel_drops(self.socket.as_fd()).or(self.dropped);
        self.dropped
    }

    /// Return the send counters.
    #[must_use]
    pub fn send_counters(&self) -> &SendCounters {
        self.sender.counters()
    }

    /// Receive up to one message per slot; return the number of messages.
    ///
    /// Fewer than [`RecvArena::slots`] means that the socket is empty.
    ///
    /// # Errors
    /// The kernel's error; an empty socket is no error.
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
    /// Call again while it returns [`Sent::More`], for a millisecond at most: sockets have to be
    /// read in between. `outbox` must stay unchanged until [`Sent::Done`].
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

fn enable_packet_info(socket: &Socket, address: SocketAddr) -> io::Result<()> {
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
