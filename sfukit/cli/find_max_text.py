"""The text of a search for the largest load, for one that ended and for a saved one."""

from collections.abc import Sequence

import msgspec

from sfukit import gates
from sfukit.cli.output import labelled
from sfukit.loadgen.search.search_report import Answer, Broke, Ended, Probe, SearchReport

_VERDICT = 8
_COLUMNS = ("clients", "", "join p95", "frame p95", "lost", "server", "generator")
_WIDTHS = (8, 6, 10, 10, 9, 9, 10)
_NOTES: dict[Ended, str] = {
    "found": "",
    "none": "",
    "generator_limit": "the load generator, or a core that it shares, was at its limit",
    "machine_limit": "this machine allows no more clients",
    "time_limit": "the time was over",
    "interrupted": "interrupted",
}


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved search."""
    report = msgspec.json.decode(saved, type=SearchReport)
    target = "a private SFU" if report.target.private else report.target.url
    opening = f"sfukit {report.version}  {report.started_at}  {target}"
    probes = [probe_line(probe) for probe in report.probes]
    return [opening, head_line(), *probes, *result_lines(report)]


def head_line() -> str:
    """Return the titles of the columns of the probes."""
    return labelled("probe", _row(_COLUMNS)) + "  not met"


def probe_line(probe: Probe) -> str:
    """Return one probe: load, verdict, percentiles, use of the busiest thread of both sides."""
    verdict = {"pass": "pass", "fail": "FAIL"}.get(probe.verdict, "?")
    metrics = probe.metrics
    row = _row(
        (
            f"{probe.clients:,}",
            verdict,
            gates.show(metrics["join_ms"].p95, "ms"),
            gates.show(metrics["e2e_frame_ms"].p95, "ms"),
            gates.show(metrics["loss_after_rtx"].avg, "ratio"),
            _busy(probe.server),
            _busy(probe.generator),
        )
    )
    failed = next((gate.path for gate in probe.gates if gate.ok is False), "")
    return labelled("", f"{row}  {failed}").rstrip()


def result_lines(report: SearchReport) -> list[str]:
    """Return the answer, and what broke first."""
    answer = report.answer
    lines = [f"{'MAX':<{_VERDICT}}{_answer_text(answer)}  (seed {report.seed})"]
    if answer.broke_first is not None:
        lines += _broke_lines(answer.broke_first)
    return lines


def _answer_text(answer: Answer) -> str:
    if answer.max_clients is None:
        return "no load passed the gates"
    clients = f"{answer.max_clients:,} clients"
    if not answer.at_least:
        return f"{clients} pass the gates (within {answer.resolution:,})"
    return f"at least {clients}: {_NOTES[answer.ended]}"


def _broke_lines(broke: Broke) -> list[str]:
    resource = broke.resource or "no resource measured at its limit"
    first = f"first to break, at {broke.clients:,} clients: {broke.side}, {resource}"
    return [f"{'':<{_VERDICT}}{text}" for text in (first, *broke.reasons)]


def _busy(use: object) -> str:
    """Return the use of the busiest thread of a side, of one core."""
    busiest = getattr(use, "busiest_thread", None)
    return "" if busiest is None else f"{busiest:.0%}"


def _row(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
