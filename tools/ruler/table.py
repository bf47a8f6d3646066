"""The table of the ruler, on the terminal and in docs/ruler.md."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.ruler.rows import Row

BEGIN, END = "<!-- table of make ruler -->", "<!-- end of the table -->"
_TITLES = ("injected", "figure", "by", "expected", "reported", "error", "bound", "")


def mark(row: Row) -> str:
    """Return the result: aiortc agrees or differs, figures of sfukit are OK or NOT MET."""
    if row.met is None:
        return "unknown"
    if row.judged:
        return "OK" if row.met else "NOT MET"
    return "agrees" if row.met else "differs"


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of one row."""
    bound = f"{row.bound:.0%}" if row.bound_is_relative else _shown(row.bound, row.unit, places=1)
    return (
        row.injected,
        row.figure,
        row.by,
        _shown(row.expected, row.unit),
        _shown(row.reported, row.unit),
        _error(row),
        f"± {bound}",
        mark(row),
    )


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table in columns, then the notes."""
    table = [_TITLES, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        parts = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(parts).rstrip()
    for row in rows:
        if row.note:
            yield f"{row.injected}, {row.figure}: {row.note}"


def markdown(rows: Sequence[Row]) -> str:
    """Return the table as Markdown."""
    table = [_TITLES, ("---",) * len(_TITLES), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def write(document: Path, rows: Sequence[Row], where: str) -> None:
    """Replace the table of a document."""
    text = document.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{where}\n\n{markdown(rows)}\n\n{END}{after}")


def _shown(value: float | None, unit: str, places: int = 2) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f} {unit}" if unit == "kb/s" else f"{value:.{places}f} {unit}"


def _error(row: Row) -> str:
    if row.error is None or row.expected is None:
        return ""
    if row.bound_is_relative:
        return f"{row.error / row.expected:+.2%}" if row.expected else ""
    return f"{row.error:+.3f}" if row.unit == "%" else f"{row.error:+.2f} {row.unit}"
