"""The verdict: pass, fail or inconclusive, from gates, saturation and circumstances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfukit.errors import ExitCode
from sfukit.gates import Gate, GateResult, parse, show
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result.report import Saturation
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.verdict.gate_figures import catalogue
from sfukit.report import Verdict

_ALWAYS = ("joins == 100%",)
_WHERE_RECEIVED = ("tracks == 100%", "loss_after_rtx < 0.5%")
_WHERE_HANDOVERS = ("handovers == 100%",)
_WHERE_TIMED = ("e2e_frame_ms.p95 < 400ms",)
_WHERE_VIDEO = ("freeze_est < 1%",)


class TargetFault(NamedTuple):
    """Why a target was unusable.

    ``stated_by_target``: an explicit refusal or error of the target, which a saturated load
    generator cannot explain.
    """

    text: str
    stated_by_target: bool


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Facts of a run beside its metrics.

    ``dropped``: the target disconnected clients, whose media is then in no metric.
    ``clients_refused``: the rate limit of the target refused clients, which explains failed gates.
    ``aborted``: a gate was not met for so long that the run ended early.
    """

    interrupted: bool = False
    target_fault: TargetFault | None = None
    refused_joins: int = 0
    dropped: str | None = None
    clients_refused: str | None = None
    aborted: str | None = None
    load_delivered: bool = True


@dataclass(frozen=True)
class Decision:
    """The verdict with its exit code and its reasons, the most important first."""

    verdict: Verdict
    exit_code: ExitCode
    reasons: list[str]


def default_gates(
    *, receives: bool, video: bool, timed: bool = True, handovers: bool = False
) -> list[Gate]:
    """Return the default gates of a load, by the kinds of received media.

    ``timed``: frame delays are measured, as publishers are in this process too.
    """
    texts = [*_ALWAYS]
    if receives:
        texts += _WHERE_RECEIVED
    if receives and video:
        texts += [*(_WHERE_TIMED if timed else ()), *_WHERE_VIDEO]
    if handovers:
        texts += _WHERE_HANDOVERS
    paths = catalogue()
    return [parse(text, paths, default=True) for text in texts]


def applied_gates(plan: Plan, options: RunOptions) -> list[Gate]:
    """Return the default gates, where they are on, and those of the options."""
    timed = plan.options.latency != "off" and (plan.own is None or plan.times_video)
    defaults = default_gates(
        receives=plan.tracks > 0,
        video=plan.has_video,
        timed=timed,
        handovers=any(plan.is_own(one.bot) for one in plan.handovers),
    )
    return [*(defaults if options.default_gates else ()), *options.gates]


def decide(
    gates: Sequence[GateResult], saturation: Saturation, circumstances: Circumstances
) -> Decision:
    """Return the verdict; failed gates are inconclusive where the load generator is saturated."""
    fault, dropped = circumstances.target_fault, circumstances.dropped
    failed = [f"{gate.gate}: it is {_figure(gate)}" for gate in gates if gate.ok is False]
    if dropped is not None and (fault is None or fault.text != dropped):
        failed.append(dropped)
    if failed and circumstances.clients_refused is not None:
        failed.insert(0, circumstances.clients_refused)
    if circumstances.aborted is not None:
        failed.insert(0, circumstances.aborted)
    unknown = [f"{gate.gate}: unknown" for gate in gates if gate.ok is None]
    generator_limited = saturation.side in ("swarm", "shared")
    if fault is not None:
        if generator_limited and not fault.stated_by_target:
            reasons = [*saturation.reasons, fault.text, *failed]
            return Decision("inconclusive", ExitCode.INCONCLUSIVE, reasons)
        return Decision("fail", ExitCode.TARGET, [fault.text, *failed])
    if circumstances.interrupted:
        return Decision("inconclusive", ExitCode.INTERRUPTED, ["interrupted", *failed])
    if failed:
        if generator_limited and not circumstances.refused_joins:
            return Decision("inconclusive", ExitCode.INCONCLUSIVE, [*saturation.reasons, *failed])
        return Decision("fail", ExitCode.FAILED, [*failed, *saturation.reasons])
    if unknown:
        return Decision("inconclusive", ExitCode.INCONCLUSIVE, unknown)
    if not circumstances.load_delivered:
        return Decision("inconclusive", ExitCode.INCONCLUSIVE, saturation.reasons)
    return Decision("pass", ExitCode.OK, [])


def _figure(gate: GateResult) -> str:
    return show(gate.value, gate.unit)
