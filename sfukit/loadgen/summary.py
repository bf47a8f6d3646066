"""The report of a run: metrics, use of both sides, saturation, verdict. Pure."""

from dataclasses import dataclass
from datetime import datetime

from sfukit import gates
from sfukit.loadgen import described, measured, result, scoped
from sfukit.loadgen.clients import clients
from sfukit.loadgen.gate_figures import figures
from sfukit.loadgen.histogram import metric_of_histograms
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.measured import UsageSample, WindowResult
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.placement import Cores
from sfukit.loadgen.processes import Use, between
from sfukit.loadgen.reports.compare import baseline_gates
from sfukit.loadgen.result import EncodingUse, LoadtestReport, ServerUse, SwarmUse
from sfukit.loadgen.saturation import Evidence, attribute
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.verdict import Circumstances, decide, default_gates
from sfukit.loadgen.worst import worst
from sfukit.machine import Machine
from sfukit.redaction import command_line

_US_PER_S = 1e6


@dataclass(frozen=True)
class Facts:
    """The facts before the first join."""

    options: RunOptions
    plan: Plan
    target: result.Target
    machine: Machine
    cores: Cores
    started_at: datetime


def report(facts: Facts, ledger: Ledger, window: WindowResult) -> LoadtestReport:
    """Return the whole report."""
    plan, options = facts.plan, facts.options
    metrics = measured.metrics(plan, ledger, window)
    server, generator = _server_use(window), _swarm_use(window)
    evidence = _evidence(facts.cores, window)
    saturation = attribute(evidence)
    wanted = _gates(plan, options)
    scoped_metrics = scoped.metrics(wanted, plan, ledger, window)
    known = figures(metrics, server, generator, saturation, scoped_metrics)
    if options.baseline is not None:
        wanted += baseline_gates(options.baseline, known, options.max_regression)
    judged = gates.judge(wanted, known)
    decision = decide(
        judged,
        saturation,
        Circumstances(
            interrupted=window.interrupted,
            target_fault=window.target_fault,
            refused_joins=ledger.refused,
            dropped=ledger.dropped,
            clients_refused=_refused_text(ledger),
            load_delivered=evidence.load_delivered,
        ),
    )
    return LoadtestReport(
        schema=result.SCHEMA,
        command="loadtest",
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        started_at=facts.started_at.isoformat(timespec="seconds"),
        command_line=command_line(options.command),
        seed=plan.options.seed,
        interrupted=window.interrupted,
        reasons=decision.reasons,
        target=facts.target,
        scenario=described.load(plan, options, ledger),
        environment=described.environment(facts.machine, facts.cores),
        gates=judged,
        metrics=metrics,
        groups=measured.groups(plan, ledger, window),
        rooms={
            scope.name: dict(found)
            for scope, found in scoped_metrics.items()
            if scope.kind == "room"
        },
        server=server,
        generator=generator,
        saturation=saturation,
        switches=dict(ledger.switches),
        encodings=EncodingUse(
            published=ledger.encodings_published, inactive=sum(ledger.inactive.values())
        ),
        rate_limited=ledger.rate_limited,
        worst=worst(plan, window.figures.streams),
        errors=ledger.faults,
        series=list(window.intervals),
        clients=clients(plan, ledger, window.figures.streams, window.measured_s),
    )


def _refused_text(ledger: Ledger) -> str | None:
    """Return how many clients the rate limit of the target refused, with the fix."""
    clients = ledger.rate_limited.clients_refused
    if not clients:
        return None
    return (
        f"the target's rate limit refused {clients} of {len(ledger.join_records)} clients: "
        "policy, not loss; give a slower --ramp or a longer --join-timeout, or raise its limits"
    )


def _server_use(window: WindowResult) -> ServerUse | None:
    """Return the use of a private server in the window; None without one, or if it ended."""
    first, before, after = window.first, window.before, window.after
    use = _server_between(before, after)
    ramp = _server_between(first, before)
    if use is None or ramp is None or before.traffic is None or after.traffic is None:
        return None
    traffic = after.traffic.since(before.traffic)
    received, sent = traffic.packets_received, traffic.packets_sent
    return ServerUse(
        wall_s=use.wall_s,
        cpu_s=use.cpu_s,
        rss_bytes=use.rss_bytes,
        packets_received=received,
        packets_sent=sent,
        packets_retransmitted=traffic.packets_retransmitted,
        bytes_sent=traffic.bytes_sent,
        cpu_us_per_packet=_per_packet_us(use.cpu_s, sent),
        cpu_us_per_packet_in_out=_per_packet_us(use.cpu_s, received + sent),
        run_queue_wait_s=use.wait_s,
        busiest_thread=use.busiest_thread,
        ramp_cpu_s=ramp.cpu_s,
        ramp_rss_bytes=first.server.rss_bytes if first.server else 0,
    )


def _server_between(earlier: UsageSample, later: UsageSample) -> Use | None:
    if earlier.server is None or later.server is None:
        return None
    return between(earlier.server, later.server)


def _swarm_use(window: WindowResult) -> SwarmUse:
    use = between(window.before.swarm, window.after.swarm)
    totals = window.figures.totals
    return SwarmUse(
        wall_s=use.wall_s,
        cpu_s=use.cpu_s,
        rss_bytes=use.rss_bytes,
        packets_received=totals.packets_received,
        packets_sent=totals.packets_sent,
        cpu_us_per_packet_in_out=_per_packet_us(
            use.cpu_s, totals.packets_received + totals.packets_sent
        ),
        run_queue_wait_s=use.wait_s,
        busiest_thread=use.busiest_thread,
        lag_ms=metric_of_histograms([window.figures.histograms.lag]),
        socket_drops=_drops(window),
        unsent=totals.packets_unsent,
        decrypted=window.figures.decrypted_ratio,
        ramp_cpu_s=between(window.first.swarm, window.before.swarm).cpu_s,
    )


def _per_packet_us(cpu_s: float, packets: int) -> float | None:
    return cpu_s * _US_PER_S / packets if packets else None


def _drops(window: WindowResult) -> int | None:
    """Return the drops at the bots' sockets within the window; None is unknown."""
    before, after = window.figures_before.generator, window.figures.generator
    if before is None or after is None:
        return None
    if before.socket_drops is None or after.socket_drops is None:
        return None
    return after.socket_drops - before.socket_drops


def _evidence(cores: Cores, window: WindowResult) -> Evidence:
    totals, drops = window.figures.totals, _drops(window)
    lag = metric_of_histograms([window.figures.histograms.lag])
    planned = totals.packets_sent + totals.packets_unsent
    arriving = totals.packets_received + (drops or 0)
    server = _server_between(window.before, window.after)
    swarm = between(window.before.swarm, window.after.swarm)
    return Evidence(
        server=server,
        swarm=swarm,
        other_cores=_other_cores(window, swarm, server),
        lag_p99_ms=lag.p99,
        dropped=None if drops is None else drops / max(1, arriving),
        unsent=totals.packets_unsent / max(1, planned),
        disjoint=cores.disjoint,
    )


def _other_cores(window: WindowResult, swarm: Use, server: Use | None) -> float | None:
    """Return the number of cores used by other programs of this machine."""
    before_s, after_s = window.before.busy_s, window.after.busy_s
    if before_s is None or after_s is None:
        return None
    own_s = swarm.cpu_s + (server.cpu_s if server else 0.0)
    return max(0.0, after_s - before_s - own_s) / swarm.wall_s


def _gates(plan: Plan, options: RunOptions) -> list[gates.Gate]:
    defaults = default_gates(receives=plan.tracks > 0, video=plan.has_video)
    return [*(defaults if options.default_gates else ()), *options.gates]
