//! Path: a local address, a remote address and a socket (a candidate pair of RFC 8445).

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Transport protocol of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Plain UDP.
    Udp,
}

/// Identity of a path.
///
/// The remote address alone is not enough: a host with several addresses may be reached by the same
/// peer on two of them, and a response from the wrong one breaks ICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathId {
    /// Index of the socket within its worker.
    pub socket: u8,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The local address of received and sent datagrams.
    pub local: IpAddr,
    /// The remote address.
    pub remote: SocketAddr,
}

impl PathId {
    /// Create a UDP path, with IPv4-mapped IPv6 addresses in their IPv4 form.
    ///
    /// A dual-stack socket reports an IPv4 peer as `::ffff:a.b.c.d`: without the canonical form one
    /// peer would have two paths, and address filters could be bypassed.
    #[must_use]
    pub fn udp(socket: u8, local: IpAddr, remote: SocketAddr) -> Self {
        Self {
            socket,
            protocol: Protocol::Udp,
            local: local.to_canonical(),
            remote: canonical(remote),
        }
    }
}

/// Return the canonical address, without IPv6 flow label, which may differ between datagrams.
fn canonical(address: SocketAddr) -> SocketAddr {
    match (address.ip().to_canonical(), address) {
        (IpAddr::V6(ip), SocketAddr::V6(v6)) => {
            SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into()
        }
        (ip, _) => SocketAddr::new(ip, address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_names_the_same_path_as_its_ipv4_form() {
        let mapped = PathId::udp(
            0,
            "::ffff:192.0.2.1".parse().unwrap(),
            "[::ffff:198.51.100.7]:5000".parse().unwrap(),
        );
        let plain = PathId::udp(
            0,
            "192.0.2.1".parse().unwrap(),
            "198.51.100.7:5000".parse().unwrap(),
        );
        assert_eq!(mapped, plain);
    }

    #[test]
    fn the_flow_label_is_no_part_of_a_path_and_the_scope_is() {
        let ip = "fe80::1".parse().unwrap();
        let path =
            |flow, scope| PathId::udp(0, ip, SocketAddrV6::new(ip_v6(ip), 9, flow, scope).into());
        assert_eq!(path(1, 2), path(7, 2));
        assert_ne!(path(1, 2), path(1, 3));
    }

    fn ip_v6(ip: IpAddr) -> std::net::Ipv6Addr {
        match ip {
            IpAddr::V6(ip) => ip,
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        }
    }
}
