"""Metrics of shards in one: counts of histograms add up, averages by their weights. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sfukit.loadgen.metrics import hdr
from sfukit.loadgen.metrics.histogram import metric_of_counts
from sfukit.loadgen.result.report import Metric


class MergeError(ValueError):
    """A part contradicts itself or the other parts; the text says how."""


def metrics(parts: Iterable[Mapping[str, Metric]]) -> dict[str, Metric]:
    """Return each metric of the parts, in the order of the first part that has it."""
    found: dict[str, list[Metric]] = {}
    for part in parts:
        for name, metric in part.items():
            found.setdefault(name, []).append(metric)
    return {name: merged(name, each) for name, each in found.items()}


def groups(parts: Iterable[Mapping[str, Mapping[str, Metric]]]) -> dict[str, dict[str, Metric]]:
    """Return the metrics of each group or room of the parts."""
    found: dict[str, list[Mapping[str, Metric]]] = {}
    for part in parts:
        for name, each in part.items():
            found.setdefault(name, []).append(each)
    return {name: metrics(each) for name, each in found.items()}


def merged(name: str, parts: Sequence[Metric]) -> Metric:
    """Return one metric; its percentiles are those of the sum of the histograms.

    Where a part has no histogram, as its values are negative or known as average alone, the merged
    metric has no percentiles.
    """
    unit = parts[0].unit
    if any(part.unit != unit for part in parts):
        raise MergeError(f"{name} is in {' and '.join(sorted({part.unit for part in parts}))}")
    known = [part for part in parts if part.count > 0]
    if not known:
        return Metric(unit=unit, count=0)
    average, weight = _average(known)
    if not any(part.weight is not None for part in known):
        weight = None
    largest = [part.max for part in known if part.max is not None]
    if len(largest) < len(known) or any(part.hdr is None for part in known):
        return Metric(
            unit=unit,
            count=sum(part.count for part in known),
            avg=average,
            max=max(largest) if len(largest) == len(known) else None,
            weight=weight,
        )
    counts: Counter[int] = Counter()
    for part in known:
        counts.update(_counts(name, part))
    return metric_of_counts(counts, unit, max(largest), average=average, weight=weight)


def percentiles(name: str, texts: Iterable[str]) -> Metric:
    """Return the percentiles in ms of histograms alone."""
    counts: Counter[int] = Counter()
    for text in texts:
        counts.update(_decoded(name, text))
    if not counts:
        return Metric(unit="ms", count=0)
    return metric_of_counts(counts, "ms", float("inf"), average=None)


def _average(known: Sequence[Metric]) -> tuple[float | None, float | None]:
    """Return the weighted average and the sum of weights; None where a part has no average."""
    total = summed = 0.0
    for part in known:
        weight = float(part.count if part.weight is None else part.weight)
        if part.avg is None:
            return None, None
        total += weight
        summed += part.avg * weight
    return (summed / total if total else None), total


def _counts(name: str, part: Metric) -> dict[int, int]:
    counts = _decoded(name, part.hdr or "")
    counted = sum(counts.values())
    if counted != part.count:
        raise MergeError(f"{name} has {part.count} values, and its histogram has {counted}")
    return counts


def _decoded(name: str, text: str) -> dict[int, int]:
    try:
        return hdr.decode(text)
    except hdr.HdrError as error:
        raise MergeError(f"the histogram of {name}: {error}") from error
