"""A candidate with all attributes of its line or of a browser's statistics."""

import ipaddress
import re
from collections.abc import Mapping

import msgspec

from sfukit.signaling import candidates

MAX_CANDIDATES = 500
_FAR = ipaddress.ip_network("100.64.0.0/10")
_DOCUMENTED = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
_DOCKER = ipaddress.ip_network("172.17.0.0/16")

# Chromium's network types, and its network-cost (0, 10, 900; a tunnel costs one more)
_NETWORKS: Mapping[str, str] = {"ethernet": "eth", "wifi": "wlan", "vpn": "tun"}
_COSTS: Mapping[str, str] = {"0": "eth", "10": "wlan", "900": "cellular", "1": "tun", "11": "tun"}

# candidate types of Firefox and older browsers
_KINDS: Mapping[str, str] = {
    "serverreflexive": "srflx",
    "peerreflexive": "prflx",
    "relayed": "relay",
    "relayed-udp": "relay",
    "relayed-tcp": "relay",
    "relayed-tls": "relay",
}


_TYPES = ("host", "srflx", "prflx", "relay")
_TRANSPORTS = ("udp", "tcp", "ssltcp", "tls")  # the last two are Chromium's own
_OLD_TCP: Mapping[str, tuple[str, str]] = {
    "tcp-act": ("tcp", "active"),
    "tcp-pass": ("tcp", "passive"),
    "tcp-so": ("tcp", "so"),
}
_LONGEST_FOUNDATION = 32  # RFC 8839 section 5.1
_NAME = re.compile(r"(?=[\w.-]*[A-Za-z])[\w.-]{1,253}", re.ASCII)


class IceCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate; ``address`` is an IP address or an mDNS name, ``gathered_ms`` since start."""

    kind: str
    transport: str
    address: str
    port: int
    priority: int | None = None
    component: int = 1
    foundation: str = ""
    tcp_type: str | None = None
    related_address: str | None = None
    related_port: int | None = None
    ufrag: str | None = None
    network: str | None = None
    server: str | None = None
    gathered_ms: float | None = None

    @property
    def ip(self) -> candidates.Address | None:
        """The IP address, or None where there is a name."""
        try:
            return ipaddress.ip_address(self.address)
        except ValueError:
            return None

    @property
    def is_mdns(self) -> bool:
        """Whether an mDNS name stands for the address (draft-ietf-mmusic-mdns-ice-candidates)."""
        return self.address.endswith(".local")

    @property
    def private(self) -> bool:
        """Whether the address means something only in its own network."""
        if self.ip is None or self.documented:
            return False
        return not self.ip.is_global or self.ip.is_multicast

    @property
    def documented(self) -> bool:
        """Whether it is an address for documents, in the place of a public one (RFC 5737, 3849)."""
        ip = self.ip
        return ip is not None and any(
            ip in network for network in _DOCUMENTED if network.version == ip.version
        )

    @property
    def endpoint(self) -> str:
        """The address and port, an IPv6 address in brackets."""
        version = 6 if ":" in self.address else 4
        host = f"[{self.address}]" if version == 6 else self.address
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.kind} {self.transport} {self.endpoint}"


def parse(text: str) -> IceCandidate:
    """Read a candidate line with its extensions (RFC 8839 section 5.1); raise ValueError."""
    base = candidates.parse(text)
    fields = text.split()[8:]
    more = dict(zip(fields[::2], fields[1::2], strict=False))
    port = more.get("rport", "")
    kind = kind_of(base.kind)
    transport, tcp_type = _transport_of(base.transport, more.get("tcptype"))
    _require(base, kind, transport)
    return IceCandidate(
        kind=kind,
        transport=transport,
        address=base.host.lower(),
        port=base.port,
        priority=base.priority,
        component=base.component,
        foundation=base.foundation,
        tcp_type=tcp_type,
        related_address=_related(more.get("raddr")),
        related_port=int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None,
        ufrag=more.get("ufrag"),
        network=_COSTS.get(more.get("network-cost", "")),
    )


def _transport_of(word: str, tcp_type: str | None) -> tuple[str, str | None]:
    """Return transport and tcptype of RFC 6544; drafts had the type in the transport."""
    return _OLD_TCP.get(word, (word, tcp_type))


def _require(base: candidates.Candidate, kind: str, transport: str) -> None:
    if len(base.foundation) > _LONGEST_FOUNDATION:
        raise ValueError(f"a foundation of {len(base.foundation)} characters, and 32 are the most")
    if not 1 <= base.component <= 256:
        raise ValueError(f"component {base.component} is none of 1 to 256")
    if transport not in _TRANSPORTS:
        raise ValueError(f"transport {transport!r} is none of {', '.join(_TRANSPORTS)}")
    if kind not in _TYPES:
        raise ValueError(f"type {kind!r} is none of {', '.join(_TYPES)}")
    if base.address is None and not _NAME.fullmatch(base.host):
        raise ValueError(f"{base.host!r} is neither an address nor a name")


def _related(word: str | None) -> str | None:
    """Read a related address; an invalid one, such as ``::/0``, counts as absent."""
    try:
        return None if word is None else str(ipaddress.ip_address(word))
    except ValueError:
        return word if word is not None and _NAME.fullmatch(word) else None


def kind_of(word: str) -> str:
    """Return the candidate type of RFC 8839."""
    return _KINDS.get(word.lower(), word.lower())


def network_of(word: str | None) -> str | None:
    """Return the network name of the articles' score; None where unknown."""
    if word in (None, "unknown"):
        return None
    return _NETWORKS.get(word, word)


def address_scope(address: candidates.Address) -> str:
    """Describe the scope of an address."""
    if address.is_loopback:
        return "this machine only"
    if address.is_link_local:
        return "one link only"
    if address.version == 4 and address in _DOCKER:
        return "Docker's default bridge"
    if address.version == 4 and address in _FAR:
        return "the shared address space of CGNAT (100.64.0.0/10)"
    return "a private network" if address.is_private else "the internet"
