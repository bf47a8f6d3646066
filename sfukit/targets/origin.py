"""Where credentials may go: to the origin they were given for, else to hosts that were allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE = frozenset(("https", "wss"))


class Origin(NamedTuple):
    """Scheme, host and port (RFC 6454 section 4); ``ws`` and ``wss`` count as what they upgrade."""

    secure: bool
    host: str
    port: int | None


def origin(url: str) -> Origin:
    """Read the origin of a URL; raises ``ValueError`` where there is no such port."""
    parts = urlsplit(url)
    port = _PORTS.get(parts.scheme) if parts.port is None else parts.port
    return Origin(parts.scheme in _SECURE, plain_host(parts.hostname or ""), port)


def denied_reason(home: str, url: str, allowed: frozenset[str]) -> str | None:
    """Return why what belongs to ``home`` must not go to ``url``; None where it may.

    Never from https to http, whatever is allowed (RFC 9110 section 15.4, RFC 9700 section 4.12).
    """
    mine, theirs = origin(home), origin(url)
    if mine.secure and not theirs.secure:
        return "from https to http"
    if mine == theirs or theirs.host in {plain_host(host) for host in allowed}:
        return None
    return "to another origin"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The headers that belong to one origin: a token, and everything that was given to send along.

    ``home`` is the URL as the user gave it; ``allowed`` are hosts of other origins (--allow-host).
    """

    home: str
    headers: Mapping[str, str] = field(repr=False)
    allowed: frozenset[str] = frozenset()

    def denied_reason(self, url: str) -> str | None:
        """Return why these headers must not go to a URL; None where they may."""
        return denied_reason(self.home, url, self.allowed)

    def headers_for(self, url: str) -> Mapping[str, str]:
        """Take the headers for a request to a URL: all of them, or none."""
        return self.headers if self.denied_reason(url) is None else {}


def plain_host(host: str) -> str:
    """Write a host as others write it: case, brackets and the last dot mean nothing."""
    return host.lower().rstrip(".").strip("[]")
