"""ICE candidate lines (RFC 8839 section 5.1): parse remote ones, write host candidates."""

import ipaddress
from collections.abc import Iterable

import msgspec

_TYPE_PREFERENCE_HOST = 126  # RFC 8445 section 5.1.2.2
_MAX_LENGTH = 512

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Candidate(msgspec.Struct, frozen=True):
    """One candidate; ``host`` is an address or, from a browser, an mDNS name."""

    foundation: str
    component: int
    transport: str
    priority: int
    host: str
    port: int
    kind: str

    @property
    def address(self) -> Address | None:
        """The IP address, or None where the host is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None


def parse(text: str) -> Candidate:
    """Parse a candidate with or without ``candidate:`` before it; raise ValueError."""
    if len(text) > _MAX_LENGTH:
        raise ValueError("a candidate of more than 512 characters")
    parts = text.removeprefix("a=").removeprefix("candidate:").split()
    if len(parts) < 8 or parts[6] != "typ":
        raise ValueError("a candidate has eight fields, the seventh being 'typ'")
    foundation, component, transport, priority, host, port, _, kind = parts[:8]
    if not all(number.isascii() and number.isdigit() for number in (component, priority, port)):
        raise ValueError("component, priority and port of a candidate are numbers")
    if int(port) > 65535 or int(component) > 256 or int(priority) > 0xFFFFFFFF:
        raise ValueError("component, priority or port of a candidate is out of range")
    return Candidate(
        foundation, int(component), transport.lower(), int(priority), host, int(port), kind
    )


def host_lines(addresses: Iterable[Address], port: int) -> str:
    """Write host candidates for UDP in order of preference, closed by end-of-candidates."""
    lines = []
    for rank, address in enumerate(addresses):
        local_preference = 65535 - rank
        priority = (_TYPE_PREFERENCE_HOST << 24) | (local_preference << 8) | 255
        lines.append(f"a=candidate:{rank + 1} 1 udp {priority} {address} {port} typ host\r\n")
    return "".join(lines) + "a=end-of-candidates\r\n"
