//! The SRTP contexts of a connected transport: one for each direction.

use core::fmt;

use super::DropReason;
use crate::dtls::Role;
use crate::srtp::{
    KeyingMaterial, OpenError, Opened, Opener, Profile, SealError, SealStream, Sealer, SsrcReused,
};
use wire::id::Ssrc;
use wire::rtp::Header;

/// Why a packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// DTLS is not connected yet, or the transport is closed.
    NotConnected,
    /// No path is selected at the moment.
    NoPath,
    /// The address is not validated, and the amplification limit is reached.
    AddressNotValidated,
    /// The SSRC was used before on this transport.
    SsrcReused(SsrcReused),
    /// The packet cannot be sealed.
    Seal(SealError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("transport not connected"),
            Self::NoPath => f.write_str("no path to the peer"),
            Self::AddressNotValidated => {
                f.write_str("amplification limit: remote address not validated")
            }
            Self::SsrcReused(error) => error.fmt(f),
            Self::Seal(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}

impl From<SsrcReused> for SendError {
    fn from(error: SsrcReused) -> Self {
        Self::SsrcReused(error)
    }
}

impl From<SealError> for SendError {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

pub(super) struct Protection {
    sealer: Sealer,
    opener: Opener,
}

impl Protection {
    /// Create both SRTP contexts; a DTLS client sends with the client key (RFC 5764 section 4.2).
    pub fn new(role: Role, keying: &KeyingMaterial) -> Self {
        let (ours, theirs) = match role {
            Role::Client => (&keying.client, &keying.server),
            Role::Server => (&keying.server, &keying.client),
        };
        Self {
            sealer: Sealer::new(keying.profile, ours),
            opener: Opener::new(keying.profile, theirs),
        }
    }

    pub fn profile(&self) -> Profile {
        self.sealer.profile()
    }

    pub fn stream(&mut self, ssrc: Ssrc) -> Result<SealStream, SsrcReused> {
        self.sealer.stream(ssrc)
    }

    #[inline]
    pub fn prefetch_sealing(&self) {
        self.sealer.prefetch();
    }

    #[inline]
    pub fn prefetch_opening(&self) {
        self.opener.prefetch();
    }

    #[inline]
    pub fn seal_rtp(
        &mut self,
        stream: &mut SealStream,
        index: u64,
        packet: &mut [u8],
        header_len: usize,
        plain_len: usize,
    ) -> Result<usize, SealError> {
        self.sealer
            .seal_rtp(stream, index, packet, header_len, plain_len)
    }

    /// Seal `plain` into `room`, which is [`Profile::rtcp_overhead`] bytes longer.
    pub fn seal_rtcp(&mut self, plain: &[u8], room: &mut [u8]) -> Result<usize, SealError> {
        let place = room.get_mut(..plain.len()).ok_or(SealError::Size)?;
        place.copy_from_slice(plain);
        self.sealer.seal_rtcp(room, plain.len())
    }

    #[inline]
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<(Header, Opened), DropReason> {
        let header = Header::parse(packet).map_err(|_| DropReason::SrtpMalformed)?;
        let opened = self.opener.open_rtp(&header, packet)?;
        Ok((header, opened))
    }

    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        self.opener.open_rtcp(packet)
    }
}

/// Return how much of a compound buffer fits a datagram: whole packets of at most `max_len` bytes
/// together, yet always the first one. The remainder is a compound of its own (RFC 5506).
pub(super) fn whole_packets(compound: &[u8], max_len: usize) -> usize {
    let mut end = 0;
    while let Some(&[_, _, high, low]) = compound.get(end..).and_then(|rest| rest.first_chunk()) {
        // RFC 3550 section 6.4.1: the length in 32-bit words minus one.
        let len = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if end > 0 && end + len > max_len {
            return end;
        }
        end += len;
    }
    compound.len()
}

#[cfg(test)]
mod tests {
    use super::whole_packets;

    fn packet(len: usize) -> Vec<u8> {
        let mut packet = vec![0; len];
        packet[..2].copy_from_slice(&[0x80, 200]);
        packet[2..4].copy_from_slice(&((len / 4 - 1) as u16).to_be_bytes());
        packet
    }

    #[test]
    fn a_compound_is_cut_between_packets() {
        let compound = [packet(400), packet(500), packet(300), packet(8)].concat();
        assert_eq!(whole_packets(&compound, 1000), 900);
        assert_eq!(whole_packets(&compound[900..], 1000), 308);
        assert_eq!(whole_packets(&compound, 1208), 1208);
    }

    #[test]
    fn a_packet_above_the_mtu_is_not_cut() {
        assert_eq!(whole_packets(&packet(2000), 1000), 2000);
        assert_eq!(whole_packets(&[0x80, 200, 0xff, 0xff, 1, 2], 4), 6);
        assert_eq!(whole_packets(&[1, 2, 3], 1000), 3);
    }
}
