"""The table of metrics with their gates, in the text of a report."""

from collections.abc import Iterable, Mapping, Sequence

from sfukit import gates
from sfukit.cli.output import LOADTEST_LABEL
from sfukit.gates import GateResult
from sfukit.loadgen.result.report import Metric

_CELL = 10
_FIGURES = ("p50", "p95", "p99", "max")


def table(
    rows: Iterable[tuple[str, str]], metrics: Mapping[str, Metric], judged: Sequence[GateResult]
) -> list[str]:
    """Return the lines of the metrics with values and gates; ``rows`` are labels and names."""
    shown = [(label, name, metrics.get(name)) for label, name in rows]
    known = [(label, name, metric) for label, name, metric in shown if metric and metric.count]
    if not known:
        return []
    lines = [f"{'':<{LOADTEST_LABEL}}{titles(_FIGURES)}   gate"]
    for label, name, metric in known:
        cells = figures(metric, _FIGURES)
        bounds = "; ".join(gate_text(gate) for gate in gates_on(judged, name))
        lines.append(f"{label:<{LOADTEST_LABEL}}{cells}   {bounds}".rstrip())
    return lines


def titles(names: Iterable[str]) -> str:
    """Return the titles of the columns of figures."""
    return "".join(f"{title:>{_CELL}}" for title in names)


def figures(metric: Metric, names: Iterable[str]) -> str:
    """Return the figures of a metric, by name, as the cells of a row."""
    unit = "" if metric.unit == "count" else metric.unit
    return titles(gates.show(getattr(metric, name), unit) for name in names)


def gates_on(judged: Iterable[GateResult], metric: str) -> list[GateResult]:
    """Return the gates on a metric."""
    return [gate for gate in judged if gate.path.partition(".")[0] == metric]


def gate_text(gate: GateResult) -> str:
    """Return a gate without the name of its metric, with its result."""
    aggregate = gate.path.partition(".")[2]
    bound = gates.show(gate.bound, gate.unit)
    return f"{aggregate} {gate.op} {bound}  {mark(gate)}".strip()


def mark(gate: GateResult) -> str:
    """Return the result of a gate."""
    return "unknown" if gate.ok is None else "ok" if gate.ok else "NOT MET"


def in_brackets(judged: Sequence[GateResult]) -> str:
    """Return gates for the end of a sentence; empty without any."""
    return f" ({'; '.join(map(gate_text, judged))})" if judged else ""
