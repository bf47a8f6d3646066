"""Saturation: of the server, of the load generator, or of a core that both share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfukit.loadgen.host.processes import Use
from sfukit.loadgen.result.report import Resource, Saturation, Side

LATE_MS = 20.0  # lag p99 above which the generated load differs from the plan
_BUSY = 0.95  # of a core: a thread above this is saturated
_WAITED = 0.10  # of the wall time in the run queue: the core was shared
_DROPPED = 0.0005  # of the packets: enough to fail a gate on loss
_UNSENT = 0.001
_OTHER_CORES = 0.25  # above the noise of an idle machine


class _Limit(NamedTuple):
    """A resource at its limit, and the evidence in words."""

    resource: Resource
    reason: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The use of both sides over the measured window.

    ``server`` is None on another machine. Ratios are of the packets received and sent;
    ``dropped`` is None where the kernel does not count drops per socket. ``other_cores`` is the
    number of cores used by other programs of this machine.
    """

    server: Use | None
    swarm: Use
    lag_p99_ms: float | None
    dropped: float | None
    unsent: float
    disjoint: bool
    other_cores: float | None = None

    @property
    def load_delivered(self) -> bool:
        """Whether the planned packets were sent."""
        return self.unsent <= _UNSENT


def attribute(evidence: Evidence) -> Saturation:
    """Return the side that was saturated; ``none`` without evidence for either."""
    overload = _generator_limits(evidence)
    shared = _shared_core(evidence)
    if shared:
        return _saturation("shared", [*shared, *overload])
    if overload:
        return _saturation("swarm", overload)
    limits = _server_limits(evidence.server)
    return _saturation("server" if limits else "none", limits)


def _saturation(side: Side, limits: Sequence[_Limit]) -> Saturation:
    return Saturation(
        side=side,
        reasons=[limit.reason for limit in limits],
        resources=[limit.resource for limit in limits],
    )


def _generator_limits(evidence: Evidence) -> list[_Limit]:
    limits = []
    busiest = evidence.swarm.busiest_thread
    if evidence.lag_p99_ms is not None and evidence.lag_p99_ms > LATE_MS:
        late = f"load generator {evidence.lag_p99_ms:.0f} ms late (lag p99)"
        limits.append(_Limit("schedule", late))
    if evidence.dropped is not None and evidence.dropped > _DROPPED:
        dropped = f"load generator sockets dropped {evidence.dropped:.2%} of packets"
        limits.append(_Limit("sockets", dropped))
    if not evidence.load_delivered:
        unsent = f"load generator did not send {evidence.unsent:.2%} of the planned packets"
        limits.append(_Limit("send backlog", unsent))
    if busiest > _BUSY:
        limits.append(_Limit("thread", f"load generator saturated: thread busy {busiest:.0%}"))
    return limits


def _shared_core(evidence: Evidence) -> list[_Limit]:
    """Return the reason where both sides waited for cores that they share."""
    server, swarm = evidence.server, evidence.swarm
    if server is None or evidence.disjoint:
        return []
    server_wait, swarm_wait = server.longest_wait or 0.0, swarm.longest_wait or 0.0
    if min(server_wait, swarm_wait) < _WAITED:
        return []
    waited = (
        "server and load generator waited for the same cores "
        f"({server_wait:.0%} and {swarm_wait:.0%} of the time)"
    )
    fix = "give each its own with --pin SERVER:SWARM, or use a second machine"
    if evidence.other_cores is not None and evidence.other_cores > _OTHER_CORES:
        fix = f"other programs used {evidence.other_cores:.1f} cores: stop them"
        return [_Limit("run queue", f"{waited}; {fix}")]
    return [_Limit("run queue", f"{waited}: {fix}")]


def _server_limits(server: Use | None) -> list[_Limit]:
    if server is None:
        return []
    limits = []
    waited = server.longest_wait or 0.0
    if server.busiest_thread > _BUSY:
        busy = f"server saturated: thread busy {server.busiest_thread:.0%}"
        limits.append(_Limit("thread", busy))
    if waited > _WAITED:
        text = f"server saturated: waited {waited:.0%} of the time for a core"
        limits.append(_Limit("run queue", text))
    return limits
