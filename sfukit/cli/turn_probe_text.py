"""The text of ``sfukit turn-probe``, for a run that ended and for a saved one."""

from collections.abc import Sequence

import msgspec

from sfukit import gates, units
from sfukit.errors import ExitCode
from sfukit.probe.finding import Step
from sfukit.probe.turn.figures import RelayFigures
from sfukit.probe.turn.report import INTERRUPTED, TurnReport, VariantReport
from sfukit.probe.turn.security import in_words

STYLES = {"PASS": "bold green", "FAIL ": "bold red", "RELAYS": "green", "FAILED": "red"}

_LABEL = 8
_NAMES = {"unauthenticated": "401"}
_MARKS = {"ok": "ok", "failed": "FAILED", "skipped": "-", "unknown": "?"}


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    report = msgspec.json.decode(saved, type=TurnReport)
    return [opening_line([server.uri for server in report.servers]), *result_lines(report)]


def opening_line(uris: Sequence[str]) -> str:
    """Return the line with the URIs."""
    return _labelled("probe", ", ".join(uris))


def result_lines(report: TurnReport, *, verbose: bool = False) -> list[str]:
    """Return the lines of each server, each variant, and the verdict."""
    lines: list[str] = []
    for server in report.servers:
        if len(report.servers) > 1:
            lines.append(server.uri)
        for variant in server.variants:
            lines += _variant(variant, verbose=verbose)
    lines += [
        _labelled(
            "gate", f"{gate.gate}   it is {gates.show(gate.value, gate.unit)}   {_held(gate)}"
        )
        for gate in report.gates
    ]
    word = "INTERRUPTED" if report.exit_code == ExitCode.INTERRUPTED else report.verdict.upper()
    return [*lines, f"{word:<{_LABEL - 1}} {_sum(report)}"]


def _sum(report: TurnReport) -> str:
    variants = [variant for server in report.servers for variant in server.variants]
    security_findings = sum(one.state == "bad" for variant in variants for one in variant.security)
    missed = sum(gate.ok is not True for gate in report.gates)
    parts = [f"{report.relaying} of {report.requested} variants relay"]
    if untested := sum(variant.relays is None for variant in variants):
        parts.append(f"{untested} not tested")
    if security_findings:
        parts.append(f"{security_findings} security findings")
    if missed:
        parts.append(f"{missed} of {len(report.gates)} gates not met")
    return ", ".join(parts)


def _held(gate: gates.GateResult) -> str:
    return "unknown" if gate.ok is None else "ok" if gate.ok else "NOT MET"


def _variant(variant: VariantReport, *, verbose: bool) -> list[str]:
    failure = next((step for step in variant.steps if step.state == "failed"), None)
    lines = [_labelled(variant.variant, _headline(variant, failure))]
    lines += _stages(variant.steps) if verbose else [_labelled("", _row(variant.steps))]
    if failure is not None and failure.cause != INTERRUPTED:
        lines.append(_labelled("", failure.found))
        if failure.fix:
            lines.append(_labelled("", f"fix: {failure.fix}"))
    if variant.figures is not None:
        lines += [_labelled("", text) for text in _figures(variant.figures)]
    return [*lines, *(_labelled("", text) for text in _extras(variant))]


def _headline(variant: VariantReport, failure: Step | None) -> str:
    if failure is not None and failure.cause == INTERRUPTED:
        return "STOPPED before the end"
    if failure is not None:
        return f"FAILED  at {failure.name}: {failure.cause}"
    if variant.relays is None:
        return (
            f"DENIED  relayed {variant.relay_address}, mapped {variant.mapped_address or '?'}; "
            f"relaying is not tested: the server refuses the peer {variant.peer}"
        )
    peer = f", peer {variant.peer}" if variant.peer else ""
    return f"RELAYS  relayed {variant.relay_address}, mapped {variant.mapped_address or '?'}{peer}"


def _row(steps: Sequence[Step]) -> str:
    """Return the stages with their times on one line; auth and allocate are one request."""
    shown = [
        step
        for step in steps
        if step.state != "skipped"
        and step.cause != INTERRUPTED
        and not (step.name == "auth" and step.state == "ok")
    ]
    cells = []
    for step in shown:
        name = _NAMES.get(step.name, step.name)
        mark = "FAILED" if step.state == "failed" else _time(step) or "?"
        cells.append(f"{name} {mark}")
    return "  ".join(cells) + "  (ms)"


def _stages(steps: Sequence[Step]) -> list[str]:
    lines = []
    for step in steps:
        head = f"{step.name:<16}{_MARKS[step.state]:<7}{_time(step):>8}"
        lines.append(_labelled("", f"{head}  {step.cause or step.found}".rstrip()))
    return lines


def _figures(figures: RelayFigures) -> list[str]:
    rtt = figures.rtt_ms
    lost = figures.sent - figures.received
    lines = [
        f"round trip p50 {_ms(rtt.p50)}  p95 {_ms(rtt.p95)}  p99 {_ms(rtt.p99)} ms   "
        f"lost {lost} of {figures.sent}   jitter {_ms(figures.jitter_ms)} ms"
    ]
    if figures.overhead_ms is not None:
        lines.append(
            f"overhead {_ms(max(0.0, figures.overhead_ms))} ms and {figures.overhead_bytes} bytes "
            f"a packet; RTT to the server {_ms(figures.direct_rtt_ms)} ms"
        )
    return lines


def _extras(variant: VariantReport) -> list[str]:
    lines = []
    if variant.alternate is not None:
        lines.append(
            f"redirected to {variant.alternate} (300 Try Alternate), which was probed instead"
        )
    if (load := variant.throughput) is not None:
        lines.append(
            f"throughput {units.show_bitrate(load.bitrate_bps)} of "
            f"{units.show_bitrate(load.asked_bps)} requested, loss {gates.show(load.loss, 'ratio')}"
        )
    if (many := variant.allocations) is not None:
        times = f", p50 {_ms(many.ms.p50)}  p95 {_ms(many.ms.p95)} ms" if many.granted else ""
        why = "".join(f", {count} x {cause}" for cause, count in many.causes.items())
        lines.append(f"allocations {many.granted} of {many.requested} at once{times}{why}")
    for finding in variant.security:
        if finding.state == "ok" and finding.evidence:
            continue  # among those that the server denies
        mark = {"ok": "ok", "bad": "OPEN", "warning": "note"}.get(finding.state, "?")
        fix = f"  fix: {finding.fix}" if finding.fix else ""
        lines.append(f"security {mark:<5} {finding.text}{fix}")
    lines += [f"security {words}" for words in in_words(variant.security)]
    return lines


def _time(step: Step) -> str:
    return "" if step.state in ("skipped", "unknown") else _ms(step.ms)


def _ms(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _labelled(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}"
