"""``python -m tools.bench [ROW...]``: measure, print the table, keep it under bench/."""

import time
from typing import Annotated

import typer
from rich.console import Console

from sfukit.errors import ExitCode
from tools.bench import record, table
from tools.bench.record import Judged, Measured, Record
from tools.bench.rows import ROWS
from tools.bench.runs import RunError, Runs

_WIDTH = 110  # of a table in a file


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW]...", help="rows to measure, else the usual")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="name the rows")] = False,
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
        return
    wanted = names or [name for name, row in ROWS.items() if row.usual]
    unknown = [name for name in wanted if name not in ROWS]
    if unknown:
        console.print(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
        raise typer.Exit(ExitCode.USAGE)
    kept = _measure_all(console, wanted, scale)
    table.show(console, kept)
    console.print(f"kept in {record.keep(kept)}")
    if scale == 1 and not all(row.met for row in kept.rows):
        raise typer.Exit(ExitCode.FAILED)


def _measure_all(console: Console, names: list[str], scale: float) -> Record:
    place, runs = record.look(), Runs(scale)
    rows = []
    for name in names:
        with console.status(f"{name}: {ROWS[name].what}"):
            rows.append(_measure(name, runs))
    return Record(scale=scale, place=place, rows=rows, reports=runs.reports)


def _measure(name: str, runs: Runs) -> Measured:
    """Measure a row; one that gives no figures does not keep the others from theirs."""
    runs.start_row()
    started_s, figures, error = time.monotonic(), [], None
    try:
        figures = ROWS[name].measure(runs)
    except RunError as fault:
        error = str(fault)
    return Measured(
        row=name,
        what=ROWS[name].what,
        seconds=time.monotonic() - started_s,
        commands=runs.commands,
        figures=[Judged(figure, figure.met) for figure in figures],
        error=error,
    )


if __name__ == "__main__":
    typer.run(main)
