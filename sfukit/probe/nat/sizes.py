"""Path MTU by DF datagrams, and whether fragments pass: each way by itself."""

import asyncio
import socket
from typing import Literal

import msgspec
from aioice.stun import Message

from sfukit.probe import system
from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.exchange import Exchange

Passes = Literal["yes", "no", "unknown"]

_SMALLEST, _LARGEST = 1200, 1500  # bytes of the whole IP packet
_V4_HEADERS, _V6_HEADERS = 28, 48
_STUN_HEADER = 24  # with one attribute's head
# linux/in.h, linux/in6.h
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3


class Mtu(msgspec.Struct, frozen=True, kw_only=True):
    """The largest whole IP packets that pass, in bytes; ``icmp`` tells whether the path says so."""

    up: int | None = None
    down: int | None = None
    icmp: bool | None = None
    why: str | None = None


class Fragments(msgspec.Struct, frozen=True, kw_only=True):
    """Whether datagrams cut by IP pass, to the server and from it."""

    up: Passes = "unknown"
    down: Passes = "unknown"
    why: str | None = None


async def mtu(context: Context, to: Address) -> Mtu:
    """Search by halving from 1200 to 1500 bytes (as packets on the wire)."""
    if not system.linux():
        return Mtu(why=system.NEEDS_LINUX)
    seen: list[Exchange] = []
    up = await _largest(context, to, "up", seen)
    # without room on the way there, a padded request cannot fetch a large answer
    down = await _largest(context, to, "down", seen) if up is not None else None
    icmp = any(e.trouble == "too_big" or any(i.kind == "too_big" for i in e.icmp) for e in seen)
    small = up is not None and up < _LARGEST
    return Mtu(up=up, down=down, icmp=icmp if small else None)


async def _largest(
    context: Context, to: Address, way: Literal["up", "down"], seen: list[Exchange]
) -> int | None:
    low, high = _SMALLEST, _LARGEST
    if not await _passes(context, to, way, low, seen):
        return None
    while low < high:
        middle = (low + high + 4) // 8 * 4  # padding comes in fours
        middle = min(max(middle, low + 4), high)
        if await _passes(context, to, way, middle, seen):
            low = middle
        else:
            high = middle - 4
    return low


async def _passes(
    context: Context, to: Address, way: Literal["up", "down"], size: int, seen: list[Exchange]
) -> bool:
    """Send one size with DF; downwards the answer is that large, the request a little smaller."""
    with context.socket() as sock:
        forbid_fragments(sock.raw)
        request = _of_size(size, to, "X-FILLER") if way == "up" else _answered_by(size, to)
        exchange = await context.ask(sock, to, f"mtu.{way}.{size}", request=request, evidence=True)
    seen.append(exchange)
    if exchange.heard is None or way == "up":
        return exchange.heard is not None
    return True


def forbid_fragments(sock: socket.socket) -> None:
    """Set DF and ignore what the kernel believes of the path (Linux, ip(7))."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)


async def fragments(context: Context, to: Address) -> Fragments:
    """Send a cut request that has a short answer; then a whole one that has a cut answer."""
    up, down = await asyncio.gather(
        _cut(context, to, "up", _of_size(_LARGEST + 300, to, "X-FILLER")),
        _cut(context, to, "down", _answered_by(_LARGEST + 40, to)),
    )
    return Fragments(up=up, down=down)


async def _cut(context: Context, to: Address, way: str, request: Message) -> Passes:
    with context.socket() as socket:
        first = await context.ask(socket, to, f"frag.{way}.reach", evidence=True)
        if not first.answered:
            return "unknown"
        exchange = await context.ask(socket, to, f"frag.{way}", request=request, evidence=True)
    if exchange.answered and way == "down" and exchange.heard is not None:
        padding = exchange.heard.parsed.attribute("PADDING")
        return "yes" if padding is not None else "unknown"  # a server that does not pad
    return "yes" if exchange.answered else "no"


def _of_size(size: int, to: Address, attribute: str) -> Message:
    """Write a request that makes an IP packet of ``size`` bytes."""
    room = size - (_V6_HEADERS if to.family == socket.AF_INET6 else _V4_HEADERS) - _STUN_HEADER
    return (
        message.request(filler=room) if attribute == "X-FILLER" else message.request(padding=room)
    )


def _answered_by(size: int, to: Address) -> Message:
    """Write a padded request whose answer makes an IP packet of ``size`` bytes.

    An answer repeats the padding and adds four addresses, so it outgrows its request and the way
    back can fail alone.
    """
    addresses = 4 * (24 if to.family == socket.AF_INET6 else 12)
    return _of_size(size - addresses, to, "PADDING")
