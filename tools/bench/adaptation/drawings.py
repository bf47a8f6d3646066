"""Drawings of one run over time: capacity, passed rate, wanted encodings, queue. Light and dark."""

import math
from collections.abc import Iterable, Sequence

from sfukit.loadgen.result.paths import Link
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.scenario.media import LADDER
from tools import svg
from tools.bench.adaptation.ideal import wire_bps

_CAPACITY, _PASSED, _ENCODING = "#8250df", "#0969da", "#1a7f37"
_QUEUE, _ESTIMATE = "#bc4c00", "#cf222e"
_WIDTH, _HEIGHT = 860, 560
_MEGA = 1e6
_TICKS = 7
_STEPS = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 500, 2_000)
_LETTER = 7.2  # width in the font of the legend
# What a dark page changes; a rule of a style sheet is stronger than an attribute.
_DARK = {
    svg.INK: "#e6edf3",
    svg.SOFT: "#9198a1",
    svg.GRID: "#3d444d",
    "#fff": "#0d1117",
    _CAPACITY: "#ab7df8",
    _PASSED: "#4493f8",
    _ENCODING: "#3fb950",
    _QUEUE: "#db6d28",
    _ESTIMATE: "#f85149",
}


def drawing(report: LoadtestReport, title: str, *, audio: bool) -> str | None:
    """Return the drawing of the first viewer; None for a run without a narrow downlink."""
    streams = {one.client: one for one in report.video_streams if one.impaired and one.encodings}
    link = next((one for one in report.links if one.client in streams), None)
    if link is None or not link.rate_bps:
        return None
    end_s = math.ceil(link.start_s + link.interval_s * len(link.rate_bps))
    wire = {one.clip.name: wire_bps(one, audio=audio) / _MEGA for one in LADDER}
    sent = [
        (change.at_s, wire.get(change.encoding, 0.0)) for change in streams[link.client].encodings
    ]
    whole = svg.page(
        [_rates(link, title, end_s, sent), _queue(link, end_s)], _WIDTH, _HEIGHT, title
    )
    return adaptive(whole)


def adaptive(page: str) -> str:
    """Return a drawing that follows the colour scheme of the page around it."""
    rules = "".join(
        f'[{name}="{light}"]{{{name}:{dark}}}'
        for light, dark in _DARK.items()
        for name in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    head, bracket, rest = page.partition(">\n")
    return f"{head}{bracket}{style}\n{rest}"


def _rates(link: Link, title: str, end_s: float, sent: Sequence[tuple[float, float]]) -> svg.Panel:
    capacity = [(at_s, bps / _MEGA) for at_s, bps in _points(link, link.capacity_bps)]
    passed = _seconds([(at_s, bps / _MEGA) for at_s, bps in _points(link, link.rate_bps)])
    estimates = [(one.at_s, one.bps / _MEGA) for one in link.estimates]
    tallest = max(value for _, value in (*capacity, *passed, *sent, *estimates))
    most = math.ceil(tallest * 2.2) / 2
    panel = svg.Panel((70, 50), (760, 260), title, end_s, most)
    panel.axes(_ticks(end_s), _ticks(most), "", "Mb/s", y_words="{:g}".format)
    panel.line(_steps(capacity, end_s), _CAPACITY)
    panel.line(_steps(sent, end_s), _ENCODING, dashed=True)
    panel.line(passed, _PASSED)
    curves = [("capacity", _CAPACITY), ("encoding received", _ENCODING), ("passed", _PASSED)]
    if estimates:
        panel.line(estimates, _ESTIMATE)
        curves.append(("estimate", _ESTIMATE))
    left = _WIDTH - 30.0
    for words, colour in reversed(curves):
        panel.text(left, 34, words, fill=colour, weight=600, anchor="end")
        left -= _LETTER * len(words) + 20
    return panel


def _queue(link: Link, end_s: float) -> svg.Panel:
    waits = _points(link, link.queue_max_ms)
    most = max(50.0, math.ceil(max((wait for _, wait in waits), default=0.0) / 50) * 50)
    panel = svg.Panel((70, 380), (760, 120), "Longest wait in the queue", end_s, most)
    panel.axes(_ticks(end_s), (0, most / 2, most), "seconds", "ms", y_words="{:g}".format)
    panel.line(waits, _QUEUE)
    return panel


def _points(link: Link, values: Iterable[float | None]) -> list[tuple[float, float]]:
    """Return the middle of each interval with its value; the link's lists are of one length."""
    return [
        (link.start_s + (place + 0.5) * link.interval_s, value)
        for place, value in enumerate(values)
        if value is not None
    ]


def _seconds(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the means of half seconds, which single frames do not dominate."""
    by_half: dict[int, list[float]] = {}
    for at_s, value in points:
        by_half.setdefault(int(at_s * 2), []).append(value)
    return [(half / 2 + 0.25, sum(each) / len(each)) for half, each in sorted(by_half.items())]


def _steps(points: Sequence[tuple[float, float]], end_s: float) -> list[tuple[float, float]]:
    """Return a line that holds each value until the next one."""
    line: list[tuple[float, float]] = []
    for at_s, value in points:
        if line and line[-1][1] == value:
            continue
        if line:
            line.append((at_s, line[-1][1]))
        line.append((at_s, value))
    return [*line, (end_s, line[-1][1])] if line else []


def _ticks(most: float) -> list[float]:
    step = next((one for one in _STEPS if most / one <= _TICKS), most)
    return [round(step * n, 2) for n in range(math.floor(most / step) + 1)]
