//! Interactive Connectivity Establishment (RFC 8445): which paths a transport may trust and use.
//!
//! The server is always [`IceLite`]: it answers checks, follows the peer's nomination to addresses
//! that answer checks of its own, and keeps asking for consent. Bots are [`IceControlling`]: they send the checks and nominate. Both keep their trusted paths in the same
//! bounded table and report what happens to it as [`IceEvent`]s.

mod agent;
mod binding;
mod check;
mod checklist;
mod consent;
mod controlling;
mod lite;
mod paths;
mod proof;
mod random;

use core::fmt;
use core::time::Duration;

use wire::stun::Message;

use crate::path::PathId;

pub(crate) use agent::Agent;
pub use checklist::Base;
pub use controlling::IceControlling;
pub use lite::IceLite;

/// A path without an authenticated packet for this long is given up (RFC 7675 section 5.1).
pub const CONSENT_EXPIRY: Duration = Duration::from_secs(30);

/// Reason: no path was ever validated within [`CONSENT_EXPIRY`].
pub const REASON_TIMEOUT: &str = "ice_timeout";
/// Reason: the peer refused our credentials and no path was validated.
pub const REASON_UNAUTHORIZED: &str = "ice_unauthorized";
/// Reason: the peer insists on the controlling role, which is ours (RFC 8445 section 7.2.5.1).
pub const REASON_ROLE_CONFLICT: &str = "ice_role_conflict";
/// Reason: all validated paths fell silent for [`CONSENT_EXPIRY`].
pub const REASON_CONSENT_EXPIRED: &str = "consent_expired";

/// Name and prove one side of an ICE association (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The username fragment, 4 to 256 ice-chars.
    pub ufrag: String,
    /// The password, 22 to 256 ice-chars.
    pub pwd: String,
}

impl fmt::Debug for Credentials {
    /// Keep the password out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// Tell what happened to the paths of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceEvent {
    /// Datagrams from this path are accepted from now on.
    PathValidated(PathId),
    /// Datagrams are sent to this path from now on.
    PathSelected(PathId),
    /// Datagrams from this path are no longer accepted.
    PathRetired(PathId),
    /// The peer cannot be reached at the moment; checks that arrive or succeed later mend it.
    Disconnected(&'static str),
    /// No path was found, and only a restart helps.
    Failed(&'static str),
}

/// Say why a STUN message was not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It is no STUN message.
    Malformed,
    /// Its FINGERPRINT is wrong.
    BadFingerprint,
    /// It is neither a Binding request nor the response to a check of ours.
    Unexpected,
    /// Its USERNAME does not begin with a username fragment of ours.
    UnknownUfrag,
    /// It lacks MESSAGE-INTEGRITY.
    NoIntegrity,
    /// Its MESSAGE-INTEGRITY was not made with our password.
    BadIntegrity,
    /// It must be understood in full and was not (RFC 8489 section 6.3.1).
    UnknownAttribute,
    /// It claims the role that is ours (RFC 8445 section 7.3.1.1).
    RoleConflict,
    /// It is an answer from another path than the one asked (RFC 8445 section 7.2.5.2.1).
    Asymmetric,
}

/// Say whether a STUN datagram answers a request (RFC 8489 section 5): it names no username.
#[must_use]
pub fn is_response(datagram: &[u8]) -> bool {
    // The upper bit of the class.
    datagram.first().is_some_and(|byte| byte & 1 != 0)
}

/// Return the username fragment that a STUN request is addressed to, where it holds one.
///
/// That is all a server needs to find the transport; nothing is authenticated yet.
#[must_use]
pub fn username_ufrag(datagram: &[u8]) -> Option<&str> {
    let message = Message::parse(datagram).ok()?;
    binding::local_ufrag(&message)
}
