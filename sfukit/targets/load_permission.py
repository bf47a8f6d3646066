"""Permission to load a host: loopback, or allowed by --allow-host."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from sfukit.errors import TargetError, UsageError
from sfukit.redaction import command_line
from sfukit.targets.origin import plain_host

FREE_CLIENTS = 2


async def permit(url: str, clients: int, allowed: frozenset[str], command: Sequence[str]) -> None:
    """Raise ``UsageError`` for more than ``FREE_CLIENTS`` clients without permission."""
    if clients > FREE_CLIENTS:
        what = f"{clients} clients need permission (up to {FREE_CLIENTS} do not)"
        await require(urlsplit(url).hostname or "", what, allowed, command)


async def require(host: str, what: str, allowed: frozenset[str], command: Sequence[str]) -> None:
    """Raise ``UsageError`` unless a host is this machine or allowed; ``what`` is in its text."""
    if plain_host(host) in {plain_host(one) for one in allowed}:
        return
    if all(ipaddress.ip_address(address).is_loopback for address in await resolve(host)):
        return
    raise UsageError(
        f"{host} is not this machine: {what}",
        hint=f"if the server is yours:  {command_line([*command, '--allow-host', host])}",
    )


def denied_reason(home: str, url: str, clients: int, allowed: frozenset[str]) -> str | None:
    """Return why the clients of ``home`` must not follow to the host of ``url``, or None.

    The permission is for one host. Names are not resolved: their owner controls the addresses.
    """
    host = plain_host(urlsplit(url).hostname or "")
    permitted = {plain_host(urlsplit(home).hostname or ""), *map(plain_host, allowed)}
    if clients <= FREE_CLIENTS or host in permitted or _is_loopback(host):
        return None
    return f"{clients} clients need permission there (up to {FREE_CLIENTS} do not)"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def resolve(host: str) -> list[str]:
    """Resolve the addresses of a host; raise ``TargetError`` where there are none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise TargetError(
            f"the name {host!r} cannot be looked up: {getattr(error, 'strerror', error)}",
            hint="check the spelling, or give the address",
        ) from error
    return [str(entry[4][0]).partition("%")[0] for entry in found]
