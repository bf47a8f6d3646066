"""Hairpinning: do two sockets behind one NAT reach each other by their outer addresses (REQ-9)."""

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
    """Let each of two sockets send to the other's outer address; record the source that is seen.

    ``not_observed`` is not no: a NAT may loop back between hosts and not within one.
    """
    async with (
        context.mapped(to, "hairpin.1") as (first, at_first),
        context.mapped(to, "hairpin.2") as (second, at_second),
    ):
        outer = [at_first.mapped, at_second.mapped]
        if outer[0] is None or outer[1] is None:
            return "unknown"
        if outer[0] == first.local or outer[0].family != first.local.family:
            return "not_applicable"  # no NAT, or one that leads to IPv4 alone
        sources = await _cross(context, [first, second], [outer[0], outer[1]])
    return judge(sources, [first.local, second.local])


async def _cross(
    context: Context, sockets: list[StunSocket], outer: list[Address]
) -> list[Address]:
    """Send from each to the other, since a NAT may filter what comes back on its inside too."""
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
    await schedule.send_along(context.patience(evidence=True), arrived, send)
    return seen


def judge(sources: list[Address], locals_: list[Address]) -> Hairpin:
    """Name what was seen: an inner source breaks peers, which answer to it in vain (REQ-9a)."""
    if not sources:
        return "not_observed"
    return "internal_source" if any(source in locals_ for source in sources) else "yes"
