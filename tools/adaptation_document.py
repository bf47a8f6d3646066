"""Write the table and the drawings of docs/adaptation.md: from FILE..., or the tables in bench/.

What was measured before stays: a run of one estimator, or of one case, replaces its own figures.
"""

import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tools.bench.adaptation import drawings, judge
from tools.bench.adaptation.cases import CASES
from tools.bench.adaptation.rows import MODES, name_of
from tools.bench.figure import Figure
from tools.bench.record import FOLDER, Measured, Record, read

DOCUMENT = Path("docs/adaptation.md")
FIGURES = Path("tools/bench/adaptation/figures.json")
IMAGES = Path("docs/images")
DRAWN = {"5.1": "RFC 8867 5.1", "burst-4": "4 % loss in bursts of 8, 3 Mb/s"}
_LATE_MS = 20.0
_LAG = judge.FIGURES["lag_p99_ms"][0]
# what only bench/ has, where it has no reach
_DETAILS = {judge.FIGURES[key][0] for key in ("switch_p95_ms", "least_share")} | {_LAG}
_TABLE = re.compile(r"(<!-- table -->\n).*(<!-- end of the table -->)", re.DOTALL)
_DRAWINGS = re.compile(r"(<!-- drawings -->\n).*(<!-- end of the drawings -->)", re.DOTALL)


class Kept(msgspec.Struct, kw_only=True):
    """The figures of one case with one estimator, and where they are from."""

    commit: str | None
    started_at: str
    cpu: str | None
    figures: list[Figure]


Known = dict[str, dict[str, Kept]]


def main() -> None:
    """Take over what the tables have, and write the document."""
    paths = [Path(one) for one in sys.argv[1:]] or sorted(FOLDER.glob("*.json"))
    known: Known = {}
    if FIGURES.exists():
        known = msgspec.json.decode(FIGURES.read_bytes(), type=Known)
    for path in paths:
        record = read(path)
        if record.scale == 1:
            take(known, record)
            draw(record)
    FIGURES.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n")
    text = DOCUMENT.read_text()
    text = _TABLE.sub(lambda found: f"{found[1]}{table(known)}{found[2]}", text)
    text = _DRAWINGS.sub(lambda found: f"{found[1]}{shown()}{found[2]}", text)
    DOCUMENT.write_text(text)


def take(known: Known, record: Record) -> None:
    """Replace the figures of the cases and estimators that a table has."""
    for name, mode, row in measured(record):
        known.setdefault(name, {})[mode] = Kept(
            commit=record.place.commit,
            started_at=record.place.started_at,
            cpu=record.place.machine.cpu_model,
            figures=[one.figure for one in row.figures],
        )


def measured(record: Record) -> Iterator[tuple[str, str, Measured]]:
    """Return the rows of cases that have figures."""
    rows = {row.row: row for row in record.rows if row.error is None}
    for name in CASES:
        for mode in MODES:
            row = rows.get(name_of(name, mode))
            if row is not None:
                yield name, mode, row


def table(known: Mapping[str, Mapping[str, Kept]]) -> str:
    """Return the figures of all cases, a column for each estimator that was measured."""
    modes = [mode for mode in MODES if any(mode in found for found in known.values())]
    lines = [
        f"| case | figure | reach | {' | '.join(f'`{mode}`' for mode in modes)} |",
        f"|---|---|---|{'---|' * len(modes)}",
    ]
    for name, case in CASES.items():
        found = known.get(name, {})
        labels = dict.fromkeys(
            _label(one)
            for kept in found.values()
            for one in kept.figures
            if one.reach is not None or _label(one) not in _DETAILS
        )
        for number, label in enumerate(labels):
            each = {mode: _figure(found.get(mode), label) for mode in modes}
            reach = next((one.reach_text for one in each.values() if one is not None), "")
            cells = " | ".join(_cell(each[mode]) for mode in modes)
            title = f"`{name}` {case.what}" if number == 0 else ""
            lines.append(f"| {title} | {label} | {reach} | {cells} |")
    lags = [
        one.value
        for found in known.values()
        for kept in found.values()
        for one in kept.figures
        if _label(one) == _LAG and isinstance(one.value, float)
    ]
    return "\n".join(lines) + "\n" + (_late(lags) if lags else "")


def _late(lags_ms: Sequence[float]) -> str:
    """Return whether the load generator kept its schedule in the runs."""
    often = sum(lag_ms > _LATE_MS for lag_ms in lags_ms)
    return (
        f"\nLag of the load generator, p99 of each run: {statistics.median(lags_ms):.1f} ms at the "
        f"median of the runs, {max(lags_ms):.0f} ms at most; above {_LATE_MS:.0f} ms in {often} of "
        f"{len(lags_ms)}.\n"
    )


def draw(record: Record) -> None:
    """Draw the runs of the cases that have a drawing."""
    for name, mode, row in measured(record):
        reports = [record.reports[one] for one in row.commands if one in record.reports]
        if name in DRAWN and reports:
            title = f"{DRAWN[name]}, --bwe {mode}"
            drawn = drawings.drawing(reports[0], title, audio=CASES[name].audio)
            if drawn is not None:
                _image(name, mode).write_text(drawn)


def shown() -> str:
    """Return the drawings that there are."""
    return "".join(
        f"![{title}, --bwe {mode}](images/{_image(name, mode).name})\n\n"
        for name, title in DRAWN.items()
        for mode in MODES
        if _image(name, mode).exists()
    )


def _image(name: str, mode: str) -> Path:
    return IMAGES / f"adaptation-{name}-{mode}.svg"


def _label(figure: Figure) -> str:
    return figure.name.partition(": ")[2]


def _figure(kept: Kept | None, label: str) -> Figure | None:
    figures = [] if kept is None else kept.figures
    return next((one for one in figures if _label(one) == label), None)


def _cell(figure: Figure | None) -> str:
    """Return a value, bold where it misses its reach."""
    if figure is None:
        return ""
    return f"**{figure.measured_text}**" if figure.met is False else figure.measured_text


if __name__ == "__main__":
    main()
