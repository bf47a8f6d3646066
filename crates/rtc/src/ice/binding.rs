//! Binding requests and responses, for both roles (RFC 8445 sections 7.2 and 7.3).

use wire::stun::{Builder, Class, IntegrityKey, Message, Method, TransactionId, attribute};

use super::{Credentials, Rejected};
use crate::outbox::Outbox;
use crate::path::PathId;

/// The local credentials; the password is expanded into its HMAC key once.
#[derive(Debug)]
pub(super) struct Local {
    pub ufrag: String,
    pub key: IntegrityKey,
}

impl Local {
    pub fn new(credentials: &Credentials) -> Self {
        Self {
            ufrag: credentials.ufrag.clone(),
            key: IntegrityKey::new(credentials.pwd.as_bytes()),
        }
    }
}

/// USERNAME and integrity key of the checks towards the peer.
#[derive(Debug)]
pub(super) struct Remote {
    /// USERNAME: the remote ufrag, a colon, the local ufrag.
    pub username: String,
    pub key: IntegrityKey,
}

impl Remote {
    pub fn new(credentials: &Credentials, local_ufrag: &str) -> Self {
        Self {
            username: format!("{}:{local_ufrag}", credentials.ufrag),
            key: IntegrityKey::new(credentials.pwd.as_bytes()),
        }
    }
}

/// The ICE role of the local agent; a peer that claims the same role is a role conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Controlling,
    Controlled,
}

impl Role {
    fn is_claimed_by(self, request: &Message<'_>) -> bool {
        match self {
            Self::Controlling => request.ice_controlling().is_some(),
            Self::Controlled => request.ice_controlled().is_some(),
        }
    }
}

/// Return the part of USERNAME that names the receiver (RFC 8445 section 7.2.2).
pub(super) fn local_ufrag<'a>(request: &Message<'a>) -> Option<&'a str> {
    let (receiver, _sender) = request.username()?.split_once(':')?;
    Some(receiver)
}

/// Parse a STUN message and check its FINGERPRINT, before authentication.
pub(super) fn parse(datagram: &[u8]) -> Result<Message<'_>, Rejected> {
    let message = Message::parse(datagram).map_err(|_| Rejected::Malformed)?;
    // RFC 8489 section 14.7: a wrong FINGERPRINT means another protocol. A missing one is
    // tolerated: MESSAGE-INTEGRITY proves more.
    if message.check_fingerprint() == Some(false) {
        return Err(Rejected::BadFingerprint);
    }
    Ok(message)
}

/// Authenticate a Binding request addressed to `local` and send the response.
///
/// # Errors
/// The reason of the error response; `Ok` means a success response.
pub(super) fn respond(
    request: &Message<'_>,
    local: &Local,
    role: Role,
    path: PathId,
    scratch: &mut Vec<u8>,
    out: &mut Outbox,
) -> Result<(), Rejected> {
    let verdict = authenticate(request, local, role);
    write_response(request, &local.key, verdict, path, scratch);
    out.push(path, scratch);
    verdict
}

fn write_response(
    request: &Message<'_>,
    key: &IntegrityKey,
    verdict: Result<(), Rejected>,
    path: PathId,
    scratch: &mut Vec<u8>,
) {
    let class = verdict.map_or(Class::Error, |()| Class::Success);
    let response = Builder::new(scratch, class, Method::BINDING, request.transaction);
    let response = match verdict {
        Ok(()) => response.xor_mapped_address(path.remote),
        Err(Rejected::UnknownAttribute) => {
            let unknown: Vec<u16> = request.not_understood().take(16).collect();
            let response = response.error_code(420, "Unknown Attribute");
            response.unknown_attributes(&unknown)
        }
        Err(Rejected::RoleConflict) => response.error_code(487, "Role Conflict"),
        Err(Rejected::NoIntegrity) => response.error_code(400, "Bad Request"),
        Err(_) => response.error_code(401, "Unauthenticated"),
    };
    // RFC 8489 section 9.1.3: the error response to an unauthenticated request has no integrity.
    match verdict {
        Err(Rejected::NoIntegrity | Rejected::BadIntegrity) => response.fingerprint(),
        _ => response.integrity(key).fingerprint(),
    }
}

/// RFC 8489 section 9.1.3, then RFC 8445 section 7.3.1.1.
fn authenticate(request: &Message<'_>, local: &Local, role: Role) -> Result<(), Rejected> {
    if !has_integrity(request) {
        return Err(Rejected::NoIntegrity);
    }
    if !request.check_integrity(&local.key) {
        return Err(Rejected::BadIntegrity);
    }
    if request.not_understood().next().is_some() {
        return Err(Rejected::UnknownAttribute);
    }
    if role.is_claimed_by(request) {
        return Err(Rejected::RoleConflict);
    }
    Ok(())
}

pub(super) fn has_integrity(message: &Message<'_>) -> bool {
    message
        .attributes()
        .any(|found| found.kind == attribute::MESSAGE_INTEGRITY)
}

/// PRIORITY of a peer-reflexive candidate of a first component (RFC 8445 section 5.1.2.1).
pub(super) const fn reflexive_priority(local_preference: u16) -> u32 {
    110 << 24 | (local_preference as u32) << 8 | 0xff
}

/// Write a connectivity check towards the peer (RFC 8445 section 7.2.2).
pub(super) fn write_check(
    scratch: &mut Vec<u8>,
    transaction: TransactionId,
    remote: &Remote,
    role: Role,
    tie_breaker: u64,
    priority: u32,
    nominates: bool,
) {
    let check = Builder::new(scratch, Class::Request, Method::BINDING, transaction)
        .username(&remote.username)
        .priority(priority);
    let check = match role {
        Role::Controlling => check.ice_controlling(tie_breaker),
        Role::Controlled => check.ice_controlled(tie_breaker),
    };
    let check = if nominates {
        check.use_candidate()
    } else {
        check
    };
    check.integrity(&remote.key).fingerprint();
}
