"""The offset between the clocks of two processes, by exchanges of four timestamps. Pure.

RFC 5905 section 8: for the timestamps of a request (sent ``t1``, received ``t2``) and of its
response (sent ``t3``, received ``t4``) the offset is ((t2 - t1) + (t3 - t4)) / 2, and its error
is at most half of the round trip (t4 - t1) - (t3 - t2), however asymmetric the path is.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

# The largest rate between two clocks that are disciplined: PHI of RFC 5905 section 4.
_PHI = 15e-6
_KEPT = 64  # exchanges: 16 s of four a second
_MAX_HISTORY = 1024  # for the drift
_MIN_DRIFT_SPAN_NS = 10_000_000_000
_MAX_NS = 1 << 62  # so that an offset is a 64-bit integer
_PPM = 1e6
_READINGS = 5

Clock = Callable[[], int]  # nanoseconds


class Exchange(NamedTuple):
    """One exchange: ``t1_ns`` and ``t4_ns`` by this clock, the others by that of the peer."""

    t1_ns: int
    t2_ns: int
    t3_ns: int
    t4_ns: int

    @property
    def rtt_ns(self) -> int:
        """The round trip on the path, without the time at the peer."""
        return (self.t4_ns - self.t1_ns) - (self.t3_ns - self.t2_ns)

    @property
    def offset_ns(self) -> float:
        """The clock of the peer minus this clock."""
        return ((self.t2_ns - self.t1_ns) + (self.t3_ns - self.t4_ns)) / 2

    @property
    def possible(self) -> bool:
        """Whether the timestamps are in order; those of a peer need not be."""
        if not self.t2_ns <= self.t3_ns < _MAX_NS or not self.t1_ns <= self.t4_ns < _MAX_NS:
            return False
        return self.rtt_ns >= 0


class Estimate(NamedTuple):
    """An offset (the clock of the peer minus this clock), and the bound of its error."""

    offset_ns: float
    uncertainty_ns: float


class ClockOffset:
    """The exchanges with one peer."""

    def __init__(self) -> None:
        self.exchanges = 0
        self._kept: deque[Exchange] = deque(maxlen=_KEPT)
        self._history: deque[Exchange] = deque(maxlen=_MAX_HISTORY)

    def add(self, exchange: Exchange) -> None:
        """Add an exchange; one whose timestamps are impossible is ignored."""
        if not exchange.possible:
            return
        self.exchanges += 1
        self._kept.append(exchange)
        if self.exchanges % (_KEPT // 8) == 0:
            newest = list(self._kept)[-(_KEPT // 8) :]
            self._history.append(min(newest, key=lambda one: one.rtt_ns))

    def estimate(self, now_ns: int) -> Estimate | None:
        """Return the offset of the exchange whose error is bounded best, None without any.

        The bound is half of its round trip, and grows with its age (RFC 5905 section 10).
        """
        if not self._kept:
            return None
        best = min(self._kept, key=lambda one: _uncertainty_ns(one, now_ns))
        return Estimate(best.offset_ns, _uncertainty_ns(best, now_ns))

    @property
    def min_rtt_ns(self) -> int | None:
        """The shortest round trip of the latest exchanges."""
        return min((one.rtt_ns for one in self._kept), default=None)

    @property
    def drift_ppm(self) -> float | None:
        """The rate of the peer's clock against this one, None before 10 s of exchanges."""
        history = self._history
        if not history or history[-1].t1_ns - history[0].t1_ns < _MIN_DRIFT_SPAN_NS:
            return None
        return _slope([(one.t1_ns, one.offset_ns) for one in history]) * _PPM


def between(clock_ns: Clock, other_ns: Clock) -> int:
    """Return the second clock minus the first one, both of this machine.

    Of several readings that one counts in which the thread was interrupted least.
    """
    best_ns, difference_ns = math.inf, 0
    for _ in range(_READINGS):
        before_ns, other, after_ns = clock_ns(), other_ns(), clock_ns()
        if after_ns - before_ns < best_ns:
            best_ns = after_ns - before_ns
            difference_ns = other - (before_ns + after_ns) // 2
    return difference_ns


def _uncertainty_ns(exchange: Exchange, now_ns: int) -> float:
    return exchange.rtt_ns / 2 + _PHI * max(0, now_ns - exchange.t4_ns)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line through the points (least squares)."""
    first_x, first_y = points[0]
    x = [one[0] - first_x for one in points]
    y = [one[1] - first_y for one in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - mean_x) ** 2 for one in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
