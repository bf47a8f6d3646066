"""Many allocations at once: how many a server gives, how fast, and why not more."""

import asyncio
from collections import Counter

import msgspec

from sfukit.probe.course import StepFailedError
from sfukit.probe.finding import Stopwatch
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.turn.client import Client
from sfukit.probe.turn.figures import Percentiles, percentiles
from sfukit.probe.turn.login import login
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.relaying import drop
from sfukit.probe.turn.uri import Variant
from sfukit.probe.turn.way import open_client

_AT_ONCE = 50  # under way at a time: more would measure this machine


class Allocations(msgspec.Struct, frozen=True, kw_only=True):
    """How many allocations were asked for and made, all held at the same time.

    ``ms`` counts from the first byte to a relay address, with both rounds of authentication.
    """

    requested: int
    granted: int
    ms: Percentiles
    causes: dict[str, int]


async def allocate_many(
    variant: Variant, server: Address, target: Endpoint, options: TurnOptions
) -> Allocations:
    """Hold ``options.allocations`` allocations, then delete them all."""
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
                await login(client, options)
            except StepFailedError as failed:
                failures[failed.cause] += 1
                return
            times_ms.append(watch.ms)

    async def give_back(client: Client) -> None:
        async with gate:
            await drop(client, options)
            client.transport.close()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(options.allocations):
                group.create_task(one())
    finally:
        await asyncio.gather(*map(give_back, held))
    return Allocations(
        requested=options.allocations,
        granted=len(times_ms),
        ms=percentiles(times_ms),
        causes=dict(failures.most_common()),
    )
