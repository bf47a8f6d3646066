//! A packet as a source delivers it.

use wire::dependency::frame_number;
use wire::extension::Values;
use wire::id::Ssrc;

/// A packet of an encoding: decrypted, its extensions read, its padding removed.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// SSRC of the stream: another one than before restarts it.
    pub ssrc: Ssrc,
    /// Extended sequence number.
    pub index: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker bit.
    pub marker: bool,
    /// Bytes of its RTP header.
    pub header_len: usize,
    /// Values of its header extensions.
    pub values: &'a Values<'a>,
    /// RTP payload.
    pub payload: &'a [u8],
}

impl Packet<'_> {
    /// Return the frame number of its dependency descriptor.
    #[must_use]
    pub fn frame_number(&self) -> Option<u16> {
        frame_number(self.values.dependency_descriptor?)
    }
}
