//! Writer of STUN messages.

use super::{
    Class, HEADER_LEN, IntegrityKey, MAGIC_COOKIE, Method, TransactionId, address, attribute,
    integrity, join_type,
};
use core::net::SocketAddr;

/// Writes one message into a buffer that the caller reuses; attributes are in call order.
///
/// [`integrity`](Builder::integrity) and then [`fingerprint`](Builder::fingerprint) come last.
#[derive(Debug)]
pub struct Builder<'a> {
    out: &'a mut Vec<u8>,
    transaction: TransactionId,
}

impl<'a> Builder<'a> {
    /// Start a message; the contents of `out` are replaced.
    pub fn new(
        out: &'a mut Vec<u8>,
        class: Class,
        method: Method,
        transaction: TransactionId,
    ) -> Builder<'a> {
        out.clear();
        out.extend_from_slice(&join_type(class, method).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&transaction.0);
        Builder { out, transaction }
    }

    /// Append an attribute of any type; padding is zero.
    pub fn attribute(self, kind: u16, value: &[u8]) -> Builder<'a> {
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out
            .extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.out.extend_from_slice(value);
        self.out.resize(self.out.len().next_multiple_of(4), 0);
        let body_len = (self.out.len() - HEADER_LEN) as u16;
        self.out[2..4].copy_from_slice(&body_len.to_be_bytes());
        self
    }

    /// Append USERNAME.
    pub fn username(self, username: &str) -> Builder<'a> {
        self.attribute(attribute::USERNAME, username.as_bytes())
    }

    /// Append PRIORITY.
    pub fn priority(self, priority: u32) -> Builder<'a> {
        self.attribute(attribute::PRIORITY, &priority.to_be_bytes())
    }

    /// Append USE-CANDIDATE.
    pub fn use_candidate(self) -> Builder<'a> {
        self.attribute(attribute::USE_CANDIDATE, &[])
    }

    /// Append ICE-CONTROLLING.
    pub fn ice_controlling(self, tie_breaker: u64) -> Builder<'a> {
        self.attribute(attribute::ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }

    /// Append ICE-CONTROLLED.
    pub fn ice_controlled(self, tie_breaker: u64) -> Builder<'a> {
        self.attribute(attribute::ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }

    /// Append XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(self, address: SocketAddr) -> Builder<'a> {
        self.xor_address(attribute::XOR_MAPPED_ADDRESS, address)
    }

    pub(super) fn xor_address(self, kind: u16, address: SocketAddr) -> Builder<'a> {
        let mut value = [0; address::MAX_LEN];
        let len = address::write_xor(&mut value, address, &self.transaction);
        self.attribute(kind, &value[..len])
    }

    /// Append ERROR-CODE; `code` is 300..=699 (RFC 8489 section 14.8).
    pub fn error_code(self, code: u16, reason: &str) -> Builder<'a> {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(reason.as_bytes());
        self.attribute(attribute::ERROR_CODE, &value)
    }

    /// Append UNKNOWN-ATTRIBUTES.
    pub fn unknown_attributes(self, kinds: &[u16]) -> Builder<'a> {
        let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &value)
    }

    /// Append SOFTWARE.
    pub fn software(self, name: &str) -> Builder<'a> {
        self.attribute(attribute::SOFTWARE, name.as_bytes())
    }

    /// Append MESSAGE-INTEGRITY over everything so far.
    pub fn integrity(self, key: &IntegrityKey) -> Builder<'a> {
        let tag = key.sign(self.out);
        self.attribute(attribute::MESSAGE_INTEGRITY, &tag)
    }

    /// Append FINGERPRINT over everything so far; the message is complete.
    pub fn fingerprint(self) {
        let crc = integrity::fingerprint(self.out);
        self.attribute(attribute::FINGERPRINT, &crc.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::Message;

    #[test]
    fn what_was_built_is_parsed() {
        let key = IntegrityKey::new(b"password");
        let mut out = Vec::new();
        Builder::new(
            &mut out,
            Class::Request,
            Method::BINDING,
            TransactionId([3; 12]),
        )
        .username("abcd:efgh")
        .priority(77)
        .use_candidate()
        .ice_controlling(0x0102_0304_0506_0708)
        .integrity(&key)
        .fingerprint();
        let message = Message::parse(&out).unwrap();
        assert_eq!(
            (message.class, message.method),
            (Class::Request, Method::BINDING)
        );
        assert_eq!(message.username(), Some("abcd:efgh"));
        assert_eq!(message.priority(), Some(77));
        assert!(message.use_candidate());
        assert_eq!(message.ice_controlling(), Some(0x0102_0304_0506_0708));
        assert_eq!(message.ice_controlled(), None);
        assert!(message.check_integrity(&key));
        assert!(!message.check_integrity(&IntegrityKey::new(b"passwore")));
        assert_eq!(message.check_fingerprint(), Some(true));
    }

    #[test]
    fn an_error_lists_unknown_attributes() {
        let mut out = Vec::new();
        Builder::new(
            &mut out,
            Class::Error,
            Method::BINDING,
            TransactionId([3; 12]),
        )
        .error_code(420, "Unknown Attribute")
        .unknown_attributes(&[0x7001, 0x7002])
        .software("test")
        .fingerprint();
        let message = Message::parse(&out).unwrap();
        assert_eq!(message.error_code(), Some((420, "Unknown Attribute")));
        assert!(message.unknown_attributes().eq([0x7001, 0x7002]));
        assert_eq!(message.software(), Some("test"));
        assert_eq!(message.check_fingerprint(), Some(true));
    }

    #[test]
    fn attributes_after_integrity_are_ignored() {
        let key = IntegrityKey::new(b"password");
        let mut out = Vec::new();
        Builder::new(
            &mut out,
            Class::Request,
            Method::BINDING,
            TransactionId([3; 12]),
        )
        .username("a:b")
        .integrity(&key)
        .use_candidate()
        .fingerprint();
        let message = Message::parse(&out).unwrap();
        assert!(message.check_integrity(&key));
        assert!(!message.use_candidate());
    }

    #[test]
    fn attributes_that_must_be_understood_are_listed() {
        let mut out = Vec::new();
        Builder::new(
            &mut out,
            Class::Request,
            Method::BINDING,
            TransactionId([3; 12]),
        )
        .username("a:b")
        .attribute(0x7001, &[1])
        .attribute(0xc057, &[1])
        .fingerprint();
        let message = Message::parse(&out).unwrap();
        assert!(message.not_understood().eq([0x7001]));
    }
}
