"""The worst streams of a run, each with the figure that makes it so."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from sfukit import gates
from sfukit.loadgen.metrics.figures import StreamFigures
from sfukit.loadgen.result.report import Worst
from sfukit.loadgen.scenario import Plan

_COUNT = 5
# The bounds of the default gates: figures of different units are compared by their share of it.
_DELAY_MS, _LOSS, _FREEZE = 400.0, 0.005, 0.01
_DELAY, _LOST, _FROZEN = "frame delay p99", "loss after repair", "frozen"
_BOUNDS = {_DELAY: _DELAY_MS, _LOST: _LOSS, _FROZEN: _FREEZE}
_LONG_GAP_MS = 500.0
_GOOD_QUALITY = 80.0
_CAUSES = ("delay", "loss", "bitrate", "layer")


class _Figure(NamedTuple):
    metric: str
    value: float
    unit: str
    share: float


def worst(plan: Plan, streams: list[StreamFigures]) -> list[Worst]:
    """Return the five worst streams, the worst first; none of those without figures."""
    found = [(_figure(stream), stream) for stream in streams]
    ranked = [(figure, stream) for figure, stream in found if figure is not None]
    ranked.sort(key=lambda one: -one[0].share)
    return [_worst(plan, figure, stream) for figure, stream in ranked[:_COUNT]]


def merged(found: Iterable[Worst]) -> list[Worst]:
    """Return the five worst of the worst streams of several reports."""
    return sorted(found, key=lambda one: -one.value / _BOUNDS.get(one.metric, math.inf))[:_COUNT]


def _figure(stream: StreamFigures) -> _Figure | None:
    figures = []
    delay_ms = stream.e2e_frame.p99_ms
    if delay_ms is not None:
        figures.append(_Figure(_DELAY, delay_ms, "ms", delay_ms / _DELAY_MS))
    if stream.packets_lost_after_rtx:
        loss = stream.packets_lost_after_rtx / max(1, stream.packets_expected)
        figures.append(_Figure(_LOST, loss, "ratio", loss / _LOSS))
    if stream.kind == "video" and stream.frozen_ms:
        frozen = stream.frozen_ms / max(stream.playing_ms, stream.frozen_ms)
        figures.append(_Figure(_FROZEN, frozen, "ratio", frozen / _FREEZE))
    return max(figures, key=lambda one: one.share, default=None)


def _worst(plan: Plan, figure: _Figure, stream: StreamFigures) -> Worst:
    bot = plan.bots[stream.bot - 1]
    return Worst(
        room=plan.rooms[bot.room].label,
        bot=bot.name,
        source=stream.source,
        metric=figure.metric,
        value=figure.value,
        unit=figure.unit,
        note=", ".join(_reasons(figure, stream, impaired=bot.impaired)),
    )


def _reasons(figure: _Figure, stream: StreamFigures, *, impaired: bool) -> list[str]:
    """Return what explains the figure: impairment, lost packets, a gap."""
    reasons = ["impaired"] if impaired else []
    lost = stream.packets_lost_raw / max(1, stream.packets_expected)
    if lost > _LOSS and figure.metric != _LOST:
        reasons.append(f"{gates.show(lost, 'ratio')} lost before repair")
    if stream.kind == "video" and stream.longest_gap_ms >= _LONG_GAP_MS:
        reasons.append(f"longest gap {gates.show(stream.longest_gap_ms, 'ms')}")
    quality = stream.quality
    if quality is not None and quality.score < _GOOD_QUALITY:
        cause = max(_CAUSES, key=lambda name: float(getattr(quality.lost, name)))
        points = getattr(quality.lost, cause)
        reasons.append(f"quality {quality.score:.0f}: {points:.0f} points lost by {cause}")
    return reasons
