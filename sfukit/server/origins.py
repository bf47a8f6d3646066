"""Which web pages may talk to this server (RFC 6454), and what they are told (Fetch, CORS protocol)."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from sfukit.signaling.refusal import Refusal

EXPOSED_HEADERS = "Location, Link, ETag, Retry-After"


class Origins:
    """Decide on the ``Origin`` of a request; programs send none and pass."""

    def __init__(self, allowed: tuple[str, ...], *, is_open: bool) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)
        self._is_open = is_open

    def check(self, origin: str | None, host: str) -> None:
        """Refuse a page from elsewhere, and a host name that an attacker's DNS points at us."""
        if self._is_open and not _is_literal(host):
            raise Refusal(
                "origin_denied", f"without keys this server answers to its address, not to {host!r}"
            )
        if origin is None or "*" in self._allowed or origin.lower() in self._allowed:
            return
        if urlsplit(origin).netloc.lower() != host.lower():
            raise Refusal("origin_denied", f"pages of {origin} may not use this server")

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """Let the page read the answer that it was allowed to ask for."""
        if origin is None:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED_HEADERS,
            "Vary": "Origin",
        }


def _is_literal(host: str) -> bool:
    """Tell an address or localhost from a name that may be rebound (DNS rebinding)."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
