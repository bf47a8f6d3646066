"""A probe as a row of steps: each is timed, and the first that fails says why and ends the row."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sfukit.probe.finding import Step, Stopwatch


class StepFailedError(Exception):
    """A step did not work: its cause in one word, what was seen, and what to do."""

    def __init__(self, cause: str, found: str, fix: str | None = None) -> None:
        super().__init__(f"{cause}: {found}")
        self.cause = cause
        self.found = found
        self.fix = fix


@dataclass
class Note:
    """What a step writes down about itself; ``ms`` replaces the time it took as a whole."""

    found: str = ""
    ms: float | None = None


class Course:
    """The steps taken so far, in order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Take one step; a ``StepFailedError`` is written down and goes on to the caller."""
        watch, note = Stopwatch(), Note()
        try:
            yield note
        except StepFailedError as failed:
            self.failed(name, failed, watch.ms)
            raise
        self.steps.append(Step(name=name, state="ok", ms=_ms(note.ms, watch), found=note.found))

    def failed(self, name: str, failed: StepFailedError, ms: float | None = None) -> None:
        """Write down a step that failed."""
        self.steps.append(
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
        self.steps.append(Step(name=name, state="skipped", found=why))

    @property
    def failure(self) -> Step | None:
        """Name the first step that failed."""
        return next((step for step in self.steps if step.state == "failed"), None)


def _ms(noted: float | None, watch: Stopwatch) -> float:
    return watch.ms if noted is None else round(noted, 2)
