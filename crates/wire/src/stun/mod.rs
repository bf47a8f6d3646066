//! STUN messages of ICE (RFC 8489, RFC 8445), parsed in place.

mod address;
mod build;
mod integrity;
pub mod turn;

pub use build::Builder;
pub use integrity::IntegrityKey;

use crate::error::StunError;
use core::net::SocketAddr;

/// Length of the message header, bytes.
pub const HEADER_LEN: usize = 20;
const ATTRIBUTE_HEADER_LEN: usize = 4;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Attribute types (RFC 8489 section 18.3, RFC 8445 section 16.1).
pub mod attribute {
    /// MAPPED-ADDRESS.
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    /// USERNAME.
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE.
    pub const ERROR_CODE: u16 = 0x0009;
    /// UNKNOWN-ATTRIBUTES.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    /// XOR-MAPPED-ADDRESS.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// PRIORITY.
    pub const PRIORITY: u16 = 0x0024;
    /// USE-CANDIDATE.
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// SOFTWARE.
    pub const SOFTWARE: u16 = 0x8022;
    /// FINGERPRINT.
    pub const FINGERPRINT: u16 = 0x8028;
    /// ICE-CONTROLLED.
    pub const ICE_CONTROLLED: u16 = 0x8029;
    /// ICE-CONTROLLING.
    pub const ICE_CONTROLLING: u16 = 0x802a;
}

/// Class of a message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// Request.
    Request,
    /// Indication: no response.
    Indication,
    /// Success response.
    Success,
    /// Error response.
    Error,
}

/// Method of a message, 12 bits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Method(pub u16);

impl Method {
    /// Binding, the only one ICE uses.
    pub const BINDING: Method = Method(1);
}

/// Transaction id, which matches a response to its request.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct TransactionId(pub [u8; 12]);

/// A well-formed message; the datagram is not copied.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Class.
    pub class: Class,
    /// Method.
    pub method: Method,
    /// Transaction.
    pub transaction: TransactionId,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Parse `datagram` as one message; attributes are checked once.
    pub fn parse(datagram: &'a [u8]) -> Result<Message<'a>, StunError> {
        let Some((header, body)) = datagram.split_first_chunk::<HEADER_LEN>() else {
            return Err(StunError::Truncated);
        };
        let [
            t0,
            t1,
            l0,
            l1,
            cookie @ ..,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
        ] = *header;
        // RFC 8489 section 5: two zero bits, then the type; the cookie identifies STUN.
        if t0 & 0xc0 != 0 || cookie != MAGIC_COOKIE {
            return Err(StunError::NotStun);
        }
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if !len.is_multiple_of(4) || len != body.len() {
            return Err(StunError::BadLength);
        }
        let mut transaction = TransactionId::default();
        transaction.0.copy_from_slice(&header[8..]);
        let (class, method) = split_type(u16::from_be_bytes([t0, t1]));
        let message = Message {
            class,
            method,
            transaction,
            bytes: datagram,
        };
        message.check_attributes()?;
        Ok(message)
    }

    /// Iterate over all attributes in their order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes {
            bytes: self.bytes,
            at: HEADER_LEN,
        }
    }

    /// Return the value of the first attribute of this type that MESSAGE-INTEGRITY covers.
    ///
    /// RFC 8489 section 14.5: what follows MESSAGE-INTEGRITY is ignored, FINGERPRINT excepted.
    pub fn value(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes()
            .take_while(|attribute| attribute.kind != attribute::MESSAGE_INTEGRITY)
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// Return USERNAME; at most 509 bytes of UTF-8 (RFC 8489 section 14.3).
    pub fn username(&self) -> Option<&'a str> {
        let value = self.value(attribute::USERNAME)?;
        if value.len() > 509 {
            return None;
        }
        core::str::from_utf8(value).ok()
    }

    /// Return PRIORITY.
    pub fn priority(&self) -> Option<u32> {
        let value = self.value(attribute::PRIORITY)?;
        value.try_into().ok().map(u32::from_be_bytes)
    }

    /// Return whether USE-CANDIDATE is set.
    pub fn use_candidate(&self) -> bool {
        self.value(attribute::USE_CANDIDATE).is_some()
    }

    /// Return the tie-breaker of ICE-CONTROLLING.
    pub fn ice_controlling(&self) -> Option<u64> {
        let value = self.value(attribute::ICE_CONTROLLING)?;
        value.try_into().ok().map(u64::from_be_bytes)
    }

    /// Return the tie-breaker of ICE-CONTROLLED.
    pub fn ice_controlled(&self) -> Option<u64> {
        let value = self.value(attribute::ICE_CONTROLLED)?;
        value.try_into().ok().map(u64::from_be_bytes)
    }

    /// Return XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        address::read_xor(
            self.value(attribute::XOR_MAPPED_ADDRESS)?,
            &self.transaction,
        )
    }

    /// Return MAPPED-ADDRESS, the form of RFC 3489 servers.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        address::read(self.value(attribute::MAPPED_ADDRESS)?)
    }

    /// Return ERROR-CODE: 300..=699 and the reason phrase (RFC 8489 section 14.8).
    pub fn error_code(&self) -> Option<(u16, &'a str)> {
        let (&[_, _, class, number], reason) = self
            .value(attribute::ERROR_CODE)?
            .split_first_chunk::<4>()?;
        let class = u16::from(class & 7);
        if !(3..=6).contains(&class) || number > 99 {
            return None;
        }
        let reason = core::str::from_utf8(reason).unwrap_or_default();
        Some((class * 100 + u16::from(number), reason))
    }

    /// Return SOFTWARE.
    pub fn software(&self) -> Option<&'a str> {
        core::str::from_utf8(self.value(attribute::SOFTWARE)?).ok()
    }

    /// Iterate over the types that UNKNOWN-ATTRIBUTES names.
    pub fn unknown_attributes(&self) -> impl Iterator<Item = u16> + use<'a> {
        let value = self
            .value(attribute::UNKNOWN_ATTRIBUTES)
            .unwrap_or_default();
        value
            .chunks_exact(2)
            .map(|kind| u16::from_be_bytes([kind[0], kind[1]]))
    }

    /// Iterate over the unknown comprehension-required attributes (type below 0x8000): a request
    /// with one gets a 420 response (RFC 8489 section 6.3.1).
    pub fn not_understood(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.attributes()
            .take_while(|attribute| attribute.kind != attribute::MESSAGE_INTEGRITY)
            .map(|attribute| attribute.kind)
            .filter(|&kind| kind < 0x8000 && !is_understood(kind))
    }

    /// Return whether MESSAGE-INTEGRITY is present and valid for `key`, in constant time.
    pub fn check_integrity(&self, key: &IntegrityKey) -> bool {
        integrity::check(self, key)
    }

    /// Return whether FINGERPRINT is valid; `None` if there is none.
    pub fn check_fingerprint(&self) -> Option<bool> {
        integrity::check_fingerprint(self)
    }

    fn check_attributes(&self) -> Result<(), StunError> {
        let mut at = HEADER_LEN;
        while at < self.bytes.len() {
            let attribute = read_attribute(self.bytes, at).ok_or(StunError::BadAttribute)?;
            at = attribute.end();
        }
        Ok(())
    }
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attribute<'a> {
    /// Type, see [`attribute`].
    pub kind: u16,
    /// Value without its padding.
    pub value: &'a [u8],
    at: usize,
}

impl Attribute<'_> {
    fn end(&self) -> usize {
        self.at + ATTRIBUTE_HEADER_LEN + self.value.len().next_multiple_of(4)
    }
}

/// Iterator over the attributes of a message.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let attribute = read_attribute(self.bytes, self.at)?;
        self.at = attribute.end();
        Some(attribute)
    }
}

fn read_attribute(bytes: &[u8], at: usize) -> Option<Attribute<'_>> {
    let (&[k0, k1, l0, l1], rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    // The message's length is a multiple of 4, so the padding is there too.
    let value = rest.get(..len)?;
    Some(Attribute {
        kind: u16::from_be_bytes([k0, k1]),
        value,
        at,
    })
}

fn is_understood(kind: u16) -> bool {
    use attribute::*;
    matches!(
        kind,
        MAPPED_ADDRESS
            | USERNAME
            | MESSAGE_INTEGRITY
            | ERROR_CODE
            | UNKNOWN_ATTRIBUTES
            | XOR_MAPPED_ADDRESS
            | PRIORITY
            | USE_CANDIDATE
    )
}

/// Split the type into class, bits 4 and 8, and method (RFC 8489 section 5, figure 3).
fn split_type(kind: u16) -> (Class, Method) {
    let class = match (kind & 0x0100 != 0, kind & 0x0010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    };
    let method = kind & 0x000f | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2;
    (class, Method(method))
}

fn join_type(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    let method = method.0 & 0x0fff;
    class | method & 0x000f | (method & 0x0070) << 1 | (method & 0x0f80) << 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_and_method_interleave() {
        for class in [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ] {
            for method in 0..0x1000 {
                let joined = join_type(class, Method(method));
                assert_eq!(joined & 0xc000, 0);
                assert_eq!(split_type(joined), (class, Method(method)));
            }
        }
        assert_eq!(join_type(Class::Success, Method::BINDING), 0x0101);
    }

    #[test]
    fn lengths_must_match_the_datagram() {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        assert!(Message::parse(&message).is_ok());
        message[3] = 4;
        assert_eq!(Message::parse(&message).err(), Some(StunError::BadLength));
        message.extend([0x80, 0x22, 0, 1]);
        assert_eq!(
            Message::parse(&message).err(),
            Some(StunError::BadAttribute)
        );
        message[4] = 0;
        assert_eq!(Message::parse(&message).err(), Some(StunError::NotStun));
        assert_eq!(
            Message::parse(&message[..19]).err(),
            Some(StunError::Truncated)
        );
    }
}
