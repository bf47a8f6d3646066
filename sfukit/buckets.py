"""Token buckets: one, or one per key; and the key of an address."""

import heapq
import ipaddress

_MAX_KEYS = 10_000
_STALE_FACTOR = 4  # entries of the heap per bucket before it is rebuilt
_FEWEST_KEYS = 16  # below which it is not rebuilt


class TokenBucket:
    """A bucket that fills with ``rate_per_s`` tokens up to ``burst``.

    A cost above ``burst`` needs a full bucket and leaves it negative, so that any cost can pass.
    """

    __slots__ = ("_at_s", "_burst", "_rate", "_tokens")

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._tokens = self._burst
        self._at_s: float | None = None

    def wait_s(self, now_s: float, cost: float = 1.0) -> float:
        """Take ``cost`` tokens and return 0, or take none and return the seconds to wait."""
        if self._at_s is not None:
            grown = self._tokens + max(0.0, now_s - self._at_s) * self._rate
            self._tokens = min(self._burst, grown)
        self._at_s = now_s
        short = min(cost, self._burst) - self._tokens
        if short > 0:
            return short / self._rate
        self._tokens -= cost
        return 0.0

    def full_at_s(self) -> float:
        """Return when the bucket is full again and can be deleted."""
        return (self._at_s or 0.0) + (self._burst - self._tokens) / self._rate


class TokenBuckets:
    """A bucket per key, bounded in number: the fullest is deleted first.

    An exhausted bucket is therefore kept, however many keys are added.
    """

    def __init__(self, rate_per_s: float, burst: float, max_keys: int = _MAX_KEYS) -> None:
        self._rate = rate_per_s
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: dict[str, TokenBucket] = {}
        self._by_full: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, key: str, now_s: float, cost: float = 1.0) -> float:
        """Take ``cost`` tokens and return 0, or take none and return the seconds to wait."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst)
        wait_s = bucket.wait_s(now_s, cost)
        heapq.heappush(self._by_full, (bucket.full_at_s(), key))
        if len(self._buckets) > self._max_keys:
            self._delete_fullest()
        if len(self._by_full) > _STALE_FACTOR * max(_FEWEST_KEYS, len(self._buckets)):
            self._by_full = [(entry.full_at_s(), name) for name, entry in self._buckets.items()]
            heapq.heapify(self._by_full)
        return wait_s

    def _delete_fullest(self) -> None:
        while self._by_full:
            full_at_s, key = heapq.heappop(self._by_full)
            bucket = self._buckets.get(key)
            if bucket is not None and bucket.full_at_s() <= full_at_s:
                del self._buckets[key]
                return


def address_key(address: str) -> str:
    """Return the key of a source: the /64 of an IPv6 address, in which a host can use any address.

    An IPv4-mapped address becomes the IPv4 address; other text is returned unchanged.
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64))
