"""A probe from options to report: environment, measurements, summary."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from sfukit.errors import ExitCode, UsageError
from sfukit.gates import Gate
from sfukit.probe.environment import facts as system_facts
from sfukit.probe.environment import judge, proxy
from sfukit.probe.environment.facts import Facts
from sfukit.probe.finding import Finding, Stopwatch
from sfukit.probe.nat.measure import Measured, Progress, measure
from sfukit.probe.nat.options import Options
from sfukit.probe.nat.report import NatReport
from sfukit.probe.nat.summary import summarise


async def probe(
    options: Options, progress: Progress, bounds: Sequence[Gate] = (), facts: Facts | None = None
) -> NatReport:
    """Probe once from one address; the network's faults are in the report, never raised.

    Cancelled (Ctrl-C), it reports what it has, with the exit code of an interruption.
    """
    watch = Stopwatch(time.monotonic)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    facts = facts or system_facts.read()
    through, unusable = _proxy(options)
    environment: list[Finding] = [*judge.examine(facts), *unusable]
    found = Measured()
    interrupted = False
    try:
        await measure(options, facts, found, progress, through)
    except asyncio.CancelledError:
        interrupted = True
    report = summarise(
        options, facts, environment, found, started=started, duration_ms=watch.ms, bounds=bounds
    )
    if not interrupted:
        return report
    return msgspec.structs.replace(
        report, verdict="inconclusive", exit_code=int(ExitCode.INTERRUPTED), reason="interrupted"
    )


def _proxy(options: Options) -> tuple[proxy.Proxy | None, list[Finding]]:
    """Return the proxy of --proxy, or the environment's for the first server.

    The proxy does not affect UDP: an unusable one is a note.
    """
    if options.proxy is not None or not options.servers:
        return options.proxy, []
    try:
        return proxy.of_environment(options.servers[0].host), []
    except UsageError:
        text = "HTTPS_PROXY names no HTTP proxy, so TCP is tried without it"
        return None, [Finding(name="proxy_unusable", state="note", text=text)]
