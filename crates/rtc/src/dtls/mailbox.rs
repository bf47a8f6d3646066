use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// The wire as the library sees it: one call is one datagram.
#[derive(Default)]
pub(super) struct Mailbox {
    incoming: Vec<u8>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Mailbox {
    /// Lay down a datagram for the library to read.
    pub(super) fn deliver(&mut self, datagram: Vec<u8>) {
        self.incoming = datagram;
    }

    /// Take the next datagram to send.
    pub(super) fn collect(&mut self) -> Option<Vec<u8>> {
        let datagram = self.outgoing.pop_front();
        if self.outgoing.is_empty() {
            // An association is quiet for most of its life.
            self.outgoing = VecDeque::new();
        }
        datagram
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

impl Read for Mailbox {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = self.incoming.len().min(room.len());
        room[..len].copy_from_slice(&self.incoming[..len]);
        self.incoming = Vec::new();
        Ok(len)
    }
}

impl Write for Mailbox {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
