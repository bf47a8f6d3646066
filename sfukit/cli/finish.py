"""The end of a command that measures: print its text, save it as the last run, write its JSON."""

from collections.abc import Mapping, Sequence

from sfukit import report
from sfukit.cli.output import Output, labelled
from sfukit.report import Envelope, Verdict

_STYLES: Mapping[Verdict, str] = {
    "pass": "bold green",
    "fail": "bold red",
    "inconclusive": "bold yellow",
}


def finish(
    outcome: Envelope,
    lines: Sequence[str],
    out: Output,
    json: str | None = None,
    *,
    verdict: str | None = None,
    hint: str = "print again with: sfukit report last",
) -> bool:
    """Print the lines, save the report, write it to ``json``; return whether it is saved.

    ``verdict`` is the line of the verdict, by default the first. The run is saved before any file
    is written, so that a full disk does not lose it.
    """
    coloured = lines[0] if verdict is None else verdict
    for line in lines:
        out.line(line, _STYLES[outcome.verdict] if line == coloured else None)
    fault = report.save_last(outcome)
    out.line(labelled("saved", hint) if fault is None else labelled("not saved", fault))
    if json is not None:
        report.write_json(json, outcome)
    return fault is None
