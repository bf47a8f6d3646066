"""``sfukit report merge PARTS...``: the reports of shards in one, judged again."""

from collections.abc import Sequence
from typing import NoReturn

import typer

from sfukit.cli import loadtest_text, saved_runs
from sfukit.cli.loadtest_outputs import Outputs, finish_run, readable
from sfukit.cli.output import Output
from sfukit.errors import UsageError
from sfukit.loadgen.merging.merge import merge
from sfukit.loadgen.merging.parts import Part, part
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.scenario.shares import MOST_SHARDS

_MOST_BYTES = 512 * 1024 * 1024


def run(files: Sequence[str], outputs: Outputs) -> NoReturn:
    """Merge the parts, print and write the report; exit with the code of its verdict."""
    outputs.check()
    if not files:
        raise UsageError("merge needs the JSON files of shards", hint="sfukit report merge *.json")
    if len(files) > MOST_SHARDS:
        raise UsageError(f"{len(files)} parts", hint=f"give {MOST_SHARDS} at most")
    outcome = merged(_parts(files))
    ended(outcome, Output.beside(outputs.standard_output), outputs)


def merged(parts: Sequence[Part], absent: dict[int, str] | None = None) -> LoadtestReport:
    """Return the merged report of parts; raise ``UsageError`` where one contradicts itself."""
    try:
        return readable(merge(parts, absent))
    except saved_runs.MALFORMED as error:
        sources = ", ".join(part.source for part in parts[:6])
        raise UsageError(f"{sources}: {error}", hint="a part is damaged: run it again") from error


def ended(outcome: LoadtestReport, out: Output, outputs: Outputs) -> NoReturn:
    """Print and save a merged report, write its files, exit with the code of its verdict."""
    try:
        finish_run(outcome, loadtest_text.whole_lines(outcome), out, outputs)
    except saved_runs.MALFORMED as error:
        raise saved_runs.unreadable("the merged parts", error) from error
    raise typer.Exit(outcome.exit_code)


def _parts(files: Sequence[str]) -> list[Part]:
    found, left = [], _MOST_BYTES
    for file in files:
        saved = saved_runs.read_file(file)
        left -= len(saved)
        if left < 0:
            raise UsageError(f"the parts are larger than {_MOST_BYTES >> 20} MiB together")
        found.append(part(file, saved_runs.loadtest_of(file, saved)))
    return found
