"""Log lines that a peer can cause without end: the first of each reason, then their number."""

import asyncio
from typing import Any

import structlog

log = structlog.get_logger()


class RefusalLog:
    """Write the first ``lines`` refusals of a reason in each interval, then how many followed."""

    def __init__(self, lines: int, interval_s: float) -> None:
        self._lines = lines
        self._interval_s = interval_s
        self._seen: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def log(self, reason: str, **details: Any) -> None:
        """Write a refusal down, or count it."""
        if self.is_due(reason):
            log.info("refused", reason=reason, **details)

    def is_due(self, reason: str) -> bool:
        """Count one of a reason; tell whether its log line is to be written."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval_s, self.flush)
        seen = self._seen[reason] = self._seen.get(reason, 0) + 1
        return seen <= self._lines

    def flush(self) -> None:
        """Write how many were left out, and begin a new interval."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seen, self._seen = self._seen, {}
        for reason, count in seen.items():
            if count > self._lines:
                left_out = count - self._lines
                log.info("refusals_left_out", reason=reason, count=left_out)
