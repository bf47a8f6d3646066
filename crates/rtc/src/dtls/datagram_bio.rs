use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// The datagram BIO of the TLS library: one read or write call is one datagram.
#[derive(Default)]
pub(super) struct DatagramBio {
    incoming: Vec<u8>,
    outgoing: VecDeque<Vec<u8>>,
}

impl DatagramBio {
    /// Set the datagram that the library reads next.
    pub(super) fn set_incoming(&mut self, datagram: Vec<u8>) {
        self.incoming = datagram;
    }

    /// Return the next datagram to send.
    pub(super) fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        let datagram = self.outgoing.pop_front();
        if self.outgoing.is_empty() {
            // Frees the memory: an established association sends hardly anything.
            self.outgoing = VecDeque::new();
        }
        datagram
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

impl Read for DatagramBio {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = self.incoming.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.incoming[..len]);
        self.incoming = Vec::new();
        Ok(len)
    }
}

impl Write for DatagramBio {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
