"""Which web pages may talk to this server (RFC 6454), and what they are told (Fetch: CORS)."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from sfukit.signaling.refusal import Refusal

_EXPOSED = "Location, Link, ETag, Retry-After"
_BY_TOKEN = ("/whip/", "/whep/", "/sessions/")


class Origins:
    """Decide on the ``Origin`` of a request; programs send none and pass.

    Without keys nothing but the origin tells a page of the user's from a stranger's that runs in
    the user's browser: only pages of this server and of this machine pass, and only under an
    address, since a name can be pointed at us (DNS rebinding). With keys WHIP and WHEP are open to
    every page, as the token decides; the WebSocket is for this server's own pages and those
    allowed.
    """

    def __init__(self, allowed: tuple[str, ...], *, is_open: bool) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)
        self._is_open = is_open

    def admit(self, origin: str | None, host: str, path: str) -> Mapping[str, str]:
        """Return the headers that let the page read the answer, or raise ``Refusal``."""
        if self._is_open and not _is_local(host):
            raise Refusal(
                "origin_denied", f"without keys this server answers to its address, not to {host!r}"
            )
        if origin is None:
            return {}
        if not self._is_admitted(origin.lower(), host.lower(), path):
            raise Refusal("origin_denied", f"pages of {origin} may not use this server")
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _EXPOSED,
            "Vary": "Origin",
        }

    def _is_admitted(self, origin: str, host: str, path: str) -> bool:
        if "*" in self._allowed or origin in self._allowed:
            return True
        peer = origin.partition("://")[2]  # an origin has no path (RFC 6454 section 6.2)
        if peer == host:
            return True
        return _is_local(peer) if self._is_open else path.startswith(_BY_TOKEN)


def _is_local(host: str) -> bool:
    """Tell an address of this machine's loopback, or localhost."""
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
