"""How long a mapping lives without traffic: a fresh socket for each time, all in parallel."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.exchange import Exchange
from sfukit.probe.stun.udp import StunSocket

Kind = Literal["oneshot", "warm", "inbound"]
Progress = Callable[[float, float], None]

_TIMES_S = (5, 10, 15, 20, 25, 30, 35, 45, 60, 75, 90, 110, 125, 150, 180, 240, 300, 600)
_WARM_S = 3.0  # connection tracking calls a flow a stream after two seconds of both ways
_WARM_STEPS = 4
_INBOUND_EVERY_S = 5.0


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The longest silence that was survived and the shortest that was not. Unit: s."""

    at_least_s: float | None = None
    below_s: float | None = None


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """After one packet; after a stream; and whether packets from outside keep a mapping (REQ-6)."""

    oneshot: Bounds | None = None
    warm: Bounds | None = None
    inbound_refresh: Literal["yes", "no", "unknown"] = "unknown"
    reason: str | None = None


def times(max_s: float) -> list[float]:
    """List the silences to try up to the longest."""
    return [*(float(t) for t in _TIMES_S if t < max_s), max_s]


async def probe(context: Context, to: Address, progress: Progress) -> Lifetime:
    """Measure with RESPONSE-PORT: another socket asks for an answer on the silent one's mapping."""
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
    """Find the border; what lived longer than one that died (loss) does not widen it."""
    dead = [wait for wait, lives in alive.items() if lives is False]
    below = min(dead, default=None)
    lived = [w for w, lives in alive.items() if lives and (below is None or w < below)]
    return Bounds(at_least_s=max(lived, default=None), below_s=below)


def refresh(
    alive: bool | None, oneshot: Bounds, longest_s: float
) -> Literal["yes", "no", "unknown"]:
    """Tell whether inbound packets refresh; only where silence as long would have killed."""
    if alive is None or oneshot.below_s is None or oneshot.below_s > longest_s:
        return "unknown"
    return "yes" if alive else "no"


async def _unsupported(context: Context, to: Address) -> str | None:
    """Say why nothing can be learnt here; None where one socket's answer reaches another."""
    with context.sockets(2) as sockets:
        if len(sockets) < 2:
            return "no socket could be opened"
        x, y = sockets
        first = await context.ask(x, to, "lifetime.support.bind", evidence=True)
        if first.mapped is None:
            return "the server does not answer"
        reached = await _reached(context, x, y, to, first.mapped, "support")
    if reached is None:
        return "two sockets get different outer addresses, so that one cannot ask for the other"
    return None if reached else "the server does not send to RESPONSE-PORT (sfukit stun-serve does)"


async def _survives(context: Context, to: Address, kind: Kind, wait_s: float) -> bool | None:
    """Bind, be silent, look; None where the mapping could not be made."""
    with context.sockets(2) as sockets:
        if len(sockets) < 2:
            return None
        x, y = sockets
        first = await context.ask(x, to, f"lifetime.{kind}.{wait_s:g}.bind", evidence=True)
        if first.mapped is None:
            return None
        if kind == "warm":
            for _ in range(_WARM_STEPS):
                await asyncio.sleep(_WARM_S / _WARM_STEPS)
                await x.ask(to)
        await asyncio.sleep(wait_s)
        return await _reached(context, x, y, to, first.mapped, f"{kind}.{wait_s:g}")


async def _survives_by_inbound(context: Context, to: Address, longest_s: float) -> bool | None:
    """Let the server alone send, again and again, then look."""
    with context.sockets(2) as sockets:
        if len(sockets) < 2:
            return None
        x, y = sockets
        first = await context.ask(x, to, "lifetime.inbound.bind", evidence=True)
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
    """Ask on ``y`` for an answer to the mapping of ``x``, until it comes or time is up.

    The server answers to the address that asks: where the NAT gives ``y`` another one than ``x``
    (arbitrary pooling), or no way out at all, silence says nothing. None then.
    """
    request = message.request(response_port=outer.port)
    exchange = Exchange(to, frozenset((to,)), f"lifetime.{id}")
    context.records.append(exchange)
    await y.ask_for(x, request, exchange, context.patience(evidence=True))
    if exchange.answered:
        return True
    own = await context.ask(y, to, f"lifetime.{id}.outer", evidence=True)
    return False if own.mapped is not None and own.mapped.ip == outer.ip else None


async def _tick(whole_s: float, progress: Progress) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        progress(loop.time() - started, whole_s)
        await asyncio.sleep(1.0)
