//! Configuration, input and events of a transport.

use core::net::SocketAddr;
use core::time::Duration;

use wire::rtp::Header;

use crate::dtls::{self, Fingerprint};
use crate::ice::{Base, Credentials};
use crate::path::PathId;
use crate::srtp::Profile;

/// The ICE role of a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceRole {
    /// Lite, as a server with a public address.
    Lite,
    /// Full and controlling, as a bot.
    Controlling {
        /// Decides role conflicts (RFC 8445 section 7.3.1.1) and seeds ids and timing.
        tie_breaker: u64,
        /// The sockets to send checks from.
        bases: Vec<Base>,
    },
}

/// Configuration of a transport.
#[derive(Clone)]
pub struct TransportConfig {
    /// The ICE role.
    pub ice: IceRole,
    /// The local ICE credentials.
    pub local: Credentials,
    /// The DTLS certificate and settings.
    pub dtls: dtls::Context,
    /// The DTLS role; [`Transport::set_dtls_role`](super::Transport::set_dtls_role) may change it.
    pub dtls_role: dtls::Role,
    /// SRTP profiles, the preferred one first.
    pub profiles: Vec<Profile>,
    /// Longest UDP payload for DTLS and RTCP, bytes.
    pub mtu: usize,
}

/// Transport parameters of the remote description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteParameters {
    /// The remote ICE credentials.
    pub credentials: Credentials,
    /// Fingerprints of the remote certificate; one match is enough.
    pub fingerprints: Vec<Fingerprint>,
    /// Remote candidates; a lite transport ignores them.
    pub candidates: Vec<SocketAddr>,
}

/// What a datagram contained. The decrypted packet is at the start of the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// No media: STUN, DTLS, or dropped and counted.
    Nothing,
    /// An RTP packet.
    Rtp {
        /// Its parsed header.
        header: Header,
        /// Rollover counter and sequence number.
        index: u64,
        /// Bytes of header and decrypted payload.
        len: usize,
    },
    /// A compound RTCP packet.
    Rtcp {
        /// Bytes decrypted.
        len: usize,
    },
}

/// Events of a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// Datagrams from this path belong to this transport from now on.
    PathValidated(PathId),
    /// Datagrams are sent to this path from now on.
    PathSelected(PathId),
    /// Datagrams from this path no longer belong to this transport.
    PathRetired(PathId),
    /// DTLS is connected; media may be sent. Reported once.
    Connected {
        /// The negotiated SRTP profile.
        profile: Profile,
        /// From the start until the first path was validated.
        ice: Duration,
        /// From the first validated path until now.
        dtls: Duration,
    },
    /// The peer cannot be reached; it may reconnect.
    Disconnected(&'static str),
    /// The peer can be reached again after [`TransportEvent::Disconnected`].
    Resumed,
    /// The transport failed; close it, or restart ICE where ICE failed.
    Failed(&'static str),
    /// The peer sent close_notify.
    Closed(&'static str),
    /// A message for the data channels.
    ApplicationData(Vec<u8>),
}
