"""A probe as a row of steps: each is timed, and the first that fails says why and ends the row."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from sfukit.probe.finding import Step, StepState, Stopwatch
from sfukit.probe.harmless import harmless


class StepFailedError(Exception):
    """A step did not work: its cause in one word, what was seen, and what to do."""

    def __init__(self, cause: str, found: str, fix: str | None = None) -> None:
        super().__init__(f"{cause}: {found}")
        self.cause = cause
        self.found = found
        self.fix = fix


@dataclass
class Note:
    """What a step writes down about itself; ``ms`` replaces the time it took as a whole.

    ``unknown`` says that it showed nothing either way; ``fault``, that it failed and yet what
    follows is worth knowing.
    """

    found: str = ""
    ms: float | None = None
    unknown: bool = False
    fault: StepFailedError | None = None


class Course:
    """The steps taken so far, in order; ``hear`` is told of each as it ends."""

    def __init__(self, hear: Callable[[Step], None] | None = None) -> None:
        self.steps: list[Step] = []
        self.prefix = ""
        self._hear = hear

    def add(self, step: Step) -> None:
        """Write down a step, under the prefix of the part of the course it belongs to.

        What servers say is in it: nothing of that may move a terminal's cursor.
        """
        step = msgspec.structs.replace(
            step,
            name=self.prefix + step.name,
            found=harmless(step.found),
            cause=None if step.cause is None else harmless(step.cause),
        )
        self.steps.append(step)
        if self._hear is not None:
            self._hear(step)

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Take one step; a ``StepFailedError`` is written down and goes on to the caller."""
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
        """Write down a step that failed."""
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
        """Write down a step that does not apply, and why."""
        self.add(Step(name=name, state="skipped", found=why))

    @property
    def failure(self) -> Step | None:
        """Name the first step that failed."""
        return next((step for step in self.steps if step.state == "failed"), None)


def _ms(noted: float | None, watch: Stopwatch) -> float:
    return watch.ms if noted is None else round(noted, 2)
