"""Why a TLS handshake failed: its cause, and the fix."""

import ssl
from typing import NamedTuple

# X509_V_ERR_* of OpenSSL
_EXPIRED, _NOT_YET = 10, 9
_NAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64


class TlsFault(NamedTuple):
    """A cause (a word of the docs' tables), the observation, and the fix."""

    cause: str
    found: str
    fix: str


def tls_fault(error: OSError, host: str) -> TlsFault:
    """Return why a handshake with ``host`` failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _refused_certificate(error, host)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return TlsFault(
            "no_tls",
            f"the server does not speak TLS ({reason})",
            "is this the TLS port? or use the scheme without TLS",
        )
    return TlsFault(
        "tls_broken",
        f"the connection closed during the handshake ({error.strerror or error})",
        "is this the TLS port, and does the server have a certificate?",
    )


def _refused_certificate(error: ssl.SSLCertVerificationError, host: str) -> TlsFault:
    match error.verify_code:
        case code if code == _EXPIRED:
            return TlsFault(
                "certificate_expired", "the certificate has expired", "renew it on the server"
            )
        case code if code == _NOT_YET:
            return TlsFault(
                "certificate_not_yet_valid",
                "the certificate is not valid yet",
                "compare this machine's clock and the server's",
            )
        case code if code in (_NAME_MISMATCH, _ADDRESS_MISMATCH):
            return TlsFault(
                "certificate_name",
                f"the certificate is for other names than {host}",
                "use a name of the certificate, or renew it with this one",
            )
    return TlsFault(
        "certificate_untrusted",
        f"the certificate is not trusted here ({error.verify_message})",
        "use a certificate of a public authority; or trust its own with a CA file, or --insecure",
    )
