use core::fmt;
use wire::id::Ssrc;

/// Why a packet was not sealed. The packet must not be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SealError {
    /// The header, the payload and the tag do not fit the buffer.
    Size,
    /// SSRC or sequence number in the packet are not those it is sealed under.
    HeaderMismatch,
    /// The index was sealed before.
    IndexReused,
    /// The index is older than the window, so a reuse would not be detected.
    IndexTooOld,
    /// All indices of the key are used up (RFC 3711 section 9.2).
    IndexExhausted,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SealError::Size => "packet and tag do not fit the buffer",
            SealError::HeaderMismatch => "packet header differs from stream or index",
            SealError::IndexReused => "packet index sealed before",
            SealError::IndexTooOld => "packet index older than the seal window",
            SealError::IndexExhausted => "packet indices exhausted",
        })
    }
}

impl std::error::Error for SealError {}

/// Why a packet was not accepted. Its bytes are invalid afterwards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenError {
    /// Too short for its own header and tag.
    Truncated,
    /// Accepted before (RFC 3711 section 3.3.2).
    Replayed,
    /// Older than the replay window.
    TooOld,
    /// The authentication tag is wrong.
    BadTag,
    /// Unencrypted SRTCP (RFC 3711 section 3.4), where the profile encrypts.
    NotEncrypted,
    /// Authentic, but the peer uses too many SSRCs.
    TooManyStreams,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::Truncated => "packet too short",
            OpenError::Replayed => "packet replayed",
            OpenError::TooOld => "packet older than the replay window",
            OpenError::BadTag => "authentication failed",
            OpenError::NotEncrypted => "RTCP is not encrypted",
            OpenError::TooManyStreams => "too many SSRCs",
        })
    }
}

impl std::error::Error for OpenError {}

/// The SSRC was allocated before with this key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SsrcReused(pub Ssrc);

impl fmt::Display for SsrcReused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SSRC {} was used before on this transport", self.0)
    }
}

impl std::error::Error for SsrcReused {}
