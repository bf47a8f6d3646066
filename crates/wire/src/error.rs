//! Parse errors, one enum per format.

use core::fmt;

/// Error in an RTP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RtpError {
    /// The datagram ends before the header, its CSRC list or its extension block does.
    Truncated,
    /// The version field is not 2.
    BadVersion,
    /// The padding count is zero or longer than the payload.
    BadPadding,
}

/// Error in an RTCP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RtcpError {
    /// The packet ends before its own length field or its fixed part says.
    Truncated,
    /// The version field is not 2.
    BadVersion,
    /// The padding count is zero, not a multiple of 4 or longer than the packet.
    BadPadding,
}

/// Error in a STUN message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StunError {
    /// The datagram is shorter than the 20-byte header.
    Truncated,
    /// The two most significant bits are not zero or the magic cookie is missing.
    NotStun,
    /// The length field is not a multiple of 4 or does not match the datagram.
    BadLength,
    /// An attribute ends beyond the message.
    BadAttribute,
}

/// Error in a mid or rid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdError {
    /// No characters at all.
    Empty,
    /// More than 16 bytes.
    TooLong,
    /// A byte that the grammar does not allow.
    BadCharacter,
}

/// Error in an `a=extmap` assignment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExtensionMapError {
    /// Identifier 0 and 15 are reserved by RFC 8285 (section 4.2 and 4.3).
    ReservedId,
    /// The identifier is already assigned to another extension.
    IdTaken,
}

macro_rules! describe {
    ($($error:ident { $($fault:ident => $text:literal),+ $(,)? })+) => {$(
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($error::$fault => $text),+ })
            }
        }

        impl core::error::Error for $error {}
    )+};
}

describe! {
    RtpError {
        Truncated => "RTP packet truncated",
        BadVersion => "RTP version is not 2",
        BadPadding => "RTP padding count does not fit the payload",
    }
    RtcpError {
        Truncated => "RTCP packet truncated",
        BadVersion => "RTCP version is not 2",
        BadPadding => "RTCP padding count does not fit the packet",
    }
    StunError {
        Truncated => "STUN message shorter than its header",
        NotStun => "no STUN magic cookie",
        BadLength => "STUN length does not match the datagram",
        BadAttribute => "STUN attribute ends beyond the message",
    }
    IdError {
        Empty => "empty identification",
        TooLong => "identification longer than 16 bytes",
        BadCharacter => "identification with a character outside its grammar",
    }
    ExtensionMapError {
        ReservedId => "header extension identifier is reserved",
        IdTaken => "header extension identifier stands for another extension",
    }
}
