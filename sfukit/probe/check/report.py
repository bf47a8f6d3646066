"""The report of a check: its JSON, the paths of gates, and the verdict."""

from collections.abc import Mapping, Sequence

import msgspec

from sfukit import gates, report
from sfukit.errors import ExitCode
from sfukit.gates import Gate, GateResult
from sfukit.probe.finding import Step
from sfukit.probe.printable import printable

SCHEMA = report.schema_id("check")

STEPS = ("dns", "tcp", "tls", "http", "websocket", "token", "sdp", "ice", "dtls", "media")
PLAY = "play "  # prefix of the steps of playing
MEDIA_STEPS = ("media", f"{PLAY}media")


class CandidateReport(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate of the answer, and whether it answered; ``rtt_ms`` is None where it did not."""

    transport: str
    host: str
    port: int
    type: str
    answers: bool
    rtt_ms: float | None = None
    reason: str | None = None


class CheckReport(report.Envelope, kw_only=True, frozen=True):
    """The JSON of ``sfukit check``; times are None for steps that were not run.

    ``notes`` are deviations that do not fail the check: a rejected kind of media, a status other
    than that of RFC 9725.
    """

    target: str
    kind: str | None
    target_version: str | None
    failed_step: str | None
    cause: str | None
    steps: list[Step]
    candidates: list[CandidateReport]
    notes: list[str]
    timings_ms: dict[str, float | None]
    gates: list[GateResult]
    reasons: list[str]


def catalogue() -> Mapping[str, str]:
    """List the paths of gates with their units."""
    times = {f"timings_ms.{name}": "ms" for name in (*STEPS, "total")}
    return {**times, "kind": gates.TEXT, "cause": gates.TEXT}


def build(
    *,
    target: str,
    kind: str | None,
    version: str | None,
    steps: Sequence[Step],
    failure: Step | None,
    candidates: Sequence[CandidateReport],
    notes: Sequence[str] = (),
    total_ms: float,
    wanted: Sequence[Gate],
    interrupted: bool = False,
) -> CheckReport:
    """Build the report and judge: the target is usable where no step failed for good."""
    timings: dict[str, float | None] = {name: _ms_of(name, steps) for name in STEPS}
    timings["total"] = round(total_ms, 2)
    figures: dict[str, gates.Value] = {f"timings_ms.{name}": ms for name, ms in timings.items()}
    figures |= {"kind": kind, "cause": failure.cause if failure else "none"}
    judged = gates.judge(wanted, figures)
    exit_code = ExitCode.INTERRUPTED if interrupted else _exit_code(failure, judged)
    unsure = exit_code in (ExitCode.INTERRUPTED, ExitCode.INCONCLUSIVE)
    return CheckReport(
        schema=SCHEMA,
        command="check",
        verdict="inconclusive" if unsure else "fail" if exit_code else "pass",
        exit_code=exit_code,
        target=target,
        kind=kind,
        target_version=version,
        failed_step=failure.name if failure else None,
        cause=failure.cause if failure else None,
        steps=list(steps),
        candidates=list(candidates),
        notes=[printable(one) for one in dict.fromkeys(notes)],
        timings_ms=timings,
        gates=judged,
        reasons=["interrupted"] if interrupted else _reasons(failure, judged),
    )


def sentence(outcome: CheckReport) -> str:
    """Return one sentence: why a target cannot be used."""
    if outcome.failed_step is None:
        return "; ".join(outcome.reasons)
    failed = next((one for one in reversed(outcome.steps) if one.state == "failed"), None)
    assert failed is not None
    fix = f"; {failed.fix}" if failed.fix else ""
    return f"{failed.name} fails ({failed.cause}): {failed.found}{fix}"


def _exit_code(failure: Step | None, judged: Sequence[GateResult]) -> ExitCode:
    if failure is not None:
        return ExitCode.TARGET
    if any(gate.ok is False for gate in judged):
        return ExitCode.FAILED
    if any(gate.ok is None for gate in judged):
        return ExitCode.INCONCLUSIVE
    return ExitCode.OK


def _reasons(failure: Step | None, judged: Sequence[GateResult]) -> list[str]:
    first = [f"{failure.name}: {failure.cause}"] if failure else []
    return first + [
        f"{gate.gate}: it is {gates.show(gate.value, gate.unit)}"
        for gate in judged
        if gate.ok is not True
    ]


def _ms_of(name: str, steps: Sequence[Step]) -> float | None:
    times = [
        step.ms
        for step in steps
        if step.name == name and step.state == "ok" and step.ms is not None
    ]
    return min(times) if times else None
