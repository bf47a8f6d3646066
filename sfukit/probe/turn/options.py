"""The options of a TURN probe, parsed and typed."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sfukit.gates import Gate
from sfukit.probe.resolve import Endpoint, Family
from sfukit.probe.turn.credentials import Credentials, from_secret
from sfukit.probe.turn.uri import Variant

_FAR_S = 366 * 86_400  # beyond any plausible clock skew


class Load(NamedTuple):
    """The load of the throughput test: bit/s, bytes per packet, seconds."""

    rate_bps: int
    size_bytes: int
    duration_s: float


@dataclass(frozen=True)
class Login:
    """User name and password, or the REST secret that signs both; all may be absent."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    ttl_s: int = 3600

    def credentials(self, now_s: float) -> Credentials | None:
        """Return the credentials for a request now, or None."""
        if self.secret is not None:
            return from_secret(self.secret, self.user or "sfukit", int(now_s) + self.ttl_s)
        if self.user is not None and self.password is not None:
            return Credentials(self.user, self.password)
        return None

    def far_credentials(self, now_s: float) -> Credentials | None:
        """Return credentials beyond any clock skew; None without a secret."""
        if self.secret is None:
            return None
        return from_secret(self.secret, self.user or "sfukit", int(now_s) + _FAR_S)


@dataclass(frozen=True, kw_only=True)
class TurnOptions:
    """One run of the probe."""

    login: Login = Login()
    variants: tuple[Variant, ...] | None = None
    family: Family = "both"
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    server_name: str | None = None
    peer: Endpoint | None = None
    timeout_s: float = 5.0
    count: int = 50
    size_bytes: int = 160
    load: Load | None = None
    allocations: int = 0
    security: bool = False
    gates: tuple[Gate, ...] = ()
    now_s: Callable[[], float] = time.time

    @property
    def needs_permission(self) -> bool:
        """Whether tests beyond one allocation are requested, which need --allow-host."""
        return self.security or self.load is not None or self.allocations > 0
