//! Methods and attributes of TURN (RFC 8656 sections 17 and 18), and its ChannelData messages.

use super::{Builder, Message, Method, address};
use core::net::SocketAddr;
use core::ops::Range;

/// Allocate.
pub const ALLOCATE: Method = Method(3);
/// Refresh.
pub const REFRESH: Method = Method(4);
/// Send, an indication.
pub const SEND: Method = Method(6);
/// Data, an indication.
pub const DATA: Method = Method(7);
/// CreatePermission.
pub const CREATE_PERMISSION: Method = Method(8);
/// ChannelBind.
pub const CHANNEL_BIND: Method = Method(9);

const CHANNEL_NUMBER: u16 = 0x000c;
const LIFETIME: u16 = 0x000d;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA_VALUE: u16 = 0x0013;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const ALTERNATE_DOMAIN: u16 = 0x8003;
const ALTERNATE_SERVER: u16 = 0x8023;

/// Longest domain name (RFC 8489 section 14.16).
const MAX_DOMAIN: usize = 255;

/// Protocol number of UDP.
const UDP: u8 = 17;
const IPV6: u8 = 2;
/// Header of a ChannelData message: number and length.
pub const CHANNEL_HEADER_LEN: usize = 4;

impl<'a> Message<'a> {
    /// Return LIFETIME, seconds.
    pub fn lifetime_s(&self) -> Option<u32> {
        let value = self.value(LIFETIME)?;
        Some(u32::from_be_bytes(value.try_into().ok()?))
    }

    /// Return XOR-RELAYED-ADDRESS.
    pub fn xor_relayed_address(&self) -> Option<SocketAddr> {
        address::read_xor(self.value(XOR_RELAYED_ADDRESS)?, &self.transaction)
    }

    /// Return the first XOR-PEER-ADDRESS.
    pub fn xor_peer_address(&self) -> Option<SocketAddr> {
        address::read_xor(self.value(XOR_PEER_ADDRESS)?, &self.transaction)
    }

    /// Return where DATA is in the message.
    pub fn data(&self) -> Option<Range<usize>> {
        let value = self.value(DATA_VALUE)?;
        let start = value.as_ptr() as usize - self.bytes.as_ptr() as usize;
        Some(start..start + value.len())
    }

    /// Return ALTERNATE-SERVER (RFC 8489 section 14.15).
    pub fn alternate_server(&self) -> Option<SocketAddr> {
        address::read(self.value(ALTERNATE_SERVER)?)
    }

    /// Return ALTERNATE-DOMAIN (RFC 8489 section 14.16): the name in the certificate of the server.
    pub fn alternate_domain(&self) -> Option<&'a str> {
        let value = self.value(ALTERNATE_DOMAIN)?;
        let value = (1..=MAX_DOMAIN).contains(&value.len()).then_some(value)?;
        core::str::from_utf8(value).ok()
    }

    /// Return REALM.
    pub fn realm(&self) -> Option<&'a [u8]> {
        self.value(REALM)
    }

    /// Return NONCE.
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.value(NONCE)
    }
}

impl<'a> Builder<'a> {
    /// Append LIFETIME.
    pub fn lifetime_s(self, seconds: u32) -> Builder<'a> {
        self.attribute(LIFETIME, &seconds.to_be_bytes())
    }

    /// Append REQUESTED-TRANSPORT, UDP, and REQUESTED-ADDRESS-FAMILY where it is IPv6.
    pub fn requested_transport(self, is_ipv6: bool) -> Builder<'a> {
        let this = self.attribute(REQUESTED_TRANSPORT, &[UDP, 0, 0, 0]);
        match is_ipv6 {
            true => this.attribute(REQUESTED_ADDRESS_FAMILY, &[IPV6, 0, 0, 0]),
            false => this,
        }
    }

    /// Append XOR-PEER-ADDRESS.
    pub fn xor_peer_address(self, peer: SocketAddr) -> Builder<'a> {
        self.xor_address(XOR_PEER_ADDRESS, peer)
    }

    /// Append XOR-RELAYED-ADDRESS.
    pub fn xor_relayed_address(self, relayed: SocketAddr) -> Builder<'a> {
        self.xor_address(XOR_RELAYED_ADDRESS, relayed)
    }

    /// Append CHANNEL-NUMBER.
    pub fn channel_number(self, number: u16) -> Builder<'a> {
        let [high, low] = number.to_be_bytes();
        self.attribute(CHANNEL_NUMBER, &[high, low, 0, 0])
    }

    /// Append DATA.
    pub fn data(self, payload: &[u8]) -> Builder<'a> {
        self.attribute(DATA_VALUE, payload)
    }

    /// Append ALTERNATE-SERVER.
    pub fn alternate_server(self, server: SocketAddr) -> Builder<'a> {
        let mut value = [0; address::MAX_LEN];
        let len = address::write(&mut value, server);
        self.attribute(ALTERNATE_SERVER, &value[..len])
    }

    /// Append ALTERNATE-DOMAIN.
    pub fn alternate_domain(self, domain: &str) -> Builder<'a> {
        self.attribute(ALTERNATE_DOMAIN, domain.as_bytes())
    }

    /// Append REALM.
    pub fn realm(self, realm: &[u8]) -> Builder<'a> {
        self.attribute(REALM, realm)
    }

    /// Append NONCE.
    pub fn nonce(self, nonce: &[u8]) -> Builder<'a> {
        self.attribute(NONCE, nonce)
    }
}

/// Return the number and the payload range of a ChannelData message (RFC 8656 section 12.4).
///
/// Over UDP padding may follow; over a stream it always does, to a multiple of four bytes.
#[must_use]
pub fn channel_data(message: &[u8]) -> Option<(u16, Range<usize>)> {
    let (&[n0, n1, l0, l1], rest) = message.split_first_chunk::<CHANNEL_HEADER_LEN>()?;
    let number = u16::from_be_bytes([n0, n1]);
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let fits = is_channel_number(number) && len <= rest.len();
    fits.then_some((number, CHANNEL_HEADER_LEN..CHANNEL_HEADER_LEN + len))
}

/// Return the header of a ChannelData message of `len` bytes.
#[must_use]
pub fn channel_header(number: u16, len: u16) -> [u8; CHANNEL_HEADER_LEN] {
    let ([n0, n1], [l0, l1]) = (number.to_be_bytes(), len.to_be_bytes());
    [n0, n1, l0, l1]
}

/// Return whether this is a channel number (RFC 8656 section 12).
#[must_use]
pub fn is_channel_number(number: u16) -> bool {
    (0x4000..0x5000).contains(&number)
}
