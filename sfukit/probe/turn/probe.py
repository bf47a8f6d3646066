"""One server by one transport, from its name to the deleted allocation."""

import asyncio
from dataclasses import dataclass, field, replace

from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Finding
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.turn import alternate, relaying
from sfukit.probe.turn.allocations import Allocations, allocate_many
from sfukit.probe.turn.alternate import SentElsewhereError
from sfukit.probe.turn.client import Client
from sfukit.probe.turn.login import Allocation, allocate, login
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.peer import Peer, RelayPeer
from sfukit.probe.turn.relaying import Relayed
from sfukit.probe.turn.report import INTERRUPTED, ServerReport, VariantReport
from sfukit.probe.turn.security import examine
from sfukit.probe.turn.uri import TurnUri, Variant
from sfukit.probe.turn.way import Connected, connect, connect_to, open_client

_GOODBYE_S = 1.0  # of who was interrupted


@dataclass
class _Learnt:
    """What is known so far; whatever fails later, this is reported."""

    connected: Connected | None = None
    alternate: Address | None = None
    allocation: Allocation | None = None
    peer: Peer | None = None
    relayed: Relayed | None = None
    allocations: Allocations | None = None
    security: list[Finding] = field(default_factory=list)


async def probe(uri: TurnUri, options: TurnOptions) -> ServerReport:
    """Probe each variant of a URI, one after the other so that none disturbs another's figures."""
    reports: list[VariantReport] = []
    for variant in options.variants or uri.variants:
        reports.append(await probe_variant(uri, variant, options))
        if reports[-1].interrupted:
            break
    return ServerReport(uri=str(uri), variants=reports)


async def probe_variant(uri: TurnUri, variant: Variant, options: TurnOptions) -> VariantReport:
    """Take all steps; what fails is in the report, never raised."""
    course, learnt = Course(), _Learnt()
    try:
        await _take(course, learnt, uri, variant, options)
    except StepFailedError:
        pass  # the course has it
    except asyncio.CancelledError:  # Ctrl-C: what is known is reported all the same
        course.failed(INTERRUPTED, StepFailedError(INTERRUPTED, "stopped before it was done"))
    finally:
        if learnt.peer is not None:
            learnt.peer.close()
        if learnt.connected is not None:
            learnt.connected.client.transport.close()
    return _report(course, learnt, uri, variant)


async def _take(
    course: Course, learnt: _Learnt, uri: TurnUri, variant: Variant, options: TurnOptions
) -> None:
    target = uri.endpoint(variant)
    learnt.connected = await connect(course, variant, target, options)
    try:
        await _allocate(course, learnt, variant, target, options)
    except SentElsewhereError as sent:
        await _follow(course, learnt, sent.address, variant, target, options)
    connected, allocation = learnt.connected, learnt.allocation
    assert allocation is not None
    client = connected.client
    try:
        peer = learnt.peer = await _peer(course, uri, variant, connected, allocation, options)
        learnt.relayed = await relaying.relay(
            course, client, allocation, peer, options, connected.direct_rtt_ms
        )
        if options.security:
            learnt.security = await examine(client, allocation, options)
        if options.allocations:
            learnt.allocations = await allocate_many(variant, connected.server, target, options)
    except StepFailedError:
        await relaying.drop(client, options)
        raise
    except asyncio.CancelledError:
        await relaying.drop(client, replace(options, timeout_s=_GOODBYE_S))
        raise
    await relaying.end(course, client, options)


async def _allocate(
    course: Course, learnt: _Learnt, variant: Variant, target: Endpoint, options: TurnOptions
) -> None:
    connected = learnt.connected
    assert connected is not None

    async def reopen() -> Client:
        return await open_client(variant, connected.server, target, options)

    learnt.allocation = await allocate(course, connected.client, connected.server, options, reopen)


async def _follow(
    course: Course,
    learnt: _Learnt,
    address: Address,
    variant: Variant,
    target: Endpoint,
    options: TurnOptions,
) -> None:
    """Go on at the server that a 300 names; a second 300 is not followed."""
    assert learnt.connected is not None
    learnt.connected.client.transport.close()
    learnt.alternate = address
    learnt.connected = await connect_to(course, variant, target, [address], options)
    try:
        await _allocate(course, learnt, variant, target, options)
    except SentElsewhereError as again:
        raise alternate.twice(course, address, again.address) from again


async def _peer(
    course: Course,
    uri: TurnUri,
    variant: Variant,
    connected: Connected,
    allocation: Allocation,
    options: TurnOptions,
) -> Peer:
    """Choose who answers: the one named, a socket here, or a second relay where UDP is blocked."""
    if options.peer is not None:
        return await relaying.given_peer(options)
    own = await relaying.own_peer(connected.client, allocation, connected.server)
    if own is not None:
        return own
    with course.step("peer") as note:
        client = await open_client(variant, connected.server, uri.endpoint(variant), options)
        try:
            second = await login(client, options)
        except StepFailedError:
            client.transport.close()
            raise
        note.found = f"a second relay {_text(second.relay)}: UDP does not leave this network"
    return RelayPeer(client, second.relay, options.timeout_s)


def _report(course: Course, learnt: _Learnt, uri: TurnUri, variant: Variant) -> VariantReport:
    failure, allocation, relayed = course.failure, learnt.allocation, learnt.relayed
    return VariantReport(
        variant=variant,
        endpoint=str(uri.endpoint(variant)),
        relays=failure is None,
        cause=failure.cause if failure else None,
        steps=course.steps,
        server=str(learnt.connected.server) if learnt.connected else None,
        alternate=str(learnt.alternate) if learnt.alternate else None,
        relay_address=_text(allocation.relay) if allocation else None,
        mapped_address=_text(allocation.mapped) if allocation and allocation.mapped else None,
        peer=_text(learnt.peer.address) if learnt.peer else None,
        figures=relayed.figures if relayed else None,
        throughput=relayed.throughput if relayed else None,
        allocations=learnt.allocations,
        security=learnt.security,
    )


def _text(address: tuple[str, int]) -> str:
    return str(Address(*address[:2]))
