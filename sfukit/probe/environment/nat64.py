"""NAT64: the prefix by which an IPv6-only network reaches IPv4 (RFC 7050)."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

NAME = "ipv4only.arpa"

_WELL_KNOWN = {ipaddress.IPv4Address("192.0.0.170"), ipaddress.IPv4Address("192.0.0.171")}
_LENGTHS = (96, 64, 56, 48, 40, 32)  # RFC 6052 2.2
_TIMEOUT_S = 1.0


async def discover() -> str | None:
    """Resolve the well-known name; None where DNS synthesizes no AAAA, or does not answer."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            found = await loop.getaddrinfo(NAME, 0, family=socket.AF_INET6)
    except (OSError, TimeoutError):
        return None
    return prefix(str(entry[4][0]) for entry in found)


def prefix(addresses: Iterable[str]) -> str | None:
    """Find where a well-known IPv4 address is embedded; RFC 6052 2.2 skips bits 64 to 71."""
    for text in addresses:
        packed = ipaddress.IPv6Address(text).packed
        for length in _LENGTHS:
            start = length // 8
            without_u = packed[start:8] + packed[9:] if start < 8 else packed[max(start, 9) :]
            if length == 96:
                without_u = packed[12:]
            if ipaddress.IPv4Address(without_u[:4]) in _WELL_KNOWN:
                network = ipaddress.IPv6Network((packed[:start] + bytes(16 - start), length))
                return str(network)
    return None
