"""The cases as RFC 8867 section 5 has them: flows, capacities over time, expected behaviour."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Steps = tuple[tuple[float, float], ...]  # seconds and the share of the capacity from then on

_MEGA = 1e6


class Flow(NamedTuple):
    """One media flow: its one-way delay, its start, from when to when it is paused."""

    one_way_ms: float = 50.0
    start_s: float = 0.0
    paused_s: tuple[float, float] | None = None


class Case(NamedTuple):
    """One case. ``forward`` is the path of the flows, ``back`` that of their feedback.

    ``back_flows`` publish over the back path, at a fixed rate. Of ``tcp`` flows ``short`` ones have
    transfers with idle times in between.
    """

    title: str
    expected: str
    duration_s: float
    flows: Sequence[Flow]
    capacity_bps: float = _MEGA
    forward: Steps = ((0, 1.0),)
    back: Steps | None = None
    queue_ms: float = 300.0
    back_flows: int = 0
    tcp: int = 0
    short: bool = False


_TWO_M, _THREE_AND_A_HALF_M, _FOUR_M = 2 * _MEGA, 3.5 * _MEGA, 4 * _MEGA

CASES: Mapping[str, Case] = {
    "5.1": Case(
        "variable capacity, one flow",
        "the rate follows the capacity without oscillation; little queueing delay and loss",
        100,
        [Flow()],
        forward=((0, 1.0), (40, 2.5), (60, 0.6), (80, 1.0)),
    ),
    "5.2": Case(
        "variable capacity, two flows",
        "both flows adapt down, share the capacity, and ramp back up",
        125,
        [Flow(), Flow()],
        capacity_bps=_TWO_M,
        forward=((0, 2.0), (25, 1.0), (50, 1.75), (75, 0.5), (100, 1.0)),
    ),
    "5.3": Case(
        "congested feedback path, media in both directions",
        "the forward flow is little worse while the back path is congested than while it is not",
        100,
        [Flow()],
        forward=((0, 2.0), (20, 1.0), (40, 0.5), (60, 2.0)),
        back=((0, 2.0), (35, 0.8), (70, 2.0)),
        back_flows=2,
    ),
    "5.4": Case(
        "three flows of the same congestion control",
        "the flows share the capacity; each start disturbs the others briefly; little delay, loss",
        120,
        [Flow(), Flow(start_s=20), Flow(start_s=40)],
        capacity_bps=_THREE_AND_A_HALF_M,
    ),
    "5.5": Case(
        "round-trip time fairness, five flows",
        "the flows get equal shares whatever their round-trip time is",
        300,
        [
            Flow(one_way_ms, start_s)
            for one_way_ms, start_s in ((10, 0), (25, 10), (50, 20), (100, 30), (150, 40))
        ],
        capacity_bps=_FOUR_M,
    ),
    "5.6": Case(
        "one flow beside a long TCP flow",
        "the flow does not starve: in the worst case it keeps its lowest bitrate",
        120,
        [Flow()],
        capacity_bps=_TWO_M,
        tcp=1,
    ),
    "5.7": Case(
        "two flows beside ten short TCP flows",
        "the flows do not starve, and recover after each transfer",
        300,
        [Flow(), Flow()],
        capacity_bps=_TWO_M,
        tcp=10,
        short=True,
    ),
    "5.8": Case(
        "media pause and resume, three flows",
        "while flow 2 is paused the others use its share; after it resumes all are fair again",
        120,
        [Flow(), Flow(paused_s=(40, 60)), Flow()],
        capacity_bps=_THREE_AND_A_HALF_M,
    ),
}
# Short TCP flows (RFC 8867 section 5.7): transfers of uniform sizes, exponential idle times.
SHORT_BYTES = (100_000, 1_000_000)
SHORT_IDLE_MS = 10_000.0
# Jitter of the forward path, at most (RFC 8867 section 4).
JITTER_MS = 30.0


def share_at(steps: Steps, at_s: float) -> float:
    """Return the share of the capacity at a time."""
    return [share for start_s, share in steps if start_s <= at_s][-1]


def boundaries(case: Case) -> list[float]:
    """Return the times at which anything of a case changes, its start and end included."""
    times = {0.0, case.duration_s}
    times |= {start_s for start_s, _ in (*case.forward, *(case.back or ()))}
    for flow in case.flows:
        times |= {flow.start_s, *(flow.paused_s or ())}
    return sorted(times)


def scaled(case: Case, duration_s: float) -> Case:
    """Return a case whose time line takes another time; delays and queues stay as they are."""
    factor = duration_s / case.duration_s

    def steps(of: Steps) -> Steps:
        return tuple((at_s * factor, share) for at_s, share in of)

    return case._replace(
        duration_s=duration_s,
        forward=steps(case.forward),
        back=None if case.back is None else steps(case.back),
        flows=[
            flow._replace(
                start_s=flow.start_s * factor,
                paused_s=None
                if flow.paused_s is None
                else (flow.paused_s[0] * factor, flow.paused_s[1] * factor),
            )
            for flow in case.flows
        ],
    )
