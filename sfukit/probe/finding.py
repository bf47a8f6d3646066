"""Steps and findings: what a probe did, how long it took, what that means, what to do."""

import time
from collections.abc import Callable
from typing import Literal

import msgspec

StepState = Literal["ok", "failed", "skipped", "unknown"]
FindingState = Literal["ok", "note", "warning", "bad", "unknown"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a probe in the order it was taken; ``cause`` is a word of the docs' tables."""

    name: str
    state: StepState
    ms: float | None = None
    found: str = ""
    cause: str | None = None
    fix: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing learnt: ``name`` for programs, ``text`` and ``fix`` for people."""

    name: str
    state: FindingState
    text: str
    fix: str | None = None
    evidence: list[str] = []


class Stopwatch:
    """Measure milliseconds since its making; the clock is injected in tests. Unit: ms."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._started_s = clock_s()

    @property
    def ms(self) -> float:
        """Tell the time passed, to a hundredth of a millisecond."""
        return round((self._clock_s() - self._started_s) * 1e3, 2)
