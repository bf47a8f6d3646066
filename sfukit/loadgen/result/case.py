"""What the report of a case has: flows over time, and what was measured beside what is expected."""

from typing import Literal

import msgspec

FlowKind = Literal["media", "back media", "tcp"]


class FlowSecond(msgspec.Struct, frozen=True, kw_only=True):
    """One flow in one second of the case; None where nothing was sent.

    ``rate_bps`` is what leaves its path, all headers included; ``loss_ratio`` is of the datagrams
    sent into it: dropped at the full queue, or lost.
    """

    at_s: float
    rate_bps: float
    queue_ms: float | None
    loss_ratio: float | None


class FlowInterval(msgspec.Struct, frozen=True, kw_only=True):
    """One flow between two changes of the case; ``share`` is of the capacity of its path."""

    start_s: float
    end_s: float
    capacity_bps: float
    rate_bps: float
    share: float
    queue_p50_ms: float | None
    queue_p95_ms: float | None
    loss_ratio: float | None


class CaseFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One flow: media from the SFU, media over the back path, or a TCP-like flow."""

    name: str
    kind: FlowKind
    one_way_ms: float
    start_s: float
    paused_s: tuple[float, float] | None = None
    transfers: int | None = None
    intervals: list[FlowInterval]
    seconds: list[FlowSecond]


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """A case of RFC 8867; ``duration_s`` is not that of the RFC where ``--duration`` is given.

    ``fairness`` is Jain's index of the media flows over the time in which all of them are active:
    1 where they get equal shares, 1/n where one gets all.
    """

    case: str
    title: str
    expected: str
    duration_s: float
    measured: list[str]
    fairness: float | None
    flows: list[CaseFlow]
