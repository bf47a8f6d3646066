"""One server over one transport, from its name to the deleted allocation."""

import asyncio
from dataclasses import dataclass, field, replace

from sfukit.probe.finding import Finding
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.probe.turn import alternate, relaying
from sfukit.probe.turn.allocate import Allocation, allocate, allocate_unrecorded
from sfukit.probe.turn.allocations import Allocations, allocate_many
from sfukit.probe.turn.alternate import AlternateServerError
from sfukit.probe.turn.client import Client
from sfukit.probe.turn.connection import Connected, connect, connect_to, open_client
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.peer import Peer, RelayPeer
from sfukit.probe.turn.relaying import Relayed
from sfukit.probe.turn.report import INTERRUPTED, ServerReport, VariantReport
from sfukit.probe.turn.security import examine
from sfukit.turn.uri import TurnUri, Variant

_RELEASE_S = 1.0  # after an interrupt


@dataclass
class _Progress:
    """The results so far, which are reported after a failure as well."""

    connected: Connected | None = None
    alternate: Address | None = None
    allocation: Allocation | None = None
    peer: Peer | None = None
    relayed: Relayed | None = None
    allocations: Allocations | None = None
    security: list[Finding] = field(default_factory=list)


async def probe(uri: TurnUri, options: TurnOptions) -> ServerReport:
    """Probe each variant of a URI sequentially, so that none affects another's statistics."""
    reports: list[VariantReport] = []
    for variant in options.variants or uri.variants:
        reports.append(await probe_variant(uri, variant, options))
        if reports[-1].interrupted:
            break
    return ServerReport(uri=str(uri), variants=reports)


async def probe_variant(uri: TurnUri, variant: Variant, options: TurnOptions) -> VariantReport:
    """Run all steps; failures are in the report, never raised."""
    recorder, progress = StepRecorder(), _Progress()
    try:
        await _run_steps(recorder, progress, uri, variant, options)
    except StepFailedError:
        pass  # it is recorded
    except asyncio.CancelledError:  # Ctrl-C: the results so far are reported
        recorder.failed(INTERRUPTED, StepFailedError(INTERRUPTED, "interrupted before the end"))
    finally:
        if progress.peer is not None:
            progress.peer.close()
        if progress.connected is not None:
            progress.connected.client.transport.close()
    return _report(recorder, progress, uri, variant)


async def _run_steps(
    recorder: StepRecorder,
    progress: _Progress,
    uri: TurnUri,
    variant: Variant,
    options: TurnOptions,
) -> None:
    target = uri.endpoint(variant)
    progress.connected = await connect(recorder, variant, target, options)
    try:
        await _allocate(recorder, progress, variant, target, options)
    except AlternateServerError as sent:
        await _follow(recorder, progress, sent.address, variant, target, options)
    connected, allocation = progress.connected, progress.allocation
    assert allocation is not None
    client = connected.client
    try:
        peer = progress.peer = await _peer(recorder, uri, variant, connected, allocation, options)
        if options.security:

            async def reopen() -> Client:
                return await open_client(variant, connected.server, target, options)

            progress.security = await examine(client, allocation, peer, variant, options, reopen)
        progress.relayed = await relaying.relay(
            recorder, client, allocation, peer, options, connected.direct_rtt_ms
        )
        if options.allocations:
            progress.allocations = await allocate_many(variant, connected.server, target, options)
    except StepFailedError:
        await relaying.release(client, options)
        raise
    except asyncio.CancelledError:
        await relaying.release(client, replace(options, timeout_s=_RELEASE_S))
        raise
    await relaying.refresh_and_delete(recorder, client, options)


async def _allocate(
    recorder: StepRecorder,
    progress: _Progress,
    variant: Variant,
    target: Endpoint,
    options: TurnOptions,
) -> None:
    connected = progress.connected
    assert connected is not None

    async def reopen() -> Client:
        return await open_client(variant, connected.server, target, options)

    progress.allocation = await allocate(
        recorder, connected.client, connected.server, options, reopen
    )


async def _follow(
    recorder: StepRecorder,
    progress: _Progress,
    address: Address,
    variant: Variant,
    target: Endpoint,
    options: TurnOptions,
) -> None:
    """Continue at the alternate server of a 300; a second 300 is not followed."""
    assert progress.connected is not None
    progress.connected.client.transport.close()
    progress.alternate = address
    progress.connected = await connect_to(recorder, variant, target, [address], options)
    try:
        await _allocate(recorder, progress, variant, target, options)
    except AlternateServerError as again:
        raise alternate.second_redirect(recorder, address, again.address) from again


async def _peer(
    recorder: StepRecorder,
    uri: TurnUri,
    variant: Variant,
    connected: Connected,
    allocation: Allocation,
    options: TurnOptions,
) -> Peer:
    """Choose the peer: --peer, a local socket, or a second allocation where UDP is blocked."""
    if options.peer is not None:
        return await relaying.configured_peer(options)
    own = await relaying.own_peer(connected.client, allocation, connected.server)
    if own is not None:
        return own
    with recorder.step("peer") as note:
        client = await open_client(variant, connected.server, uri.endpoint(variant), options)
        try:
            second = await allocate_unrecorded(client, options)
        except StepFailedError:
            client.transport.close()
            raise
        note.found = f"a second relay {_text(second.relay)}: UDP does not leave this network"
    return RelayPeer(client, second.relay, options.timeout_s)


def _report(
    recorder: StepRecorder, progress: _Progress, uri: TurnUri, variant: Variant
) -> VariantReport:
    failure, allocation, relayed = recorder.failure, progress.allocation, progress.relayed
    return VariantReport(
        variant=variant,
        endpoint=str(uri.endpoint(variant)),
        relays=False if failure else None if relayed is None else True,
        cause=failure.cause if failure else None,
        steps=recorder.steps,
        server=str(progress.connected.server) if progress.connected else None,
        alternate=str(progress.alternate) if progress.alternate else None,
        relay_address=_text(allocation.relay) if allocation else None,
        mapped_address=_text(allocation.mapped) if allocation and allocation.mapped else None,
        peer=_text(progress.peer.address) if progress.peer else None,
        figures=relayed.figures if relayed else None,
        throughput=relayed.throughput if relayed else None,
        allocations=progress.allocations,
        security=progress.security,
    )


def _text(address: tuple[str, int]) -> str:
    return str(Address(*address[:2]))
