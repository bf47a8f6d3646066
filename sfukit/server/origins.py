"""Check of the ``Origin`` of requests (RFC 6454), and CORS headers (Fetch standard)."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from sfukit.signaling.refusal import Refusal

_EXPOSED_HEADERS = "Location, Link, ETag, Retry-After"
_TOKEN_PATHS = ("/whip/", "/whep/", "/sessions/")


class Origins:
    """Admit requests by ``Origin``; requests without it (not from a web page) are admitted.

    Without API keys any web page in the user's browser could use the server: only pages of this
    server and of loopback origins are admitted, and only with a loopback address or localhost as
    ``Host`` (DNS rebinding). With API keys WHIP and WHEP admit every origin, since they need a
    token; the WebSocket admits the server's own origin and ``allowed_origins``.
    """

    def __init__(self, allowed: tuple[str, ...], *, is_open: bool) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)
        self._is_open = is_open

    def admit(self, origin: str | None, host: str, path: str) -> Mapping[str, str]:
        """Return the CORS headers of the response; raise ``Refusal`` (origin_denied)."""
        if self._is_open and not _is_local(host):
            raise Refusal(
                "origin_denied",
                f"without API keys the Host has to be a loopback address, not {host!r}",
            )
        if origin is None:
            return {}
        if not self._is_admitted(origin.lower(), host.lower(), path):
            raise Refusal("origin_denied", f"the origin {origin} is not allowed (allowed_origins)")
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _EXPOSED_HEADERS,
            "Vary": "Origin",
        }

    def _is_admitted(self, origin: str, host: str, path: str) -> bool:
        if "*" in self._allowed or origin in self._allowed:
            return True
        peer = origin.partition("://")[2]  # an origin has no path (RFC 6454 section 6.2)
        if peer == host:
            return True
        return _is_local(peer) if self._is_open else path.startswith(_TOKEN_PATHS)


def _is_local(host: str) -> bool:
    """Return whether a host is a loopback address or localhost."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
