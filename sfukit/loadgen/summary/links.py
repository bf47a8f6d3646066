"""The impaired links of a report: their figures of the window, and what passed over time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sfukit.loadgen.metrics.figures import LinkFigures, Trace
from sfukit.loadgen.metrics.histogram import metric_of_histograms
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.links import between
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.result.paths import Estimate, Link
from sfukit.loadgen.scenario import Plan

_NS_PER_S = 1e9


def links(
    plan: Plan, ledger: Ledger, windows: Sequence[WindowResult], start_ns: int
) -> Iterator[Link]:
    """Return the traced links, downlinks first; windows are added up."""
    parts: defaultdict[tuple[str, int], list[LinkFigures]] = defaultdict(list)
    for window in windows:
        for one in between(window.figures_before.links, window.figures.links):
            parts[one.direction, one.bot].append(one)
    wall_s = sum(window.wall_s for window in windows)
    traces = {(one.direction, one.bot): one.trace for one in windows[-1].figures.links}
    for key, trace in sorted(traces.items()):
        if trace is not None:
            yield _link(plan, ledger, parts[key], trace, start_ns, wall_s)


def _link(
    plan: Plan,
    ledger: Ledger,
    parts: Sequence[LinkFigures],
    trace: Trace,
    start_ns: int,
    wall_s: float,
) -> Link:
    bot = plan.bots[parts[0].bot - 1]
    waits = metric_of_histograms(one.queue_wait for one in parts)
    datagrams = sum(one.datagrams for one in parts)
    interval_s = trace.interval_ns / _NS_PER_S
    delivered = sum(one.bytes_delivered for one in parts)
    return Link(
        room=ledger.plan.rooms[bot.room].label,
        client=bot.name,
        direction=parts[0].direction,
        bottleneck=parts[0].bottleneck,
        window_rate_bps=delivered * 8 / wall_s if wall_s else None,
        window_queue_p50_ms=waits.p50,
        window_queue_p95_ms=waits.p95,
        window_drop_ratio=_ratio(sum(one.queue_drops for one in parts), datagrams),
        window_loss_ratio=_ratio(sum(one.losses for one in parts), datagrams),
        start_s=round((trace.start_ns - start_ns) / _NS_PER_S, 3),
        interval_s=interval_s,
        capacity_bps=trace.capacity_bps,
        rate_bps=[round(one * 8 / interval_s) for one in trace.bytes],
        queue_ms=[None if one is None else round(one, 1) for one in trace.queue_ms],
        queue_max_ms=[None if one is None else round(one, 1) for one in trace.queue_max_ms],
        datagrams=trace.datagrams,
        queue_drops=trace.queue_drops,
        losses=trace.losses,
        estimates=[
            Estimate(at_s=round((at_ns - start_ns) / _NS_PER_S, 3), bps=round(bps))
            for at_ns, bps in ledger.estimates.get(bot.index, ())
            if parts[0].direction == "down"
        ],
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
