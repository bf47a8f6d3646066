//! The datagrams to send, in runs for UDP generic segmentation offload (egress batching).
//!
//! One send call costs more than the bytes in it, so datagrams of equal size to the same path are
//! kept together and leave in one call. Once the buffers have grown to their working size nothing
//! here allocates.

use crate::path::PathId;

/// Most segments of a run (`UDP_MAX_SEGMENTS` of the kernel).
const MAX_SEGMENTS: usize = 64;
/// A run stays below the largest UDP payload with room for every IP header.
const MAX_RUN_BYTES: usize = 65_000;

/// Consecutive datagrams to one path, sent by one send call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The path of all datagrams.
    pub path: PathId,
    /// First byte within the outbox.
    pub offset: usize,
    /// Bytes of all datagrams together.
    pub len: usize,
    /// Bytes of each datagram; only the last may be shorter.
    pub segment_len: usize,
}

impl Run {
    /// Return the number of datagrams.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.len.div_ceil(self.segment_len)
    }

    fn takes(&self, path: &PathId, len: usize) -> bool {
        // A short last segment ends the run: whatever followed would be cut in the wrong place.
        self.len.is_multiple_of(self.segment_len)
            && len <= self.segment_len
            && self.path == *path
            && self.len + len <= MAX_RUN_BYTES
            && self.len < MAX_SEGMENTS * self.segment_len
    }
}

/// Datagrams to send, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Grows and never shrinks; the bytes behind `used` are left over from earlier rounds.
    buffer: Vec<u8>,
    used: usize,
    runs: Vec<Run>,
}

impl Outbox {
    /// Create an empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remove all datagrams and keep the memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.runs.clear();
    }

    /// Return whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// List the runs in sending order.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Return the bytes of a run of this outbox.
    ///
    /// # Panics
    /// Where the run belongs to another outbox or was cleared.
    #[must_use]
    pub fn bytes(&self, run: &Run) -> &[u8] {
        &self.buffer[..self.used][run.offset..run.offset + run.len]
    }

    /// Return the bytes of all datagrams.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.used
    }

    /// Iterate over the datagrams with their paths, for callers without segmentation offload.
    pub fn datagrams(&self) -> impl Iterator<Item = (PathId, &[u8])> {
        self.runs.iter().flat_map(|run| {
            let segments = self.bytes(run).chunks(run.segment_len);
            segments.map(|datagram| (run.path, datagram))
        })
    }

    /// Append a datagram; an empty one is not sent.
    pub fn push(&mut self, path: PathId, datagram: &[u8]) {
        self.reserve(datagram.len()).copy_from_slice(datagram);
        self.commit(path, datagram.len());
    }

    /// Reserve a buffer for a datagram of up to `max_len` bytes, to write in place before
    /// [`commit`].
    ///
    /// Its contents are undefined. Without a commit nothing is appended.
    ///
    /// [`commit`]: Outbox::commit
    pub fn reserve(&mut self, max_len: usize) -> &mut [u8] {
        let end = self.used + max_len;
        if self.buffer.len() < end {
            self.buffer.resize(end.next_power_of_two(), 0);
        }
        &mut self.buffer[self.used..end]
    }

    /// Append the first `len` bytes of the buffer of [`reserve`] as one datagram.
    ///
    /// # Panics
    /// Where more is committed than was ever reserved.
    ///
    /// [`reserve`]: Outbox::reserve
    pub fn commit(&mut self, path: PathId, len: usize) {
        assert!(self.used + len <= self.buffer.len(), "commit past reserve");
        if len == 0 {
            return;
        }
        let offset = self.used;
        self.used += len;
        match self.runs.last_mut() {
            Some(run) if run.takes(&path, len) => run.len += len,
            _ => self.runs.push(Run {
                path,
                offset,
                len,
                segment_len: len,
            }),
        }
    }
}
