"""The NAT64 prefix that a router announces (RFC 8781); reading it needs root."""

import asyncio
import ipaddress
import socket
from struct import unpack_from

from sfukit.probe import system

_ROUTER_SOLICITATION, _ROUTER_ADVERTISEMENT = 133, 134
_ALL_ROUTERS = "ff02::2"
_PREF64 = 38
_HEAD = 16  # of an advertisement, before its options (RFC 4861 4.2)
_LENGTHS = (96, 64, 56, 48, 40, 32)  # by prefix length code
_TIMEOUT_S = 1.0
# linux/icmpv6.h
_ICMP6_FILTER = 1


async def discover(interfaces: list[str]) -> str | None:
    """Send a router solicitation on each interface; None without PREF64, or without root."""
    if not system.linux():
        return None
    found = await asyncio.gather(*(_solicit(name) for name in interfaces))
    return next((prefix for prefix in found if prefix is not None), None)


async def _solicit(interface: str) -> str | None:
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.setblocking(False)
            wanted = bytearray(b"\xff" * 32)
            wanted[_ROUTER_ADVERTISEMENT // 8] &= ~(1 << (_ROUTER_ADVERTISEMENT % 8)) & 0xFF
            sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(wanted))
            # RFC 4861 6.1.1: a hop limit below 255 is not from this link
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            index = socket.if_nametoindex(interface)
            sock.sendto(bytes((_ROUTER_SOLICITATION, *bytes(7))), (_ALL_ROUTERS, 0, 0, index))
            async with asyncio.timeout(_TIMEOUT_S):
                while True:
                    data, source = await loop.sock_recvfrom(sock, 4096)
                    if ipaddress.ip_address(source[0].partition("%")[0]).is_link_local:
                        return read(data)
    except (OSError, TimeoutError):
        return None


def read(advertisement: bytes) -> str | None:
    """Find the PREF64 option of a router advertisement (RFC 8781 4)."""
    if len(advertisement) < _HEAD or advertisement[0] != _ROUTER_ADVERTISEMENT:
        return None
    at = _HEAD
    while at + 2 <= len(advertisement):
        kind, length = advertisement[at], advertisement[at + 1] * 8
        if length == 0 or at + length > len(advertisement):
            return None
        if kind == _PREF64 and length == 16:
            (scaled,) = unpack_from("!H", advertisement, at + 2)
            code = scaled & 0x7
            if code >= len(_LENGTHS):
                return None
            prefix = advertisement[at + 4 : at + 16] + bytes(4)
            return str(ipaddress.IPv6Network((prefix, _LENGTHS[code]), strict=False))
        at += length
    return None
