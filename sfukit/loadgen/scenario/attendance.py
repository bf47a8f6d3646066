"""When each bot joins and leaves, and which windows are measured. Pure.

The bots of the rooms are slots. A slot that is left and taken again, by churn or by a later stage,
is taken by another bot of the same room and role.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from sfukit.loadgen.options import Stage
from sfukit.loadgen.scenario.participants import Bot

_GAP_S = 0.5  # between two windows with the same clients: the figures are read
_ATTEMPTS = 20
_SHORTEST_VISIT_S = 5.0  # churn replaces a bot that has stayed so long, at the earliest


class Visit(NamedTuple):
    """The planned stay of a bot: until ``leaves_s``, which is infinite for the end of the run."""

    bot: Bot
    joins_s: float
    leaves_s: float = math.inf

    def is_within(self, window: "Window") -> bool:
        """Whether the bot is there at some time of a window."""
        return self.joins_s < window.end_s and self.leaves_s > window.start_s

    def begins_in(self, window: "Window") -> bool:
        """Whether the bot joins in the ramp of a window or later in it."""
        return window.ramp_s <= self.joins_s < window.end_s

    def overlap(self, other: "Visit") -> tuple[float, float]:
        """Return from when to when both are there; empty where it ends before it starts."""
        return max(self.joins_s, other.joins_s), min(self.leaves_s, other.leaves_s)


class Window(NamedTuple):
    """One measured window: its planned clients, when its ramp starts, and its bounds."""

    clients: int
    ramp_s: float
    start_s: float
    end_s: float


class Change(NamedTuple):
    """A bot that joins or leaves; at the same time those who leave come first."""

    at_s: float
    joins: bool
    bot: Bot


@dataclass(frozen=True)
class Attendance:
    """All visits by index of the bot, and the windows in their order."""

    visits: tuple[Visit, ...]
    windows: tuple[Window, ...]

    def visit(self, bot: Bot) -> Visit:
        """Return the stay of a bot."""
        return self.visits[bot.index]

    def present(self, at_s: float) -> frozenset[int]:
        """Return the slots that are taken at one time."""
        return frozenset(
            visit.bot.slot for visit in self.visits if visit.joins_s <= at_s < visit.leaves_s
        )

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """All joins and leaves in the order of their times."""
        joins = [Change(visit.joins_s, True, visit.bot) for visit in self.visits]
        leaves = [
            Change(visit.leaves_s, False, visit.bot)
            for visit in self.visits
            if visit.leaves_s < math.inf
        ]
        return tuple(sorted((*joins, *leaves), key=lambda one: (one.at_s, one.joins)))


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The times of a load; ``churn_per_s`` is the share of clients replaced per second."""

    ramp_per_s: float
    warmup_s: float
    stages: tuple[Stage, ...]
    churn_per_s: float = 0.0
    seed: int = 0


def attendance(
    slots: Sequence[Bot], timing: Timing, *, replaceable: Sequence[Bot] | None = None
) -> Attendance:
    """Return the visits of a load; the slots in their order are filled up to each stage.

    ``replaceable`` are the slots that churn may replace, all where it is None.
    """
    planner = _Planner(slots, timing, slots if replaceable is None else replaceable)
    windows = []
    for stage in timing.stages:
        window = planner.stage(stage)
        windows.append(window)
        planner.churn(window)
    visits = sorted(planner.visits, key=lambda visit: visit.bot.index)
    return Attendance(tuple(visits), tuple(windows))


@dataclass
class _Planner:
    slots: Sequence[Bot]
    timing: Timing
    replaceable: Sequence[Bot]
    visits: list[Visit] = field(default_factory=list)
    _now_s: float = 0.0
    _present: dict[int, int] = field(default_factory=dict)  # slot: index of the visit
    _taken: Counter[int] = field(default_factory=Counter)  # visits so far, by slot
    _replacements: int = 0

    def stage(self, stage: Stage) -> Window:
        """Let bots join or leave at the rate of the ramp until a stage has its clients."""
        before, ramp_s, per_s = len(self._present), self._now_s, self.timing.ramp_per_s
        for slot in range(before, stage.clients):
            self._join(slot, ramp_s + (slot - before) / per_s)
        for slot in range(before - 1, stage.clients - 1, -1):
            self._leave(slot, ramp_s + (before - 1 - slot) / per_s)
        changed = abs(stage.clients - before)
        settles_s = (changed - 1) / per_s + self.timing.warmup_s if changed else _GAP_S
        start_s = ramp_s + settles_s
        self._now_s = start_s + stage.duration_s
        return Window(stage.clients, ramp_s, start_s, self._now_s)

    def churn(self, window: Window) -> None:
        """Replace bots at evenly spaced times from the warm-up on.

        The last bots join early enough that the window shows whether they succeed.
        """
        slots = [slot.index for slot in self.replaceable if slot.index < window.clients]
        per_s = self.timing.churn_per_s * len(slots)
        if not per_s:
            return
        chooser = random.Random(f"{self.timing.seed} {window.start_s}")
        at_s = window.start_s - self.timing.warmup_s + chooser.random() / per_s
        last_s = window.end_s - min(_SHORTEST_VISIT_S, (window.end_s - window.start_s) / 2)
        while at_s < last_s:
            slot = self._replaced(slots, at_s, chooser)
            if slot is not None:
                self._leave(slot, at_s)
                self._join(slot, at_s)
            at_s += 1 / per_s

    def _replaced(self, slots: Sequence[int], at_s: float, chooser: random.Random) -> int | None:
        """Return a random slot whose bot has stayed long enough; None where none was found."""
        for _ in range(_ATTEMPTS):
            slot = chooser.choice(slots)
            if self.visits[self._present[slot]].joins_s + _SHORTEST_VISIT_S <= at_s:
                return slot
        return None

    def _join(self, slot: int, at_s: float) -> None:
        bot = self.slots[slot]
        self._taken[slot] += 1
        times = self._taken[slot]
        if times > 1:
            index = len(self.slots) + self._replacements
            bot = replace(bot, index=index, name=f"{bot.name}-{times}", replaces=slot)
            self._replacements += 1
        self._present[slot] = len(self.visits)
        self.visits.append(Visit(bot, at_s))

    def _leave(self, slot: int, at_s: float) -> None:
        number = self._present.pop(slot)
        self.visits[number] = self.visits[number]._replace(leaves_s=at_s)
