"""Whether two engines that measured one after the other agree. Pure."""

import math

from sfukit.loadgen.latency.result import Compared
from sfukit.loadgen.result.report import Metric

_MAX_RATIO, _MAX_MS = 0.10, 3.0
# Losses of the same path differ from run to run: by three standard errors once in 370 runs. Losses
# in bursts vary more, hence at least half a point.
_STANDARD_ERRORS, _LEAST_LOSS = 3.0, 0.005


def typical(metric: Metric) -> float | None:
    """Return the figure that is compared: the median, of a ratio the overall ratio."""
    return metric.avg if metric.unit == "ratio" else metric.p50


def compare(name: str, native: Metric, independent: Metric) -> Compared:
    """Compare two figures.

    Times differ by more than 10 % of the native one and more than 3 ms; ratios of loss, whose
    ``weight`` is the number of packets, by more than three standard errors and 0.5 points.
    """
    one, other = typical(native), typical(independent)
    differs = None
    if one is not None and other is not None:
        bound = (
            max(_LEAST_LOSS, _STANDARD_ERRORS * _standard_error(native, independent))
            if native.unit == "ratio"
            else max(_MAX_RATIO * one, _MAX_MS)
        )
        differs = abs(one - other) > bound
    return Compared(metric=name, native=native, independent=independent, differs=differs)


def _standard_error(one: Metric, other: Metric) -> float:
    """Return the standard error of the difference of two ratios, by their common ratio."""
    if not (one.weight and other.weight) or one.avg is None or other.avg is None:
        return 0.0
    common = (one.avg * one.weight + other.avg * other.weight) / (one.weight + other.weight)
    return math.sqrt(max(0.0, common * (1 - common)) * (1 / one.weight + 1 / other.weight))
