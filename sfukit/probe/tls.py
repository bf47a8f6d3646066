"""The TLS step: causes of failed handshakes, and a description of the session."""

import ssl
import time

from sfukit.probe.steps import StepFailedError
from sfukit.tls_fault import tls_fault

_WARN_DAYS = 14
_S_PER_DAY = 86_400


def fault(error: OSError, host: str) -> StepFailedError:
    """Return the failure of a handshake with its cause and fix."""
    return StepFailedError(*tls_fault(error, host))


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
