"""Draw docs/images/performance.svg from a table of `make bench`: FILE, or the newest."""

import sys
from pathlib import Path

from tools import svg
from tools.bench.record import FOLDER, Measured, Record, read

CHART = Path("docs/images/performance.svg")
LOADS = {"meeting": "500 in rooms of five", "thousand": "1 publisher to 1,000"}
DELAYS = {"e2e_delta_ms p99": "delta frames", "e2e_keyframe_ms p99": "keyframes"}
COLOURS = ("#0969da", "#bc4c00")


def main() -> None:
    """Draw the loads of ``LOADS`` that the table has."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else max(FOLDER.glob("*.json"))
    rows = _rows(read(path))
    CHART.write_text(svg.page([cores(rows), delays(rows)], 860, 360, "Server load and delay"))


def cores(rows: dict[str, Measured]) -> svg.Panel:
    """Draw the cores that the server's process used."""
    panel = svg.Panel((80, 60), (300, 220), "Server's CPU", float(len(rows)))
    panel.axes((), (0, 0.25, 0.5, 0.75, 1), "", "cores", y_words="{:g}".format)
    for number, (name, row) in enumerate(rows.items()):
        used = _value(row, "server, cores")
        panel.box((number + 0.3, 0), (number + 0.7, used), COLOURS[0])
        panel.label((number + 0.5, used), f"{used:.2f}", anchor="middle", up=5)
        _name(panel, number, LOADS[name])
    return panel


def delays(rows: dict[str, Measured]) -> svg.Panel:
    """Draw the 99th percentiles of the frame delay."""
    panel = svg.Panel((500, 60), (300, 220), "Frame delay, p99", float(len(rows)), 150.0)
    panel.axes((), (0, 30, 60, 90, 120, 150), "", "ms", y_words="{:g}".format)
    for number, (name, row) in enumerate(rows.items()):
        for offset, (figure, colour) in enumerate(zip(DELAYS, COLOURS, strict=True)):
            left, delay = number + 0.16 + 0.36 * offset, _value(row, figure)
            panel.box((left, 0), (left + 0.32, delay), colour)
            panel.label((left + 0.16, delay), f"{delay:.0f}", anchor="middle", up=5)
        _name(panel, number, LOADS[name])
    for offset, (words, colour) in enumerate(zip(DELAYS.values(), COLOURS, strict=True)):
        panel.label((0.1, 140 - 11 * offset), words, colour)
    return panel


def _rows(record: Record) -> dict[str, Measured]:
    measured = {row.row: row for row in record.rows if row.error is None}
    return {name: measured[name] for name in LOADS}


def _value(row: Measured, name: str) -> float:
    value = next(one.figure.value for one in row.figures if one.figure.name == name)
    assert isinstance(value, float)
    return value


def _name(panel: svg.Panel, number: int, words: str) -> None:
    x, y = panel.place(number + 0.5, 0)
    panel.text(x, y + 20, words, anchor="middle", fill=svg.SOFT)


if __name__ == "__main__":
    main()
