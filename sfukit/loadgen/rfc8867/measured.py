"""The report of a case, from the readings of its paths. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from sfukit import units
from sfukit.loadgen.metrics.histogram import Histogram, metric_of_histograms, since
from sfukit.loadgen.result.case import (
    CaseFlow,
    CaseReport,
    FlowInterval,
    FlowKind,
    FlowSecond,
)
from sfukit.loadgen.rfc8867 import load
from sfukit.loadgen.rfc8867.cases import CASES, Case, boundaries, share_at
from sfukit.loadgen.rfc8867.sampler import Reading
from sfukit.loadgen.scenario import Plan

_SETTLED = 1 / 3  # of an interval: the rate follows a change first


class _Counts(NamedTuple):
    """What one path counted up to a time of the case."""

    at_s: float
    sent: int
    lost: int
    bytes: int
    queue: Histogram


class _Path(NamedTuple):
    """A flow with its counts."""

    name: str
    kind: FlowKind
    one_way_ms: float
    start_s: float
    paused_s: tuple[float, float] | None
    counts: list[_Counts]
    transfers: int | None = None


def report(whole: Plan, readings: Sequence[Reading]) -> CaseReport:
    """Return the report of a case."""
    name = whole.options.rfc8867
    assert name is not None
    case, start_s = load.case_of(whole.options), whole.windows[0].start_s
    paths = [*_media(whole, case, readings, start_s), *_tcp(case, readings, start_s)]
    flows = [
        CaseFlow(
            name=path.name,
            kind=path.kind,
            one_way_ms=path.one_way_ms,
            start_s=path.start_s,
            paused_s=path.paused_s,
            transfers=path.transfers,
            intervals=list(_intervals(path, case)),
            seconds=[_second(earlier, later) for earlier, later in pairwise(path.counts)],
        )
        for path in paths
    ]
    fairness = _fairness([path for path in paths if path.kind == "media"], case)
    return CaseReport(
        case=name,
        title=case.title,
        expected=case.expected,
        duration_s=case.duration_s,
        measured=list(_sentences(case, flows, fairness, is_scaled=case != CASES[name])),
        fairness=fairness,
        flows=flows,
    )


def _media(whole: Plan, case: Case, readings: Sequence[Reading], start_s: float) -> Iterator[_Path]:
    bots = {bot.group.name: bot.index + 1 for bot in whole.slots if bot.group is not None}
    for number, flow in enumerate(case.flows, 1):
        counts = _of_link(readings, bots[load.flow_group(number)], "down", start_s)
        yield _Path(f"flow {number}", "media", flow.one_way_ms, flow.start_s, flow.paused_s, counts)
    for number in range(1, case.back_flows + 1):
        counts = _of_link(readings, bots[load.back_group(number)], "up", start_s)
        yield _Path(f"back {number}", "back media", 50.0, 0.0, None, counts)


def _of_link(
    readings: Sequence[Reading], bot: int, direction: str, start_s: float
) -> list[_Counts]:
    return [
        _Counts(
            reading.at_s - start_s,
            link.datagrams,
            link.queue_drops + link.losses,
            link.bytes_delivered,
            link.queue_wait,
        )
        for reading in readings
        for link in reading.links
        if link.bot == bot and link.direction == direction
    ]


def _tcp(case: Case, readings: Sequence[Reading], start_s: float) -> Iterator[_Path]:
    for number in range(1, case.tcp + 1):
        counts = [
            _Counts(
                reading.at_s - start_s,
                flow.segments,
                flow.queue_drops + flow.losses,
                flow.bytes_delivered,
                flow.queue_wait,
            )
            for reading in readings
            for flow in reading.flows
            if flow.flow == number
        ]
        last = readings[-1].flows if readings else []
        transfers = next((one.transfers for one in last if one.flow == number), None)
        one_way_ms = case.flows[0].one_way_ms
        yield _Path(f"tcp {number}", "tcp", one_way_ms, 0.0, None, counts, transfers)


def _second(earlier: _Counts, later: _Counts) -> FlowSecond:
    sent = later.sent - earlier.sent
    wait = metric_of_histograms([since(later.queue, earlier.queue)])
    return FlowSecond(
        at_s=later.at_s,
        rate_bps=_rate_bps(earlier, later),
        queue_ms=wait.avg,
        loss_ratio=(later.lost - earlier.lost) / sent if sent else None,
    )


def _rate_bps(earlier: _Counts, later: _Counts) -> float:
    seconds = later.at_s - earlier.at_s
    return (later.bytes - earlier.bytes) * 8 / seconds if seconds > 0 else 0.0


def _intervals(path: _Path, case: Case) -> Iterator[FlowInterval]:
    """Return a flow between the changes of the case, from its start on."""
    steps = case.back if path.kind == "back media" and case.back is not None else case.forward
    for start_s, end_s in pairwise(boundaries(case)):
        between = _between(path.counts, start_s, end_s)
        if between is None or start_s < path.start_s:
            continue
        earlier, later = between
        sent = later.sent - earlier.sent
        wait = metric_of_histograms([since(later.queue, earlier.queue)])
        capacity_bps, rate_bps = case.capacity_bps * share_at(steps, start_s), _rate_bps(*between)
        yield FlowInterval(
            start_s=start_s,
            end_s=end_s,
            capacity_bps=capacity_bps,
            rate_bps=rate_bps,
            share=rate_bps / capacity_bps,
            queue_p50_ms=wait.p50,
            queue_p95_ms=wait.p95,
            loss_ratio=(later.lost - earlier.lost) / sent if sent else None,
        )


def _between(
    counts: Sequence[_Counts], start_s: float, end_s: float
) -> tuple[_Counts, _Counts] | None:
    """Return the first and the last reading of an interval, half a second off at most."""
    inside = [one for one in counts if start_s - 0.5 <= one.at_s <= end_s + 0.5]
    return (inside[0], inside[-1]) if len(inside) > 1 else None


def _fairness(paths: Sequence[_Path], case: Case) -> float | None:
    """Return Jain's index of the rates over the time in which all media flows are active."""
    if len(paths) < 2:
        return None
    latest = max(path.start_s for path in paths)
    pauses = [path.paused_s[1] for path in paths if path.paused_s]
    start_s = max([latest, *pauses])
    start_s += (case.duration_s - start_s) * _SETTLED
    rates = []
    for path in paths:
        between = _between(path.counts, start_s, case.duration_s)
        if between is None:
            return None
        rates.append(_rate_bps(*between))
    squares = sum(rate**2 for rate in rates)
    return sum(rates) ** 2 / (len(rates) * squares) if squares else None


def _sentences(
    case: Case, flows: Sequence[CaseFlow], fairness: float | None, *, is_scaled: bool
) -> Iterator[str]:
    """Return what was measured, a sentence for each interval."""
    for start_s, end_s in pairwise(boundaries(case)):
        parts = [
            f"{flow.name} {units.show_bitrate(one.rate_bps)}{_trouble(one)}"
            for flow in flows
            if flow.kind != "tcp"
            for one in flow.intervals
            if one.start_s == start_s
        ]
        tcp = [
            one.rate_bps
            for flow in flows
            if flow.kind == "tcp"
            for one in flow.intervals
            if one.start_s == start_s
        ]
        if tcp:
            several = f" in {len(tcp)} flows" if len(tcp) > 1 else ""
            parts.append(f"TCP {units.show_bitrate(sum(tcp))}{several}")
        capacity = units.show_bitrate(case.capacity_bps * share_at(case.forward, start_s))
        back = ""
        if case.back is not None:
            back = f", back {units.show_bitrate(case.capacity_bps * share_at(case.back, start_s))}"
        if parts:
            yield f"{start_s:.3g}-{end_s:.3g} s, {capacity}{back}: {', '.join(parts)}"
    if fairness is not None:
        yield f"fairness of the media flows (Jain): {fairness:.2f}"
    if is_scaled:
        yield "the time line is scaled by --duration: a rate has less time to follow a change"


def _trouble(one: FlowInterval) -> str:
    """Return queue and loss of an interval, in brackets."""
    parts = []
    if one.queue_p95_ms is not None:
        parts.append(f"queue p95 {one.queue_p95_ms:.0f} ms")
    if one.loss_ratio:
        parts.append(f"loss {one.loss_ratio:.1%}")
    return f" ({', '.join(parts)})" if parts else ""
