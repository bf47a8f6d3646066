"""Sampled log lines of client errors: the first of each reason, then their number."""

import asyncio
from typing import Any

import structlog

log = structlog.get_logger()


class RefusalLog:
    """Log the first ``lines`` events of a reason per interval, then the number suppressed."""

    def __init__(self, lines: int, interval_s: float) -> None:
        self._lines = lines
        self._interval_s = interval_s
        self._counts: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def log(self, reason: str, **details: Any) -> None:
        """Log a refusal, or count it as suppressed."""
        if self.is_due(reason):
            log.info("refused", reason=reason, **details)

    def is_due(self, reason: str) -> bool:
        """Count an event of a reason; return whether to log it."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval_s, self.flush)
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        return count <= self._lines

    def flush(self) -> None:
        """Log the numbers of suppressed events and start a new interval."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        counts, self._counts = self._counts, {}
        for reason, count in counts.items():
            if count > self._lines:
                suppressed = count - self._lines
                log.info("refusals_suppressed", reason=reason, count=suppressed)
