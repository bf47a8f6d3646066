//! MAPPED-ADDRESS and XOR-MAPPED-ADDRESS (RFC 8489 section 14.1 and 14.2).

use super::{MAGIC_COOKIE, TransactionId};
use core::net::{IpAddr, SocketAddr};

const FAMILY_V4: u8 = 1;
const FAMILY_V6: u8 = 2;
/// Longest value: family and port, then an IPv6 address.
pub(super) const MAX_LEN: usize = 20;

pub(super) fn read(value: &[u8]) -> Option<SocketAddr> {
    let (&[_, family, p0, p1], address) = value.split_first_chunk::<4>()?;
    let ip = match family {
        FAMILY_V4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        FAMILY_V6 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([p0, p1])))
}

pub(super) fn read_xor(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    let mut plain = [0; MAX_LEN];
    let plain = plain.get_mut(..value.len())?;
    plain.copy_from_slice(value);
    mask(plain, transaction);
    read(plain)
}

/// Write the XOR form into `out`; return its length, 8 or 20 bytes.
pub(super) fn write_xor(
    out: &mut [u8; MAX_LEN],
    address: SocketAddr,
    transaction: &TransactionId,
) -> usize {
    let len = write(out, address);
    mask(&mut out[..len], transaction);
    len
}

/// Write the plain form into `out`; return its length, 8 or 20 bytes.
pub(super) fn write(out: &mut [u8; MAX_LEN], address: SocketAddr) -> usize {
    out[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            out[1] = FAMILY_V4;
            out[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            out[1] = FAMILY_V6;
            out[4..].copy_from_slice(&ip.octets());
            MAX_LEN
        }
    }
}

/// XOR the port with the cookie's start, the address with cookie and transaction id.
fn mask(value: &mut [u8], transaction: &TransactionId) {
    let port = value.iter_mut().skip(2).take(2);
    for (byte, key) in port.zip(MAGIC_COOKIE) {
        *byte ^= key;
    }
    let keys = MAGIC_COOKIE.into_iter().chain(transaction.0);
    for (byte, key) in value.iter_mut().skip(4).zip(keys) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTION: TransactionId = TransactionId([9; 12]);

    #[test]
    fn both_families_survive_a_round_trip() {
        for text in ["192.0.2.1:32853", "[2001:db8::1]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut out = [0; MAX_LEN];
            let len = write_xor(&mut out, address, &TRANSACTION);
            assert_eq!(read_xor(&out[..len], &TRANSACTION), Some(address));
        }
    }

    #[test]
    fn odd_families_and_lengths_are_no_address() {
        assert_eq!(read(&[0, 3, 0, 0, 1, 2, 3, 4]), None);
        assert_eq!(read(&[0, 1, 0, 0, 1, 2, 3]), None);
        assert_eq!(read(&[0, 1, 0]), None);
        assert_eq!(read_xor(&[0; 21], &TRANSACTION), None);
    }
}
