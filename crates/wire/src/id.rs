//! SSRC, payload type, mid, rid, and extended sequence numbers.

use crate::error::IdError;
use core::fmt;
use core::str::FromStr;

/// Synchronisation source (RFC 3550 section 3).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// RTP payload type, 0..=127.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PayloadType(pub u8);

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const MAX_TOKEN_LEN: usize = 16;

/// A short token stored inline, so that a stream lookup allocates nothing.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Token {
    bytes: [u8; MAX_TOKEN_LEN],
    len: u8,
}

impl Token {
    fn new(text: &[u8], allowed: fn(u8) -> bool) -> Result<Token, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        let mut bytes = [0; MAX_TOKEN_LEN];
        let Some(room) = bytes.get_mut(..text.len()) else {
            return Err(IdError::TooLong);
        };
        if !text.iter().all(|&byte| allowed(byte)) {
            return Err(IdError::BadCharacter);
        }
        room.copy_from_slice(text);
        Ok(Token {
            bytes,
            len: text.len() as u8,
        })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn as_str(&self) -> &str {
        // Both grammars are subsets of ASCII, so the fallback is never taken.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// `token-char` of RFC 4566 section 9, which RFC 5888 uses for `a=mid`.
fn is_mid_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}

/// `rid-id` of RFC 8851 section 10.
fn is_rid_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $allowed:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Token);

        impl $name {
            /// Return the token as sent, bytes.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// Return the token as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                Token::new(bytes, $allowed).map($name)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.as_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

token! {
    /// Media identification of an m-line (RFC 5888, RFC 9143), at most 16 bytes.
    Mid, is_mid_byte
}

token! {
    /// Restriction identifier of an encoding (RFC 8851), at most 16 bytes.
    Rid, is_rid_byte
}

/// Extends 16-bit sequence numbers to indices `ROC || SEQ` that never wrap.
///
/// As in RFC 3711 section 3.3.1, the cycle is the one whose index is nearest to the highest index
/// seen. The first number starts cycle 0; one that would lie before cycle 0 is
/// given cycle 0 and does not move the highest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SequenceExtender {
    highest: Option<u64>,
}

impl SequenceExtender {
    /// Create an extender without sequence numbers.
    pub const fn new() -> SequenceExtender {
        SequenceExtender { highest: None }
    }

    /// Return the index of `sequence` and store it if it is the highest.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            self.highest = Some(u64::from(sequence));
            return u64::from(sequence);
        };
        let ahead = sequence.wrapping_sub(highest as u16);
        if ahead < 0x8000 {
            let index = highest + u64::from(ahead);
            self.highest = Some(index);
            return index;
        }
        self.peek(sequence)
    }

    /// Return the index of `sequence` without storing it.
    pub fn peek(&self, sequence: u16) -> u64 {
        self.highest.map_or(u64::from(sequence), |highest| {
            nearest_index(sequence, highest)
        })
    }

    /// Return the highest index seen.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Return the index of `sequence` that is nearest to `highest`; cycle 0 if that lies before it.
#[inline]
pub fn nearest_index(sequence: u16, highest: u64) -> u64 {
    let distance = sequence.wrapping_sub(highest as u16) as i16;
    highest
        .checked_add_signed(i64::from(distance))
        .unwrap_or(u64::from(sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rid_takes_its_grammar_only() {
        assert_eq!("hi-0_".parse::<Rid>().unwrap().as_str(), "hi-0_");
        assert_eq!("".parse::<Rid>(), Err(IdError::Empty));
        assert_eq!("a.b".parse::<Rid>(), Err(IdError::BadCharacter));
        assert_eq!("12345678901234567".parse::<Rid>(), Err(IdError::TooLong));
        assert_eq!(
            "1234567890123456".parse::<Rid>().unwrap().as_bytes().len(),
            16
        );
    }

    #[test]
    fn mid_takes_token_characters() {
        assert_eq!("{video}.1".parse::<Mid>().unwrap().to_string(), "{video}.1");
        assert_eq!("a b".parse::<Mid>(), Err(IdError::BadCharacter));
        assert_eq!("ä".parse::<Mid>(), Err(IdError::BadCharacter));
    }

    #[test]
    fn sequence_goes_on_over_the_wrap() {
        let mut extender = SequenceExtender::new();
        assert_eq!(extender.extend(65_534), 65_534);
        assert_eq!(extender.extend(1), 65_537);
        assert_eq!(extender.extend(65_535), 65_535);
        assert_eq!(extender.highest(), Some(65_537));
        assert_eq!(extender.peek(2), 65_538);
        assert_eq!(extender.highest(), Some(65_537));
    }

    #[test]
    fn a_number_before_the_first_cycle_does_not_move_the_highest() {
        let mut extender = SequenceExtender::new();
        extender.extend(3);
        assert_eq!(extender.extend(65_535), 65_535);
        assert_eq!(extender.highest(), Some(3));
        assert_eq!(extender.extend(4), 4);
    }
}
