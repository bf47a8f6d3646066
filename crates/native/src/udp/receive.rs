//! The memory that datagrams arrive in.

use super::linux::{self, Arrival, Receiver};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// The largest train that `UDP_GRO` delivers.
const TRAIN_BYTES: usize = 65_535;
/// The largest single datagram that is looked at: media keeps to 1200, DTLS to the path's MTU.
const DATAGRAM_BYTES: usize = 2_048;
/// A wall clock that jumps must not make a datagram arrive long ago.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Slots at a multiple of a page would all fall into the same few sets of the processor's caches.
const STAGGER_BYTES: usize = 21 * 64;

/// One received datagram.
pub struct Datagram<'a> {
    /// The address it was sent to.
    pub local: IpAddr,
    /// Where it came from.
    pub remote: SocketAddr,
    /// How long it had waited in the socket when it was read; zero where the kernel does not say.
    pub waited: Duration,
    /// What was in it; free to be decrypted in place.
    pub bytes: &'a mut [u8],
}

/// Hold the datagrams of one receive call; made once, used for every socket of a thread.
pub struct RecvArena {
    buffer: Vec<u8>,
    stride: usize,
    slot_len: usize,
    receiver: Receiver,
    arrivals: Vec<Arrival>,
    /// Wall time of the last call.
    read_at: Duration,
    truncated: u64,
}

impl RecvArena {
    /// Make room for `slots` messages, each a whole train where `gro` is used.
    #[must_use]
    pub fn new(slots: usize, gro: bool) -> Self {
        let slot_len = if gro { TRAIN_BYTES } else { DATAGRAM_BYTES };
        let stride = slot_len.next_multiple_of(64) + STAGGER_BYTES;
        Self {
            buffer: vec![0; slots * stride],
            stride,
            slot_len,
            receiver: Receiver::new(slots),
            arrivals: Vec::with_capacity(slots),
            read_at: Duration::ZERO,
            truncated: 0,
        }
    }

    /// Count the messages that one call can receive.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.buffer.len() / self.stride
    }

    /// Count the datagrams dropped because they were longer than a slot.
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Walk over the datagrams of the last call; trains are taken apart, empty datagrams left out.
    pub fn datagrams(&mut self) -> impl Iterator<Item = Datagram<'_>> {
        let read_at = self.read_at;
        let slots = self.buffer.chunks_exact_mut(self.stride);
        slots.zip(&self.arrivals).flat_map(move |(slot, arrival)| {
            let local = arrival.local.unwrap_or(arrival.remote.ip());
            let remote = arrival.remote;
            let wall = arrival.wall.unwrap_or(read_at);
            let waited = read_at.saturating_sub(wall).min(LONGEST_WAIT);
            slot[..arrival.len]
                .chunks_mut(arrival.segment_len.max(1))
                .map(move |bytes| Datagram {
                    local,
                    remote,
                    waited,
                    bytes,
                })
        })
    }

    /// Receive into the slots; `bound` stands in where a socket has a single address.
    pub(super) fn fill(&mut self, socket: BorrowedFd<'_>, bound: IpAddr) -> io::Result<usize> {
        self.arrivals.clear();
        let received = self
            .receiver
            .receive(socket, &mut self.buffer, self.stride, self.slot_len);
        let count = match received {
            Ok(count) => count,
            Err(error) if is_nothing_to_read(&error) => return Ok(0),
            Err(error) => return Err(error),
        };
        self.read_at = linux::wall_now();
        for index in 0..count {
            let arrival = self.accept(index, bound);
            self.arrivals.push(arrival);
        }
        Ok(count)
    }

    /// Tell the socket's drop counter as it came with the last call, where it did.
    pub(super) fn dropped(&self) -> Option<u32> {
        self.arrivals
            .iter()
            .rev()
            .find_map(|arrival| arrival.dropped)
    }

    fn accept(&mut self, index: usize, bound: IpAddr) -> Arrival {
        let mut arrival = self.receiver.arrival(index);
        arrival.local = arrival.local.or(Some(bound));
        if arrival.truncated {
            self.truncated += 1;
            arrival.len = 0;
        }
        arrival
    }
}

fn is_nothing_to_read(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
