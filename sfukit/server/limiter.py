"""How fast identities, API keys and addresses may make requests of this server."""

import ipaddress
import math

from sfukit.buckets import TokenBuckets, address_key
from sfukit.server.settings import Limits, Rate
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import Claims


class RequestLimiter:
    """Count requests by identity and API key where a token names them, else by address.

    Many users share one address, so it limits only unauthenticated requests. Without API keys
    those of this machine's loopback are the user's own and have no limit.
    """

    def __init__(self, limits: Limits, *, is_open: bool) -> None:
        self._is_open = is_open
        self._identities = _buckets(limits.identity)
        self._api_keys = _buckets(limits.api_key)
        self._sessions = _buckets(limits.session)
        self._addresses = _buckets(limits.address)
        self._refusals = _buckets(limits.refusals)

    def admit(self, claims: Claims | None, address: str, now_s: float) -> None:
        """Count one request; raise ``Refusal`` (rate_limited) with the time to wait."""
        if claims is not None:
            _take(self._identities, f"{claims.iss}\n{claims.sub}", now_s, "of this identity")
            _take(self._api_keys, claims.iss, now_s, "under this API key")
        elif not self.is_exempt(address):
            _take(self._addresses, address_key(address), now_s, "of this address")

    def admit_session(self, session: str, now_s: float) -> None:
        """Count one request to a WHIP or WHEP session that there is."""
        _take(self._sessions, session, now_s, "to this session")

    def count_refusal(self, address: str, now_s: float) -> float:
        """Count an unauthenticated request that was refused; return the seconds to wait."""
        if self.is_exempt(address):
            return 0.0
        return self._refusals.wait_s(address_key(address), now_s)

    def is_exempt(self, address: str) -> bool:
        """Tell an address that has no limit: without keys, that of this machine."""
        return self._is_open and is_loopback(address)


def is_loopback(address: str) -> bool:
    """Tell an address of this machine's loopback."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def rate_limited(detail: str, wait_s: float) -> Refusal:
    """Make the refusal of what came too fast."""
    return Refusal("rate_limited", detail, retry_after_s=max(1, math.ceil(wait_s)))


def _buckets(rate: Rate) -> TokenBuckets:
    return TokenBuckets(rate.per_s, rate.burst)


def _take(buckets: TokenBuckets, key: str, now_s: float, whose: str) -> None:
    wait_s = buckets.wait_s(key, now_s)
    if wait_s > 0:
        raise rate_limited(f"too many requests {whose}", wait_s)
