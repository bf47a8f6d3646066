"""Steps and findings of probes: observation, duration, cause and fix."""

import time
from collections.abc import Callable
from typing import Literal

import msgspec

StepState = Literal["ok", "failed", "skipped", "unknown"]
FindingState = Literal["ok", "note", "warning", "bad", "unknown"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a probe in order of execution; ``cause`` is a word of the docs' tables."""

    name: str
    state: StepState
    ms: float | None = None
    found: str = ""
    cause: str | None = None
    fix: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: ``name`` for programs, ``text`` and ``fix`` for people."""

    name: str
    state: FindingState
    text: str
    fix: str | None = None
    evidence: list[str] = []


class Stopwatch:
    """Measures the time since its creation; tests inject the clock. Unit: ms."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._started_s = clock_s()

    @property
    def ms(self) -> float:
        """Return the elapsed time, to a hundredth of a millisecond."""
        return round((self._clock_s() - self._started_s) * 1e3, 2)
