"""Filtering: who may answer through a mapping, be it a NAT's or a firewall's (RFC 4787 5)."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.attributes import CHANGE_IP, CHANGE_PORT
from sfukit.probe.stun.exchange import Exchange

Filtering = Literal["EIF", "ADF", "APDF", "unknown"]
IGNORES = "server_ignores_change_request"
REFUSES = "server_refuses_change_request"


@dataclass(frozen=True)
class FilteringResult:
    """The filtering; ``certain`` where the server was seen to answer from elsewhere."""

    value: Filtering
    reason: str | None = None
    certain: bool = False
    quirk: str | None = None


@dataclass(frozen=True)
class Heard:
    """What the three sockets heard; ``control`` is None where the test could not be made."""

    from_other_ip: bool
    from_other_port: bool
    ignored: bool = False
    refused: bool = False
    control: bool | None = None


async def probe(context: Context, server: FullServer) -> FilteringResult:
    """Ask for answers from elsewhere, on sockets that never sent there (RFC 5780 4.4)."""
    second, third, control = await asyncio.gather(
        _changed(context, server.primary, server.alternate, CHANGE_IP | CHANGE_PORT, "II"),
        _changed(context, server.primary, server.other_port, CHANGE_PORT, "III"),
        _control(context, server),
    )
    asked = [exchange for exchange in (second, third) if exchange is not None]
    if len(asked) < 2:
        return FilteringResult("unknown", "the server does not answer")
    return classify(
        Heard(
            from_other_ip=asked[0].answered,
            from_other_port=asked[1].answered,
            ignored=any(_ignored(exchange) for exchange in asked),
            refused=any(_refused(exchange) for exchange in asked),
            control=control,
        )
    )


def classify(heard: Heard) -> FilteringResult:
    """Name the filtering; an answer that came from the asked address proves nothing of it."""
    if heard.refused:
        return FilteringResult("unknown", "the server refuses CHANGE-REQUEST", quirk=REFUSES)
    if heard.ignored:
        return FilteringResult("unknown", "the server ignores CHANGE-REQUEST", quirk=IGNORES)
    if heard.from_other_ip:
        return FilteringResult("EIF", certain=True)
    if heard.control is False:
        reason = "the server's answer from its second address came nowhere, not even where it may"
        return FilteringResult("unknown", reason)
    value: Filtering = "ADF" if heard.from_other_port else "APDF"
    return FilteringResult(value, certain=heard.control is True)


async def _changed(
    context: Context, to: Address, answers_from: Address, change: int, step: str
) -> Exchange | None:
    """Make a mapping on a fresh socket, then ask for an answer from elsewhere."""
    async with context.mapped(to, f"filtering.{step}.I") as (socket, first):
        if not first.answered:
            return None
        request = message.request(change=change)
        return await context.ask(
            socket,
            to,
            f"filtering.{step}",
            request=request,
            accept=(answers_from,),
            evidence=True,
        )


async def _control(context: Context, server: FullServer) -> bool | None:
    """See the changed answer arrive where it must: on a socket that did send to B:p' before.

    Only a mapping that is the same towards both lets it through; else there is no such control.
    """
    with context.socket() as socket:
        first, other = await asyncio.gather(
            context.ask(socket, server.primary, "filtering.control.A", evidence=True),
            context.ask(socket, server.alternate, "filtering.control.B", evidence=True),
        )
        if first.mapped is None or first.mapped != other.mapped:
            return None
        exchange = await context.ask(
            socket,
            server.primary,
            "filtering.control",
            request=message.request(change=CHANGE_IP | CHANGE_PORT),
            accept=(server.alternate,),
            evidence=True,
        )
    return exchange.answered


def _ignored(exchange: Exchange) -> bool:
    return not exchange.answered and any(
        stray.source == exchange.to and stray.parsed.message.error_code is None
        for stray in exchange.strays
    )


def _refused(exchange: Exchange) -> bool:
    return any(
        stray.source == exchange.to and stray.parsed.message.error_code is not None
        for stray in exchange.strays
    )
