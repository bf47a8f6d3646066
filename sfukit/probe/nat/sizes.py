"""Path MTU by datagrams with DF, and whether IP fragments pass, in each direction."""

import asyncio
import socket
from typing import Literal

import msgspec
from aioice.stun import Message

from sfukit.probe import system
from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address
from sfukit.probe.stun import attributes, message
from sfukit.probe.stun.transaction import Transaction
from sfukit.probe.stun.udp import StunSocket

Passes = Literal["yes", "no", "unknown"]

_SMALLEST, _LARGEST = 1200, 1500  # bytes of the whole IP packet
_SMALL = 400  # passes everywhere, and leaves room for padding beside an answer's addresses
_V4_HEADERS, _V6_HEADERS = 28, 48
_STUN_HEADER = 24  # with one attribute's head
# linux/in.h, linux/in6.h
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3


class Mtu(msgspec.Struct, frozen=True, kw_only=True):
    """The path MTU in bytes, up and down; ``icmp``: ICMP "fragmentation needed" was received."""

    up: int | None = None
    down: int | None = None
    icmp: bool | None = None
    reason: str | None = None


class Fragments(msgspec.Struct, frozen=True, kw_only=True):
    """Whether IP fragments pass, to the server (up) and from it (down)."""

    up: Passes = "unknown"
    down: Passes = "unknown"
    reason: str | None = None


async def mtu(context: Context, to: Address) -> Mtu:
    """Find the path MTU by bisection between 1200 and 1500 bytes of IP packet."""
    if not system.linux():
        return Mtu(reason=system.NEEDS_LINUX)
    seen: list[Transaction] = []
    up = await _largest(context, to, "up", seen)
    # a padded request that exceeds the MTU towards the server gets no large answer
    down = await _largest(context, to, "down", seen) if up is not None else None
    icmp = any(e.failure == "too_big" or any(i.kind == "too_big" for i in e.icmp) for e in seen)
    small = up is not None and up < _LARGEST
    return Mtu(up=up, down=down, icmp=icmp if small else None)


async def _largest(
    context: Context, to: Address, way: Literal["up", "down"], seen: list[Transaction]
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
    context: Context, to: Address, way: Literal["up", "down"], size: int, seen: list[Transaction]
) -> bool:
    """Send one size with DF; for ``down`` the answer has that size, the request is smaller."""
    with context.socket() as sock:
        forbid_fragments(sock.raw)
        request = _of_size(size, to, "X-FILLER") if way == "up" else _answered_by(size, to)
        transaction = await context.send_request(
            sock, to, f"mtu.{way}.{size}", request=request, evidence=True
        )
    seen.append(transaction)
    if way == "up":  # any response proves that the request arrived
        return transaction.response is not None
    answer = padded(transaction)
    return answer is not None and size <= answer <= _LARGEST  # a longer one was fragmented


def forbid_fragments(sock: socket.socket) -> None:
    """Set DF and ignore the kernel's cached path MTU (IP_PMTUDISC_PROBE, ip(7))."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)


async def fragments(context: Context, to: Address) -> Fragments:
    """Test fragments to the server and, by a padded answer, from it."""
    up, down = await asyncio.gather(_cut_request(context, to), _cut_answer(context, to))
    return Fragments(up=up, down=down)


async def _cut_request(context: Context, to: Address) -> Passes:
    """Send a fragmented request; "no" only where a small one of the same kind is answered."""
    with context.socket() as socket:
        small = await _sized(context, socket, to, "up.small", _of_size(_SMALL, to, "X-FILLER"))
        if small.response is None:
            return "unknown"
        request = _of_size(_LARGEST + 300, to, "X-FILLER")
        transaction = await _sized(context, socket, to, "up", request)
    return "no" if transaction.response is None else "yes"


async def _cut_answer(context: Context, to: Address) -> Passes:
    """Request a fragmented answer; "no" only where the server pads and such a request passes."""
    size = _LARGEST + 40
    request = _answered_by(size, to)
    as_long = _of_size(len(bytes(request)) + _headers(to), to, "X-FILLER")
    with context.socket() as socket:
        small = await _sized(context, socket, to, "down.small", _answered_by(_SMALL, to))
        if padded(small) is None:  # a server without PADDING
            return "unknown"
        asked = await _sized(context, socket, to, "down.request", as_long)
        transaction = await _sized(context, socket, to, "down", request)
    if transaction.response is not None:
        return "yes" if (padded(transaction) or 0) > _LARGEST else "unknown"
    return "no" if asked.response is not None else "unknown"


async def _sized(
    context: Context, socket: StunSocket, to: Address, id: str, request: Message
) -> Transaction:
    return await context.send_request(socket, to, f"frag.{id}", request=request, evidence=True)


def padded(transaction: Transaction) -> int | None:
    """Return the size of an answer's IP packet in bytes; None where it is not padded.

    A server without PADDING (RFC 5780) answers 420 or ignores the attribute: short, either way.
    """
    if not transaction.answered or transaction.response is None:
        return None
    answer = transaction.response.parsed
    if answer.attribute(attributes.PADDING) is None:
        return None
    return answer.length + _headers(transaction.to)


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

    An answer repeats the padding and adds four addresses, so it is longer than its request and
    the path from the server can fail alone.
    """
    addresses = 4 * (24 if to.family == socket.AF_INET6 else 12)
    return _of_size(size - addresses, to, "PADDING")
