"""The report of a run: metrics, use of both sides, saturation, verdict. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sfukit import gates
from sfukit.gates import Scope
from sfukit.loadgen.host.environment import environment
from sfukit.loadgen.host.placement import Cores
from sfukit.loadgen.metrics import decoded, measured, scoped, usage
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.reports.compare import baseline_gates
from sfukit.loadgen.result import report as result
from sfukit.loadgen.result.report import EncodingUse, LoadtestReport, Metric
from sfukit.loadgen.result.series import Interval
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.shards import described as shard
from sfukit.loadgen.summary import described, frame_delay
from sfukit.loadgen.summary import stages as stage_report
from sfukit.loadgen.summary.clients import clients
from sfukit.loadgen.summary.links import links
from sfukit.loadgen.summary.video_streams import video_streams
from sfukit.loadgen.summary.worst import worst
from sfukit.loadgen.verdict.decision import Circumstances, decide
from sfukit.loadgen.verdict.gate_figures import figures
from sfukit.loadgen.verdict.saturation import attribute
from sfukit.machine import Machine
from sfukit.redaction import command_line


@dataclass(frozen=True)
class Facts:
    """The facts before the first join, which is in seconds since 1970."""

    options: RunOptions
    plan: Plan
    target: result.Target
    machine: Machine
    cores: Cores
    started_at: datetime
    first_join_s: float | None = None
    start_ns: int = 0  # the same by the clock of the swarm


def report(
    facts: Facts,
    ledger: Ledger,
    windows: Sequence[WindowResult],
    intervals: Sequence[Interval] = (),
) -> LoadtestReport:
    """Return the whole report."""
    plan, options = facts.plan, facts.options
    planned = plan.windows[: len(windows)]
    metrics = measured.metrics(plan, ledger, windows, planned)
    server, generator = usage.server_use(windows), usage.swarm_use(windows)
    evidence = [usage.evidence(facts.cores, window) for window in windows]
    saturation = usage.worst(map(attribute, evidence))
    applied = scoped.applied_gates(plan, options)
    scoped_metrics = scoped.metrics(applied, plan, ledger, windows, planned)
    known = figures(metrics, server, generator, saturation, scoped_metrics)
    stages = []
    if plan.options.stages:
        stages = stage_report.stages(plan, ledger, windows, facts.cores, applied)
    if options.baseline is not None:
        applied += baseline_gates(options.baseline, known, options.max_regression)
    judged = gates.judge(applied, known)
    circumstances = Circumstances(
        interrupted=windows[-1].interrupted,
        target_fault=windows[-1].target_fault,
        refused_joins=ledger.refused,
        dropped=ledger.dropped,
        clients_refused=_refused_text(ledger),
        aborted=windows[-1].aborted,
        load_delivered=all(one.load_delivered for one in evidence),
    )
    decision = stage_report.combined(decide(judged, saturation, circumstances), stages)
    streams = [one for window in windows for one in window.figures.streams]
    return LoadtestReport(
        schema=result.SCHEMA,
        command="loadtest",
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        started_at=facts.started_at.isoformat(timespec="seconds"),
        command_line=command_line(options.command),
        name=options.name,
        tags=dict(options.tags),
        seed=plan.options.seed,
        interrupted=windows[-1].interrupted,
        reasons=decision.reasons,
        target=facts.target,
        scenario=described.load(plan, options, ledger),
        environment=environment(facts.machine, facts.cores),
        gates=judged,
        metrics=metrics,
        groups=_groups(measured.groups(plan, ledger, windows), scoped_metrics),
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
        retried_joins=ledger.retried_joins,
        relay=described.relay(plan, options, ledger),
        frame_delay=frame_delay.described(plan, ledger, windows),
        worst=worst(plan, streams),
        decoded=decoded.streams([one for window in windows for one in window.decoded], ledger),
        errors=ledger.faults,
        stages=stages,
        series=list(intervals),
        clients=clients(plan, ledger, streams, sum(window.wall_s for window in windows)),
        links=list(links(plan, ledger, windows, facts.start_ns)),
        video_streams=video_streams(plan, ledger, windows[-1], facts.start_ns),
        shard=shard.share(plan, options, circumstances, facts.first_join_s),
    )


def _groups(
    groups: Mapping[str, Mapping[str, Metric]], scoped_metrics: Mapping[Scope, Mapping[str, Metric]]
) -> dict[str, dict[str, Metric]]:
    """Return the metrics of groups, with those that gates name."""
    named = {scope.name: found for scope, found in scoped_metrics.items() if scope.kind == "group"}
    return {name: {**named.get(name, {}), **found} for name, found in groups.items()}


def _refused_text(ledger: Ledger) -> str | None:
    """Return how many clients the rate limit of the target refused, with the fix."""
    clients = ledger.rate_limited.clients_refused
    if not clients:
        return None
    return (
        f"the target's rate limit refused {clients} of {len(ledger.join_records)} clients: "
        "policy, not loss; give a slower --ramp or a longer --join-timeout, or raise its limits"
    )
