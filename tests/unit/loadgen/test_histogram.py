"""Histograms add up; percentiles do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.loadgen.histogram import (
    Histogram,
    metric_of_histograms,
    metric_of_values,
    since,
)


def bucket_of(us: int, sub_bits: int) -> int:
    """Place a value as the swarm does."""
    linear = 1 << sub_bits
    if us < linear:
        return us
    shift = us.bit_length() - 1 - sub_bits
    return ((shift + 1) << sub_bits) + (us >> shift) - linear


def histogram_of(values_us: list[int], sub_bits: int = 7) -> Histogram:
    counts: dict[int, int] = {}
    for us in values_us:
        bucket = bucket_of(us, sub_bits)
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
    exact = metric_of_values((us / 1000 for us in values_us), "ms")
    for name in ("p50", "p95", "p99"):
        assert getattr(metric, name) == pytest.approx(getattr(exact, name), rel=0.008, abs=0.001)
    assert metric.max == exact.max
    assert metric.avg == pytest.approx(exact.avg)


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
    metric = metric_of_values([0.0, 1.0], "ratio", average=0.001)
    assert (metric.avg, metric.max, metric.count) == (0.001, 1.0, 2)
