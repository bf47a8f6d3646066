"""Path MTU by DF datagrams, and whether fragments pass: each way by itself."""

import asyncio
import socket
from typing import Literal

import msgspec
from aioice.stun import Message

from sfukit.probe import system
from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address
from sfukit.probe.stun import attributes, message
from sfukit.probe.stun.exchange import Exchange
from sfukit.probe.stun.udp import StunSocket

Passes = Literal["yes", "no", "unknown"]

_SMALLEST, _LARGEST = 1200, 1500  # bytes of the whole IP packet
_SMALL = 400  # passes everywhere, and leaves room for padding beside an answer's addresses
_V4_HEADERS, _V6_HEADERS = 28, 48
_STUN_HEADER = 24  # with one attribute's head
# linux/in.h, linux/in6.h
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3


class Mtu(msgspec.Struct, frozen=True, kw_only=True):
    """The largest whole IP packets that pass, in bytes; ``icmp`` tells whether the path says so."""

    up: int | None = None
    down: int | None = None
    icmp: bool | None = None
    reason: str | None = None


class Fragments(msgspec.Struct, frozen=True, kw_only=True):
    """Whether datagrams cut by IP pass, to the server and from it."""

    up: Passes = "unknown"
    down: Passes = "unknown"
    reason: str | None = None


async def mtu(context: Context, to: Address) -> Mtu:
    """Search by halving from 1200 to 1500 bytes (as packets on the wire)."""
    if not system.linux():
        return Mtu(reason=system.NEEDS_LINUX)
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
    if way == "up":  # whatever the server says of it, it came there
        return exchange.heard is not None
    answer = padded(exchange)
    return answer is not None and size <= answer <= _LARGEST  # a longer one came in fragments


def forbid_fragments(sock: socket.socket) -> None:
    """Set DF and ignore what the kernel believes of the path (Linux, ip(7))."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)


async def fragments(context: Context, to: Address) -> Fragments:
    """Send a cut request that has a short answer; then a whole one that has a cut answer."""
    up, down = await asyncio.gather(_cut_request(context, to), _cut_answer(context, to))
    return Fragments(up=up, down=down)


async def _cut_request(context: Context, to: Address) -> Passes:
    """Say no only where a small request of the same kind is answered, and the cut one is not."""
    with context.socket() as socket:
        small = await _sized(context, socket, to, "up.small", _of_size(_SMALL, to, "X-FILLER"))
        if small.heard is None:
            return "unknown"
        request = _of_size(_LARGEST + 300, to, "X-FILLER")
        exchange = await _sized(context, socket, to, "up", request)
    return "no" if exchange.heard is None else "yes"


async def _cut_answer(context: Context, to: Address) -> Passes:
    """Say no only where small answers are padded, the request's size passes, and none comes."""
    size = _LARGEST + 40
    request = _answered_by(size, to)
    as_long = _of_size(len(bytes(request)) + _headers(to), to, "X-FILLER")
    with context.socket() as socket:
        small = await _sized(context, socket, to, "down.small", _answered_by(_SMALL, to))
        if padded(small) is None:  # a server that does not pad
            return "unknown"
        asked = await _sized(context, socket, to, "down.request", as_long)
        exchange = await _sized(context, socket, to, "down", request)
    if exchange.heard is not None:
        return "yes" if (padded(exchange) or 0) > _LARGEST else "unknown"
    return "no" if asked.heard is not None else "unknown"


async def _sized(
    context: Context, socket: StunSocket, to: Address, id: str, request: Message
) -> Exchange:
    return await context.ask(socket, to, f"frag.{id}", request=request, evidence=True)


def padded(exchange: Exchange) -> int | None:
    """Tell the size of an answer's IP packet in bytes; None where it is not padded as asked.

    A server that knows no PADDING answers 420, or as if it had not been asked: short, either way.
    """
    if not exchange.answered or exchange.heard is None:
        return None
    answer = exchange.heard.parsed
    if answer.attribute(attributes.PADDING) is None:
        return None
    return answer.length + _headers(exchange.to)


def _headers(to: Address) -> int:
    return _V6_HEADERS if to.family == socket.AF_INET6 else _V4_HEADERS


def _of_size(size: int, to: Address, attribute: str) -> Message:
    """Write a request that makes an IP packet of ``size`` bytes."""
    room = size - _headers(to) - _STUN_HEADER
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
