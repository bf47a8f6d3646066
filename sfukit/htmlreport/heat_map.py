"""A heat map of participants: a row for each room, a cell for each participant."""

from collections.abc import Sequence
from typing import NamedTuple

from sfukit.htmlreport.elements import text
from sfukit.htmlreport.embed import json_script


class Measure(NamedTuple):
    """What colours a cell: ``good`` and ``bad`` are the ends of the scale, in ``unit``."""

    name: str
    unit: str
    good: float
    bad: float


class Cell(NamedTuple):
    """One participant: a value for each measure, and a note such as why its join failed."""

    name: str
    values: Sequence[float | None]
    note: str = ""
    failed: bool = False


class Row(NamedTuple):
    """One room."""

    name: str
    cells: Sequence[Cell]


def heat_map(label: str, measures: Sequence[Measure], rows: Sequence[Row]) -> str:
    """Return the map; scripts draw it, so that a page needs a table of the same beside it."""
    if not rows:
        return ""
    return (
        f'<div class=heat data-label="{text(label)}">'
        f"{json_script({'measures': measures, 'rows': rows})}</div>"
    )
