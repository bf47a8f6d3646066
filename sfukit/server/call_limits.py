"""Request limits of one WebSocket, and the refusals after which it is closed."""

from sfukit.buckets import TokenBucket
from sfukit.server.limiter import rate_limited
from sfukit.server.settings import Limits, Rate

_BYTES_PER_REQUEST = 4096  # a large frame counts as several requests


class CallLimits:
    """The token buckets of one WebSocket."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._requests = _bucket(limits.requests)
        self._message_bytes = _bucket(limits.message_bytes)
        self._errors = _bucket(limits.errors)
        self._excess = _bucket(limits.excess)
        self._methods: dict[str, TokenBucket] = {}

    def take_request(self, now_s: float, frame_bytes: float) -> None:
        """Count one request and its share of the frame; raise ``Refusal`` (rate_limited)."""
        cost = 1 + frame_bytes / _BYTES_PER_REQUEST
        _take(self._requests, now_s, cost, "requests on this WebSocket")

    def take_method(self, now_s: float, method: str) -> None:
        """Count one call of a known method; raise ``Refusal`` (rate_limited)."""
        bucket = self._methods.get(method)
        if bucket is None:
            methods = self._limits.methods
            bucket = self._methods[method] = _bucket(getattr(methods, method, methods.other))
        _take(bucket, now_s, 1, f"calls of {method}")

    def take_message(self, now_s: float, fan_out_bytes: int) -> None:
        """Count a message, its bytes times its recipients; raise ``Refusal`` (rate_limited)."""
        _take(self._message_bytes, now_s, fan_out_bytes, "messages (bytes x recipients)")

    def allow_refusal(self, now_s: float, reason: str) -> bool:
        """Count a refused request; return False when the WebSocket has to be closed."""
        bucket = self._excess if reason == "rate_limited" else self._errors
        return bucket.wait_s(now_s) == 0


def _bucket(rate: Rate) -> TokenBucket:
    return TokenBucket(rate.per_s, rate.burst)


def _take(bucket: TokenBucket, now_s: float, cost: float, counted: str) -> None:
    wait_s = bucket.wait_s(now_s, cost)
    if wait_s > 0:
        raise rate_limited(f"too many {counted}", wait_s)
