//! System calls of Linux for UDP: all unsafe and platform-specific code.
//!
//! The arrays for `recvmmsg` and `sendmmsg` are allocated once and reused. The kernel reads raw
//! pointers from them, so all pointers are set right before each call and not used otherwise.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// Messages per system call: 40 or more make the most of a call, `UIO_MAXIOV` is 1024.
pub const BATCH: usize = 64;

/// Room for a packet info of either family and one segment size; on receipt also for a drop counter
/// and a time stamp.
const CONTROL_BYTES: usize = 128;

const IN_PKTINFO: usize = mem::size_of::<libc::in_pktinfo>();
const IN6_PKTINFO: usize = mem::size_of::<libc::in6_pktinfo>();

#[repr(align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// A socket address of either family as the kernel writes it.
#[repr(C)]
#[derive(Clone, Copy)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    const EMPTY: Self = Self {
        // SAFETY: all-zero bytes are a valid sockaddr_in6 (family AF_UNSPEC).
        v6: unsafe { mem::zeroed() },
    };

    /// Write `address` and return how many bytes of the union it takes.
    fn set(&mut self, address: SocketAddr) -> libc::socklen_t {
        match address {
            SocketAddr::V4(address) => {
                self.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: in_addr(*address.ip()),
                    sin_zero: [0; 8],
                };
                mem::size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(address) => {
                self.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: in6_addr(*address.ip()),
                    sin6_scope_id: address.scope_id(),
                };
                mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t
            }
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        // SAFETY: the family stands at the same place in both variants, and every bit pattern of
        // both variants is valid.
        unsafe {
            match libc::c_int::from(self.v4.sin_family) {
                libc::AF_INET => Some(SocketAddr::V4(SocketAddrV4::new(
                    ipv4(self.v4.sin_addr),
                    u16::from_be(self.v4.sin_port),
                ))),
                libc::AF_INET6 => Some(SocketAddr::V6(SocketAddrV6::new(
                    ipv6(self.v6.sin6_addr),
                    u16::from_be(self.v6.sin6_port),
                    0,
                    self.v6.sin6_scope_id,
                ))),
                _ => None,
            }
        }
    }
}

fn in_addr(ip: Ipv4Addr) -> libc::in_addr {
    libc::in_addr {
        s_addr: u32::from_ne_bytes(ip.octets()),
    }
}

fn in6_addr(ip: Ipv6Addr) -> libc::in6_addr {
    libc::in6_addr {
        s6_addr: ip.octets(),
    }
}

fn ipv4(address: libc::in_addr) -> Ipv4Addr {
    Ipv4Addr::from(address.s_addr.to_ne_bytes())
}

fn ipv6(address: libc::in6_addr) -> Ipv6Addr {
    Ipv6Addr::from(address.s6_addr)
}

/// Set an integer option.
///
/// # Errors
/// The error of `setsockopt`, e.g. that the kernel does not support the option.
pub fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Set a socket buffer size beyond the system's limit where permitted, else up to the limit.
pub fn set_buffer(socket: BorrowedFd<'_>, force: i32, plain: i32, bytes: usize) {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    if set_option(socket, libc::SOL_SOCKET, force, bytes).is_err() {
        // The kernel clamps the plain option without an error; the granted size is read back.
        let _ = set_option(socket, libc::SOL_SOCKET, plain, bytes);
    }
}

/// Return the number of datagrams dropped at the full receive buffer.
pub fn kernel_drops(socket: BorrowedFd<'_>) -> Option<u32> {
    const SK_MEMINFO_DROPS: usize = 8;
    let mut values = [0u32; SK_MEMINFO_DROPS + 1];
    let mut len = mem::size_of_val(&values) as libc::socklen_t;
    // SAFETY: the pointer and the length describe `values`, which outlives the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    (result == 0 && len as usize == mem::size_of_val(&values)).then(|| values[SK_MEMINFO_DROPS])
}

/// One received message without its bytes.
#[derive(Clone, Copy)]
pub struct Arrival {
    pub remote: SocketAddr,
    /// Destination address, where packet info is enabled.
    pub local: Option<IpAddr>,
    pub len: usize,
    /// Bytes of each datagram of a train; the last may be shorter.
    pub segment_len: usize,
    /// Datagrams dropped on this socket since it was opened, where some were.
    pub dropped: Option<u32>,
    /// Kernel timestamp in wall time, where timestamps are enabled.
    pub wall: Option<Duration>,
    pub truncated: bool,
}

/// The arrays of `recvmmsg`.
pub struct Receiver {
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
}

// SAFETY: the raw pointers inside are written before each call and never read after it.
unsafe impl Send for Receiver {}

impl Receiver {
    pub fn new(slots: usize) -> Self {
        Self {
            headers: zeroed_headers(slots),
            vectors: empty_vectors(slots),
            names: vec![Name::EMPTY; slots].into(),
            controls: vec![Control([0; CONTROL_BYTES]); slots].into(),
        }
    }

    /// Receive up to one message per slot of `slot_len` bytes, `stride` bytes apart; there are as many
    /// slots as fit the buffer.
    ///
    /// # Panics
    /// Where slots overlap.
    pub fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
        stride: usize,
        slot_len: usize,
    ) -> io::Result<usize> {
        assert!(0 < slot_len && slot_len <= stride, "slots overlap");
        let slots = self.headers.len().min(buffer.len() / stride);
        for (index, slot) in buffer.chunks_exact_mut(stride).take(slots).enumerate() {
            self.vectors[index] = libc::iovec {
                iov_base: slot.as_mut_ptr().cast(),
                iov_len: slot_len,
            };
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = ptr::from_mut(&mut self.names[index]).cast();
            header.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
            header.msg_flags = 0;
        }
        // SAFETY: each of the first `slots` headers was set above: it points at a name, a vector, a
        // control buffer and a slot of the stated lengths, all of which live in `self` or in
        // `buffer` for the time of the call. No slot reaches into the next.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                slots as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// Return the message in slot `index` of the last call.
    ///
    /// A message without a usable source address counts as empty.
    pub fn arrival(&self, index: usize) -> Arrival {
        let header = &self.headers[index];
        let remote = self.names[index].address();
        let len = remote.map_or(0, |_| header.msg_len as usize);
        let mut arrival = Arrival {
            remote: remote.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()),
            local: None,
            len,
            segment_len: len,
            dropped: None,
            wall: None,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        };
        for_each_control(&header.msg_hdr, |level, kind, data| match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                arrival.local =
                    read::<libc::in_pktinfo>(data).map(|info| ipv4(info.ipi_spec_dst).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                arrival.local =
                    read::<libc::in6_pktinfo>(data).map(|info| ipv6(info.ipi6_addr).into());
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                let size = read::<libc::c_int>(data).and_then(|size| usize::try_from(size).ok());
                arrival.segment_len = size.filter(|size| *size > 0).unwrap_or(len);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => arrival.dropped = read::<u32>(data),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                arrival.wall = read::<libc::timespec>(data).map(span);
            }
            _ => {}
        });
        arrival
    }
}

/// Return the wall time of the clock of kernel timestamps.
pub fn wall_now() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a local of the right type that outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    span(now)
}

fn span(spec: libc::timespec) -> Duration {
    Duration::new(
        spec.tv_sec.max(0) as u64,
        spec.tv_nsec.clamp(0, 999_999_999) as u32,
    )
}

/// Visit each control message, up to one with an invalid length.
fn for_each_control(header: &libc::msghdr, mut visit: impl FnMut(i32, i32, &[u8])) {
    #[allow(clippy::unnecessary_cast, reason = "it is a socklen_t with musl")]
    let end = header.msg_control.addr() + header.msg_controllen as usize;
    // SAFETY: the control buffer is readable for the length in the header, which the kernel set. The
    // CMSG functions stay within that, and a message's data is read only where it does too.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            let len = ((*message).cmsg_len as usize).checked_sub(libc::CMSG_LEN(0) as usize);
            let room = end.saturating_sub(data.addr());
            let Some(len) = len.filter(|len| *len <= room) else {
                return;
            };
            let data = std::slice::from_raw_parts(data, len);
            visit((*message).cmsg_level, (*message).cmsg_type, data);
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
}

/// Read a plain C value from the front of `data`, which may be unaligned.
fn read<T: Copy>(data: &[u8]) -> Option<T> {
    if data.len() < mem::size_of::<T>() {
        return None;
    }
    // SAFETY: the length was checked, the read needs no alignment, and the callers ask only for C
    // structs and integers, of which every bit pattern is valid.
    Some(unsafe { data.as_ptr().cast::<T>().read_unaligned() })
}

/// One message to send: a run of equal datagrams, or a single one.
pub struct Message<'a> {
    pub remote: SocketAddr,
    /// The source address; none lets the kernel select it.
    pub local: Option<IpAddr>,
    pub bytes: &'a [u8],
    /// Segment length of GSO.
    pub segment_len: Option<u16>,
}

/// The arrays of `sendmmsg`.
pub struct Sender {
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
}

// SAFETY: the raw pointers inside are written before each call and never read after it.
unsafe impl Send for Sender {}

impl Sender {
    pub fn new() -> Self {
        Self {
            headers: zeroed_headers(BATCH),
            vectors: empty_vectors(BATCH),
            names: vec![Name::EMPTY; BATCH].into(),
            controls: vec![Control([0; CONTROL_BYTES]); BATCH].into(),
        }
    }

    /// Send up to [`BATCH`] messages in one call; return the number accepted by the kernel.
    ///
    /// # Errors
    /// The error of the first message; the error of a later message is returned by a later call.
    pub fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        messages: impl Iterator<Item = Message<'a>>,
    ) -> io::Result<usize> {
        let mut count = 0;
        for (index, message) in messages.take(BATCH).enumerate() {
            self.set(index, &message);
            count = index + 1;
        }
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: the first `count` headers point at names, vectors and control buffers in `self`
        // and at the messages' bytes, all borrowed for longer than the call. The kernel only reads
        // through the vectors.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    fn set(&mut self, index: usize, message: &Message<'_>) {
        self.vectors[index] = libc::iovec {
            iov_base: message.bytes.as_ptr().cast_mut().cast(),
            iov_len: message.bytes.len(),
        };
        let control = &mut self.controls[index];
        let mut used = match message.local {
            None => 0,
            Some(local) => put_source(control, local),
        };
        if let Some(segment_len) = message.segment_len {
            let data = segment_len.to_ne_bytes();
            used += put_control(control, used, libc::SOL_UDP, libc::UDP_SEGMENT, &data);
        }
        let header = &mut self.headers[index].msg_hdr;
        header.msg_namelen = self.names[index].set(message.remote);
        header.msg_name = ptr::from_mut(&mut self.names[index]).cast();
        header.msg_iov = &raw mut self.vectors[index];
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = used as _;
    }
}

fn put_source(control: &mut Control, local: IpAddr) -> usize {
    match local {
        IpAddr::V4(ip) => {
            // in_pktinfo: interface index, source, destination (ignored on sending).
            let mut data = [0; IN_PKTINFO];
            data[4..8].copy_from_slice(&ip.octets());
            put_control(control, 0, libc::IPPROTO_IP, libc::IP_PKTINFO, &data)
        }
        IpAddr::V6(ip) => {
            let mut data = [0; IN6_PKTINFO];
            data[..16].copy_from_slice(&ip.octets());
            put_control(control, 0, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
        }
    }
}

/// Write one control message at `offset` (a multiple of 8) and return the space it takes.
fn put_control(control: &mut Control, offset: usize, level: i32, kind: i32, data: &[u8]) -> usize {
    // SAFETY: both functions only compute with the length.
    let (len, space) = unsafe {
        (
            libc::CMSG_LEN(data.len() as u32) as usize,
            libc::CMSG_SPACE(data.len() as u32) as usize,
        )
    };
    let header_len = len - data.len();
    let out = &mut control.0[offset..offset + space];
    let kind_at = mem::offset_of!(libc::cmsghdr, cmsg_type);
    let level_at = mem::offset_of!(libc::cmsghdr, cmsg_level);
    out[..level_at].copy_from_slice(&len.to_ne_bytes()[..level_at]);
    out[level_at..kind_at].copy_from_slice(&level.to_ne_bytes());
    out[kind_at..kind_at + 4].copy_from_slice(&kind.to_ne_bytes());
    out[header_len..len].copy_from_slice(data);
    space
}

fn zeroed_headers(count: usize) -> Box<[libc::mmsghdr]> {
    // SAFETY: all-zero bytes are a valid mmsghdr: null pointers and zero lengths.
    (0..count)
        .map(|_| unsafe { MaybeUninit::zeroed().assume_init() })
        .collect()
}

fn empty_vectors(count: usize) -> Box<[libc::iovec]> {
    let empty = libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    };
    vec![empty; count].into()
}

#[cfg(test)]
mod tests;
