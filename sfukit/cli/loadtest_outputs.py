"""The files that a load test is written to, after a run or from a saved one."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sfukit import report
from sfukit.cli import loadtest_text
from sfukit.cli.finish import finish
from sfukit.cli.output import Output
from sfukit.errors import MachineError, UsageError
from sfukit.loadgen.result.report import LoadtestReport

_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The destinations; None is not written."""

    json: str | None = None
    html: str | None = None
    junit: str | None = None
    markdown: str | None = None
    csv: str | None = None
    hdr: str | None = None

    def check(self) -> None:
        """Refuse destinations that cannot be written, before a run that would end with it."""
        named = list(self._named())
        for option, destination, _ in named:
            report.check_destination(option, destination)
        on_stdout = [option for option, destination, _ in named if destination == "-"]
        if len(on_stdout) > 1:
            raise UsageError(f"{' and '.join(on_stdout)} are both on standard output")

    def write(self, outcome: LoadtestReport, *, saved: bool = True) -> None:
        """Write every file; one that cannot be written does not keep others from it.

        ``saved``: the run is saved as the last one, so that the files can be written later.
        """
        faults: list[tuple[str, str]] = []
        for option, destination, document in self._named():
            try:
                report.write_text(destination, document(outcome))
            except MachineError as fault:
                faults.append((option, fault.what))
        if faults:
            options = " ".join(f"{option} FILE" for option, _ in faults)
            later = f"the run is saved: sfukit report last {options}"
            raise MachineError(
                "; ".join(what for _, what in faults),
                hint=later if saved else "the run is not saved either: free disk space first",
            )

    @property
    def standard_output(self) -> str | None:
        """``-`` where a document goes to standard output."""
        return "-" if any(destination == "-" for _, destination, _ in self._named()) else None

    def _named(self) -> Iterator[tuple[str, str, Callable[[LoadtestReport], str]]]:
        every: tuple[tuple[str, str | None, Callable[[LoadtestReport], str]], ...] = (
            ("--json", self.json, report.encode),
            ("--html", self.html, _html),
            ("--junit", self.junit, _junit),
            ("--markdown", self.markdown, self._markdown),
            ("--csv", self.csv, _csv),
            ("--hdr", self.hdr, _hdr),
        )
        for option, destination, document in every:
            if destination is not None:
                yield option, destination, document

    def _markdown(self, outcome: LoadtestReport) -> str:
        """Return the summary; the job summary of a step on GitHub is continued."""
        from sfukit.loadgen.reports import markdown

        earlier = ""
        if self.markdown and self.markdown == os.environ.get(_STEP_SUMMARY):
            path = Path(self.markdown)
            earlier = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return earlier + markdown.document(readable(outcome))


def finish_run(
    outcome: LoadtestReport, lines: Sequence[str], out: Output, outputs: Outputs
) -> None:
    """Print the lines of a load test, save it, write its files."""
    saved = finish(
        outcome,
        lines,
        out,
        verdict=loadtest_text.verdict_lines(outcome)[0],
        hint="see it: sfukit report last --html report.html",
    )
    outputs.write(outcome, saved=saved)


def readable(outcome: LoadtestReport) -> LoadtestReport:
    """Return a report with secrets hidden, as it is saved."""
    return msgspec.json.decode(report.encode(outcome), type=LoadtestReport)


def _html(outcome: LoadtestReport) -> str:
    from sfukit.loadgen.reports import html

    return html.page(readable(outcome))


def _junit(outcome: LoadtestReport) -> str:
    from sfukit.loadgen.reports import junit

    return junit.document(readable(outcome))


def _csv(outcome: LoadtestReport) -> str:
    from sfukit.loadgen.reports import table

    return table.document(outcome)


def _hdr(outcome: LoadtestReport) -> str:
    from sfukit.loadgen.reports import hdr_log

    return hdr_log.document(readable(outcome))
