"""Where a verdict is decided: gates, blame and mishaps become pass, fail or inconclusive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfukit.errors import ExitCode
from sfukit.gates import Gate, GateResult, parse, show
from sfukit.loadgen.result import Saturation, catalogue
from sfukit.report import Verdict

_ALWAYS = ("joins == 100%",)
_WHERE_RECEIVED = ("tracks == 100%", "loss_after_rtx < 0.5%")
_WHERE_VIDEO = ("e2e_frame_ms.p95 < 400ms", "freeze_est < 1%")


class TargetFault(NamedTuple):
    """Why a target was unusable.

    ``spoken`` means that it said so itself, so that no weakness of the swarm can explain it.
    """

    text: str
    spoken: bool


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What happened beside the figures.

    ``dropped`` says that the target dropped clients: what they would have received is in no figure.
    ``clients_refused`` says that its rate limit kept clients out, which explains gates that failed.
    """

    interrupted: bool = False
    target_fault: TargetFault | None = None
    refused_joins: int = 0
    dropped: str | None = None
    clients_refused: str | None = None
    load_delivered: bool = True


@dataclass(frozen=True)
class Decision:
    """The verdict with its exit code and the reasons, the weightiest first."""

    verdict: Verdict
    exit_code: ExitCode
    reasons: list[str]


def default_gates(*, receives: bool, video: bool) -> list[Gate]:
    """List the gates that hold unless asked otherwise; where nothing is received there are few."""
    texts = [*_ALWAYS]
    if receives:
        texts += _WHERE_RECEIVED
    if receives and video:
        texts += _WHERE_VIDEO
    paths = catalogue()
    return [parse(text, paths, default=True) for text in texts]


def decide(
    gates: Sequence[GateResult], saturation: Saturation, circumstances: Circumstances
) -> Decision:
    """Decide; a failed gate counts against the target only where the swarm is not to blame."""
    failed = [f"{gate.gate}: it is {_figure(gate)}" for gate in gates if gate.ok is False]
    if circumstances.dropped is not None:
        failed.append(circumstances.dropped)
    if failed and circumstances.clients_refused is not None:
        failed.insert(0, circumstances.clients_refused)
    unknown = [f"{gate.gate}: unknown" for gate in gates if gate.ok is None]
    fault, own_limit = circumstances.target_fault, saturation.side in ("swarm", "shared")
    if fault is not None:
        if own_limit and not fault.spoken:
            reasons = [*saturation.reasons, fault.text, *failed]
            return Decision("inconclusive", ExitCode.INCONCLUSIVE, reasons)
        return Decision("fail", ExitCode.TARGET, [fault.text, *failed])
    if circumstances.interrupted:
        return Decision("inconclusive", ExitCode.INTERRUPTED, ["interrupted", *failed])
    if failed:
        if own_limit and not circumstances.refused_joins:
            return Decision("inconclusive", ExitCode.INCONCLUSIVE, [*saturation.reasons, *failed])
        return Decision("fail", ExitCode.FAILED, [*failed, *saturation.reasons])
    if unknown:
        return Decision("inconclusive", ExitCode.INCONCLUSIVE, unknown)
    if not circumstances.load_delivered:
        return Decision("inconclusive", ExitCode.INCONCLUSIVE, saturation.reasons)
    return Decision("pass", ExitCode.OK, [])


def _figure(gate: GateResult) -> str:
    return show(gate.value, gate.unit)
