"""Loads as rows of a table: the probes of a search, the stages of a run."""

from collections.abc import Mapping, Sequence

from sfukit import gates
from sfukit.cli.output import labelled
from sfukit.gates import GateResult
from sfukit.loadgen.result.report import Metric, ServerUse, SwarmUse
from sfukit.report import Verdict

_TITLES = ("clients", "", "join p95", "frame p95", "lost", "server", "generator")
_WIDTHS = (8, 6, 10, 10, 9, 9, 10)
_WORDS: Mapping[Verdict, str] = {"pass": "pass", "fail": "FAIL", "inconclusive": "?"}


def head(label: str) -> str:
    """Return the titles of the columns."""
    return f"{labelled(label, _row(_TITLES))}  not met"


def row(
    label: str,
    clients: int,
    verdict: Verdict,
    metrics: Mapping[str, Metric],
    sides: tuple[ServerUse | None, SwarmUse | None],
    judged: Sequence[GateResult],
) -> str:
    """Return one load: its verdict, percentiles, use of the busiest thread of both sides."""
    cells = (
        f"{clients:,}",
        _WORDS[verdict],
        _p95(metrics.get("join_ms")),
        _p95(metrics.get("e2e_frame_ms")),
        _average(metrics.get("loss_after_rtx")),
        *map(_busy, sides),
    )
    failed = next((gate.path for gate in judged if gate.ok is False), "")
    return labelled(label, f"{_row(cells)}  {failed}").rstrip()


def _p95(metric: Metric | None) -> str:
    return gates.show(metric.p95, metric.unit) if metric and metric.count else ""


def _average(metric: Metric | None) -> str:
    return gates.show(metric.avg if metric else None, "ratio")


def _busy(use: ServerUse | SwarmUse | None) -> str:
    """Return the use of the busiest thread of a side, as a share of one core."""
    return "" if use is None else f"{use.busiest_thread:.0%}"


def _row(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
