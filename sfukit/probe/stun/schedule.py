"""Retransmission schedules (RFC 8489 6.2.1), and how long to wait before a request timed out."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Offsets of the sends from the first one, and the transaction timeout. Unit: s."""

    sends_s: Sequence[float]
    end_s: float


_FIRST_GAP_S = 0.15
_LAST_WAIT_S = 0.6


def spread(sends: int, over_s: float, wait_s: float = _LAST_WAIT_S) -> Schedule:
    """Spread sends with growing intervals, so that a loss burst does not affect all of them."""
    if sends == 1:
        return Schedule((0.0,), wait_s)
    # offsets over_s * (i / (n - 1)) ^ 1.5
    offsets = tuple(over_s * (i / (sends - 1)) ** 1.5 for i in range(sends))
    return Schedule(offsets, offsets[-1] + wait_s)


def for_silence(timeout_s: float = _LAST_WAIT_S) -> Schedule:
    """Seven sends over two seconds, for a missing response as result (RFC 8489 6.2.1, Rc = 7)."""
    return spread(7, 2.0, timeout_s)


def for_answer(sends: int = 3, timeout_s: float = _LAST_WAIT_S) -> Schedule:
    """A few sends, where a response is the result and a missing one only ``unknown``."""
    return spread(sends, _FIRST_GAP_S * 2 * max(0, sends - 1), timeout_s)


async def send_along(
    when: Schedule, done: asyncio.Future[None], send: Callable[[], object]
) -> None:
    """Send at each offset until ``done``, or until ``send`` returns a failure (not None)."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for end_s in (*when.sends_s[1:], when.end_s):
        if send() is not None:
            return
        await asyncio.wait((done,), timeout=started_s + end_s - loop.time())
        if done.done():
            return
