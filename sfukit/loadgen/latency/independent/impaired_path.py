"""One direction of an impaired network: when a datagram arrives. Pure; seeded.

It does what ``crates/swarm/src/impair.rs`` does for the bots of the swarm.
"""

import random

from sfukit.swarm.impairment import Impairment

_MS_PER_S = 1000.0
_BITS = 8
_HEADER_BYTES = 28  # IPv4 and UDP, which count towards the rate
_REORDER_S = 0.01


class ImpairedPath:
    """A bottleneck with a tail-drop queue, then loss and delay; None impairs nothing."""

    def __init__(self, impairment: Impairment | None, seed: int) -> None:
        self._impairment = impairment or Impairment()
        self._random = random.Random(seed)
        self._bad = False
        self._free_at_s = 0.0
        self._last_s = 0.0

    def change(self, impairment: Impairment | None) -> None:
        """Impair later datagrams in another way; what is on its way arrives as it would have."""
        self._impairment = impairment or Impairment()

    def arrivals(self, now_s: float, size_bytes: int) -> list[float]:
        """Return when the copies of a datagram arrive: none if it is lost."""
        sent_s = self._through_queue(now_s, size_bytes)
        if sent_s is None or self._lost():
            return []
        arrival_s = self._arrival(sent_s)
        return [arrival_s] * (2 if self._happens(self._impairment.duplicate) else 1)

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
        self._free_at_s = begins_s + (size_bytes + _HEADER_BYTES) * _BITS / rate_bps
        return self._free_at_s

    def _arrival(self, sent_s: float) -> float:
        """Return the arrival: in order, but for a datagram that others are to overtake."""
        impairment = self._impairment
        delay_ms = impairment.delay_ms + self._random.random() * impairment.jitter_ms
        arrival_s = sent_s + delay_ms / _MS_PER_S
        if self._happens(impairment.reorder):
            return arrival_s + _REORDER_S
        self._last_s = max(self._last_s, arrival_s)
        return self._last_s

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability
