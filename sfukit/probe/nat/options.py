"""What is asked of a probe: servers, tests, timeouts."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from sfukit.errors import UsageError
from sfukit.probe.environment.proxy import Proxy
from sfukit.probe.resolve import NAME_S, Endpoint, Family, endpoint

Level = Literal["quick", "default", "full"]

TESTS = (
    "mapping",
    "filtering",
    "hairpin",
    "alloc",
    "pooling",
    "lifetime",
    "mtu",
    "frag",
    "portmap",
    "path",
    "ports",
    "ipv6",
)
LEVELS: dict[Level, frozenset[str]] = {
    "quick": frozenset({"mapping"}),
    "default": frozenset({"mapping", "filtering", "alloc", "ports", "ipv6", "path", "portmap"}),
    "full": frozenset(TESTS),
}
STUN_PORT = 3478
MEDIA_PORT = 7081
"""The default media port of ``sfukit serve``."""

PUBLIC_SERVERS = ("stun.l.google.com:19302", "stun.cloudflare.com:3478")
"""On two networks; neither has a second address, so they show mapping, not filtering."""


@dataclass(frozen=True)
class Options:
    """One run. Times in s; ``retries`` counts sends where an answer is the evidence."""

    servers: Sequence[Endpoint]
    tests: frozenset[str] = LEVELS["default"]
    level: Level = "default"
    public_servers: bool = False
    family: Family = "both"
    bind_ip: str | None = None
    bind_port: int = 0
    all_interfaces: bool = False
    proxy: Proxy | None = None
    timeout_s: float = 0.6
    retries: int = 3
    samples: int = 6
    lifetime_max_s: float = 180.0
    tcp: bool = False
    sfu: Endpoint | None = None

    @property
    def name_s(self) -> float:
        """Return the timeout of a name server, at least that of a request. Unit: s."""
        return max(NAME_S, self.timeout_s)


def servers(texts: Sequence[str]) -> list[Endpoint]:
    """Read the servers as a user gives them, ``stun:host[:port]``."""
    return [endpoint(text, default_port=STUN_PORT, scheme="stun", where="server") for text in texts]


def chosen_tests(names: str | None, level: Level) -> frozenset[str]:
    """Read ``--tests a,b``; without it the level decides."""
    if names is None:
        return LEVELS[level]
    wanted = frozenset(filter(None, names.replace(" ", "").split(",")))
    for name in sorted(wanted - set(TESTS)):
        raise UsageError(f"--tests {name}: not known", hint=f"choose from {', '.join(TESTS)}")
    # every other test needs the answers of this one
    return wanted | {"mapping"}


def sfu_endpoint(text: str) -> Endpoint:
    """Read ``--sfu``: HOST:PORT of the media, or a URL, whose host has media on the usual port."""
    if "://" not in text:
        return endpoint(text, default_port=MEDIA_PORT, where="--sfu")
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not host:
        raise UsageError(f"--sfu {text!r}: this is no URL", hint="give URL or HOST:PORT")
    return Endpoint(host, MEDIA_PORT)


def bind_address(text: str | None) -> tuple[str | None, int]:
    """Read ``--bind IP[:PORT]``; the port is 0 (any) where it is left out.

    0.0.0.0 and :: name no address: the system chooses, as it does where none is given.
    """
    if text is None:
        return None, 0
    head, colon, tail = text.rpartition(":")
    bare = text if text.count(":") > 1 and not text.startswith("[") else None
    ip, port = (bare, "") if bare else (head, tail) if colon else (text, "")
    ip = (ip or "").strip("[]")
    try:
        named = not ipaddress.ip_address(ip).is_unspecified
        number = int(port or 0)
    except ValueError:
        named, number = False, -1
    if not 0 <= number < 65536:
        raise UsageError(f"--bind {text!r}: not an address", hint="give IP, IP:PORT or [IPv6]:PORT")
    return ip if named else None, number
