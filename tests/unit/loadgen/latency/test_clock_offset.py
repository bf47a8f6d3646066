"""The offset of two clocks: its bound holds for any path, and drift is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.loadgen.latency.clock_offset import ClockOffset, Exchange, between

MS = 1_000_000
S = 1_000_000_000


def exchange(
    at_ns: int, offset_ns: int, out_ns: int, back_ns: int, held_ns: int = 10_000
) -> Exchange:
    """Return an exchange over a path with these one-way delays."""
    t2 = at_ns + out_ns + offset_ns
    return Exchange(at_ns, t2, t2 + held_ns, at_ns + out_ns + held_ns + back_ns)


@given(
    offset=st.integers(0, 10**15),
    delays=st.lists(
        st.tuples(st.integers(0, 500 * MS), st.integers(0, 500 * MS)), min_size=1, max_size=80
    ),
)
def test_the_true_offset_is_within_the_uncertainty(
    offset: int, delays: list[tuple[int, int]]
) -> None:
    clock = ClockOffset()
    for nth, (out, back) in enumerate(delays):
        clock.add(exchange(nth * S, offset, out, back))
    estimate = clock.estimate(len(delays) * S)
    assert estimate is not None
    assert abs(estimate.offset_ns - offset) <= estimate.uncertainty_ns + 1


def test_the_exchange_of_the_shortest_round_trip_counts() -> None:
    clock = ClockOffset()
    clock.add(exchange(0, 5 * S, 30 * MS, 2 * MS))
    clock.add(exchange(S, 5 * S, 1 * MS, 1 * MS))
    clock.add(exchange(2 * S, 5 * S, 3 * MS, 90 * MS))
    estimate = clock.estimate(S + 2 * MS + 10_000)
    assert estimate == (5 * S, 1 * MS)
    assert clock.min_rtt_ns == 2 * MS


def test_the_bound_grows_with_age_until_a_newer_exchange_is_better() -> None:
    clock = ClockOffset()
    clock.add(exchange(0, 0, 1 * MS, 1 * MS, held_ns=0))
    later = clock.estimate(10 * S + 2 * MS)
    assert later is not None and later.uncertainty_ns == pytest.approx(1 * MS + 150_000)
    clock.add(exchange(10 * S, 7_000, MS + 50_000, MS + 50_000, held_ns=0))
    better = clock.estimate(10 * S + 3 * MS)
    assert better is not None and better.offset_ns == 7_000


def test_old_exchanges_are_forgotten() -> None:
    clock = ClockOffset()
    clock.add(exchange(0, 0, 0, 0))
    for nth in range(1, 65):
        clock.add(exchange(nth * S, 50, MS, MS))
    assert clock.min_rtt_ns == 2 * MS
    assert clock.exchanges == 65


@pytest.mark.parametrize("ppm", [-40.0, 0.0, 25.0])
def test_drift_is_measured_once_there_are_ten_seconds(ppm: float) -> None:
    clock = ClockOffset()
    for nth in range(400):
        at_ns = nth * S // 4
        if at_ns == 9 * S:
            assert clock.drift_ppm is None
        clock.add(exchange(at_ns, round(at_ns * ppm / 1e6) + S, MS + nth % 7 * MS, MS))
    assert clock.drift_ppm == pytest.approx(ppm, abs=0.5)


@pytest.mark.parametrize(
    "impossible",
    [
        Exchange(0, 100, 50, 200),  # sent before it was received
        Exchange(0, 0, 500, 100),  # held longer than the round trip
        Exchange(200, 0, 0, 100),  # received before it was sent
        Exchange(0, 1 << 63, 1 << 63, 100),  # beyond what an offset can be
    ],
)
def test_impossible_timestamps_are_ignored(impossible: Exchange) -> None:
    clock = ClockOffset()
    clock.add(impossible)
    assert (clock.exchanges, clock.estimate(0), clock.min_rtt_ns) == (0, None, None)


def test_the_reading_that_was_interrupted_least_counts() -> None:
    """The other clock is 500 ahead; the first reading is interrupted for 1000 after the clock."""
    readings = iter([0, 1_500, 1_001, 1_002, 1_503, 1_004, *[2_000, 9_000, 3_000] * 3])
    assert between(lambda: next(readings), lambda: next(readings)) == 500
