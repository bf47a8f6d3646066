"""The report of a load test as Markdown, such as a job summary of a CI system."""

import re
from collections.abc import Iterator

from sfukit import gates
from sfukit.control_characters import escaped
from sfukit.loadgen import endpoints
from sfukit.loadgen.reports import conditions, sentences
from sfukit.loadgen.result.report import LoadtestReport

_MARKS = {"pass": "✅", "fail": "❌", "inconclusive": "⚠️"}
_ROWS = (
    ("join", "join_ms"),
    ("first frame", "ttff_ms"),
    ("frame delay", "e2e_frame_ms"),
    ("round trip", "rtt_ms"),
    ("jitter", "jitter_ms"),
    ("handover gap", "handover_gap_ms"),
    ("TURN allocation", "turn_allocate_ms"),
    ("loss before repair", "loss_raw"),
    ("loss after repair", "loss_after_rtx"),
    ("frozen", "freeze_est"),
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&@$])")


def document(report: LoadtestReport) -> str:
    """Return the document."""
    return "\n".join(_lines(report)) + "\n"


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(escaped(text).split())).replace(r"\<", "&lt;")


def _lines(report: LoadtestReport) -> Iterator[str]:
    mark, word = _MARKS[report.verdict], sentences.word(report)
    yield f"## {mark} {word}: {plain(sentences.outcome(report))}"
    yield ""
    labels = f"{sentences.labels(report)}; " if sentences.labels(report) else ""
    load = f"{sentences.target(report)}, {report.scenario.summary}, seed {report.seed}"
    yield plain(f"{labels}{load}")
    yield ""
    if shared := endpoints.note(report.target):
        yield plain(f"{shared}.")
        yield ""
    for reason in report.reasons:
        yield f"- {plain(reason)}"
    yield ""
    if report.gates:
        yield "| gate | value | result |"
        yield "|---|---:|---|"
    for gate in report.gates:
        value = plain(gates.show(gate.value, gate.unit))
        result = "met" if gate.ok else f"**{sentences.mark(gate)}**"
        yield f"| {plain(gate.gate)} | {value} | {result} |"
    yield ""
    yield "| metric | mean | p50 | p95 | p99 | highest |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, path in _ROWS:
        metric = report.metrics.get(path)
        if metric is not None and metric.count:
            shown = (metric.avg, metric.p50, metric.p95, metric.p99, metric.max)
            cells = " | ".join(plain(gates.show(one, metric.unit)) for one in shown)
            yield f"| {name} | {cells} |"
    yield ""
    for name, sentence in conditions.rows(report):
        yield plain(f"{name}: {sentence}.")
        yield ""
    yield plain(f"{sentences.health(report)}.")
    if exchange := sentences.exchange(report):
        yield ""
        yield plain(f"--pin {exchange}.")
    yield from _worst(report)


def _worst(report: LoadtestReport) -> Iterator[str]:
    if not report.worst:
        return
    yield ""
    yield "<details><summary>Worst streams</summary>"
    yield ""
    for one in report.worst:
        yield f"- {plain(sentences.stream(one))}: {plain(sentences.worst(one))}"
    yield ""
    yield "</details>"
