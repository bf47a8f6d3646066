"""The histograms of a load test as an HdrHistogram log (``.hlog``), which its viewers open.

A line for each metric, with the metric as its tag. Values are those of the report: microseconds for
metrics in ms (HistogramLogProcessor: ``-outputValueUnitRatio 1000``).
"""

from collections.abc import Iterator
from datetime import datetime

from sfukit.control_characters import escaped
from sfukit.loadgen.metrics.histogram import SCALES
from sfukit.loadgen.result.report import LoadtestReport, Metric

_UNITS = {
    "ms": "microseconds",
    "ratio": "parts per million",
    "bit/s": "bit/s",
    "count": "counts",
    "score": "hundredths",
    "dB": "hundredths of a dB",
}


def document(report: LoadtestReport) -> str:
    """Return the log of a run: all its windows together."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: LoadtestReport) -> Iterator[str]:
    yield "#[Histogram log format version 1.3]"
    yield _comment(f"sfukit {report.version}, {report.name or report.scenario.summary}")
    started_s = datetime.fromisoformat(report.started_at).timestamp()
    yield _comment(f"StartTime: {started_s:.3f} (seconds since epoch), {report.started_at}")
    known = {name: metric for name, metric in report.metrics.items() if metric.hdr is not None}
    for name, metric in known.items():
        yield _comment(f"{name}: values in {_UNITS[metric.unit]}")
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    measured_s = report.generator.wall_s if report.generator is not None else 0.0
    for name, metric in known.items():
        yield f"Tag={_tag(name)},0.000,{measured_s:.3f},{_largest(metric)},{metric.hdr}"


def _largest(metric: Metric) -> str:
    """Return the largest value in a thousand of its units, as viewers of the log scale it."""
    return f"{(metric.max or 0.0) * SCALES[metric.unit] / 1000:.3f}"


def _comment(text: str) -> str:
    return f"#[{' '.join(escaped(text).split())}]"


def _tag(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_.-" else "_" for letter in name)
