"""Backoff of clients whose requests are rate limited (RFC 6585 section 4)."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sfukit.loadgen.metrics.ledger import RATE_LIMITED
from sfukit.loadgen.targets.base import JoinRefusedError, Participant
from sfukit.signaling.problem import Problem

Answer = TypeVar("Answer")

_TOO_MANY_REQUESTS = 429
_DEFAULT_S = 1.0  # where the target sends no Retry-After
_SHORTEST_S = 0.1
_LONGEST_S = 60.0
_GOLDEN_RATIO = 0.618_034


async def retry_rate_limited(
    participant: Participant, attempt: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Retry while the target refuses by its rate limit, each time after its delay."""
    while True:
        try:
            return await attempt()
        except JoinRefusedError as refused:
            if refused.code != RATE_LIMITED:
                raise
            delay_s = retry_delay_s(participant, refused.retry_after_s)
        participant.backed_off(delay_s)
        await asyncio.sleep(delay_s)
        participant.retried()


def retry_delay_s(participant: Participant, retry_after_s: object) -> float:
    """Return the delay of a retry: at least that of the target, and spread over the bots."""
    wait_s = _DEFAULT_S
    if (
        isinstance(retry_after_s, int | float)
        and math.isfinite(retry_after_s)
        and retry_after_s >= 0
    ):
        wait_s = min(max(retry_after_s, _SHORTEST_S), _LONGEST_S)
    return wait_s * (1 + (participant.number - 1) * _GOLDEN_RATIO % 1 / 2)


def refused_by_status(
    status: int, problem: Problem, phrase: str, retry_after: str | None
) -> JoinRefusedError:
    """Return the refusal of an HTTP response; status 429 is a rate limit whatever its body."""
    code = RATE_LIMITED if status == _TOO_MANY_REQUESTS else problem.reason or f"http_{status}"
    return JoinRefusedError(code, problem.detail or phrase, _seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Return ``Retry-After`` in seconds (RFC 9110 section 10.2.3); dates are ignored."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
