"""One direction of an impaired network: when a datagram arrives. Pure; seeded."""

import random

from sfukit.swarm.impairment import Impairment

_MS_PER_S = 1000.0
_BITS = 8


class ImpairedPath:
    """Loss, then a bottleneck with a tail-drop queue, then delay; None impairs nothing."""

    def __init__(self, impairment: Impairment | None, seed: int) -> None:
        self._impairment = impairment or Impairment()
        self._random = random.Random(seed)
        self._bad = False
        self._free_at_s = 0.0
        self._last_s = 0.0

    def arrivals(self, now_s: float, size_bytes: int) -> list[float]:
        """Return when the copies of a datagram arrive: none if it is lost."""
        if self._lost():
            return []
        sent_s = self._through_queue(now_s, size_bytes)
        if sent_s is None:
            return []
        copies = 2 if self._happens(self._impairment.duplicate) else 1
        return [self._arrival(sent_s) for _ in range(copies)]

    def _lost(self) -> bool:
        bursts = self._impairment.bursts
        if bursts is None:
            return self._happens(self._impairment.loss)
        self._bad = not self._happens(bursts.r) if self._bad else self._happens(bursts.p)
        return not self._happens(bursts.h if self._bad else bursts.k)

    def _through_queue(self, now_s: float, size_bytes: int) -> float | None:
        """Return when the bottleneck has sent a datagram; None where its queue is full."""
        rate_bps = self._impairment.rate_bps
        if rate_bps is None:
            return now_s
        begins_s = max(now_s, self._free_at_s)
        if begins_s - now_s > self._impairment.queue_ms / _MS_PER_S:
            return None
        self._free_at_s = begins_s + size_bytes * _BITS / rate_bps
        return self._free_at_s

    def _arrival(self, sent_s: float) -> float:
        """Return the arrival: in order, but for a datagram that is to overtake others."""
        impairment = self._impairment
        if self._happens(impairment.reorder):
            return sent_s
        delay_ms = impairment.delay_ms + self._random.random() * impairment.jitter_ms
        self._last_s = max(self._last_s, sent_s + delay_ms / _MS_PER_S)
        return self._last_s

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability
