"""All given servers concurrently, and the report."""

import asyncio
from collections.abc import Sequence

from sfukit.probe import resolve
from sfukit.probe.turn import report
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.probe import probe
from sfukit.probe.turn.report import TurnReport
from sfukit.turn.uri import TurnUri


async def run(uris: Sequence[TurnUri], options: TurnOptions) -> TurnReport:
    """Probe the servers concurrently; raises ``TargetError`` where the peer has no address."""
    if options.peer is not None:
        await resolve.resolve(options.peer, "4")
    probing = [asyncio.create_task(probe(uri, options)) for uri in uris]
    try:
        await asyncio.wait(probing)
    except asyncio.CancelledError:  # Ctrl-C: each reports its results so far
        for task in probing:
            task.cancel()
    return report.build(await asyncio.gather(*probing), options.gates)
