"""``python -m tools.bench [ROW...]``: measure, print the table, keep it under bench/."""

import time
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console

from sfukit.errors import ExitCode
from tools.bench import record, table
from tools.bench.adaptation.cases import CASES
from tools.bench.adaptation.rows import DEFAULT_MODE, GROUP, MODES, rows
from tools.bench.record import Judged, Measured, Record
from tools.bench.rows import ROWS, Row
from tools.bench.runs import RunError, Runs

_WIDTH = 110  # of a table in a file


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW]...", help="rows to measure, else the usual")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="name the rows")] = False,
    case: Annotated[
        list[str] | None,
        typer.Option(metavar="CASE", help="of the row adaptation; can be given again, else all"),
    ] = None,
    bwe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODE",
            help="estimator of the row adaptation; can be given again, else gcc",
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="take so much of the clients and times")
    ] = 1.0,
) -> None:
    """Measure every figure that the project promises."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    if listing:
        for name, row in ROWS.items():
            console.print(f"{name:<11} {row.what}{'' if row.usual else ' (only when asked for)'}")
        console.print(f"{GROUP:<11} a row for each --case and --bwe: {', '.join(CASES)}")
        return
    for given, known, what in ((case, list(CASES), "--case"), (bwe, list(MODES), "--bwe")):
        _check(console, given or [], known, what)
    wanted = names or [name for name, row in ROWS.items() if row.usual]
    _check(console, wanted, [*ROWS, GROUP], "row")
    chosen: dict[str, Row] = {}
    for name in wanted:
        chosen |= rows(case or (), bwe or [DEFAULT_MODE]) if name == GROUP else {name: ROWS[name]}
    kept = _measure_all(console, chosen, scale)
    table.show(console, kept)
    console.print(f"kept in {record.keep(kept)}")
    if scale == 1 and not all(row.met for row in kept.rows):
        raise typer.Exit(ExitCode.FAILED)


def _check(console: Console, given: list[str], known: list[str], what: str) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        console.print(f"there is no {what} {', '.join(unknown)}; there are {', '.join(known)}")
        raise typer.Exit(ExitCode.USAGE)


def _measure_all(console: Console, chosen: Mapping[str, Row], scale: float) -> Record:
    place, runs = record.look(), Runs(scale)
    measured = []
    for name, row in chosen.items():
        with console.status(f"{name}: {row.what}"):
            measured.append(_measure(name, row, runs))
    return Record(scale=scale, place=place, rows=measured, reports=runs.reports)


def _measure(name: str, row: Row, runs: Runs) -> Measured:
    """Measure a row; one that gives no figures does not keep the others from theirs."""
    runs.start_row()
    started_s, figures, error = time.monotonic(), [], None
    try:
        figures = row.measure(runs)
    except RunError as fault:
        error = str(fault)
    return Measured(
        row=name,
        what=row.what,
        seconds=time.monotonic() - started_s,
        commands=runs.commands,
        figures=[Judged(figure, figure.met) for figure in figures],
        error=error,
    )


if __name__ == "__main__":
    typer.run(main)
