"""Token buckets, one per address: how fast somebody may knock."""

from collections import OrderedDict

from sfukit.signaling.refusal import Refusal

_MAX_ADDRESSES = 10_000


class Buckets:
    """Let each address make ``rate_per_s`` requests, ``burst`` at once; bounded in number."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now_s: float) -> None:
        """Take one token, or raise ``Refusal`` (rate_limited) with the time to wait."""
        tokens, then = self._filled.pop(address, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - then) * self._rate)
        if tokens < 1.0:
            self._filled[address] = (tokens, now_s)
            wait_s = int((1.0 - tokens) / self._rate) + 1
            raise Refusal("rate_limited", "too many requests from there", retry_after_s=wait_s)
        self._filled[address] = (tokens - 1.0, now_s)
        if len(self._filled) > _MAX_ADDRESSES:
            self._filled.popitem(last=False)
