//! The test vectors of RFC 5769: messages that another implementation signed.

use wire::stun::{Class, IntegrityKey, Message, Method};

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

/// Section 2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae\
    802200105354554e207465737420636c69656e74\
    002400046e0001ff80290008932ff9b151263b36\
    000600096576746a3a68367659202020\
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

/// Section 2.2.
const IPV4_RESPONSE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae\
    8022000b7465737420766563746f7220002000080001a147e112a643\
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

/// Section 2.3.
const IPV6_RESPONSE: &str = "010100482112a442b7e7a701bc34d686fa87dfae\
    8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9\
    00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

/// Section 2.4.
const LONG_TERM_REQUEST: &str = "000100602112a44278ad3433c6ad72c029da412e\
    00060012e3839ee38388e383aae38383e382afe382b90000\
    0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341\
    0014000b6578616d706c652e6f726700\
    00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

/// MD5 of user, realm and the prepared password of section 2.4.
const LONG_TERM_KEY: &str = "e8ca7ad59d5eb0518e312911d2dab2a9";

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn request_of_an_ice_agent() {
    let datagram = bytes(REQUEST);
    let message = Message::parse(&datagram).unwrap();
    assert_eq!(
        (message.class, message.method),
        (Class::Request, Method::BINDING)
    );
    assert_eq!(message.software(), Some("STUN test client"));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert!(!message.use_candidate());
    assert_eq!(message.not_understood().count(), 0);
    assert!(message.check_integrity(&IntegrityKey::new(PASSWORD)));
    assert_eq!(message.check_fingerprint(), Some(true));
}

#[test]
fn responses_with_either_address_family() {
    let expected = [
        (IPV4_RESPONSE, "192.0.2.1:32853"),
        (
            IPV6_RESPONSE,
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ];
    for (hex, address) in expected {
        let datagram = bytes(hex);
        let message = Message::parse(&datagram).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.software(), Some("test vector"));
        assert_eq!(message.xor_mapped_address(), address.parse().ok());
        assert!(message.check_integrity(&IntegrityKey::new(PASSWORD)));
        assert_eq!(message.check_fingerprint(), Some(true));
    }
}

#[test]
fn request_with_a_long_term_credential() {
    let datagram = bytes(LONG_TERM_REQUEST);
    let message = Message::parse(&datagram).unwrap();
    assert_eq!(message.username(), Some("マトリックス"));
    assert!(message.check_integrity(&IntegrityKey::new(&bytes(LONG_TERM_KEY))));
    assert_eq!(message.check_fingerprint(), None);
    assert!(message.not_understood().eq([0x0015, 0x0014]));
}

#[test]
fn a_changed_bit_breaks_integrity_and_fingerprint() {
    let original = bytes(REQUEST);
    let key = IntegrityKey::new(PASSWORD);
    let signed = original.len() - 32;
    for at in 0..signed * 8 {
        let mut datagram = original.clone();
        datagram[at / 8] ^= 1 << (at % 8);
        if let Ok(message) = Message::parse(&datagram) {
            assert!(!message.check_integrity(&key), "bit {at}");
            assert_ne!(message.check_fingerprint(), Some(true), "bit {at}");
        }
    }
}

#[test]
fn another_password_fails() {
    let datagram = bytes(REQUEST);
    let message = Message::parse(&datagram).unwrap();
    assert!(!message.check_integrity(&IntegrityKey::new(b"VOkJxbRl1RmTxUk/WvJxBu")));
}
