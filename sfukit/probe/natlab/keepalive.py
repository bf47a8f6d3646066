"""Keepalive policies against mapping lifetimes: reachability, and packets per hour."""

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from sfukit.probe.natlab.interval import wilson
from sfukit.probe.natlab.side import Times

HOUR_S = 3600.0
_SHORTEST_S = 4.0

Policy = Callable[[float, int, int, np.random.Generator], Times]


class KeepaliveResult(msgspec.Struct, frozen=True, kw_only=True):
    """One policy against one lifetime of mappings, over an hour of many hosts.

    ``reachable`` is the share of time in which the mapping lives, ``unbroken`` the share of hosts
    that never lost it, with its 95 % interval; ratios 0..1.
    """

    policy: str
    lifetime_s: float
    reachable: float
    unbroken: float
    unbroken_low: float
    unbroken_high: float
    packets_per_hour: float


def long_backoff(lifetime_s: float, hosts: int, sends: int, rng: np.random.Generator) -> Times:
    """Double from 5 s to 120 s, each interval off by up to 15 % either way."""
    steps = np.minimum(5.0 * 2.0 ** np.minimum(np.arange(sends), 10), 120.0)
    return steps * rng.uniform(0.85, 1.15, (hosts, sends))


def capped(lifetime_s: float, hosts: int, sends: int, rng: np.random.Generator) -> Times:
    """The same backoff, never above 25 s nor above half of the measured lifetime."""
    return np.minimum(long_backoff(lifetime_s, hosts, sends, rng), min(25.0, lifetime_s / 2))


def consent(lifetime_s: float, hosts: int, sends: int, rng: np.random.Generator) -> Times:
    """The consent checks of ICE: 5 s, 0.8 to 1.2 times (RFC 7675 section 5.1)."""
    return 5.0 * rng.uniform(0.8, 1.2, (hosts, sends))


POLICIES: Mapping[str, Policy] = {
    "backoff, 5 to 120 s": long_backoff,
    "capped, min(25 s, half)": capped,
    "ICE consent, 4 to 6 s": consent,
}


def simulate(policy: str, lifetime_s: float, hosts: int, seed: int) -> KeepaliveResult:
    """Simulate hosts that keep a mapping for an hour; every packet refreshes its lifetime."""
    rng = np.random.default_rng([seed, round(lifetime_s)])
    sends = int(HOUR_S / _SHORTEST_S)
    gaps = POLICIES[policy](lifetime_s, hosts, sends, rng)
    begins = np.cumsum(gaps, axis=1) - gaps
    gaps = np.clip(HOUR_S - begins, 0.0, gaps)  # the hour ends within one of them
    alive = np.minimum(gaps, lifetime_s).sum(axis=1) / HOUR_S
    unbroken = (gaps <= lifetime_s).all(axis=1)
    low, high = wilson(int(unbroken.sum()), hosts)
    return KeepaliveResult(
        policy=policy,
        lifetime_s=lifetime_s,
        reachable=float(alive.mean()),
        unbroken=float(unbroken.mean()),
        unbroken_low=low,
        unbroken_high=high,
        packets_per_hour=float((gaps > 0).sum(axis=1).mean()),
    )
