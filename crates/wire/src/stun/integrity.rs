//! MESSAGE-INTEGRITY (RFC 8489 section 14.5) and FINGERPRINT (section 14.7).

use super::{ATTRIBUTE_HEADER_LEN, Attribute, HEADER_LEN, Message, attribute};
use core::fmt;
use ring::hmac;

pub(super) const INTEGRITY_LEN: usize = 20;
pub(super) const FINGERPRINT_LEN: usize = 4;
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// HMAC-SHA1 key of one set of credentials, expanded once.
#[derive(Clone)]
pub struct IntegrityKey(hmac::Key);

impl IntegrityKey {
    /// Build the key of a short-term credential: the password itself (RFC 8489 section 9.1.1).
    pub fn new(password: &[u8]) -> IntegrityKey {
        IntegrityKey(hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            password,
        ))
    }

    /// Sign `message`, which ends where MESSAGE-INTEGRITY will be.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; INTEGRITY_LEN] {
        let mut context = hmac::Context::with_key(&self.0);
        let body_len = message.len() + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN - HEADER_LEN;
        update_with_length(message, body_len, |part| context.update(part));
        let mut tag = [0; INTEGRITY_LEN];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey(..)")
    }
}

pub(super) fn check(message: &Message<'_>, key: &IntegrityKey) -> bool {
    let Some(found) = find(message, attribute::MESSAGE_INTEGRITY) else {
        return false;
    };
    let Ok(claimed) = <[u8; INTEGRITY_LEN]>::try_from(found.value) else {
        return false;
    };
    let right = key.sign(&message.bytes[..found.at]);
    let difference = claimed
        .iter()
        .zip(right)
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    core::hint::black_box(difference) == 0
}

pub(super) fn check_fingerprint(message: &Message<'_>) -> Option<bool> {
    let found = find(message, attribute::FINGERPRINT)?;
    // RFC 8489 section 14.7: it must be the last attribute.
    let is_last = found.end() == message.bytes.len();
    let right = fingerprint(&message.bytes[..found.at]).to_be_bytes();
    Some(is_last && found.value == right)
}

/// Return the FINGERPRINT of `message`, which ends where the attribute will be.
pub(super) fn fingerprint(message: &[u8]) -> u32 {
    let body_len = message.len() + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN - HEADER_LEN;
    let mut crc = Crc32::new();
    update_with_length(message, body_len, |part| crc.update(part));
    crc.finish() ^ FINGERPRINT_XOR
}

/// Feed `message` with its length field as if the attribute being computed were the last.
fn update_with_length(message: &[u8], body_len: usize, mut update: impl FnMut(&[u8])) {
    update(&message[..2]);
    update(&(body_len as u16).to_be_bytes());
    update(&message[4..]);
}

fn find<'a>(message: &Message<'a>, kind: u16) -> Option<Attribute<'a>> {
    message
        .attributes()
        .find(|attribute| attribute.kind == kind)
}

/// CRC-32 of ITU-T V.42, the one of zlib.
struct Crc32(u32);

impl Crc32 {
    fn new() -> Crc32 {
        Crc32(u32::MAX)
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |crc, &byte| {
            CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8
        });
    }

    fn finish(self) -> u32 {
        !self.0
    }
}

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_check_value() {
        let mut crc = Crc32::new();
        crc.update(b"12345");
        crc.update(b"6789");
        assert_eq!(crc.finish(), 0xcbf4_3926);
    }

    #[test]
    fn a_key_does_not_show_its_password() {
        assert_eq!(
            format!("{:?}", IntegrityKey::new(b"secret")),
            "IntegrityKey(..)"
        );
    }
}
