"""Pooling: does one inner address keep one outer address (RFC 4787 REQ-2)."""

import asyncio
from collections.abc import Iterable
from typing import Literal

from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address

Pooling = Literal["paired", "arbitrary", "unknown", "not_checked"]

_SOCKETS = 8
_LEAST = 4


async def probe(context: Context, to: Address) -> Pooling:
    """Ask from eight sockets at once and compare the outer IP addresses."""
    with context.sockets(_SOCKETS) as sockets:
        asked = await asyncio.gather(
            *(context.ask(socket, to, f"pooling.{n}") for n, socket in enumerate(sockets, 1))
        )
    return classify(exchange.mapped.ip for exchange in asked if exchange.mapped is not None)


def classify(outer_ips: Iterable[str]) -> Pooling:
    """Name the pooling; several addresses prove it arbitrary, one makes it paired so far."""
    ips = list(outer_ips)
    if len(set(ips)) > 1:
        return "arbitrary"
    return "paired" if len(ips) >= _LEAST else "unknown"
