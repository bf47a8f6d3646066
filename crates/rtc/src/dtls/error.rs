use core::fmt;
use openssl::error::ErrorStack;

/// Why an association failed, or could not be set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DtlsError {
    /// The library rejected a key, a certificate or a setting; its error text.
    Setup(String),
    /// The handshake failed; the error text of the library.
    Handshake(String),
    /// No handshake within 30 s; the error text of the last rejected ClientHello, if any.
    Timeout(Option<String>),
    /// The peer ended the handshake with this alert (RFC 5246 section 7.2). Not authenticated,
    /// hence reported only once the peer sends nothing else.
    PeerAlert(u8),
    /// The peer's certificate is not the announced one.
    CertificateMismatch,
    /// The role of an association does not change (RFC 8842 section 3.1); it takes a new
    /// association.
    RoleFixed,
    /// The peer shares no SRTP protection profile with us.
    NoSrtpProfile,
    /// The association failed after its handshake; the error text of the library.
    Broken(String),
}

impl fmt::Display for DtlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DtlsError::Setup(reason) => write!(f, "TLS setup: {reason}"),
            DtlsError::Handshake(reason) => write!(f, "DTLS handshake: {reason}"),
            DtlsError::Timeout(None) => f.write_str("DTLS handshake timed out"),
            DtlsError::Timeout(Some(reason)) => write!(f, "DTLS handshake timed out: {reason}"),
            DtlsError::PeerAlert(alert) => write!(f, "peer sent DTLS alert {alert}"),
            DtlsError::CertificateMismatch => f.write_str("certificate fingerprint mismatch"),
            DtlsError::RoleFixed => f.write_str("the DTLS role of an association does not change"),
            DtlsError::NoSrtpProfile => f.write_str("no common SRTP protection profile"),
            DtlsError::Broken(reason) => write!(f, "DTLS: {reason}"),
        }
    }
}

impl std::error::Error for DtlsError {}

/// Library errors outside an association are setup errors.
impl From<ErrorStack> for DtlsError {
    fn from(stack: ErrorStack) -> DtlsError {
        DtlsError::Setup(reason(&stack))
    }
}

/// Return the first reason on `stack`, the root cause; the others follow from it.
pub(super) fn reason(stack: &ErrorStack) -> String {
    let first = stack.errors().first();
    let known = first.and_then(|error| error.reason());
    known.unwrap_or("unknown").to_owned()
}
