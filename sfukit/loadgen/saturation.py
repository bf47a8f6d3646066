"""Saturation: of the server, of the load generator, or of a core that both share."""

from dataclasses import dataclass

from sfukit.loadgen.processes import Use
from sfukit.loadgen.result import Saturation

LATE_MS = 20.0  # lag p99 above which the generated load differs from the plan
_BUSY = 0.95  # of a core: a thread above this is saturated
_WAITED = 0.10  # of the wall time in the run queue: the core was shared
_DROPPED = 0.0005  # of the packets: enough to fail a gate on loss
_UNSENT = 0.001
_OTHER_CORES = 0.25  # above the noise of an idle machine


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The use of both sides over the measured window.

    ``server`` is None for an external server. Ratios are of the packets received and sent;
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
        return Saturation(side="shared", reasons=[*shared, *overload])
    if overload:
        return Saturation(side="swarm", reasons=overload)
    limits = _server_limits(evidence.server)
    return Saturation(side="server" if limits else "none", reasons=limits)


def _generator_limits(evidence: Evidence) -> list[str]:
    limits = []
    if evidence.lag_p99_ms is not None and evidence.lag_p99_ms > LATE_MS:
        limits.append(f"load generator {evidence.lag_p99_ms:.0f} ms late (lag p99)")
    if evidence.dropped is not None and evidence.dropped > _DROPPED:
        limits.append(f"load generator sockets dropped {evidence.dropped:.2%} of packets")
    if not evidence.load_delivered:
        limits.append(f"load generator did not send {evidence.unsent:.2%} of the planned packets")
    if evidence.swarm.busiest_thread > _BUSY:
        limits.append(f"load generator saturated: thread busy {evidence.swarm.busiest_thread:.0%}")
    return limits


def _shared_core(evidence: Evidence) -> list[str]:
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
    if evidence.other_cores is not None and evidence.other_cores > _OTHER_CORES:
        return [f"{waited}; other programs used {evidence.other_cores:.1f} cores: stop them"]
    return [f"{waited}: give each its own with --pin SERVER:SWARM, or use a second machine"]


def _server_limits(server: Use | None) -> list[str]:
    if server is None:
        return []
    limits = []
    if server.busiest_thread > _BUSY:
        limits.append(f"server saturated: thread busy {server.busiest_thread:.0%}")
    if (server.longest_wait or 0.0) > _WAITED:
        limits.append(f"server saturated: waited {server.longest_wait:.0%} of the time for a core")
    return limits
