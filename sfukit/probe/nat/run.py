"""A probe from options to report: where am I, measure, sum up."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sfukit.gates import Gate
from sfukit.probe.finding import Finding, Stopwatch
from sfukit.probe.nat.measure import Progress, measure
from sfukit.probe.nat.options import Options
from sfukit.probe.nat.report import NatReport
from sfukit.probe.nat.summary import summarise
from sfukit.probe.where import facts as system_facts
from sfukit.probe.where import judge, proxy
from sfukit.probe.where.facts import Facts


async def probe(
    options: Options, progress: Progress, bounds: Sequence[Gate] = (), facts: Facts | None = None
) -> NatReport:
    """Probe once from one address; the network's faults are in the report, never raised."""
    watch = Stopwatch(time.monotonic)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    facts = facts or system_facts.look()
    where: list[Finding] = judge.examine(facts)
    found = await measure(options, facts, progress, _proxy(options))
    return summarise(options, facts, where, found, started=started, took_ms=watch.ms, bounds=bounds)


def _proxy(options: Options) -> proxy.Proxy | None:
    """Choose the proxy that was named, or the environment's for the first server."""
    if options.proxy is not None:
        return proxy.parse(options.proxy)
    return proxy.of_environment(options.servers[0].host) if options.servers else None
