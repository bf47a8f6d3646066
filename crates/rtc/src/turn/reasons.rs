//! Reason codes of failures, by the error codes of RFC 8656 section 19 and RFC 8489 section 14.8.

/// Reason: the server does not respond.
pub const REASON_TIMEOUT: &str = "turn_timeout";
/// Reason: the connection to the server ended.
pub const REASON_CLOSED: &str = "turn_connection_closed";
/// Reason: the server wants credentials and names no realm or nonce.
pub const REASON_MALFORMED: &str = "turn_malformed_response";
/// Reason: each nonce was stale.
pub const REASON_STALE_NONCE: &str = "turn_stale_nonce";

/// Reason: the server names another one, which cannot be used.
pub const REASON_ALTERNATE: &str = "turn_try_alternate";
/// Reason: the server names another one, which is not allowed.
pub const REASON_NOT_ALLOWED: &str = "turn_alternate_not_allowed";
/// Reason: servers name each other.
pub const REASON_LOOP: &str = "turn_alternate_loop";

/// Return the reason code of an error code.
pub fn of_code(code: u16) -> &'static str {
    match code {
        300 => REASON_ALTERNATE,
        400 => "turn_bad_request",
        401 => "turn_unauthorized",
        403 => "turn_forbidden",
        420 => "turn_unknown_attribute",
        437 => "turn_allocation_mismatch",
        438 => REASON_STALE_NONCE,
        440 => "turn_address_family_not_supported",
        441 => "turn_wrong_credentials",
        442 => "turn_unsupported_transport",
        443 => "turn_peer_address_family_mismatch",
        486 => "turn_allocation_quota_reached",
        500 => "turn_server_error",
        508 => "turn_insufficient_capacity",
        _ => "turn_error",
    }
}
