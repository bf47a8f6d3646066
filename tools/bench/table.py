"""The table on the terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tools.bench.record import Judged, Measured, Place, Record


def show(console: Console, record: Record) -> None:
    """Print the machine, the table, and the commands that repeat each row."""
    console.print(machine_line(record.place), markup=False)
    if record.scale != 1:
        console.print(f"scaled by {record.scale:g}: a trial of the program, not of the figures")
    console.print(_table(record))
    for row in record.rows:
        for command in row.commands:
            console.print(f"{row.row:<11} {command}", markup=False, soft_wrap=True)
    console.print(closing_line(record))


def machine_line(place: Place) -> str:
    """Return the line with the machine."""
    facts = place.machine
    rmem = "unknown" if facts.rmem_max is None else f"{facts.rmem_max}"
    return (
        f"{facts.cpu_model or 'unknown CPU'}, {facts.cores} cores, kernel {facts.kernel}, "
        f"rmem_max {rmem}, load before {place.load_1min:.2f}, {place.commit or 'no commit'}"
    )


def closing_line(record: Record) -> str:
    """Count what was met."""
    judged = [one.met for row in record.rows for one in row.figures if one.met is not None]
    failed = [row.row for row in record.rows if row.error is not None]
    text = f"{sum(judged)} of {len(judged)} met"
    return f"{text}; without figures: {', '.join(failed)}" if failed else text


def _table(record: Record) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for title in ("row", "what", "measured", "reach", "met?"):
        table.add_column(title, justify="right" if title == "measured" else "left")
    for row in record.rows:
        table.add_section()
        table.add_row(row.row, f"[bold]{row.what}[/]", f"{row.seconds:.0f} s", "", "")
        for line in _lines(row):
            table.add_row("", *line)
    return table


def _lines(row: Measured) -> Iterator[tuple[str, str, str, str]]:
    if row.error is not None:
        yield row.error.replace("[", r"\["), "", "", "[red]NOT MET[/]"
    for judged in row.figures:
        figure = judged.figure
        yield figure.name, figure.measured_text, figure.reach_text, mark(judged)


def mark(judged: Judged) -> str:
    """Return whether the bound of a figure was met; empty without a bound."""
    if judged.met is None:
        return ""
    return "met" if judged.met else "[red]NOT MET[/]"
