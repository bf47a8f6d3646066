"""Filtering behaviour of a NAT or firewall: from which endpoints packets pass (RFC 4787 5)."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.attributes import CHANGE_IP, CHANGE_PORT
from sfukit.probe.stun.transaction import Transaction

Filtering = Literal["EIF", "ADF", "APDF", "unknown"]
IGNORES = "server_ignores_change_request"
REFUSES = "server_refuses_change_request"


@dataclass(frozen=True)
class FilteringResult:
    """The filtering; ``certain`` where an answer from the second address was received."""

    value: Filtering
    reason: str | None = None
    certain: bool = False
    quirk: str | None = None


@dataclass(frozen=True)
class FilteringAnswers:
    """Which answers arrived at the three sockets; ``control`` is None where it was not possible."""

    from_other_ip: bool
    from_other_port: bool
    ignored: bool = False
    refused: bool = False
    control: bool | None = None


async def probe(context: Context, server: FullServer) -> FilteringResult:
    """Send CHANGE-REQUEST on sockets that never sent to the other address (RFC 5780 4.4)."""
    second, third, control = await asyncio.gather(
        _changed(context, server.primary, server.alternate, CHANGE_IP | CHANGE_PORT, "II"),
        _changed(context, server.primary, server.other_port, CHANGE_PORT, "III"),
        _control(context, server),
    )
    asked = [transaction for transaction in (second, third) if transaction is not None]
    if len(asked) < 2:
        return FilteringResult("unknown", "the server does not answer")
    return classify(
        FilteringAnswers(
            from_other_ip=asked[0].answered,
            from_other_port=asked[1].answered,
            ignored=any(_ignored(transaction) for transaction in asked),
            refused=any(_refused(transaction) for transaction in asked),
            control=control,
        )
    )


def classify(answers: FilteringAnswers) -> FilteringResult:
    """Classify the filtering; an answer from the requested address itself proves nothing."""
    if answers.refused:
        return FilteringResult("unknown", "the server refuses CHANGE-REQUEST", quirk=REFUSES)
    if answers.ignored:
        return FilteringResult("unknown", "the server ignores CHANGE-REQUEST", quirk=IGNORES)
    if answers.from_other_ip:
        return FilteringResult("EIF", certain=True)
    if answers.control is False:
        reason = (
            "no answer from the server's second address arrived, not even at the control socket"
        )
        return FilteringResult("unknown", reason)
    value: Filtering = "ADF" if answers.from_other_port else "APDF"
    return FilteringResult(value, certain=answers.control is True)


async def _changed(
    context: Context, to: Address, answers_from: Address, change: int, step: str
) -> Transaction | None:
    """Create a mapping on a new socket, then request an answer from another address."""
    async with context.mapped(to, f"filtering.{step}.I") as (socket, first):
        if not first.answered:
            return None
        request = message.request(change=change)
        return await context.send_request(
            socket,
            to,
            f"filtering.{step}",
            request=request,
            accept=(answers_from,),
            evidence=True,
        )


async def _control(context: Context, server: FullServer) -> bool | None:
    """Control: the changed answer must arrive at a socket that has sent to B:p' before.

    It needs one mapping towards both addresses; without that there is no control.
    """
    with context.socket() as socket:
        first, other = await asyncio.gather(
            context.send_request(socket, server.primary, "filtering.control.A", evidence=True),
            context.send_request(socket, server.alternate, "filtering.control.B", evidence=True),
        )
        if first.mapped is None or first.mapped != other.mapped:
            return None
        transaction = await context.send_request(
            socket,
            server.primary,
            "filtering.control",
            request=message.request(change=CHANGE_IP | CHANGE_PORT),
            accept=(server.alternate,),
            evidence=True,
        )
    return transaction.answered


def _ignored(transaction: Transaction) -> bool:
    return not transaction.answered and any(
        received.source == transaction.to and received.parsed.message.error_code is None
        for received in transaction.unexpected
    )


def _refused(transaction: Transaction) -> bool:
    return any(
        received.source == transaction.to and received.parsed.message.error_code is not None
        for received in transaction.unexpected
    )
