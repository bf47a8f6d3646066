"""Figures of the two ends: the video streams of a subscriber, the round trips of either."""

from collections.abc import Iterable
from typing import Literal

from sfukit.loadgen.metrics.figures import Figures, StreamFigures
from sfukit.loadgen.metrics.histogram import Histogram

Direction = Literal["outbound", "inbound"]
Counter = Literal[
    "bytes_received", "frames", "packets_expected", "packets_lost_raw", "packets_lost_after_rtx"
]


def video_streams(figures: Figures, bot: int | None) -> list[StreamFigures]:
    """Return the video streams that a bot receives, the newest last."""
    streams = [one for one in figures.streams if one.bot == bot and one.kind == "video"]
    return sorted(streams, key=lambda one: one.stream)


def total(streams: Iterable[StreamFigures], counter: Counter) -> int:
    """Return the sum of a counter."""
    return sum(getattr(one, counter) for one in streams)


def round_trips(figures: Figures, bot: int | None, direction: Direction) -> dict[int, Histogram]:
    """Return the round trips of a bot by transport.

    ``outbound`` are measured by report blocks on its streams, ``inbound`` by echoes of its
    receiver reference times.
    """
    return {
        one.transport: one.rtt_outbound if direction == "outbound" else one.rtt_inbound
        for one in figures.transports
        if one.bot == bot
    }
