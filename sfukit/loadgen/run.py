"""One run from end to end: target, plan, preflight, ramp, warm-up, window, figures, report."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from msgspec import structs

from sfukit import machine
from sfukit.errors import MachineError, UsageError
from sfukit.loadgen import decode_sample, endpoints, relay, scenario, target_setup
from sfukit.loadgen.bots import clips
from sfukit.loadgen.host.core_swap import swapping_cores
from sfukit.loadgen.host.placement import EXCHANGE, Cores, place, running_on
from sfukit.loadgen.metrics import scoped
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.relay import RelayOptions
from sfukit.loadgen.reports.compare import load_differences, swap_difference
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.rfc8867 import measured as case
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.shards import described as shard
from sfukit.loadgen.stopping import StoppedError, unless_stopped
from sfukit.loadgen.summary import described
from sfukit.loadgen.summary import whole as summary
from sfukit.loadgen.summary.whole import Facts
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.loadgen.timeline import Observer, Timeline
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.swarm.messages import SwarmConfig
from sfukit.swarm.native import NativeSwarm
from sfukit.targets.detect import DetectedTarget
from sfukit.targets.load_permission import permit

_SWAPPING = (
    "exchange: media threads of server and load generator swap cores every 50 ms, "
    "which improves figures of the server"
)
_NOT_SWAPPING = (
    "exchange: not applied: it needs one media thread on each side, and the permission to set "
    "their affinity"
)

Preflight = Callable[[Plan], Awaitable[TargetFault | None]]


async def prepare(options: RunOptions) -> Plan:
    """Return the plan; a given target is recognised, no server is started."""
    async with target_setup.http_client(options) as client:
        found = await target_setup.recognise_target(options, client)
    return _plan(options, found)


async def run(
    options: RunOptions,
    observer: Observer,
    stop: asyncio.Event,
    preflight: Preflight | None = None,
) -> LoadtestReport:
    """Run a load test; ``stop`` ends it early with the metrics so far.

    ``preflight`` checks a given target before any bot joins.
    """
    started_at = datetime.now(UTC)
    if options.relay is not None:
        options = replace(options, relay=await _resolved_relay(options, options.relay))
    async with AsyncExitStack() as stack:
        sample_in = stack.enter_context(decode_sample.folder(options))
        ready, fault = True, None
        try:
            opening = stack.enter_async_context(_opened(options, observer))
            plan, opened, cores = await unless_stopped(opening, stop)
            fault = await _checked(options, plan, opened, cores, observer, preflight)
        except StoppedError:
            ready = False
            plan, opened, cores = await stack.enter_async_context(_unopened(options))
        with running_on(cores.swarm):
            swarm = NativeSwarm(SwarmConfig(seed=plan.options.seed, srtp=options.srtp))
            try:
                timeline = Timeline(options, plan, opened, swarm, observer, stop, sample_in)
                async with _swapping_cores(opened, cores, observer) as cores:
                    runs = ready and fault is None
                    windows = await (timeline.run() if runs else timeline.without_bots(fault))
            finally:
                swarm.close()
        if timeline.sample is not None:
            sampled = len(timeline.ledger.sampled)
            observer.report("decode", f"{sampled} sampled stream{'s' if sampled != 1 else ''}")
            windows = await timeline.sample.decoded(options, plan, windows, stop)
            windows = await timeline.sample.read(plan, windows, stop)
        facts = Facts(
            *(options, plan, opened.described, machine.inspect(), cores, started_at),
            first_join_s=timeline.started_s,
            start_ns=timeline.start_ns,
        )
        report = summary.report(facts, timeline.ledger, windows, timeline.intervals)
        if plan.options.rfc8867 is None:
            return report
        return structs.replace(report, rfc8867=case.report(plan, timeline.readings))


async def _resolved_relay(options: RunOptions, named: RelayOptions) -> RelayOptions:
    """Return the TURN server with its address; raise ``UsageError`` where it may not be loaded."""
    planned = scenario.plan(options.load)
    clients = sum(planned.is_relayed(slot) for slot in planned.slots)
    return await relay.resolved(named, clients, options.access, options.command)


async def _checked(
    options: RunOptions,
    plan: Plan,
    opened: OpenedTarget,
    cores: Cores,
    observer: Observer,
    preflight: Preflight | None,
) -> TargetFault | None:
    """Report the plan; return why a given target is not usable."""
    observer.report("plan", scenario.plan_line(plan))
    if options.shard is not None:
        observer.report("shard", shard.line(plan, options))
    told = endpoints.note(opened.described)
    for note in [*([told] if told else []), *notes(len(plan.own_slots), cores)]:
        observer.report("note", note)
    kind = opened.described.kind
    if kind == "plugin":
        observer.report("check", "not made: `sfukit check` has no plug-ins")
    elif preflight is not None and opened.server is None:
        return await preflight(plan)
    return None


@asynccontextmanager
async def _swapping_cores(
    opened: OpenedTarget, cores: Cores, observer: Observer
) -> AsyncIterator[Cores]:
    """Swap the cores of the media threads where asked for; yield the cores with the outcome."""
    if opened.server is None or not cores.cores_swapped:
        yield cores
        return
    async with swapping_cores(opened.server.ready.pid, cores.server) as cores_swapped:
        observer.report("pin", _SWAPPING if cores_swapped else _NOT_SWAPPING)
        yield cores._replace(cores_swapped=cores_swapped)


@asynccontextmanager
async def _opened(
    options: RunOptions, observer: Observer
) -> AsyncIterator[tuple[Plan, OpenedTarget, Cores]]:
    """Recognise or start the target, and plan the load for it."""
    scenario.plan(options.load)  # contradictions are refused before any request
    client = target_setup.http_client(options)
    try:
        found = await target_setup.recognise_target(options, client)
        plan = _plan(options, found)
        scoped.check(options.gates, plan)
        _check_baseline(options, plan)
        clients = len(plan.slots)
        if found is not None:
            for url in filter(None, (found.url, options.play)):
                await permit(url, clients, options.access.allow_hosts, options.command)
        await clips.encode_missing(plan, observer.report)
        cores = place(options.pin, machine.usable_cores(), server_here=found is None)
        _allow_files(len(plan.own_slots))
        opened = await target_setup.open_target(options, found, client, cores.server)
        opened = replace(opened, described=endpoints.counted(opened.described, plan))
    except BaseException:
        await client.aclose()
        raise
    try:
        observer.report("", target_setup.opening_line(opened))
        if opened.server is not None:
            hint = await target_setup.default_port_hint(client, options.command)
            if hint:
                observer.report("", hint)
        yield plan, opened, cores
    finally:
        await opened.close()


def _plan(options: RunOptions, found: DetectedTarget | None) -> Plan:
    """Return the plan for a target, with the share of this process."""
    plan = scenario.plan(target_setup.fit_to_target(options.load, found, options.play))
    return plan if options.shard is None else plan.shared(options.shard)


@asynccontextmanager
async def _unopened(options: RunOptions) -> AsyncIterator[tuple[Plan, OpenedTarget, Cores]]:
    """Plan the load for a target that was not recognised before the run was stopped."""
    cores = place(options.pin, machine.usable_cores(), server_here=options.target is None)
    opened = target_setup.unopened(options)
    try:
        yield _plan(options, None), opened, cores
    finally:
        await opened.close()


def _check_baseline(options: RunOptions, plan: Plan) -> None:
    """Refuse a baseline of another load, or without a verdict."""
    if options.baseline is None:
        return
    planned = described.load(plan, options, Ledger(plan))
    differences = load_differences(options.baseline.scenario, planned)
    swapped = options.baseline.environment.placement.cores_swapped
    differences += swap_difference(swapped, options.pin == EXCHANGE)
    if differences:
        raise UsageError(
            f"--baseline: another load: {'; '.join(differences)}",
            hint="give the options of the earlier run",
        )
    if options.baseline.verdict == "inconclusive":
        raise UsageError("--baseline: that run was inconclusive, so its figures are no measure")


def _allow_files(clients: int) -> None:
    """Raise the limit of open files for all bots; a private server inherits it."""
    needed = machine.open_files_for(clients)
    allowed = machine.raise_open_files(needed)
    if allowed < needed:
        raise MachineError(
            f"{clients} clients need {needed} open files; {allowed} are allowed",
            hint=f"ulimit -Hn {needed}   (as root, or in /etc/security/limits.conf)",
        )


def notes(clients: int, cores: Cores) -> list[str]:
    """Return what will drop packets on this machine, with the fixes."""
    findings = machine.examine(machine.inspect(), clients)
    return [
        f"{finding.name}: {finding.actual}; fix:  {finding.fix}"
        for finding in findings
        if finding.state in ("bad", "weak") and finding.fix
        if not (cores.cores_swapped and finding.name == machine.FREE_MEMORY)
    ]
