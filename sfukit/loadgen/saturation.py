"""Blame the right side: was the server at its limit, the swarm, or did both wait for one core?"""

from dataclasses import dataclass

from sfukit.loadgen.processes import Use
from sfukit.loadgen.result import Saturation

LATE_MS = 20.0  # a swarm later than that sends another load than planned
_BUSY = 0.95  # of a core: a thread above this had no time left
_WAITED = 0.10  # of the wall time: a thread above this was slowed by others on its core
_DROPPED = 0.0005  # of the packets: enough to fail a gate on loss
_UNSENT = 0.001
_OTHERS = 0.25  # of a core: more is not the noise of an idle machine


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of both sides over the measured window.

    ``server`` is None for a server elsewhere. Ratios are of the packets received and sent;
    ``dropped`` is None where the kernel does not count drops per socket. ``others`` is how many
    cores other programs of this machine used.
    """

    server: Use | None
    swarm: Use
    lag_p99_ms: float | None
    dropped: float | None
    unsent: float
    disjoint: bool
    others: float | None = None

    @property
    def load_delivered(self) -> bool:
        """Whether the server was sent what the plan says."""
        return self.unsent <= _UNSENT


def attribute(evidence: Evidence) -> Saturation:
    """Decide which side was at its limit; say ``none`` where neither shows it."""
    late = _swarm_faults(evidence)
    crowded = _shared_core(evidence)
    if crowded:
        return Saturation(side="shared", reasons=[*crowded, *late])
    if late:
        return Saturation(side="swarm", reasons=late)
    limits = _server_limits(evidence.server)
    return Saturation(side="server" if limits else "none", reasons=limits)


def _swarm_faults(evidence: Evidence) -> list[str]:
    faults = []
    if evidence.lag_p99_ms is not None and evidence.lag_p99_ms > LATE_MS:
        faults.append(f"the swarm ran {evidence.lag_p99_ms:.0f} ms late (p99)")
    if evidence.dropped is not None and evidence.dropped > _DROPPED:
        faults.append(f"the swarm's sockets overflowed: {evidence.dropped:.2%} of packets dropped")
    if not evidence.load_delivered:
        faults.append(f"{evidence.unsent:.2%} of the planned packets were not sent")
    if evidence.swarm.busiest_thread > _BUSY:
        faults.append(f"a thread of the swarm was busy {evidence.swarm.busiest_thread:.0%}")
    return faults


def _shared_core(evidence: Evidence) -> list[str]:
    """Both sides waited for a core that the other, or a third program, may have held."""
    server, swarm = evidence.server, evidence.swarm
    if server is None or evidence.disjoint:
        return []
    server_wait, swarm_wait = server.longest_wait or 0.0, swarm.longest_wait or 0.0
    if min(server_wait, swarm_wait) < _WAITED:
        return []
    waited = (
        f"server and swarm waited for the same cores ({server_wait:.0%} and {swarm_wait:.0%} of "
        "the time)"
    )
    if evidence.others is not None and evidence.others > _OTHERS:
        return [f"{waited}; other programs here used {evidence.others:.1f} cores: stop them"]
    return [f"{waited}: give each its own with --pin SERVER:SWARM, or use a second machine"]


def _server_limits(server: Use | None) -> list[str]:
    if server is None:
        return []
    limits = []
    if server.busiest_thread > _BUSY:
        limits.append(f"a thread of the server was busy {server.busiest_thread:.0%}")
    if (server.longest_wait or 0.0) > _WAITED:
        limits.append(f"the server waited {server.longest_wait:.0%} of the time for a core")
    return limits
