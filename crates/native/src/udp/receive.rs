//! Receive buffers of datagrams.

use super::linux::{self, Arrival, Receiver};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// The largest train that `UDP_GRO` delivers.
const TRAIN_BYTES: usize = 65_535;
/// The largest datagram accepted without GRO: media is at most 1200 bytes, DTLS the path MTU.
const DATAGRAM_BYTES: usize = 2_048;
/// Bound of the time in the socket, for a wall clock that jumps.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Stagger of the slots: slots at multiples of a page would share the same few cache sets.
const STAGGER_BYTES: usize = 21 * 64;

/// One received datagram.
pub struct Datagram<'a> {
    /// Destination address.
    pub local: IpAddr,
    /// Source address.
    pub remote: SocketAddr,
    /// Time in the socket until the read; zero without kernel timestamps.
    pub waited: Duration,
    /// Payload, to be decrypted in place.
    pub bytes: &'a mut [u8],
}

/// The datagrams of one receive call; one arena is used for every socket of a thread.
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
    /// Allocate `slots` messages, each as long as a train with `gro`.
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

    /// Return the number of messages that one call can receive.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.buffer.len() / self.stride
    }

    /// Return the number of datagrams dropped since they were longer than a slot.
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Iterate over the datagrams of the last call: trains are split, empty datagrams skipped.
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

    /// Receive into the slots; `bound` is the destination address of a socket without packet info.
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

    /// Return the socket's drop counter, where the last call received it.
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
