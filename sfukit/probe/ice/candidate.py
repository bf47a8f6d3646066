"""A candidate with everything that its line or a browser's statistics say of it."""

import ipaddress
import re
from collections.abc import Iterator, Mapping

import msgspec

from sfukit.signaling import candidates

MAX_CANDIDATES = 500
_LINE = re.compile(
    r"candidate:[^\s\"\\]{1,32} \d{1,3} \w{3,4} \d{1,10} \S{1,255} \d{1,5} typ [^\r\n\"\\]*"
)
_FAR = ipaddress.ip_network("100.64.0.0/10")
_DOCKER = ipaddress.ip_network("172.17.0.0/16")

# as Chromium names them, and as network-cost tells them (0, 10, 900; a tunnel costs one more)
_NETWORKS: Mapping[str, str] = {"ethernet": "eth", "wifi": "wlan", "vpn": "tun"}
_COSTS: Mapping[str, str] = {"0": "eth", "10": "wlan", "900": "cellular", "1": "tun", "11": "tun"}

# what Firefox and older browsers wrote for the kinds
_KINDS: Mapping[str, str] = {
    "serverreflexive": "srflx",
    "peerreflexive": "prflx",
    "relayed": "relay",
    "relayed-udp": "relay",
    "relayed-tcp": "relay",
    "relayed-tls": "relay",
}


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
    def hidden(self) -> bool:
        """Whether an mDNS name stands for the address (draft-ietf-mmusic-mdns-ice-candidates)."""
        return self.address.endswith(".local")

    @property
    def private(self) -> bool:
        """Whether the address means something only in its own network."""
        return self.ip is not None and (not self.ip.is_global or self.ip.is_multicast)

    @property
    def endpoint(self) -> str:
        """The address and port as people write them."""
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
    return IceCandidate(
        kind=kind_of(base.kind),
        transport=base.transport,
        address=base.host.lower(),
        port=base.port,
        priority=base.priority,
        component=base.component,
        foundation=base.foundation,
        tcp_type=more.get("tcptype"),
        related_address=more.get("raddr"),
        related_port=int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None,
        ufrag=more.get("ufrag"),
        network=_COSTS.get(more.get("network-cost", "")),
    )


def find(text: str) -> Iterator[IceCandidate]:
    """Find the candidates in any text, at most ``MAX_CANDIDATES``, each once."""
    seen = set()
    for match in _LINE.finditer(text):
        try:
            candidate = parse(match[0].strip())
        except ValueError:
            continue
        if candidate not in seen:
            seen.add(candidate)
            yield candidate
        if len(seen) >= MAX_CANDIDATES:
            return


def kind_of(word: str) -> str:
    """Name the type of a candidate as RFC 8839 does."""
    return _KINDS.get(word.lower(), word.lower())


def network_of(word: str | None) -> str | None:
    """Name the network of a candidate as the articles' score does, None where unknown."""
    if word in (None, "unknown"):
        return None
    return _NETWORKS.get(word, word)


def whereabouts(address: candidates.Address) -> str:
    """Say where an address means something."""
    if address.is_loopback:
        return "this machine alone"
    if address.is_link_local:
        return "one link alone"
    if address.version == 4 and address in _DOCKER:
        return "Docker's default bridge"
    if address.version == 4 and address in _FAR:
        return "a carrier's own network (100.64.0.0/10)"
    return "a private network" if address.is_private else "the internet"
