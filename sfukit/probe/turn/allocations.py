"""Many concurrent allocations: how many a server grants, how fast, and the causes of refusals."""

import asyncio
from collections import Counter

import msgspec

from sfukit.probe.finding import Stopwatch
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.steps import StepFailedError
from sfukit.probe.turn.allocate import allocate_unrecorded
from sfukit.probe.turn.client import Client
from sfukit.probe.turn.connection import open_client
from sfukit.probe.turn.figures import Percentiles, percentiles
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.relaying import release
from sfukit.turn.uri import Variant

_AT_ONCE = 50  # concurrent requests: more would measure this machine


class Allocations(msgspec.Struct, frozen=True, kw_only=True):
    """Allocations requested and granted, all existing at the same time.

    ``ms`` is from the first byte to the relayed address, with both Allocate requests.
    """

    requested: int
    granted: int
    ms: Percentiles
    causes: dict[str, int]


async def allocate_many(
    variant: Variant, server: Address, target: Endpoint, options: TurnOptions
) -> Allocations:
    """Create ``options.allocations`` allocations, then delete them all."""
    gate = asyncio.Semaphore(_AT_ONCE)
    failures: Counter[str] = Counter()
    held: list[Client] = []
    times_ms: list[float] = []

    async def one() -> None:
        async with gate:
            watch = Stopwatch()
            try:
                client = await open_client(variant, server, target, options)
                held.append(client)
                await allocate_unrecorded(client, options)
            except StepFailedError as failed:
                failures[failed.cause] += 1
                return
            times_ms.append(watch.ms)

    async def release_one(client: Client) -> None:
        async with gate:
            await release(client, options)
            client.transport.close()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(options.allocations):
                group.create_task(one())
    finally:
        await asyncio.gather(*map(release_one, held))
    return Allocations(
        requested=options.allocations,
        granted=len(times_ms),
        ms=percentiles(times_ms),
        causes=dict(failures.most_common()),
    )
