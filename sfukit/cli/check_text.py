"""The text of a check: a line for each step, and the verdict."""

import msgspec

from sfukit import gates
from sfukit.probe.check.report import CheckReport
from sfukit.probe.finding import Step

STYLES = {"ok": None, "failed": "red", "skipped": "dim", "unknown": "yellow"}
VERDICTS = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}

_NAME = 12
_TIME = 11


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    outcome = msgspec.json.decode(saved, type=CheckReport)
    return [
        opening_line(outcome.target),
        *(line for step in outcome.steps for line in step_lines(step)),
        *closing_lines(outcome),
    ]


def opening_line(target: str) -> str:
    """Return the line with the target."""
    return f"check   {target}"


def step_lines(step: Step) -> list[str]:
    """Return the lines of a step: time and result, or cause and fix of a failure."""
    if step.state == "failed":
        lines = [f"{step.name:<{_NAME}}{'FAILED':>{_TIME}}  {step.cause}: {step.found}"]
        return [*lines, f"{'':<{_NAME + _TIME}}  fix: {step.fix}"] if step.fix else lines
    time = "-" if step.ms is None else f"{_ms(step.ms)} ms"
    return [f"{step.name:<{_NAME}}{time:>{_TIME}}  {step.found}".rstrip()]


def closing_lines(outcome: CheckReport) -> list[str]:
    """Return the notes, the gates and the verdict."""
    lines = [
        f"gate    {one.gate}   it is {gates.show(one.value, one.unit)}   {_held(one)}"
        for one in outcome.gates
    ]
    lines = [*(f"note    {one}" for one in outcome.notes), *lines]
    total = outcome.timings_ms["total"] or 0.0
    if outcome.failed_step is not None:
        return [*lines, f"FAIL    {outcome.failed_step} fails: {outcome.cause}"]
    if outcome.reasons == ["interrupted"]:
        return [*lines, f"INTERRUPTED after {total:,.0f} ms"]
    unreached = sum(not one.answers for one in outcome.candidates)
    note = f"; {unreached} of {len(outcome.candidates)} addresses unreachable" if unreached else ""
    word = outcome.verdict.upper()
    return [*lines, f"{word:<8}reachable in {total:,.0f} ms, media included{note}"]


def _held(gate: gates.GateResult) -> str:
    return "unknown" if gate.ok is None else "ok" if gate.ok else "NOT MET"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
