"""Request limits by identity, API key, session and address."""

import ipaddress
import math
from functools import lru_cache

from sfukit.buckets import TokenBuckets, address_key
from sfukit.server.settings import Limits, Rate
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import Claims


class RequestLimiter:
    """Limit authenticated requests by identity and API key, unauthenticated ones by address.

    Authenticated requests have no limit by address, since many users share one (CGNAT). Without
    API keys requests from loopback addresses are unlimited.
    """

    def __init__(self, limits: Limits, *, is_open: bool) -> None:
        self._is_open = is_open
        self._identities = _buckets(limits.identity)
        self._api_keys = _buckets(limits.api_key)
        self._sessions = _buckets(limits.session)
        self._addresses = _buckets(limits.address)
        self._refusals = _buckets(limits.refusals)

    def admit(self, claims: Claims | None, address: str, now_s: float) -> None:
        """Count one request; raise ``Refusal`` (rate_limited) with ``retry_after_s``."""
        if claims is not None:
            _take(self._identities, f"{claims.iss}\n{claims.sub}", now_s, "from this identity")
            _take(self._api_keys, claims.iss, now_s, "with this API key")
        elif not self.is_exempt(address):
            _take(self._addresses, address_key(address), now_s, "from this address")

    def admit_session(self, session: str, now_s: float) -> None:
        """Count one request to a known WHIP or WHEP session; raise ``Refusal`` (rate_limited)."""
        _take(self._sessions, session, now_s, "to this session")

    def count_refusal(self, address: str, now_s: float) -> float:
        """Count a refused unauthenticated request; return the seconds to delay the response."""
        if self.is_exempt(address):
            return 0.0
        return self._refusals.wait_s(address_key(address), now_s)

    def is_exempt(self, address: str) -> bool:
        """Return whether an address has no limit: loopback, if the server has no API keys."""
        return self._is_open and is_loopback(address)


@lru_cache(maxsize=1_024)  # asked at each request: parsing was 2 % of the CPU time of joins
def is_loopback(address: str) -> bool:
    """Return whether an address is a loopback address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def rate_limited(detail: str, wait_s: float) -> Refusal:
    """Return a refusal (rate_limited), ``wait_s`` rounded up to whole seconds."""
    return Refusal("rate_limited", detail, retry_after_s=max(1, math.ceil(wait_s)))


def _buckets(rate: Rate) -> TokenBuckets:
    return TokenBuckets(rate.per_s, rate.burst)


def _take(buckets: TokenBuckets, key: str, now_s: float, origin: str) -> None:
    wait_s = buckets.wait_s(key, now_s)
    if wait_s > 0:
        raise rate_limited(f"too many requests {origin}", wait_s)
