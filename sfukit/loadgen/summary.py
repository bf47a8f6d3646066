"""The report of a run: metrics, use of both sides, saturation, verdict. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sfukit import gates
from sfukit.loadgen import measured, result, scenario, stage_report, usage
from sfukit.loadgen.environment import environment
from sfukit.loadgen.figures import StreamFigures
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.measured import WindowResult
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.placement import Cores
from sfukit.loadgen.result import EncodingUse, LoadtestReport, Worst
from sfukit.loadgen.saturation import attribute
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.verdict import Circumstances, applied_gates, decide
from sfukit.machine import Machine

_WORST = 3


@dataclass(frozen=True)
class Facts:
    """The facts before the first join."""

    options: RunOptions
    plan: Plan
    target: result.Target
    machine: Machine
    cores: Cores
    started_at: datetime


def report(facts: Facts, ledger: Ledger, windows: Sequence[WindowResult]) -> LoadtestReport:
    """Return the whole report."""
    plan, options = facts.plan, facts.options
    planned = plan.windows[: len(windows)]
    metrics = measured.metrics(plan, ledger, windows, planned)
    server, generator = usage.server_use(windows), usage.swarm_use(windows)
    evidence = [usage.evidence(facts.cores, window) for window in windows]
    saturation = usage.worst(map(attribute, evidence))
    applied = applied_gates(plan, options)
    judged = gates.judge(applied, result.figures(metrics, server, generator, saturation))
    stages = []
    if plan.options.stages:
        stages = stage_report.stages(plan, ledger, windows, facts.cores, applied)
    decision = decide(
        judged,
        saturation,
        Circumstances(
            interrupted=windows[-1].interrupted,
            target_fault=windows[-1].target_fault,
            refused_joins=ledger.refused,
            dropped=ledger.dropped,
            clients_refused=_refused_text(ledger),
            aborted=windows[-1].aborted,
            load_delivered=all(one.load_delivered for one in evidence),
        ),
    )
    decision = stage_report.combined(decision, stages)
    return LoadtestReport(
        schema=result.SCHEMA,
        command="loadtest",
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        started_at=facts.started_at.isoformat(timespec="seconds"),
        seed=plan.options.seed,
        interrupted=windows[-1].interrupted,
        reasons=decision.reasons,
        target=facts.target,
        scenario=_scenario(plan, options, ledger),
        environment=environment(facts.machine, facts.cores),
        gates=judged,
        metrics=metrics,
        groups=measured.groups(plan, ledger, windows),
        server=server,
        generator=generator,
        saturation=saturation,
        switches=dict(ledger.switches),
        encodings=EncodingUse(
            published=ledger.encodings_published, inactive=sum(ledger.inactive.values())
        ),
        rate_limited=ledger.rate_limited,
        retried_joins=ledger.retried_joins,
        worst=_worst(plan, [one for window in windows for one in window.figures.streams]),
        errors=ledger.faults,
        stages=stages,
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


def _worst(plan: Plan, streams: Sequence[StreamFigures]) -> list[Worst]:
    """Return the streams with the longest frame delays."""
    measured_streams = [one for one in streams if one.e2e_frame.p99_ms is not None]
    measured_streams.sort(key=lambda one: -(one.e2e_frame.p99_ms or 0.0))
    return [_worst_of(plan, stream) for stream in measured_streams[:_WORST]]


def _worst_of(plan: Plan, stream: StreamFigures) -> Worst:
    bot = plan.bots[stream.bot - 1]
    return Worst(
        room=plan.rooms[bot.room].label,
        bot=bot.name,
        source=stream.source,
        metric="frame delay p99",
        value=stream.e2e_frame.p99_ms or 0.0,
        unit="ms",
        note="impaired" if bot.impaired else "",
    )


def _scenario(plan: Plan, options: RunOptions, ledger: Ledger) -> result.Scenario:
    load = plan.options
    return result.Scenario(
        name=load.scenario_file or load.scenario,
        clients=len(plan.slots),
        rooms=len(plan.rooms),
        tracks=plan.tracks,
        codec=load.codec,
        encodings=[encoding.clip.name for encoding in plan.encodings] if plan.has_video else [],
        audio=any(bot.audio for bot in plan.bots),
        ramp_per_s=load.ramp_per_s,
        ramp_s=plan.ramp.span_s,
        warmup_s=load.warmup_s,
        duration_s=sum(one.duration_s for one in load.stages) or load.duration_s,
        churn_per_s=load.churn_per_s,
        layout=plan.views.layout,
        speaker_switch_s=load.speaker_switch_s,
        srtp=options.srtp,
        srtp_negotiated=dict(ledger.profiles),
        pacing=options.pacing,
        unwatched=options.unwatched,
        impaired_clients=sum(bot.impaired for bot in plan.slots),
        net_up=load.net_up,
        net_down=load.net_down,
        summary=scenario.plan_line(plan),
    )
