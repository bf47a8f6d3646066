//! Where the packets of a subscriber go: out through a transport, or into anything else.

use rtc::outbox::Outbox;
use rtc::path::PathId;
use rtc::srtp::{Profile, SealStream};
use rtc::transport::Transport;
use wire::time::Time;

use crate::keys::TransportKey;

/// Ethernet's MTU without the headers of UDP and IPv4 or IPv6: no path is taken to carry more.
const MAX_DATAGRAM_LEN_IPV4: usize = 1_500 - 28;
const MAX_DATAGRAM_LEN_IPV6: usize = 1_500 - 48;

/// A receiver of packets beside the transports of a room: a recorder, a relay.
pub trait Sink: Send {
    /// Take an RTP packet, not encrypted, with the numbers of the subscription that it is for.
    fn take(&mut self, now: Time, packet: &[u8]);

    /// Return the most bytes of a packet.
    fn max_rtp_len(&self) -> usize {
        MAX_DATAGRAM_LEN_IPV4
    }
}

/// Where the packets of a subscriber go.
pub enum Drain {
    /// A transport of the room.
    Transport(TransportKey),
    /// Anything else.
    Sink(Box<dyn Sink>),
}

/// The transports of a room, as far as packets leave on them.
pub trait Transports {
    /// Return a transport that media may be sent on now, and its selected path.
    fn sending(&mut self, key: TransportKey) -> Option<(&mut Transport, PathId)>;

    /// Load a transport that is used next.
    fn prefetch(&self, key: TransportKey);

    /// Load the SRTP keys of a transport that is used next.
    fn prefetch_sealing(&self, key: TransportKey);
}

/// Why a packet did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// Its stream has no keys yet.
    NoKeys,
    /// The transport refused to seal it.
    Refused,
}

/// Takes the packets of one subscriber in one round.
///
/// The implementations are known at compile time, so that the packet path has no indirect call.
pub trait Output {
    /// Return the most bytes of an RTP packet, not yet encrypted.
    fn max_rtp_len(&self) -> usize;

    /// Send a packet that `write` puts into a buffer of `capacity` bytes; it returns the lengths of the
    /// header and of the packet. Return the bytes on the wire.
    ///
    /// # Errors
    /// Where the packet did not leave.
    fn send(
        &mut self,
        stream: &mut Option<SealStream>,
        index: u64,
        capacity: usize,
        write: impl FnOnce(&mut [u8]) -> (usize, usize),
    ) -> Result<usize, NotSent>;
}

/// Encrypts packets in place and appends them to the outbox.
pub struct Sealed<'a> {
    /// Encrypts them.
    pub transport: &'a mut Transport,
    /// Where they go.
    pub path: PathId,
    /// Datagrams to send.
    pub out: &'a mut Outbox,
}

impl Output for Sealed<'_> {
    #[inline]
    fn max_rtp_len(&self) -> usize {
        let max_datagram_len = match self.path.remote.is_ipv4() {
            true => MAX_DATAGRAM_LEN_IPV4,
            false => MAX_DATAGRAM_LEN_IPV6,
        };
        let profile = self.transport.srtp_profile();
        max_datagram_len - profile.map_or(0, Profile::rtp_overhead)
    }

    #[inline(always)]
    fn send(
        &mut self,
        stream: &mut Option<SealStream>,
        index: u64,
        capacity: usize,
        write: impl FnOnce(&mut [u8]) -> (usize, usize),
    ) -> Result<usize, NotSent> {
        let stream = stream.as_mut().ok_or(NotSent::NoKeys)?;
        let buffer = self.out.reserve(capacity);
        let (header_len, len) = write(buffer);
        let sealed = self
            .transport
            .seal_rtp(stream, index, buffer, header_len, len)
            .map_err(|_| NotSent::Refused)?;
        self.out.commit(self.path, sealed);
        Ok(sealed)
    }
}

/// Passes packets to a sink as they are.
pub struct Plain<'a> {
    /// The instant.
    pub now: Time,
    /// Takes them.
    pub sink: &'a mut dyn Sink,
    /// Memory for one packet.
    pub buffer: &'a mut Vec<u8>,
}

impl Output for Plain<'_> {
    fn max_rtp_len(&self) -> usize {
        self.sink.max_rtp_len()
    }

    fn send(
        &mut self,
        _: &mut Option<SealStream>,
        _: u64,
        capacity: usize,
        write: impl FnOnce(&mut [u8]) -> (usize, usize),
    ) -> Result<usize, NotSent> {
        if self.buffer.len() < capacity {
            self.buffer.resize(capacity, 0);
        }
        let (_, len) = write(self.buffer);
        self.sink.take(self.now, &self.buffer[..len]);
        Ok(len)
    }
}
