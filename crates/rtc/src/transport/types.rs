//! What goes into a transport and what comes out of it.

use core::net::SocketAddr;
use core::time::Duration;

use wire::rtp::Header;

use crate::dtls::{self, Fingerprint};
use crate::ice::{Base, Credentials};
use crate::path::PathId;
use crate::srtp::Profile;

/// Which half of ICE a transport plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IceRole {
    /// Wait to be checked, as a server with a public address does.
    Lite,
    /// Check and nominate, as a bot does.
    Controlling {
        /// Decides role conflicts (RFC 8445 section 7.3.1.1) and seeds ids and timing.
        tie_breaker: u64,
        /// The sockets to check from.
        bases: Vec<Base>,
    },
}

/// What a transport is made of.
#[derive(Clone)]
pub struct TransportConfig {
    /// Our half of ICE.
    pub ice: IceRole,
    /// Our ICE credentials.
    pub local: Credentials,
    /// The identity to show.
    pub dtls: dtls::Context,
    /// Our half of DTLS; a lite transport may take the other one when it learns its peer.
    pub dtls_role: dtls::Role,
    /// SRTP profiles, the preferred one first.
    pub profiles: Vec<Profile>,
    /// Longest UDP payload for DTLS and RTCP, bytes.
    pub mtu: usize,
}

/// What the peer's session description says about its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteParameters {
    /// Its ICE credentials.
    pub credentials: Credentials,
    /// Its certificate, by hash; one match is enough.
    pub fingerprints: Vec<Fingerprint>,
    /// Where to send checks; a lite transport ignores them.
    pub candidates: Vec<SocketAddr>,
}

/// What a datagram held. The plain packet stands in the caller's buffer, from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing for the caller: handshakes, or dropped and counted.
    Nothing,
    /// An RTP packet.
    Rtp {
        /// Its parsed header.
        header: Header,
        /// Rollover counter and sequence number.
        index: u64,
        /// Bytes of header and plain payload.
        len: usize,
    },
    /// A compound RTCP packet.
    Rtcp {
        /// Its plain bytes.
        len: usize,
    },
}

/// What happened to a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// Datagrams from this path belong here from now on.
    PathValidated(PathId),
    /// Datagrams leave for this path from now on.
    PathSelected(PathId),
    /// Datagrams from this path no longer belong here.
    PathRetired(PathId),
    /// The peer is verified; media may flow. Comes once.
    Connected {
        /// The SRTP profile agreed upon.
        profile: Profile,
        /// From the start until the first path was validated.
        ice: Duration,
        /// From the first validated path until now.
        dtls: Duration,
    },
    /// The peer cannot be reached; it may come back.
    Disconnected(&'static str),
    /// The peer can be reached again after [`TransportEvent::Disconnected`].
    Resumed,
    /// It will not work; close the transport, or restart ICE where ICE failed.
    Failed(&'static str),
    /// The peer closed.
    Closed(&'static str),
    /// A message for the data channels.
    ApplicationData(Vec<u8>),
}
