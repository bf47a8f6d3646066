"""Origins that credentials may be sent to: their own, and allowed hosts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE = frozenset(("https", "wss"))


class Origin(NamedTuple):
    """Scheme, host and port (RFC 6454 section 4); ``ws`` and ``wss`` count as http and https."""

    secure: bool
    host: str
    port: int | None


def origin(url: str) -> Origin:
    """Return the origin of a URL; raises ``ValueError`` for an invalid port."""
    parts = urlsplit(url)
    port = _PORTS.get(parts.scheme) if parts.port is None else parts.port
    return Origin(parts.scheme in _SECURE, plain_host(parts.hostname or ""), port)


def denied_reason(home: str, url: str, allowed: frozenset[str]) -> str | None:
    """Return why credentials of ``home`` must not be sent to ``url``, or None.

    Never from https to http, even to allowed hosts (RFC 9110 section 15.4, RFC 9700 section 4.12).
    """
    mine, theirs = origin(home), origin(url)
    if mine.secure and not theirs.secure:
        return "from https to http"
    if mine == theirs or theirs.host in {plain_host(host) for host in allowed}:
        return None
    return "to another origin"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The headers of one origin: the token, and the headers given by the user.

    ``home`` is the URL as the user gave it; ``allowed`` are hosts of other origins (--allow-host).
    """

    home: str
    headers: Mapping[str, str] = field(repr=False)
    allowed: frozenset[str] = frozenset()

    def denied_reason(self, url: str) -> str | None:
        """Return why these headers must not be sent to a URL, or None."""
        return denied_reason(self.home, url, self.allowed)

    def headers_for(self, url: str) -> Mapping[str, str]:
        """Return the headers for a request to a URL: all of them, or none."""
        return self.headers if self.denied_reason(url) is None else {}


def plain_host(host: str) -> str:
    """Normalize a host: lower case, without brackets and the trailing dot."""
    return host.lower().rstrip(".").strip("[]")
