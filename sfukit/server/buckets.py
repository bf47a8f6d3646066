"""How fast one address may knock at this server."""

from sfukit.buckets import TokenBuckets
from sfukit.signaling.refusal import Refusal


class Buckets(TokenBuckets):
    """Token buckets whose emptiness is a refusal."""

    def take(self, address: str, now_s: float) -> None:
        """Take one token, or raise ``Refusal`` (rate_limited) with the time to wait."""
        wait_s = self.wait_s(address, now_s)
        if wait_s > 0:
            raise Refusal(
                "rate_limited", "too many requests from there", retry_after_s=int(wait_s) + 1
            )
