"""The options of a TURN probe, parsed and typed."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from aioice import turn

from sfukit.gates import Gate
from sfukit.probe.resolve import Endpoint, Family
from sfukit.turn.credentials import Login
from sfukit.turn.uri import Variant


class Load(NamedTuple):
    """The load of the throughput test: bit/s, bytes per packet, seconds."""

    rate_bps: int
    size_bytes: int
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class TurnOptions:
    """One run of the probe."""

    login: Login = field(default_factory=Login)
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
    relay_family: Literal[4, 6] = 4
    relay_transport: int = turn.UDP_TRANSPORT
    gates: tuple[Gate, ...] = ()
    now_s: Callable[[], float] = time.time

    @property
    def needs_permission(self) -> bool:
        """Whether tests beyond one allocation are requested, which need --allow-host."""
        return self.security or self.load is not None or self.allocations > 0
