"""The steps of a probe: each is timed, and the first that fails has a cause and ends the probe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from sfukit.probe.finding import Step, StepState, Stopwatch
from sfukit.probe.printable import printable


class StepFailedError(Exception):
    """A step failed: its cause (a word of the docs' tables), the observation, and the fix."""

    def __init__(self, cause: str, found: str, fix: str | None = None) -> None:
        super().__init__(f"{cause}: {found}")
        self.cause = cause
        self.found = found
        self.fix = fix


@dataclass
class Note:
    """The result of a step; ``ms`` replaces its total duration.

    ``unknown``: neither success nor failure; ``fault``: a failure after which the probe continues.
    """

    found: str = ""
    ms: float | None = None
    unknown: bool = False
    fault: StepFailedError | None = None


class StepRecorder:
    """Records steps in order; ``on_step`` is called with each as it ends."""

    def __init__(self, on_step: Callable[[Step], None] | None = None) -> None:
        self.steps: list[Step] = []
        self.prefix = ""
        self._on_step = on_step

    def add(self, step: Step) -> None:
        """Record a step, its name with the prefix of the current part.

        Texts of servers are made printable: no control character reaches a terminal.
        """
        step = msgspec.structs.replace(
            step,
            name=self.prefix + step.name,
            found=printable(step.found),
            cause=None if step.cause is None else printable(step.cause),
        )
        self.steps.append(step)
        if self._on_step is not None:
            self._on_step(step)

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Run one step; a ``StepFailedError`` is recorded and raised."""
        watch, note = Stopwatch(), Note()
        try:
            yield note
        except StepFailedError as failed:
            self.failed(name, failed, watch.ms)
            raise
        if note.fault is not None:
            self.failed(name, note.fault, _ms(note.ms, watch))
            return
        state: StepState = "unknown" if note.unknown else "ok"
        self.add(Step(name=name, state=state, ms=_ms(note.ms, watch), found=note.found))

    def failed(self, name: str, failed: StepFailedError, ms: float | None = None) -> None:
        """Record a step that failed."""
        self.add(
            Step(
                name=name,
                state="failed",
                ms=ms,
                found=failed.found,
                cause=failed.cause,
                fix=failed.fix,
            )
        )

    def skip(self, name: str, why: str) -> None:
        """Record a step that does not apply, and why."""
        self.add(Step(name=name, state="skipped", found=why))

    @property
    def failure(self) -> Step | None:
        """Return the first step that failed, or None."""
        return next((step for step in self.steps if step.state == "failed"), None)


def _ms(noted: float | None, watch: Stopwatch) -> float:
    return watch.ms if noted is None else round(noted, 2)
