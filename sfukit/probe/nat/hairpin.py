"""Hairpinning: two sockets behind one NAT send to each other's mapped address (RFC 4787 REQ-9)."""

import asyncio
from typing import Literal

from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address
from sfukit.probe.stun import schedule
from sfukit.probe.stun.message import Parsed, request
from sfukit.probe.stun.udp import StunSocket

_MOST_SOURCES = 8

Hairpin = Literal[
    "yes", "internal_source", "not_observed", "not_applicable", "not_checked", "unknown"
]


async def probe(context: Context, to: Address) -> Hairpin:
    """Send from each of two sockets to the other's mapped address; record the observed sources.

    ``not_observed`` is not "no": a NAT may hairpin between hosts and not within one host.
    """
    async with (
        context.mapped(to, "hairpin.1") as (first, at_first),
        context.mapped(to, "hairpin.2") as (second, at_second),
    ):
        outer = [at_first.mapped, at_second.mapped]
        if outer[0] is None or outer[1] is None:
            return "unknown"
        if outer[0] == first.local or outer[0].family != first.local.family:
            return "not_applicable"  # no NAT, or NAT64
        sources = await _cross(context, [first, second], [outer[0], outer[1]])
    return classify(sources, [first.local, second.local])


async def _cross(
    context: Context, sockets: list[StunSocket], outer: list[Address]
) -> list[Address]:
    """Send in both directions, since a NAT may filter hairpinned packets on its inside too."""
    crossing = [(sockets[0], outer[1], request()), (sockets[1], outer[0], request())]
    tokens = {message.transaction_id for _socket, _to, message in crossing}
    seen: list[Address] = []
    arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(source: Address, parsed: Parsed) -> None:
        if parsed.transaction_id in tokens:
            if source not in seen and len(seen) < _MOST_SOURCES:
                seen.append(source)
            if not arrived.done():
                arrived.set_result(None)

    def send() -> None:
        for socket, to, message in crossing:
            socket.send(bytes(message), to)

    for socket in sockets:
        socket.on_request = note
    await schedule.send_along(context.schedule_for(evidence=True), arrived, send)
    return seen


def classify(sources: list[Address], locals_: list[Address]) -> Hairpin:
    """Classify the observed sources: an internal source gets replies that never arrive (REQ-9a)."""
    if not sources:
        return "not_observed"
    return "internal_source" if any(source in locals_ for source in sources) else "yes"
