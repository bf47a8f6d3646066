"""Plots over time, each with a sentence and a table that say the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sfukit.gates import show
from sfukit.htmlreport.elements import details, table, text
from sfukit.htmlreport.embed import json_script
from sfukit.units import show_duration

Combine = Literal["mean", "max", "last"]
Values = Sequence[float | None]

_ROWS = 60  # of a table; longer series are combined

_COMBINE: Mapping[Combine, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: sum(values) / len(values),
    "max": max,
    "last": lambda values: values[-1],
}
_COMBINED: Mapping[Combine, str] = {
    "mean": "mean of each",
    "max": "highest of each",
    "last": "at the end of each",
}


class Curve(NamedTuple):
    """One curve: its name, and a value for each time; None is a gap."""

    name: str
    values: Values


class Span(NamedTuple):
    """A named part of the time axis, such as the ramp."""

    name: str
    start_s: float
    end_s: float


class Bound(NamedTuple):
    """A horizontal line, such as the bound of a gate."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Curves over the same times.

    ``unit`` is one of a gate's: ms, ratio, bit/s, or a word such as cores; empty for counts.
    ``combine`` says how a table combines the values of several times.
    """

    title: str
    unit: str
    times_s: Sequence[float]
    curves: Sequence[Curve]
    spans: Sequence[Span] = ()
    bounds: Sequence[Bound] = ()
    combine: Combine = "max"
    filled: bool = False
    note: str = ""


def figure(plot: Plot) -> str:
    """Return a plot; a curve without values is left out, and so is a plot without curves."""
    curves = [curve for curve in plot.curves if any(value is not None for value in curve.values)]
    if not curves:
        return ""
    data = {
        "unit": plot.unit,
        "times": list(plot.times_s),
        "names": [curve.name for curve in curves],
        "values": [list(curve.values) for curve in curves],
        "spans": list(plot.spans),
        "bounds": list(plot.bounds),
        "filled": plot.filled,
    }
    note = f" {text(plot.note)}" if plot.note else ""
    return (
        f"<figure class=plot><figcaption><h3>{text(plot.title)}</h3>"
        f"<p>{text(_sentence(curves, plot))}{note}</p></figcaption>"
        f"<div class=legend></div><div class=chart aria-hidden=true></div>{json_script(data)}"
        f"{details('Table', _table(curves, plot))}</figure>"
    )


def figures(plots: Sequence[Plot]) -> str:
    """Return plots beside each other where the page is wide."""
    shown = "".join(map(figure, plots))
    return f"<div class=plots>{shown}</div>" if shown else ""


def _sentence(curves: Sequence[Curve], plot: Plot) -> str:
    """Return the range of each curve, and when it was highest."""
    parts = []
    for curve in curves:
        known = [
            (value, at_s)
            for at_s, value in zip(plot.times_s, curve.values, strict=True)
            if value is not None
        ]
        highest, at_s = max(known)
        lowest = min(known)[0]
        if lowest == highest:
            parts.append(f"{curve.name} {show(highest, plot.unit)} throughout")
            continue
        last = f", {show(known[-1][0], plot.unit)} at the end" if plot.combine == "last" else ""
        low, high = show(lowest, plot.unit), show(highest, plot.unit)
        parts.append(f"{curve.name} {low} to {high} (highest at {show_duration(at_s)}{last})")
    return "; ".join(parts) + "."


def _table(curves: Sequence[Curve], plot: Plot) -> str:
    step = -(-len(plot.times_s) // _ROWS) or 1
    rows = []
    for start in range(0, len(plot.times_s), step):
        chunk = slice(start, start + step)
        cells = [_combined(curve.values[chunk], plot) for curve in curves]
        rows.append([text(show_duration(plot.times_s[chunk][-1])), *map(text, cells)])
    caption = plot.title if step == 1 else f"{plot.title}, {_COMBINED[plot.combine]} {step} values"
    return table(caption, ["until", *(curve.name for curve in curves)], rows)


def _combined(values: Values, plot: Plot) -> str:
    known = [value for value in values if value is not None]
    return show(_COMBINE[plot.combine](known), plot.unit) if known else "-"
