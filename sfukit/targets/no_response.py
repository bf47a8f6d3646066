"""Why an HTTP request got no response: the fault, and its fix."""

import errno
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from sfukit.errors import TargetError
from sfukit.targets.redirect import RedirectError
from sfukit.tls_fault import tls_fault

_DEEPEST = 8  # causes of one exception
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH)


def no_response(error: httpx.HTTPError, url: str, waited_s: float) -> TargetError:
    """Return the error of a request to ``url`` that got no response."""
    if isinstance(error, RedirectError):
        return TargetError(f"{url}: {error}", hint=error.hint)
    if isinstance(error, httpx.TimeoutException):
        return TargetError(
            f"{url} did not answer within {waited_s:.0f} s",
            hint="is it running, and does a firewall drop the packets?",
        )
    found, fix = _fault(error, url)
    return TargetError(f"{url} cannot be reached: {found}", hint=fix)


def _fault(error: httpx.HTTPError, url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    for cause in _causes(error):
        match cause:
            case ssl.SSLError():
                found = tls_fault(cause, host)
                return found.found, found.fix.replace("a CA file", "--cacert FILE")
            case socket.gaierror():
                return f"the name {host} does not resolve", "check its spelling, and this network"
            case ConnectionRefusedError():
                where = f"port {parts.port or (443 if is_tls else 80)} of {host}"
                return f"nothing listens on {where}", "start the server, or give its port"
            case OSError(errno=number) if number in _NO_ROUTE:
                return f"there is no route to {host}", "check the address, and this network"
    if not isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return str(error) or type(error).__name__, "is it running and reachable?"
    if "disconnected" in str(error) or isinstance(error, httpx.ReadError):
        found_text = "the server closes the connection without a response"
    else:
        found_text = "the server does not answer with HTTP"
    return found_text, "is this its HTTP port?" + ("" if is_tls else " or does it expect https?")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an exception and its causes, the first of each group."""
    found: BaseException | None = error
    for _ in range(_DEEPEST):
        if found is None:
            return
        yield found
        nested = found.exceptions[0] if isinstance(found, BaseExceptionGroup) else None
        found = nested or found.__cause__ or found.__context__
