"""Pooling: whether all mappings of one internal address share an external one (RFC 4787 REQ-2)."""

import asyncio
from collections.abc import Iterable
from typing import Literal

from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address

Pooling = Literal["paired", "arbitrary", "unknown", "not_checked"]

_SOCKETS = 8
_LEAST = 4


async def probe(context: Context, to: Address) -> Pooling:
    """Send a request from each of eight sockets and compare the mapped IP addresses."""
    with context.sockets(_SOCKETS) as sockets:
        asked = await asyncio.gather(
            *(
                context.send_request(socket, to, f"pooling.{n}")
                for n, socket in enumerate(sockets, 1)
            )
        )
    return classify(
        transaction.mapped.ip for transaction in asked if transaction.mapped is not None
    )


def classify(outer_ips: Iterable[str]) -> Pooling:
    """Classify the pooling; several addresses prove it arbitrary, one is paired so far."""
    ips = list(outer_ips)
    if len(set(ips)) > 1:
        return "arbitrary"
    return "paired" if len(ips) >= _LEAST else "unknown"
