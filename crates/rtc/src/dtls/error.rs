use core::fmt;
use openssl::error::ErrorStack;

/// Why an association failed, or could not be set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DtlsError {
    /// The library refused a key, a certificate or a setting; its words.
    Setup(String),
    /// The handshake broke off; the library's words.
    Handshake(String),
    /// No handshake within 30 s. With the last thing that was refused on the way, if any.
    Timeout(Option<String>),
    /// The peer broke off the handshake with this alert (RFC 5246 section 7.2). Not authenticated,
    /// hence believed only once the peer stays silent.
    PeerAlert(u8),
    /// The peer's certificate is not the announced one.
    CertificateMismatch,
    /// The roles of an association do not change (RFC 8842 section 3.1): that takes another one.
    RoleFixed,
    /// The peer shares no SRTP protection profile with us.
    NoSrtpProfile,
    /// The association broke after its handshake; the library's words.
    Broken(String),
}

impl fmt::Display for DtlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DtlsError::Setup(words) => write!(f, "TLS setup: {words}"),
            DtlsError::Handshake(words) => write!(f, "DTLS handshake: {words}"),
            DtlsError::Timeout(None) => f.write_str("DTLS handshake timed out"),
            DtlsError::Timeout(Some(words)) => write!(f, "DTLS handshake timed out: {words}"),
            DtlsError::PeerAlert(alert) => write!(f, "peer sent DTLS alert {alert}"),
            DtlsError::CertificateMismatch => f.write_str("certificate fingerprint mismatch"),
            DtlsError::RoleFixed => f.write_str("the DTLS role of an association does not change"),
            DtlsError::NoSrtpProfile => f.write_str("no common SRTP protection profile"),
            DtlsError::Broken(words) => write!(f, "DTLS: {words}"),
        }
    }
}

impl std::error::Error for DtlsError {}

/// Errors of the library outside an association are errors of setting up.
impl From<ErrorStack> for DtlsError {
    fn from(stack: ErrorStack) -> DtlsError {
        DtlsError::Setup(reason(&stack))
    }
}

/// Return the first reason on `stack`, which is the fault; the rest are its consequences.
pub(super) fn reason(stack: &ErrorStack) -> String {
    let first = stack.errors().first();
    let known = first.and_then(|error| error.reason());
    known.unwrap_or("unknown").to_owned()
}
