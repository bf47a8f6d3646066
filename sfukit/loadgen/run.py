"""One run from end to end: target, plan, preflight, ramp, warm-up, window, figures, report."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sfukit import machine
from sfukit.errors import MachineError
from sfukit.loadgen import opening, scenario, summary
from sfukit.loadgen.exchange import exchanging
from sfukit.loadgen.opening import Opened
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.placement import Cores, place, running_on
from sfukit.loadgen.result import LoadtestReport
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.summary import Facts
from sfukit.loadgen.timeline import Observer, Timeline
from sfukit.loadgen.verdict import TargetFault
from sfukit.media import cache
from sfukit.swarm.messages import SwarmConfig
from sfukit.swarm.native import NativeSwarm
from sfukit.targets.load_permission import permit

Preflight = Callable[[Plan], Awaitable[TargetFault | None]]


async def prepare(options: RunOptions) -> Plan:
    """Make the plan alone; a given target is asked what it is, nothing is started."""
    async with opening.http_client(options) as client:
        found = await opening.find(options, client)
    return scenario.plan(opening.shaped(options.load, found, options.play))


async def run(
    options: RunOptions,
    observer: Observer,
    stop: asyncio.Event,
    preflight: Preflight | None = None,
) -> LoadtestReport:
    """Carry out a load test; ``stop`` ends it early with what was measured so far.

    ``preflight`` looks at a target that was given, before any bot is sent there.
    """
    started_at = datetime.now(UTC)
    async with _opened(options, observer) as (plan, opened, cores):
        observer.say("plan", scenario.plan_line(plan))
        for note in notes(len(plan.bots), cores):
            observer.say("note", note)
        fault = None
        if preflight is not None and opened.server is None:
            fault = await preflight(plan)
        with running_on(cores.swarm):
            swarm = NativeSwarm(SwarmConfig(seed=plan.options.seed, srtp=options.srtp, gro=False))
            try:
                timeline = Timeline(options, plan, opened, swarm, observer, stop)
                async with _kept_apart(opened, cores) as cores:
                    windowed = await (timeline.run() if fault is None else timeline.refused(fault))
            finally:
                swarm.close()
        facts = Facts(options, plan, opened.described, machine.look(), cores, started_at)
        return summary.report(facts, timeline.ledger, windowed)


@asynccontextmanager
async def _kept_apart(opened: Opened, cores: Cores) -> AsyncIterator[Cores]:
    """Exchange the cores of the data threads where that was decided; tell what came of it."""
    if opened.server is None or not cores.cores_swapped:
        yield cores
        return
    async with exchanging(opened.server.ready.pid, cores.server) as cores_swapped:
        yield cores._replace(cores_swapped=cores_swapped)


@asynccontextmanager
async def _opened(
    options: RunOptions, observer: Observer
) -> AsyncIterator[tuple[Plan, Opened, Cores]]:
    """Recognise or start the target, and plan for what it offers."""
    scenario.plan(options.load)  # contradictions are refused before anything is asked or started
    client = opening.http_client(options)
    try:
        found = await opening.find(options, client)
        plan = scenario.plan(opening.shaped(options.load, found, options.play))
        clients = len(plan.bots)
        if found is not None:
            for url in filter(None, (found.url, options.play)):
                await permit(url, clients, options.access.allow_hosts, options.command)
        await _encode_missing(plan, observer)
        cores = place(options.pin, machine.usable_cores(), server_here=found is None)
        _allow_files(clients)
        opened = await opening.open_target(options, found, client, cores.server)
    except BaseException:
        await client.aclose()
        raise
    try:
        observer.say("", _target_line(opened))
        if opened.server is not None:
            hint = await opening.default_port_hint(client, options.command)
            if hint:
                observer.say("", hint)
        yield plan, opened, cores
    finally:
        await opened.close()


async def _encode_missing(plan: Plan, observer: Observer) -> None:
    """Make the clips that are neither shipped nor kept, before anybody waits for them."""
    codec = plan.options.codec
    for encoding in plan.encodings if plan.has_video else ():
        if not cache.path(codec, encoding.clip).exists():
            kept = f"encoded once and kept in {cache.folder()}"
            observer.say("media", f"{codec.upper()} {encoding.clip.name}: {kept}")
            await asyncio.to_thread(cache.video_clip, codec, encoding.clip)


def _target_line(opened: Opened) -> str:
    described, server = opened.described, opened.server
    if server is not None:
        ports = ", ".join(map(str, server.ready.udp_ports))
        return (
            f"no target: started a private SFU (pid {server.ready.pid}, "
            f"{server.ready.url}, udp {ports})"
        )
    version = f" {described.version}" if described.version else ""
    play = f", played from {described.play_url}" if described.play_url else ""
    return f"target {described.url} ({described.kind}{version}){play}"


def _allow_files(clients: int) -> None:
    """Make sure that every bot can have its sockets; a server started here inherits the limit."""
    wanted = machine.open_files_for(clients)
    allowed = machine.raise_open_files(wanted)
    if allowed < wanted:
        raise MachineError(
            f"{clients} clients need {wanted} open files; {allowed} are allowed",
            hint=f"ulimit -Hn {wanted}   (as root, or in /etc/security/limits.conf)",
        )


def notes(clients: int, cores: Cores) -> list[str]:
    """Say what will cost packets on this machine, and how to mend it."""
    findings = machine.examine(machine.look(), clients)
    return [
        f"{finding.name}: {finding.actual}; mend it with  {finding.fix}"
        for finding in findings
        if finding.state in ("bad", "weak") and finding.fix
        if not (cores.cores_swapped and finding.name == machine.FREE_MEMORY)
    ]
