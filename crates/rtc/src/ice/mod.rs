//! Interactive Connectivity Establishment (RFC 8445): the validated and the selected paths.
//!
//! The server is always [`IceLite`]: it responds to checks, selects nominated paths whose address
//! is validated by a check of its own, and verifies consent. Bots are [`IceControlling`]: they send
//! checks and nominate. Both keep their validated paths in the same bounded table and report its
//! changes as [`IceEvent`]s.

mod address_validation;
mod agent;
mod binding;
mod check;
mod checklist;
mod consent;
mod controlling;
mod lite;
mod paths;
mod random;

use core::fmt;
use core::time::Duration;

use wire::stun::Message;

use crate::path::PathId;

pub(crate) use agent::Agent;
pub use checklist::Base;
pub use controlling::IceControlling;
pub use lite::IceLite;
pub(crate) use random::unpredictable_transaction;

/// A path without an authenticated packet for this long is retired (RFC 7675 section 5.1).
pub const CONSENT_EXPIRY: Duration = Duration::from_secs(30);

/// Reason: no path was ever validated within [`CONSENT_EXPIRY`].
pub const REASON_TIMEOUT: &str = "ice_timeout";
/// Reason: the peer rejected the credentials (400, 401) and no path was validated.
pub const REASON_UNAUTHORIZED: &str = "ice_unauthorized";
/// Reason: the peer claims the controlling role as well (RFC 8445 section 7.2.5.1).
pub const REASON_ROLE_CONFLICT: &str = "ice_role_conflict";
/// Reason: no validated path had a packet, or consent, for [`CONSENT_EXPIRY`].
pub const REASON_CONSENT_EXPIRED: &str = "consent_expired";

/// ICE credentials of one side (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The username fragment, 4 to 256 ice-chars.
    pub ufrag: String,
    /// The password, 22 to 256 ice-chars.
    pub pwd: String,
}

impl fmt::Debug for Credentials {
    /// Omits the password, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// A change of the paths of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceEvent {
    /// Datagrams from this path are accepted from now on.
    PathValidated(PathId),
    /// Datagrams are sent to this path from now on.
    PathSelected(PathId),
    /// Datagrams from this path are no longer accepted.
    PathRetired(PathId),
    /// The peer cannot be reached at the moment; a later check reconnects it.
    Disconnected(&'static str),
    /// No path was validated; only an ICE restart helps.
    Failed(&'static str),
}

/// Why a STUN message was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Not a STUN message.
    Malformed,
    /// FINGERPRINT is wrong.
    BadFingerprint,
    /// Neither a Binding request nor the response to a pending check.
    Unexpected,
    /// USERNAME does not start with the local username fragment.
    UnknownUfrag,
    /// MESSAGE-INTEGRITY is missing.
    NoIntegrity,
    /// MESSAGE-INTEGRITY was computed with another password.
    BadIntegrity,
    /// Unknown comprehension-required attribute (RFC 8489 section 6.3.1).
    UnknownAttribute,
    /// The peer claims the local role (RFC 8445 section 7.3.1.1).
    RoleConflict,
    /// Response from another path than that of its check (RFC 8445 section 7.2.5.2.1).
    Asymmetric,
}

/// Return whether a STUN datagram is a response (RFC 8489 section 5), which has no USERNAME.
#[must_use]
pub fn is_response(datagram: &[u8]) -> bool {
    // The upper bit of the class.
    datagram.first().is_some_and(|byte| byte & 1 != 0)
}

/// Return the username fragment that a STUN request is addressed to, where it holds one.
///
/// The server finds the transport by it; nothing is authenticated yet.
#[must_use]
pub fn username_ufrag(datagram: &[u8]) -> Option<&str> {
    let message = Message::parse(datagram).ok()?;
    binding::local_ufrag(&message)
}
