"""Mapping behaviour: endpoint-independent, address- or address-and-port-dependent (RFC 4787 4)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.resolve import Address
from sfukit.probe.stun.udp import StunSocket

Mapping = Literal["EIM", "ADM", "APDM", "unknown"]

_SOCKETS = 2
CONTRADICTION = "the answers contradict each other"


@dataclass(frozen=True)
class Seen:
    """The mapped addresses of one socket towards A:p, B:p, B:p', A:p'; None without an answer."""

    local: Address
    x1: Address | None
    x2: Address | None = None
    x3: Address | None = None
    x4: Address | None = None


@dataclass(frozen=True)
class MappingResult:
    """The mapping; ``reason`` is what is missing or the evidence."""

    value: Mapping
    reason: str | None = None
    endpoint_dependent: bool | None = None
    agreeing: int = 0


async def probe(context: Context, server: FullServer) -> MappingResult:
    """Classify the mapping by two sockets, and by a third where they disagree (RFC 5780 4.3)."""
    with context.sockets(_SOCKETS + 1) as sockets:
        first = await asyncio.gather(
            *(_measure(context, server, sock, n) for n, sock in enumerate(sockets[:_SOCKETS], 1))
        )
        result = combine(first)
        if result.agreeing < len(first) and len(sockets) > _SOCKETS:
            third = await _measure(context, server, sockets[_SOCKETS], _SOCKETS + 1)
            result = combine([*first, third])
    return result


async def _measure(context: Context, server: FullServer, socket: StunSocket, number: int) -> Seen:
    """Send to all four addresses; the first creates the mapping to compare the others with."""
    asked = {
        "I": server.primary,
        "II": server.other_ip,
        "III": server.alternate,
        "IV": server.other_port,
    }
    first = await context.send_request(socket, server.primary, f"mapping.{number}.I", evidence=True)
    rest = await asyncio.gather(
        *(
            context.send_request(socket, to, f"mapping.{number}.{step}", evidence=True)
            for step, to in list(asked.items())[1:]
        )
    )
    return Seen(socket.local, first.mapped, *(transaction.mapped for transaction in rest))


def classify(seen: Seen) -> MappingResult:
    """Classify the mapping of one socket (RFC 5780 4.3); a missing answer makes it unknown."""
    x1, x2, x3, x4 = seen.x1, seen.x2, seen.x3, seen.x4
    if x1 is None:
        return MappingResult("unknown", "the server does not answer")
    if x2 is None and x3 is None:
        return MappingResult("unknown", "the server's second address does not answer")
    known = {x for x in (x1, x2, x3, x4) if x is not None}
    if len(known) == 1:
        return MappingResult("EIM", endpoint_dependent=False)
    same_ip = [pair for pair in ((x1, x4), (x2, x3)) if None not in pair]
    if not same_ip:
        return MappingResult("unknown", "too few answers to distinguish ADM from APDM", True)
    by_address = [first == second for first, second in same_ip]
    if all(by_address) and x1 not in (x2, x3):
        return MappingResult("ADM", endpoint_dependent=True)
    if not any(by_address) and x1 != x2:
        return MappingResult("APDM", endpoint_dependent=True)
    return MappingResult("unknown", CONTRADICTION, True)


def combine(seen: Sequence[Seen]) -> MappingResult:
    """Combine the results of several sockets: the majority decides, a tie is unknown.

    With one socket alone a NAT may map two destinations to one port by chance.
    """
    results = [classify(each) for each in seen]
    values = [result.value for result in results if result.value != "unknown"]
    if not values:
        first = results[0] if results else MappingResult("unknown", "no socket could be opened")
        return MappingResult("unknown", first.reason, first.endpoint_dependent)
    best = max(values, key=values.count)
    agreeing = values.count(best)
    if agreeing * 2 <= len(values):
        return MappingResult("unknown", CONTRADICTION)
    dependent = best != "EIM"
    return MappingResult(best, None, dependent, agreeing)


def compare_servers(local: Address, mapped: Sequence[tuple[Address, Address]]) -> MappingResult:
    """Classify the mapping by one socket's mapped address at several servers, (server, mapped)."""
    by_ip = {server.ip: outer for server, outer in mapped}
    if not mapped:
        return MappingResult("unknown", "no server answers")
    if len(by_ip) < 2:
        if mapped[0][1] == local:
            return MappingResult("EIM", "no NAT: the server sees the local address", False, 1)
        reason = "one address answers; give a second server, or one with two addresses"
        return MappingResult("unknown", reason)
    if len(set(by_ip.values())) == 1:
        return MappingResult("EIM", f"{len(by_ip)} servers agree", False, len(by_ip))
    reason = (
        "another mapped address for each server: ADM or APDM; a server with two addresses decides"
    )
    return MappingResult("unknown", reason, True, len(by_ip))
