"""Token buckets in virtual time: rates, bounds, and what is forgotten."""

import pytest

from sfukit.buckets import TokenBucket, TokenBuckets, address_key


def test_a_burst_passes_then_the_rate_holds() -> None:
    buckets = TokenBuckets(10, 3)
    assert [buckets.wait_s("a", 100.0) for _ in range(3)] == [0.0] * 3
    assert buckets.wait_s("a", 100.0) == pytest.approx(0.1)
    assert buckets.wait_s("b", 100.0) == 0.0
    assert buckets.wait_s("a", 100.2) == 0.0
    assert buckets.wait_s("a", 100.2) == pytest.approx(0.0, abs=1e-6)
    assert buckets.wait_s("a", 100.2) > 0.05


def test_a_cost_above_the_burst_needs_a_full_bucket_and_is_owed() -> None:
    bucket = TokenBucket(10, 20)
    assert bucket.wait_s(0.0) == 0.0
    assert bucket.wait_s(0.0, 100) == pytest.approx(0.1)
    assert bucket.wait_s(1.0, 100) == 0.0
    assert bucket.wait_s(1.0) == pytest.approx(8.1)
    assert bucket.wait_s(9.2) == 0.0


def test_an_exhausted_bucket_is_kept_however_many_other_keys_come() -> None:
    buckets = TokenBuckets(0.001, 2, max_keys=100)
    for _ in range(2):
        buckets.wait_s("exhausted", 0.0)
    for number in range(10_000):
        assert buckets.wait_s(f"other{number}", 1.0) == 0.0
    assert buckets.wait_s("exhausted", 2.0) > 900
    assert len(buckets) <= 100


def test_a_full_bucket_is_forgotten_before_one_in_use() -> None:
    buckets = TokenBuckets(1, 10, max_keys=2)
    buckets.wait_s("full again", 0.0)
    for _ in range(5):
        buckets.wait_s("in use", 10.0)
    buckets.wait_s("new", 10.0)
    for _ in range(5):
        assert buckets.wait_s("in use", 10.0) == 0.0
    assert buckets.wait_s("in use", 10.0) > 0


def test_memory_stays_bounded_with_one_busy_key_and_with_fresh_ones() -> None:
    buckets = TokenBuckets(1e6, 10, max_keys=10)
    for number in range(100_000):
        buckets.wait_s("busy", number * 1e-3)
        buckets.wait_s(f"fresh{number}", number * 1e-3)
    assert len(buckets) <= 10
    assert len(buckets._by_full) <= 4 * 16


def test_one_busy_key_costs_no_more_than_a_few() -> None:
    buckets = TokenBuckets(1e6, 10)
    for number in range(10_000):
        buckets.wait_s("busy", number * 1e-3)
    assert len(buckets._by_full) <= 4 * 16


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_an_ipv6_site_is_one_source(address: str, key: str) -> None:
    assert address_key(address) == key
