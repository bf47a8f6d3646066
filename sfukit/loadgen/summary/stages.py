"""The stages of a report: each window with its own metrics, gates and verdict. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from sfukit import gates
from sfukit.errors import ExitCode
from sfukit.gates import Gate, GateResult
from sfukit.loadgen.host.placement import Cores
from sfukit.loadgen.metrics import measured, scoped, usage
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.result.report import Metric, Saturation, ServerUse, Stage, SwarmUse
from sfukit.loadgen.scenario import Plan, Window
from sfukit.loadgen.verdict.decision import Circumstances, Decision, decide
from sfukit.loadgen.verdict.gate_figures import figures
from sfukit.loadgen.verdict.saturation import attribute

# Metrics of joins: a stage in which no client joins has none, and is not judged by them.
_OF_JOINS = ("join_ms", "join_signalling_ms", "join_ice_ms", "join_dtls_ms", "ttff_ms")
_SEVERITY = ("fail", "inconclusive")


def stages(
    plan: Plan,
    ledger: Ledger,
    windows: Sequence[WindowResult],
    cores: Cores,
    applied: Sequence[Gate],
) -> list[Stage]:
    """Return the stages that were measured, as far as they were."""
    return [
        _stage(number, planned, plan, ledger, window, cores, applied)
        for number, (planned, window) in enumerate(zip(plan.windows, windows, strict=False), 1)
    ]


class Place(NamedTuple):
    """The place of a stage in the run, counted from 1."""

    number: int
    clients: int
    start_s: float
    duration_s: float


class Use(NamedTuple):
    """The metrics of a stage, and the use of both sides in it."""

    metrics: dict[str, Metric]
    server: ServerUse | None
    generator: SwarmUse | None
    saturation: Saturation


def judged_stage(
    place: Place, use: Use, judged: list[GateResult], circumstances: Circumstances
) -> Stage:
    """Return a stage with the verdict of its gates."""
    decision = decide(judged, use.saturation, circumstances)
    return Stage(
        **place._asdict(),
        **use._asdict(),
        verdict=decision.verdict,
        reasons=decision.reasons,
        gates=judged,
    )


def combined(whole: Decision, parts: Sequence[Stage]) -> Decision:
    """Return the verdict of a run with stages: that of the worst stage."""
    if whole.exit_code in (ExitCode.TARGET, ExitCode.INTERRUPTED):
        return whole
    for verdict in _SEVERITY:
        worst = [stage for stage in parts if stage.verdict == verdict]
        if not worst and whole.verdict != verdict:
            continue
        reasons = [
            f"stage {stage.number}, {stage.clients} clients: {reason}"
            for stage in worst
            for reason in stage.reasons
        ]
        code = ExitCode.FAILED if verdict == "fail" else ExitCode.INCONCLUSIVE
        if whole.verdict == verdict:
            reasons += whole.reasons
        return Decision("fail" if verdict == "fail" else "inconclusive", code, reasons)
    return whole


def _stage(
    number: int,
    planned: Window,
    plan: Plan,
    ledger: Ledger,
    window: WindowResult,
    cores: Cores,
    applied: Sequence[Gate],
) -> Stage:
    metrics = measured.metrics(plan, ledger, [window], [planned])
    server, generator = usage.server_use([window]), usage.swarm_use([window])
    evidence = usage.evidence(cores, window)
    saturation = attribute(evidence)
    joins = any(visit.begins_in(planned) for visit in plan.own_visits)
    scoped_metrics = scoped.metrics(applied, plan, ledger, [window], [planned])
    judged = gates.judge(
        [gate for gate in applied if joins or not gate.path.startswith(_OF_JOINS)],
        figures(metrics, server, generator, saturation, scoped_metrics),
    )
    duration_s = plan.options.stages[number - 1].duration_s
    return judged_stage(
        Place(number, planned.clients, planned.start_s, duration_s),
        Use(metrics, server, generator, saturation),
        judged,
        Circumstances(
            interrupted=window.interrupted,
            target_fault=window.target_fault,
            refused_joins=ledger.refused,
            load_delivered=evidence.load_delivered,
        ),
    )
