//! RTP headers (RFC 3550 section 5.1) and demultiplexing of datagrams (RFC 7983, RFC 5761).

use crate::error::RtpError;
use crate::extension::Elements;
use crate::id::{PayloadType, Ssrc};

/// Length of a header without CSRCs and extensions, bytes.
pub const FIXED_HEADER_LEN: usize = 12;
/// X bit in the first byte of a header.
pub const HAS_EXTENSION: u8 = 0x10;

/// Protocol of a datagram on a media socket, by its first bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// STUN: first byte 0..=3.
    Stun,
    /// DTLS: first byte 20..=63.
    Dtls,
    /// RTP: first byte 128..=191 and no RTCP packet type.
    Rtp,
    /// RTCP: first byte 128..=191 and packet type 192..=223.
    Rtcp,
    /// Anything else (RFC 7983 section 7: drop it).
    Unknown,
}

/// Return the protocol of a datagram (RFC 7983 section 7).
#[inline]
pub fn demux(datagram: &[u8]) -> Kind {
    match datagram.first() {
        Some(0..=3) => Kind::Stun,
        Some(20..=63) => Kind::Dtls,
        Some(128..=191) if is_rtcp(datagram) => Kind::Rtcp,
        Some(128..=191) => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

/// Return whether a packet is RTCP, not RTP: packet types 192..=223 (RFC 5761 section 4).
#[inline]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram.get(1), Some(192..=223))
}

/// Position of the data of a header extension block in its datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExtensionBlock {
    /// `0xBEDE` for one-byte, `0x100X` for two-byte elements (RFC 8285).
    pub profile: u16,
    /// First byte of the data, after profile and length, from the start of the datagram.
    pub offset: u16,
    /// Length of the data, bytes, a multiple of 4.
    pub len: u16,
}

/// A parsed RTP header; the datagram is not copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// M bit.
    pub marker: bool,
    /// Payload type.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp, in units of the payload's clock rate.
    pub timestamp: u32,
    /// Source of the stream.
    pub ssrc: Ssrc,
    /// P bit: the payload ends with padding (see [`padding_len`]).
    pub has_padding: bool,
    /// Header length, bytes, CSRCs and extension block included.
    pub header_len: usize,
    /// The extension block, if the X bit is set.
    pub extension: Option<ExtensionBlock>,
}

impl Header {
    /// Parse the header at the start of `datagram`.
    ///
    /// The payload is not parsed: with SRTP it is still encrypted here.
    #[inline]
    pub fn parse(datagram: &[u8]) -> Result<Header, RtpError> {
        let Some((fixed, rest)) = datagram.split_first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(RtpError::Truncated);
        };
        let [flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if flags >> 6 != 2 {
            return Err(RtpError::BadVersion);
        }
        let csrc_len = usize::from(flags & 0x0f) * 4;
        if rest.len() < csrc_len {
            return Err(RtpError::Truncated);
        }
        let mut header = Header {
            marker: kind & 0x80 != 0,
            payload_type: PayloadType(kind & 0x7f),
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([i0, i1, i2, i3])),
            has_padding: flags & 0x20 != 0,
            header_len: FIXED_HEADER_LEN + csrc_len,
            extension: None,
        };
        if flags & 0x10 != 0 {
            header.find_extension(datagram)?;
        }
        Ok(header)
    }

    /// Iterate over the extension elements as `(identifier, value)`, either form of RFC 8285.
    ///
    /// `datagram` is the one the header was parsed from. A malformed element ends the iteration.
    #[inline]
    pub fn extensions<'a>(&self, datagram: &'a [u8]) -> Elements<'a> {
        let Some(block) = self.extension else {
            return Elements::new(0, &[]);
        };
        let start = usize::from(block.offset);
        let data = datagram.get(start..start + usize::from(block.len));
        Elements::new(block.profile, data.unwrap_or_default())
    }

    fn find_extension(&mut self, datagram: &[u8]) -> Result<(), RtpError> {
        let block = datagram.get(self.header_len..).unwrap_or_default();
        let Some((&[p0, p1, l0, l1], data)) = block.split_first_chunk::<4>() else {
            return Err(RtpError::Truncated);
        };
        let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let offset = self.header_len + 4;
        // A block that does not fit 16 bits does not fit a UDP datagram either.
        let (Ok(offset), Ok(short_len)) = (u16::try_from(offset), u16::try_from(len)) else {
            return Err(RtpError::Truncated);
        };
        if data.len() < len {
            return Err(RtpError::Truncated);
        }
        self.extension = Some(ExtensionBlock {
            profile: u16::from_be_bytes([p0, p1]),
            offset,
            len: short_len,
        });
        self.header_len += 4 + len;
        Ok(())
    }
}

/// Return the padding length of a decrypted payload whose P bit is set, 1..=255 bytes.
///
/// RFC 3550 section 5.1: the last byte counts itself. A count equal to the payload's length is a
/// padding-only packet.
pub fn padding_len(plain_payload: &[u8]) -> Result<usize, RtpError> {
    let count = usize::from(*plain_payload.last().ok_or(RtpError::BadPadding)?);
    if count == 0 || count > plain_payload.len() {
        return Err(RtpError::BadPadding);
    }
    Ok(count)
}

/// Fields of a header to write; CSRCs are never sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewHeader {
    /// M bit.
    pub marker: bool,
    /// Payload type; only 7 bits are written.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Source of the stream.
    pub ssrc: Ssrc,
    /// P bit; the caller puts the padding behind the payload.
    pub padding: bool,
}

/// Write a header and its prebuilt extension block to the start of `out`; return its length, bytes.
///
/// `extension_block` is empty or what [`BlockWriter`](crate::extension::BlockWriter) wrote. The
/// payload belongs right behind.
///
/// # Panics
/// If `out` is shorter than `12 + extension_block.len()`: the caller owns that buffer.
#[inline]
pub fn write(out: &mut [u8], header: &NewHeader, extension_block: &[u8]) -> usize {
    let header_len = FIXED_HEADER_LEN + extension_block.len();
    let (fixed, block) = out[..header_len].split_at_mut(FIXED_HEADER_LEN);
    let extended = u8::from(!extension_block.is_empty()) * HAS_EXTENSION;
    fixed[0] = 0x80 | u8::from(header.padding) << 5 | extended;
    fixed[1] = u8::from(header.marker) << 7 | header.payload_type.0 & 0x7f;
    fixed[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    fixed[8..12].copy_from_slice(&header.ssrc.0.to_be_bytes());
    block.copy_from_slice(extension_block);
    header_len
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: NewHeader = NewHeader {
        marker: true,
        payload_type: PayloadType(96),
        sequence: 0x1234,
        timestamp: 0xdead_beef,
        ssrc: Ssrc(0x0102_0304),
        padding: false,
    };

    #[test]
    fn what_was_written_is_parsed() {
        let mut out = [0; 20];
        let block = [0xbe, 0xde, 0, 1, 0x10, 0x61, 0, 0];
        let len = write(&mut out, &PLAIN, &block);
        let header = Header::parse(&out).unwrap();
        assert_eq!((len, header.header_len), (20, 20));
        assert_eq!(header.sequence, 0x1234);
        assert_eq!(header.timestamp, 0xdead_beef);
        assert_eq!(header.ssrc, Ssrc(0x0102_0304));
        assert!(header.marker && !header.has_padding);
        let elements: Vec<_> = header.extensions(&out).collect();
        assert_eq!(elements, [(1, &b"a"[..])]);
    }

    #[test]
    fn csrcs_belong_to_the_header() {
        let mut out = [0; 24];
        write(&mut out, &PLAIN, &[]);
        out[0] |= 2;
        assert_eq!(Header::parse(&out).unwrap().header_len, 20);
        assert_eq!(Header::parse(&out[..19]), Err(RtpError::Truncated));
    }

    #[test]
    fn a_block_longer_than_the_datagram_is_refused() {
        let mut out = [0; 16];
        write(&mut out, &PLAIN, &[0xbe, 0xde, 0, 1]);
        assert_eq!(Header::parse(&out), Err(RtpError::Truncated));
        assert_eq!(Header::parse(&out[..15]), Err(RtpError::Truncated));
    }

    #[test]
    fn another_version_is_refused() {
        let mut out = [0; 12];
        write(&mut out, &PLAIN, &[]);
        out[0] = 0x40;
        assert_eq!(Header::parse(&out), Err(RtpError::BadVersion));
    }

    #[test]
    fn padding_counts_itself_and_fits_the_payload() {
        assert_eq!(padding_len(&[9, 9, 1]), Ok(1));
        assert_eq!(padding_len(&[0, 0, 3]), Ok(3));
        assert_eq!(padding_len(&[0, 0, 4]), Err(RtpError::BadPadding));
        assert_eq!(padding_len(&[7, 0]), Err(RtpError::BadPadding));
        assert_eq!(padding_len(&[]), Err(RtpError::BadPadding));
    }

    #[test]
    fn first_bytes_tell_the_kind() {
        assert_eq!(demux(&[0, 1]), Kind::Stun);
        assert_eq!(demux(&[22, 254]), Kind::Dtls);
        assert_eq!(demux(&[0x80, 96]), Kind::Rtp);
        assert_eq!(demux(&[0x90, 0x80 | 96]), Kind::Rtp);
        assert_eq!(demux(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(demux(&[0x8f, 205]), Kind::Rtcp);
        assert_eq!(demux(&[64]), Kind::Unknown);
        assert_eq!(demux(&[]), Kind::Unknown);
    }
}
