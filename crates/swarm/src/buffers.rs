//! Memory of the datagrams in flight, used again: an allocation for each costs more than its copy.

use crate::bot::{DownlinkDatagram, UplinkDatagram};
use wire::time::Time;

/// Buffers that are kept while nothing is in flight: 5 MB of full datagrams.
const MAX_KEPT: usize = 4_096;
const DATAGRAM_BYTES: usize = 1_280;

/// Buffers of datagrams, and those that have just left a link.
#[derive(Debug, Default)]
pub struct Buffers {
    free: Vec<Vec<u8>>,
    /// Scratch: what left an uplink.
    pub sent: Vec<UplinkDatagram>,
    /// Scratch: what left a downlink, with its times.
    pub received: Vec<(Time, DownlinkDatagram)>,
}

impl Buffers {
    /// Return a copy of a datagram, in the buffer that was used last.
    pub fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = self
            .free
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(bytes.len().max(DATAGRAM_BYTES)));
        buffer.clear();
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Take a buffer back.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        if self.free.len() < MAX_KEPT {
            self.free.push(buffer);
        }
    }
}
