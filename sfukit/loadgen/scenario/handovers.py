"""When each participant changes its local address (``--handover 20s``). Pure."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.scenario.attendance import Attendance, Window
from sfukit.loadgen.scenario.participants import Bot

_SHORTEST_S = 1.0
_AFTER_START_S = 0.25  # of a window: its first figures are read then
_SETTLES_S = 1.0  # from a join to the first change, and from the last change to the leave
_COMPLETES_S = 5.0  # from the last change to the end of a window


class Handover(NamedTuple):
    """A participant that changes its local address, and when."""

    at_s: float
    bot: Bot


def parse(text: str, where: str = "--handover") -> float:
    """Read the time between two changes of one participant."""
    every_s = units.duration_s(text, where)
    if every_s < _SHORTEST_S:
        raise UsageError(f"{where} {text}: too short", hint="give 1s or more")
    return every_s


def handovers(
    slots: Sequence[Bot], attendance: Attendance, every_s: float, seed: int
) -> tuple[Handover, ...]:
    """Return the changes within the measured windows, in the order of their times.

    In each window the participants follow one another evenly, in an order by the seed. The last
    change is so early that the window shows whether it completes. Raises ``UsageError`` for a
    window without any.
    """
    order = random.Random(f"handover {seed}").sample(slots, len(slots))
    rank = {bot.index: (place + 0.5) / len(order) for place, bot in enumerate(order)}
    planned: list[Handover] = []
    for number, window in enumerate(attendance.windows, 1):
        found = list(_within(window, attendance, every_s, rank))
        if not found:
            measured = units.show_duration(window.end_s - window.start_s)
            stage = f"stage {number}, " if len(attendance.windows) > 1 else ""
            raise UsageError(
                f"--handover {units.show_duration(every_s)}: no participant is due within {stage}"
                f"{measured} measured",
                hint="give a shorter --handover, or measure longer",
            )
        planned += found
    return tuple(sorted(planned, key=lambda one: one.at_s))


def _within(
    window: Window, attendance: Attendance, every_s: float, rank: dict[int, float]
) -> Iterator[Handover]:
    start_s = window.start_s + _AFTER_START_S
    end_s = window.end_s - min(_COMPLETES_S, (window.end_s - window.start_s) / 2)
    for visit in attendance.visits:
        at_s = start_s + rank[visit.bot.slot] * every_s
        while at_s < end_s:
            if visit.joins_s + _SETTLES_S <= at_s <= visit.leaves_s - _SETTLES_S:
                yield Handover(at_s, visit.bot)
            at_s += every_s
