"""The TLS step: causes of failed handshakes, and a description of the session."""

import ssl
import time

from sfukit.probe.steps import StepFailedError

# X509_V_ERR_* of OpenSSL
_EXPIRED, _NOT_YET = 10, 9
_NAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64
_WARN_DAYS = 14
_S_PER_DAY = 86_400


def fault(error: OSError, host: str) -> StepFailedError:
    """Return the failure of a handshake with its cause and fix."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _refused_certificate(error, host)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return StepFailedError(
            "no_tls",
            f"the server does not speak TLS ({reason})",
            "is this the TLS port? or use the scheme without TLS",
        )
    return StepFailedError(
        "tls_broken",
        f"the connection closed during the handshake ({error.strerror or error})",
        "is this the TLS port, and does the server have a certificate?",
    )


def described(session: ssl.SSLObject | ssl.SSLSocket | None, now_s: float | None = None) -> str:
    """Describe the TLS version, and the validity of the certificate where it was verified."""
    if session is None:
        return "TLS"
    version = session.version() or "TLS"
    certificate = session.getpeercert()
    if not certificate:
        return f"{version}, certificate not verified"
    ends = str(certificate.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(ends) - (now_s or time.time())) / _S_PER_DAY
    soon = "  renew it soon" if days < _WARN_DAYS else ""
    return f"{version}, certificate valid for {days:.0f} days{soon}"


def _refused_certificate(error: ssl.SSLCertVerificationError, host: str) -> StepFailedError:
    match error.verify_code:
        case code if code == _EXPIRED:
            return StepFailedError(
                "certificate_expired", "the certificate has expired", "renew it on the server"
            )
        case code if code == _NOT_YET:
            return StepFailedError(
                "certificate_not_yet_valid",
                "the certificate is not valid yet",
                "compare this machine's clock and the server's",
            )
        case code if code in (_NAME_MISMATCH, _ADDRESS_MISMATCH):
            return StepFailedError(
                "certificate_name",
                f"the certificate is for other names than {host}",
                "use a name of the certificate, or renew it with this one",
            )
    return StepFailedError(
        "certificate_untrusted",
        f"the certificate is not trusted here ({error.verify_message})",
        "use a certificate of a public authority; or trust its own with a CA file, or --insecure",
    )
