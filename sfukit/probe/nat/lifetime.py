"""Mapping lifetime without traffic (RFC 4787 4.3): one socket per idle time, in parallel."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.transaction import Transaction
from sfukit.probe.stun.udp import StunSocket

Kind = Literal["oneshot", "warm", "inbound"]
Progress = Callable[[float, float], None]

_TIMES_S = (5, 10, 15, 20, 25, 30, 35, 45, 60, 75, 90, 110, 125, 150, 180, 240, 300, 600)
_WARM_S = 3.0  # conntrack marks a flow as stream after two seconds of traffic both ways
_WARM_STEPS = 4
_INBOUND_EVERY_S = 5.0


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The longest idle time that a mapping survived and the shortest that it did not. Unit: s."""

    at_least_s: float | None = None
    below_s: float | None = None


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """Lifetime after one packet and after a stream; whether inbound packets refresh it (REQ-6)."""

    oneshot: Bounds | None = None
    warm: Bounds | None = None
    inbound_refresh: Literal["yes", "no", "unknown"] = "unknown"
    reason: str | None = None


def times(max_s: float) -> list[float]:
    """List the idle times to test, up to the longest. Unit: s."""
    return [*(float(t) for t in _TIMES_S if t < max_s), max_s]


async def probe(context: Context, to: Address, progress: Progress) -> Lifetime:
    """Measure with RESPONSE-PORT: a second socket requests an answer to the idle mapping."""
    reason = await _unsupported(context, to)
    if reason is not None:
        return Lifetime(reason=reason)
    longest = context.options.lifetime_max_s
    waits = times(longest)
    ticking = asyncio.create_task(_tick(longest + _WARM_S, progress))
    try:
        *alive, inbound = await asyncio.gather(
            *(_survives(context, to, "oneshot", wait) for wait in waits),
            *(_survives(context, to, "warm", wait) for wait in waits),
            _survives_by_inbound(context, to, longest),
        )
    finally:
        ticking.cancel()
    oneshot = bounds(dict(zip(waits, alive[: len(waits)], strict=True)))
    warm = bounds(dict(zip(waits, alive[len(waits) :], strict=True)))
    return Lifetime(oneshot=oneshot, warm=warm, inbound_refresh=refresh(inbound, oneshot, longest))


def bounds(alive: Mapping[float, bool | None]) -> Bounds:
    """Find the bounds; a survival beyond the first expired mapping is not counted."""
    dead = [wait for wait, lives in alive.items() if lives is False]
    below = min(dead, default=None)
    lived = [w for w, lives in alive.items() if lives and (below is None or w < below)]
    return Bounds(at_least_s=max(lived, default=None), below_s=below)


def refresh(
    alive: bool | None, oneshot: Bounds, longest_s: float
) -> Literal["yes", "no", "unknown"]:
    """Return whether inbound packets refresh; known only where an idle mapping had expired."""
    if alive is None or oneshot.below_s is None or oneshot.below_s > longest_s:
        return "unknown"
    return "yes" if alive else "no"


async def _unsupported(context: Context, to: Address) -> str | None:
    """Return why the lifetime cannot be measured; None where RESPONSE-PORT works."""
    with context.sockets(2) as sockets:
        if len(sockets) < 2:
            return "no socket could be opened"
        x, y = sockets
        first = await context.send_request(x, to, "lifetime.support.bind", evidence=True)
        if first.mapped is None:
            return "the server does not answer"
        reached = await _reached(context, x, y, to, first.mapped, "support")
    if reached is None:
        return "two sockets have different mapped addresses, so RESPONSE-PORT cannot be used"
    return None if reached else "the server does not send to RESPONSE-PORT (sfukit stun-serve does)"


async def _survives(context: Context, to: Address, kind: Kind, wait_s: float) -> bool | None:
    """Create a mapping, stay idle, test it; None where the mapping could not be created."""
    with context.sockets(2) as sockets:
        if len(sockets) < 2:
            return None
        x, y = sockets
        first = await context.send_request(x, to, f"lifetime.{kind}.{wait_s:g}.bind", evidence=True)
        if first.mapped is None:
            return None
        if kind == "warm":
            for _ in range(_WARM_STEPS):
                await asyncio.sleep(_WARM_S / _WARM_STEPS)
                await x.send_request(to)
        await asyncio.sleep(wait_s)
        return await _reached(context, x, y, to, first.mapped, f"{kind}.{wait_s:g}")


async def _survives_by_inbound(context: Context, to: Address, longest_s: float) -> bool | None:
    """Keep only inbound traffic on the mapping, then test it."""
    with context.sockets(2) as sockets:
        if len(sockets) < 2:
            return None
        x, y = sockets
        first = await context.send_request(x, to, "lifetime.inbound.bind", evidence=True)
        if first.mapped is None:
            return None
        request = bytes(message.request(response_port=first.mapped.port))
        for _ in range(int(longest_s / _INBOUND_EVERY_S)):
            await asyncio.sleep(_INBOUND_EVERY_S)
            y.send(request, to)
        return await _reached(context, x, y, to, first.mapped, "inbound")


async def _reached(
    context: Context, x: StunSocket, y: StunSocket, to: Address, outer: Address, id: str
) -> bool | None:
    """Request on ``y`` an answer to the mapping of ``x``, until it arrives or the timeout ends.

    The server answers to the source IP address: where the NAT maps ``y`` to another one than
    ``x`` (arbitrary pooling), or drops ``y``, silence proves nothing: None.
    """
    request = message.request(response_port=outer.port)
    transaction = Transaction(to, frozenset((to,)), f"lifetime.{id}")
    context.records.append(transaction)
    await y.send_request_for(x, request, transaction, context.schedule_for(evidence=True))
    if transaction.answered:
        return True
    own = await context.send_request(y, to, f"lifetime.{id}.outer", evidence=True)
    return False if own.mapped is not None and own.mapped.ip == outer.ip else None


async def _tick(whole_s: float, progress: Progress) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        progress(loop.time() - started, whole_s)
        await asyncio.sleep(1.0)
