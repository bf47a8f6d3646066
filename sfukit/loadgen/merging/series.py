"""Series and clients of several shards in one. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from sfukit.loadgen.merging import metrics as merge_metrics
from sfukit.loadgen.result.report import Metric
from sfukit.loadgen.result.series import MOST_CLIENTS, MOST_INTERVALS, Client, Interval

_DIGITS = re.compile(r"(\d{1,12})", re.ASCII)


def series(parts: Sequence[Sequence[Interval]]) -> list[Interval]:
    """Return the intervals of the first part, each with those of the others at that time.

    An interval that a part does not have is left out, as its sums would lack that part.
    """
    starts = [[one.start_s for one in part] for part in parts]
    found = []
    for interval in parts[0][: 2 * MOST_INTERVALS]:
        middle_s = (interval.start_s + interval.end_s) / 2
        each = [_at(part, begins, middle_s) for part, begins in zip(parts, starts, strict=True)]
        known = [one for one in each if one is not None]
        if len(known) == len(parts):
            found.append(_merged(interval, known))
    return found


def clients(parts: Iterable[Sequence[Client]]) -> list[Client]:
    """Return the clients of all parts by room and name, at most ``MOST_CLIENTS``."""
    every = [client for part in parts for client in part]
    every.sort(key=lambda one: (_natural(one.room), _natural(one.name)))
    return every[:MOST_CLIENTS]


def _at(part: Sequence[Interval], starts: Sequence[float], at_s: float) -> Interval | None:
    place = bisect_right(starts, at_s) - 1
    return part[place] if place >= 0 and part[place].end_s > at_s else None


def _merged(first: Interval, parts: Sequence[Interval]) -> Interval:
    delay, rtt, lag = (_percentiles(name, parts) for name in ("e2e_frame", "rtt", "lag"))
    cores = [part.server_cores for part in parts]
    return Interval(
        start_s=first.start_s,
        end_s=first.end_s,
        phase=first.phase,
        joined=sum(part.joined for part in parts),
        failed=sum(part.failed for part in parts),
        tracks=sum(part.tracks for part in parts),
        bitrate_in_bps=sum(part.bitrate_in_bps for part in parts),
        bitrate_out_bps=sum(part.bitrate_out_bps for part in parts),
        loss_raw=_loss([(part.loss_raw, part.packets_expected) for part in parts]),
        loss_after_rtx=_loss([(part.loss_after_rtx, part.packets_expected) for part in parts]),
        packets_expected=sum(part.packets_expected for part in parts),
        e2e_frame_p50_ms=delay.p50,
        e2e_frame_p95_ms=delay.p95,
        e2e_frame_p99_ms=delay.p99,
        rtt_p95_ms=rtt.p95,
        lag_p99_ms=lag.p99,
        unsent=sum(part.unsent for part in parts),
        generator_cores=sum(part.generator_cores for part in parts),
        server_cores=next((one for one in cores if one is not None), None),
    )


def _percentiles(name: str, parts: Sequence[Interval]) -> Metric:
    return merge_metrics.percentiles(
        f"series.{name}", [part.hdr[name] for part in parts if name in part.hdr]
    )


def _loss(parts: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(ratio, packets) for ratio, packets in parts if ratio is not None]
    total = sum(packets for _, packets in known)
    return sum(ratio * packets for ratio, packets in known) / total if total else None


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a key that orders room-2 before room-10."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(text) if part
    ]
