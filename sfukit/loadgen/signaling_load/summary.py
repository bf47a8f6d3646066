"""The report of a signaling load: latencies, shares, use of both sides, verdict. Pure."""

import math
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sfukit import gates, machine, units
from sfukit.loadgen.host.environment import environment
from sfukit.loadgen.host.placement import Cores
from sfukit.loadgen.host.processes import Use, between
from sfukit.loadgen.metrics import hdr
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result import report as loadtest_result
from sfukit.loadgen.result.report import Saturation
from sfukit.loadgen.signaling_load import result
from sfukit.loadgen.signaling_load.conductor import Measured, Phased
from sfukit.loadgen.signaling_load.recorder import Recorder
from sfukit.loadgen.signaling_load.result import (
    GeneratorUse,
    Latency,
    PhaseUse,
    Profile,
    RateLimited,
    ServerUse,
    Share,
    SignalingReport,
)
from sfukit.loadgen.signaling_load.schedule import Load
from sfukit.loadgen.verdict.decision import Circumstances, decide
from sfukit.loadgen.verdict.saturation import Evidence, attribute

_MS_PER_S = 1000.0
_US_PER_MS = 1000.0
_DEFAULT_GATES = (
    "joins == 100%",
    "operations == 100%",
    "deliveries == 100%",
    "operation_ms.p99 < 250ms",
    "delivery_ms.p99 < 250ms",
)


@dataclass(frozen=True)
class Facts:
    """The facts before the first connection."""

    options: RunOptions
    load: Load
    target: loadtest_result.Target
    cores: Cores
    started_at: datetime
    tokens: bool


def plan_line(load: Load, ramp_per_s: float, *, tokens: bool) -> str:
    """Return the plan as one line of text."""
    ramp_s = 2 * load.clients / ramp_per_s  # connect, join
    whole = units.show_duration(ramp_s + load.total_s)
    return (
        f"{load.clients} WebSockets in {load.rooms} rooms of 5"
        f"{', a token each' if tokens else ''}, no media; "
        f"{load.per_s:g} requests/s: 20% joins and leaves with offers "
        f"({load.callers_busy} clients in calls of {load.call_s:.3g} s), 40% messages to four "
        f"others, 30% layers, 10% re-offers; {units.show_duration(ramp_s)} joining, "
        f"{load.warmup_s:g} s warm-up, {load.duration_s:g} s measured ({whole})"
    )


def report(
    facts: Facts, recorder: Recorder, measured: Measured, profile: Profile | None
) -> SignalingReport:
    """Return the whole report."""
    options, load = facts.options, facts.load
    metrics = {stage: latency(values) for stage, values in recorder.latencies_ms.items()}
    shares = _shares(recorder, measured)
    server, generator = _server(measured), _generator(recorder, measured)
    saturation = _saturation(facts, recorder, measured, generator)
    rate_limited = RateLimited(
        requests=recorder.rate_limited, clients=len(recorder.rate_limited_clients)
    )
    judged = gates.judge(
        _gates(options),
        result.figures(shares, metrics, server, generator, saturation, rate_limited),
    )
    decision = decide(
        judged,
        saturation,
        Circumstances(
            interrupted=measured.interrupted,
            target_fault=measured.target_fault,
            dropped=_dropped(facts, recorder),
            clients_refused=_policy(rate_limited),
            load_delivered=saturation.side not in ("swarm", "shared"),
        ),
    )
    return SignalingReport(
        schema=result.SCHEMA,
        command=result.COMMAND,
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        started_at=facts.started_at.isoformat(timespec="seconds"),
        seed=load.seed,
        interrupted=measured.interrupted,
        reasons=decision.reasons,
        target=facts.target,
        load=result.Load(
            clients=load.clients,
            rooms=load.rooms,
            rate_per_s=load.per_s,
            ramp_per_s=options.load.ramp_per_s,
            warmup_s=load.warmup_s,
            duration_s=load.duration_s,
            callers=load.callers_busy,
            call_s=load.call_s,
            tokens=facts.tokens,
            summary=plan_line(load, options.load.ramp_per_s, tokens=facts.tokens),
        ),
        environment=environment(machine.inspect(), facts.cores),
        gates=judged,
        shares=shares,
        metrics=metrics,
        server=server,
        generator=generator,
        saturation=saturation,
        rate_limited=rate_limited,
        profile=profile,
        errors=recorder.faults,
    )


def latency(values: "array[float]") -> Latency:
    """Return the distribution of latencies in ms."""
    ordered = sorted(values)
    if not ordered:
        return Latency(count=0)

    def rank(quantile: float) -> float:
        return ordered[max(0, math.ceil(len(ordered) * quantile) - 1)]

    return Latency(
        count=len(ordered),
        avg=math.fsum(ordered) / len(ordered),
        p50=rank(0.50),
        p90=rank(0.90),
        p95=rank(0.95),
        p99=rank(0.99),
        max=ordered[-1],
        hdr=hdr.encode(Counter(hdr.bucket_of(round(value * _US_PER_MS)) for value in ordered)),
    )


def _shares(recorder: Recorder, measured: Measured) -> dict[str, Share]:
    joined = measured.audience_joined + len(recorder.latencies_ms["join_ms"])
    planned = measured.audience_planned + recorder.joins_planned
    return {
        "joins": Share(done=joined, planned=planned),
        "operations": Share(done=recorder.answered, planned=recorder.planned),
        "deliveries": Share(done=recorder.deliveries, planned=recorder.deliveries_expected),
    }


def _gates(options: RunOptions) -> list[gates.Gate]:
    paths = result.catalogue()
    defaults = [gates.parse(text, paths, default=True) for text in _DEFAULT_GATES]
    return [*(defaults if options.default_gates else ()), *options.gates]


def _server(measured: Measured) -> ServerUse | None:
    window = measured.window
    use = None if window is None else _server_use(window)
    if window is None or use is None:
        return None
    return ServerUse(
        wall_s=use.wall_s,
        cpu_s=use.cpu_s,
        cpu_cores=use.cpu_s / use.wall_s,
        cpu_ms_per_operation=_each_ms(use.cpu_s, window.count),
        rss_bytes=use.rss_bytes,
        run_queue_wait_s=use.wait_s,
        busiest_thread=use.busiest_thread,
        phases=list(_phases(measured)),
    )


def _phases(measured: Measured) -> Iterator[PhaseUse]:
    """Yield the use of the server by phase, the batches of an arrival together."""
    for name in dict.fromkeys(phase.name for phase in measured.phases):
        parts = [phase for phase in measured.phases if phase.name == name]
        uses = [use for phase in parts if (use := _server_use(phase)) is not None]
        cpu_s, count = sum(use.cpu_s for use in uses), sum(phase.count for phase in parts)
        yield PhaseUse(
            phase=name,
            work=parts[0].work,
            count=count,
            wall_s=sum(use.wall_s for use in uses),
            cpu_s=cpu_s,
            cpu_ms_each=_each_ms(cpu_s, count),
        )


def _server_use(phase: Phased) -> Use | None:
    before, after = phase.before.server, phase.after.server
    return None if before is None or after is None else between(before, after)


def _each_ms(cpu_s: float, count: int) -> float | None:
    return cpu_s * _MS_PER_S / count if count else None


def _generator(recorder: Recorder, measured: Measured) -> GeneratorUse | None:
    """Return the use of the last phase; None where the run was stopped before the first."""
    phase = measured.last
    if phase is None:
        return None
    use = between(phase.before.own, phase.after.own)
    return GeneratorUse(
        wall_s=use.wall_s,
        cpu_s=use.cpu_s,
        cpu_cores=use.cpu_s / use.wall_s,
        rss_bytes=use.rss_bytes,
        run_queue_wait_s=use.wait_s,
        busiest_thread=use.busiest_thread,
        lag_ms=latency(recorder.lag_ms),
    )


def _saturation(
    facts: Facts, recorder: Recorder, measured: Measured, generator: GeneratorUse | None
) -> Saturation:
    phase = measured.last
    if phase is None or generator is None:
        return Saturation(side="none", reasons=[])
    own, server = between(phase.before.own, phase.after.own), _server_use(phase)
    return attribute(
        Evidence(
            server=server,
            swarm=own,
            lag_p99_ms=generator.lag_ms.p99,
            dropped=None,
            unsent=0.0,
            disjoint=facts.cores.disjoint,
            other_cores=_other_cores(phase, own, server),
        )
    )


def _other_cores(phase: Phased, own: Use, server: Use | None) -> float | None:
    before_s, after_s = phase.before.busy_s, phase.after.busy_s
    if before_s is None or after_s is None:
        return None
    used_s = own.cpu_s + (server.cpu_s if server is not None else 0.0)
    return max(0.0, after_s - before_s - used_s) / own.wall_s


def _dropped(facts: Facts, recorder: Recorder) -> str | None:
    lost = recorder.connections_lost
    if not lost:
        return None
    return f"the target closed {lost} of {facts.load.clients} WebSockets"


def _policy(limited: RateLimited) -> str | None:
    if not limited.requests:
        return None
    return (
        f"the target's rate limit refused {limited.requests} requests of {limited.clients} "
        "clients: policy, not overload; give a slower --ramp or --rate, or raise its limits"
    )
