//! The TURN server that a transport uses (RFC 8656).

use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Protocol between bot and TURN server.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum RelayProtocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// A TURN server and an account.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Address of the server.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Protocol to it.
    pub protocol: RelayProtocol,
    /// User name of the long-term credential.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Name that its certificate has to be valid for (TLS).
    #[serde(default)]
    pub server_name: String,
    /// File of the certificates to trust (TLS); none accepts every certificate.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Addresses of other servers that it may name, beside its own and those of this machine.
    #[serde(default)]
    pub alternates: Vec<IpAddr>,
    /// It may name any server.
    #[serde(default)]
    pub any_alternate: bool,
}

impl Relay {
    /// Return the address of the server.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// Return whether it may name a server at this address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let is_listed = || self.alternates.contains(&address.to_canonical());
        let is_local = address == self.ip || address.to_canonical().is_loopback();
        self.any_alternate || is_local || is_listed()
    }

    /// Return whether the connection to it is a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.protocol != RelayProtocol::Udp
    }
}

impl fmt::Debug for Relay {
    /// Omits the credential, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("server", &self.server())
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// Return the wildcard of the family of an address.
#[must_use]
pub fn wildcard_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
