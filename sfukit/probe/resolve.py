"""Host and port of options (``stun:host:port``, ``[::1]:3478``), and their resolution."""

import asyncio
import ipaddress
import re
import socket
from typing import Literal, NamedTuple

from sfukit.errors import TargetError, UsageError
from sfukit.host_port import Endpoint as Endpoint

Family = Literal["4", "6", "both"]

_NAME = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:/\[\]@?#]+))(?::(?P<port>\d+))?"
)
NAME_S = 5.0
"""The default timeout of DNS, that of system resolvers per name server. Unit: s."""

_FAMILIES = {"4": (socket.AF_INET,), "6": (socket.AF_INET6,)}


class Address(NamedTuple):
    """An IP address as text, and a port."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """Return the socket family of the address."""
        return socket.AF_INET6 if ":" in self.ip else socket.AF_INET


class UnresolvedError(TargetError):
    """A name has no address: it does not exist, or no name server answers."""


def endpoint(text: str, *, default_port: int, scheme: str = "", where: str = "") -> Endpoint:
    """Read ``[SCHEME:]HOST[:PORT]``; an IPv6 address stands in brackets."""
    bare = text.strip()
    if scheme and bare.lower().startswith(f"{scheme}:"):
        bare = bare[len(scheme) + 1 :].removeprefix("//")
    match = _NAME.fullmatch(bare)
    port = int(match["port"]) if match and match["port"] else default_port
    if match is None or not 0 < port < 65536:
        example = f"{scheme}:HOST:{default_port}" if scheme else f"HOST:{default_port}"
        what = f"{where} {text!r}".strip()
        raise UsageError(f"{what}: this is no address", hint=f"give {example} or [IPv6]:PORT")
    return Endpoint(match["v6"] or match["host"], port)


async def resolve(
    target: Endpoint, family: Family = "both", timeout_s: float = NAME_S
) -> list[Address]:
    """List the addresses of a host, in the system's order; raises ``UnresolvedError``."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no name server answers"
        raise UnresolvedError(
            f"{target.host}: {reason}", hint="check the name and this machine's name server"
        ) from error
    wanted = _FAMILIES.get(family, (socket.AF_INET, socket.AF_INET6))
    addresses = [
        Address(str(entry[4][0]), int(entry[4][1])) for entry in found if entry[0] in wanted
    ]
    if not addresses:
        raise UnresolvedError(
            f"{target.host}: has no IPv{family} address", hint="try --family both"
        )
    return list(dict.fromkeys(addresses))


def is_private(ip: str) -> bool:
    """Return whether an address is not globally routed (RFC 1918, 6598, 3927, 4193)."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    return not address.is_global


def is_host(ip: str) -> bool:
    """Return whether an address is a host's: not unspecified, multicast, broadcast or class E."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    class_e = address.version == 4 and address.is_reserved
    return not (address.is_unspecified or address.is_multicast or class_e)


def is_shared(ip: str) -> bool:
    """Return whether an address is in the shared space of CGNAT, 100.64.0.0/10 (RFC 6598)."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    return address.version == 4 and address in ipaddress.ip_network("100.64.0.0/10")
