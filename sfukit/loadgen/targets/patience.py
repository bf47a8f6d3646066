"""What a polite client does when it is told to ask less often (RFC 6585 section 4)."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sfukit.loadgen.ledger import RATE_LIMITED
from sfukit.loadgen.seat import Seat
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.signaling.problem import Problem

Answer = TypeVar("Answer")

_TOO_MANY_REQUESTS = 429
_USUAL_S = 1.0  # where the target does not say how long
_SHORTEST_S = 0.1
_LONGEST_S = 60.0
_GOLDEN_RATIO = 0.618_034


async def politely(seat: Seat, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    """Try again as often as the target refuses by its rate limit, each time after its delay."""
    while True:
        try:
            return await attempt()
        except JoinRefusedError as refused:
            if refused.code != RATE_LIMITED:
                raise
            delay_s = after_s(seat, refused.retry_after_s)
        seat.ledger.held_back(seat.bot, delay_s)
        await asyncio.sleep(delay_s)
        seat.ledger.asks_again(seat.bot)


def after_s(seat: Seat, told_s: object) -> float:
    """Tell when to ask again: not before the target's time, and not all bots at once."""
    wait_s = _USUAL_S
    if isinstance(told_s, int | float) and math.isfinite(told_s) and told_s >= 0:
        wait_s = min(max(told_s, _SHORTEST_S), _LONGEST_S)
    return wait_s * (1 + seat.bot.index * _GOLDEN_RATIO % 1 / 2)


def refused_by_status(
    status: int, told: Problem, phrase: str, retry_after: str | None
) -> JoinRefusedError:
    """Make a refusal of an HTTP answer; 429 is a rate limit, whatever else the answer says."""
    code = RATE_LIMITED if status == _TOO_MANY_REQUESTS else told.reason or f"http_{status}"
    return JoinRefusedError(code, told.detail or phrase, _seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Read ``Retry-After`` in seconds (RFC 9110 section 10.2.3); a date is as good as none."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
