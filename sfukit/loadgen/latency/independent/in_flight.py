"""Datagrams on their way: each is delivered at its arrival time, in the order of these times."""

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable


class InFlight:
    """The datagrams of one direction.

    One timer serves all: timers of their own, set one after the other for the same instant, may end
    in another order, which a jitter without reordering would show as reordering.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def push(self, arrivals_s: Iterable[float], deliver: Callable[[], None]) -> None:
        """Deliver a datagram at each of its arrivals, by the monotonic clock."""
        for at_s in arrivals_s:
            self._count += 1
            heapq.heappush(self._waiting, (at_s, self._count, deliver))
        self._run()

    def close(self) -> None:
        """Forget what is on its way."""
        self._waiting.clear()
        self._stop_timer()

    def _run(self) -> None:
        """Deliver what has arrived, and wait for the next datagram."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, deliver = heapq.heappop(self._waiting)
            deliver()
        self._stop_timer()
        if self._waiting:
            loop = asyncio.get_running_loop()
            left_s = self._waiting[0][0] - time.monotonic()
            self._timer = loop.call_later(max(0.0, left_s), self._run)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
