"""Histograms of the swarm and of values, and their metrics: histograms add up, percentiles do not.

The buckets are those of ``crates/swarm/src/measure/histogram.rs``.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from sfukit.loadgen.metrics import hdr
from sfukit.loadgen.result.report import LOW_UNITS, Metric, Unit

_US_PER_MS = 1000.0
# What one unit of a metric is in its histogram: microseconds, parts per million, hundredths.
SCALES: Mapping[Unit, float] = {
    "ms": _US_PER_MS,
    "ratio": 1e6,
    "bit/s": 1.0,
    "count": 1.0,
    "score": 100.0,
    "dB": 100.0,
}


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
        largest = min(largest, hdr.highest_of(buckets[-1][0], later.sub_bits) / _US_PER_MS)
    return Histogram(
        count,
        later.sum_us - earlier.sum_us,
        later.sub_bits,
        largest if count else None,
        buckets,
    )


def metric_of_histograms(histograms: Iterable[Histogram]) -> Metric:
    """Return the metric of the sum of histograms."""
    parts = [histogram for histogram in histograms if histogram.count]
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(_counts(part))
    total = sum(part.count for part in parts)
    if not total:
        return Metric(unit="ms", count=0)
    largest = max(part.max_ms or 0.0 for part in parts)
    mean = sum(part.sum_us for part in parts) / total / _US_PER_MS
    return metric_of_counts(counts, "ms", largest, average=mean)


def metric_of_values(
    values: Iterable[float],
    unit: Unit,
    *,
    average: float | None = None,
    weight: float | None = None,
) -> Metric:
    """Return the metric of values; ``average`` replaces the mean where values have a weight.

    ``weight`` is then the sum of the weights.
    """
    known = list(values)
    if not known:
        return Metric(unit=unit, count=0)
    mean = sum(known) / len(known) if average is None else average
    if min(known) < 0:
        return _metric_of_signed(known, unit, mean, weight)
    scale = SCALES[unit]
    counts = Counter(hdr.bucket_of(round(value * scale)) for value in known)
    return metric_of_counts(counts, unit, max(known), average=mean, weight=weight)


def metric_of_counts(
    counts: Mapping[int, int],
    unit: Unit,
    largest: float,
    *,
    average: float | None,
    weight: float | None = None,
) -> Metric:
    """Return the metric of counts by bucket, with its histogram."""
    total, scale = sum(counts.values()), SCALES[unit]
    ordered = sorted(counts.items())
    p50, p95, p99 = (
        min(_quantile(ordered, total, quantile) / scale, largest) for quantile in (0.50, 0.95, 0.99)
    )
    return Metric(
        unit=unit,
        count=total,
        avg=average,
        p50=p50,
        p95=p95,
        p99=p99,
        max=largest,
        p5=min(_quantile(ordered, total, 0.05) / scale, largest) if unit in LOW_UNITS else None,
        weight=weight,
        hdr=hdr.encode(counts),
    )


def metric_of_few(values: Iterable[float], unit: Unit, *, average: float | None = None) -> Metric:
    """Return the metric of values whose percentiles have to be exact, without histogram."""
    known = list(values)
    if not known:
        return Metric(unit=unit, count=0)
    mean = sum(known) / len(known) if average is None else average
    return _metric_of_signed(known, unit, mean, None)


def _metric_of_signed(
    values: Iterable[float], unit: Unit, average: float, weight: float | None
) -> Metric:
    """Return the metric of values that are partly negative, which no histogram has."""
    ordered = sorted(values)
    p5, p50, p95, p99 = (
        ordered[max(0, math.ceil(len(ordered) * quantile) - 1)]
        for quantile in (0.05, 0.50, 0.95, 0.99)
    )
    return Metric(
        unit=unit,
        count=len(ordered),
        avg=average,
        p50=p50,
        p95=p95,
        p99=p99,
        max=ordered[-1],
        p5=p5 if unit in LOW_UNITS else None,
        weight=weight,
    )


def _counts(histogram: Histogram) -> dict[int, int]:
    """Return the counts by bucket of reports, which are those of the finer histograms."""
    if histogram.sub_bits == hdr.SUB_BITS:
        return dict(histogram.buckets)
    counts: Counter[int] = Counter()
    for bucket, count in histogram.buckets:
        counts[hdr.bucket_of(hdr.highest_of(bucket, histogram.sub_bits))] += count
    return counts


def _quantile(ordered: Iterable[tuple[int, int]], total: int, quantile: float) -> int:
    """Return the highest value of the bucket that has a quantile (nearest rank)."""
    rank = max(1, math.ceil(total * quantile))
    seen = 0
    for bucket, count in ordered:
        seen += count
        if seen >= rank:
            return hdr.highest_of(bucket)
    return 0
