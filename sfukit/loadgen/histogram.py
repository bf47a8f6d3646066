"""Histograms of the swarm: add them up, never their percentiles.

The buckets are those of ``crates/swarm/src/measure/histogram.rs``.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from sfukit.loadgen.result import Metric, Unit

_US_PER_MS = 1000.0


class Histogram(msgspec.Struct, frozen=True):
    """Durations as the swarm counted them, in microseconds."""

    count: int
    sum_us: int
    sub_bits: int
    max_ms: float | None
    buckets: list[tuple[int, int]]


def since(later: Histogram, earlier: Histogram) -> Histogram:
    """Return what a cumulative histogram counted after an earlier reading of it.

    ``max_ms`` is exact where the maximum was raised meanwhile, else that of the highest bucket.
    """
    before = dict(earlier.buckets)
    buckets = [
        (bucket, added)
        for bucket, count in later.buckets
        if (added := count - before.get(bucket, 0))
    ]
    count = later.count - earlier.count
    largest = later.max_ms
    if largest == earlier.max_ms and buckets and largest is not None:
        largest = min(largest, _highest_us(buckets[-1][0], later.sub_bits) / _US_PER_MS)
    return Histogram(
        count,
        later.sum_us - earlier.sum_us,
        later.sub_bits,
        largest if count else None,
        buckets,
    )


def metric_of_histograms(histograms: Iterable[Histogram]) -> Metric:
    """Return the metric of the sum of histograms with one resolution."""
    parts = [histogram for histogram in histograms if histogram.count]
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(dict(part.buckets))
    total = sum(part.count for part in parts)
    if not total:
        return Metric(unit="ms", count=0)
    largest = max(part.max_ms or 0.0 for part in parts)
    highest = sorted((_highest_us(bucket, parts[0].sub_bits), n) for bucket, n in counts.items())
    p50, p95, p99 = (_quantile_ms(highest, total, q, largest) for q in (0.50, 0.95, 0.99))
    mean = sum(part.sum_us for part in parts) / total / _US_PER_MS
    return Metric(unit="ms", count=total, avg=mean, p50=p50, p95=p95, p99=p99, max=largest)


def metric_of_values(
    values: Iterable[float], unit: Unit, *, average: float | None = None
) -> Metric:
    """Return the metric of values; ``average`` replaces the mean of weighted values."""
    ordered = sorted(values)
    if not ordered:
        return Metric(unit=unit, count=0)
    mean = sum(ordered) / len(ordered)
    p50, p95, p99 = (_rank(ordered, quantile) for quantile in (0.50, 0.95, 0.99))
    return Metric(
        unit=unit,
        count=len(ordered),
        avg=mean if average is None else average,
        p50=p50,
        p95=p95,
        p99=p99,
        max=ordered[-1],
    )


def _rank(ordered: Sequence[float], quantile: float) -> float:
    """Return the value that a share of all does not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * quantile) - 1)]


def _quantile_ms(
    highest: Sequence[tuple[int, int]], total: int, quantile: float, largest_ms: float
) -> float:
    rank = max(1, math.ceil(total * quantile))
    seen = 0
    for us, count in highest:
        seen += count
        if seen >= rank:
            return min(us / _US_PER_MS, largest_ms)
    return largest_ms


def _highest_us(bucket: int, sub_bits: int) -> int:
    """Return the highest value that falls into a bucket."""
    linear = 1 << sub_bits
    if bucket < linear:
        return bucket
    shift = (bucket >> sub_bits) - 1
    return ((bucket % linear + linear + 1) << shift) - 1
