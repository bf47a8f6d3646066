"""The text of a search for the largest load, for one that ended and for a saved one."""

import msgspec

from sfukit.cli import load_table
from sfukit.loadgen.search.search_report import Answer, Broke, Ended, Probe, SearchReport

_VERDICT = 8
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
    return load_table.head("probe")


def probe_line(probe: Probe) -> str:
    """Return one probe as a row."""
    sides = probe.server, probe.generator
    return load_table.row("", probe.clients, probe.verdict, probe.metrics, sides, probe.gates)


def result_lines(report: SearchReport) -> list[str]:
    """Return the answer, and what broke first."""
    answer = report.answer
    lines = [f"{'MAX':<{_VERDICT}}{_answer_text(answer)}  (seed {report.seed})"]
    if answer.broke_first is not None:
        lines += _broke_lines(answer.broke_first)
    return lines


def _answer_text(answer: Answer) -> str:
    if answer.max_clients is None:
        note = f": {_NOTES[answer.ended]}" if answer.at_least else ""
        so_far = " so far" if answer.ended == "interrupted" else ""
        return f"no load passed the gates{so_far}{note}"
    clients = f"{answer.max_clients:,} clients"
    if not answer.at_least:
        return f"{clients} pass the gates (within {answer.resolution:,})"
    return f"at least {clients}: {_NOTES[answer.ended]}"


def _broke_lines(broke: Broke) -> list[str]:
    resource = broke.resource or "no resource measured at its limit"
    first = f"first to break, at {broke.clients:,} clients: {broke.side}, {resource}"
    return [f"{'':<{_VERDICT}}{text}" for text in (first, *broke.reasons)]
