"""Histograms add up; percentiles do not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.loadgen.metrics import hdr
from sfukit.loadgen.metrics.histogram import (
    Histogram,
    metric_of_histograms,
    metric_of_values,
    since,
)


def histogram_of(values_us: list[int], sub_bits: int = 7) -> Histogram:
    counts: dict[int, int] = {}
    for us in values_us:
        bucket = hdr.bucket_of(us, sub_bits)
        counts[bucket] = counts.get(bucket, 0) + 1
    largest = max(values_us, default=0) / 1000
    return Histogram(len(values_us), sum(values_us), sub_bits, largest, sorted(counts.items()))


@given(st.lists(st.lists(st.integers(0, 5_000_000), max_size=40), min_size=1, max_size=5))
def test_adding_up_is_the_same_as_counting_all_at_once(parts: list[list[int]]) -> None:
    together = [us for part in parts for us in part]
    merged = metric_of_histograms(map(histogram_of, parts))
    assert merged == metric_of_histograms([histogram_of(together)])
    assert merged.count == len(together)


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=200))
def test_percentiles_are_right_to_the_width_of_a_bucket(values_us: list[int]) -> None:
    metric = metric_of_histograms([histogram_of(values_us)])
    ordered = sorted(values_us)
    for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        exact = ordered[max(0, math.ceil(len(ordered) * share) - 1)] / 1000
        found = getattr(metric, name)
        assert exact <= found <= exact * 1.008 + 0.001
    assert metric.max == ordered[-1] / 1000
    assert metric.avg == pytest.approx(sum(ordered) / len(ordered) / 1000)


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=200))
def test_values_and_histograms_of_them_have_one_metric(values_us: list[int]) -> None:
    of_values = metric_of_values((us / 1000 for us in values_us), "ms")
    of_histogram = metric_of_histograms([histogram_of(values_us)])
    assert of_values.hdr == of_histogram.hdr
    for name in ("count", "p50", "p95", "p99", "max", "avg"):
        assert getattr(of_values, name) == pytest.approx(getattr(of_histogram, name))


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=60))
def test_coarse_histograms_have_the_same_percentiles_in_the_buckets_of_reports(
    values_us: list[int],
) -> None:
    metric = metric_of_histograms([histogram_of(values_us, sub_bits=5)])
    assert metric.hdr is not None
    assert sum(hdr.decode(metric.hdr).values()) == metric.count == len(values_us)
    median = sorted(values_us)[math.ceil(len(values_us) / 2) - 1] / 1000
    assert metric.p50 is not None and median <= metric.p50 <= median * 1.032 + 0.001


def test_negative_values_have_exact_percentiles_and_no_histogram() -> None:
    metric = metric_of_values([-2.0, -1.0, 3.0], "ms")
    assert (metric.p50, metric.p95, metric.max, metric.hdr) == (-1.0, 3.0, 3.0, None)


@given(
    st.lists(st.integers(0, 5_000_000), max_size=60),
    st.lists(st.integers(0, 5_000_000), max_size=60),
)
def test_a_difference_counts_the_later_values_only(first: list[int], then: list[int]) -> None:
    difference = since(histogram_of(first + then), histogram_of(first))
    expected = histogram_of(then)
    assert (difference.count, difference.sum_us) == (expected.count, expected.sum_us)
    assert difference.buckets == expected.buckets
    if then:
        assert difference.max_ms == pytest.approx(max(then) / 1000, rel=0.008, abs=0.001)
    else:
        assert difference.max_ms is None


def test_nothing_measured_is_none_not_zero() -> None:
    metric = metric_of_histograms([])
    assert (metric.count, metric.avg, metric.p99, metric.max) == (0, None, None, None)
    assert metric_of_values([], "ratio").avg is None


def test_an_average_may_have_weights() -> None:
    metric = metric_of_values([0.0, 1.0], "ratio", average=0.001, weight=2000.0)
    assert (metric.avg, metric.max, metric.count, metric.weight) == (0.001, 1.0, 2, 2000.0)
