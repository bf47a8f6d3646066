"""One run from end to end: target, plan, join, window, report."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from sfukit import machine
from sfukit.loadgen import relay, target_setup
from sfukit.loadgen.bots import clips
from sfukit.loadgen.latency import ends, other_end, summary
from sfukit.loadgen.latency.independent import run as independent
from sfukit.loadgen.latency.measure import Measured, Measurement, Observer
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.peer import open_peer
from sfukit.loadgen.latency.result import LatencyReport
from sfukit.loadgen.latency.summary import Facts
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.stopping import StoppedError, unless_stopped
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.swarm.messages import SwarmConfig
from sfukit.swarm.native import NativeSwarm


async def run(options: LatencyOptions, observer: Observer, stop: asyncio.Event) -> LatencyReport:
    """Measure; ``stop`` ends the run early with the samples so far."""
    if options.engine == "aiortc":
        independent.check_installed()
    started_at = datetime.now(UTC)
    if options.run.relay is not None:
        run = options.run
        clients = len(ends.bots(ends.plan(options, None), options.ends))
        found = await relay.resolved(options.run.relay, clients, run.access, run.command)
        options = replace(options, run=replace(run, relay=found))
    async with AsyncExitStack() as stack:
        try:
            opening = stack.enter_async_context(_opened(options, observer))
            plan, opened = await unless_stopped(opening, stop)
        except StoppedError:
            return _stopped(options, started_at)
        observer.report("plan", ends.plan_line(plan, options))
        swarm = NativeSwarm(SwarmConfig(seed=plan.options.seed, srtp=options.run.srtp, gro=False))
        try:
            peer = await open_peer(options, swarm)
            for line in other_end.lines(options, peer):
                observer.report("other end", line)
            measurement = Measurement(options, plan, opened, swarm, peer, observer, stop)
            measured = await measurement.run()
        finally:
            swarm.close()
        facts = Facts(options, plan, opened.described, started_at)
        native = summary.report(facts, measurement.ledger, measured)
        if options.engine == "native":
            return native
        return await independent.beside(native, options, plan, opened, observer, stop)


def _stopped(options: LatencyOptions, started_at: datetime) -> LatencyReport:
    """Return the report of a run that was stopped before the target was ready."""
    plan = ends.plan(options, None)
    facts = Facts(options, plan, target_setup.unrecognised(options.run), started_at)
    return summary.report(facts, Ledger(plan), Measured(interrupted=True))


@asynccontextmanager
async def _opened(
    options: LatencyOptions, observer: Observer
) -> AsyncIterator[tuple[Plan, OpenedTarget]]:
    """Recognise or start the target, and plan for it."""
    client = target_setup.http_client(options.run)
    try:
        found = await target_setup.recognise_target(options.run, client)
        plan = ends.plan(options, found)
        await clips.encode_missing(plan, observer.report)
        opened = await target_setup.open_target(options.run, found, client, machine.usable_cores())
    except BaseException:
        await client.aclose()
        raise
    try:
        observer.report("", target_setup.opening_line(opened))
        if opened.server is not None:
            hint = await target_setup.default_port_hint(client, options.run.command)
            if hint:
                observer.report("", hint)
        yield plan, opened
    finally:
        await opened.close()
