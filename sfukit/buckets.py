"""Token buckets, one per key: how fast somebody may knock."""

from collections import OrderedDict

_MAX_KEYS = 10_000


class TokenBuckets:
    """Let each key take ``rate_per_s`` tokens, ``burst`` at once; bounded in number."""

    def __init__(self, rate_per_s: float, burst: float, max_keys: int = _MAX_KEYS) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._max_keys = max_keys
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, now_s: float, cost: float = 1.0) -> float:
        """Take ``cost`` tokens and return 0, or take none and return the seconds to wait."""
        tokens, then = self._filled.pop(key, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - then) * self._rate)
        short = cost - tokens
        self._filled[key] = (tokens if short > 0 else tokens - cost, now_s)
        if len(self._filled) > self._max_keys:
            self._filled.popitem(last=False)
        return short / self._rate if short > 0 else 0.0
