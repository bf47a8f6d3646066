"""Latencies of a signaling load: percentiles, and the histogram beside them."""

from array import array

import pytest

from sfukit.loadgen.metrics import hdr
from sfukit.loadgen.signaling_load.summary import latency


def test_a_latency_has_its_histogram() -> None:
    values_ms = [0.5, 2.0, 2.0, 40.0, 1000.0]
    made = latency(array("d", values_ms))
    assert (made.count, made.p50, made.p99, made.max) == (5, 2.0, 1000.0, 1000.0)
    assert made.hdr is not None
    counts = hdr.decode(made.hdr)
    assert sum(counts.values()) == made.count
    for bucket, value_ms in zip(sorted(counts), sorted(set(values_ms)), strict=True):
        assert hdr.highest_of(bucket) / 1000 == pytest.approx(value_ms, rel=0.01)


def test_without_latencies_all_is_unknown() -> None:
    made = latency(array("d"))
    assert (made.count, made.avg, made.p99, made.hdr) == (0, None, None, None)
