"""The series of a run: figures of an interval from cumulative snapshots."""

import msgspec
import pytest

from sfukit.loadgen.host.processes import Reading, ThreadTimes
from sfukit.loadgen.metrics.figures import Figures, Histograms, LossFigures, Totals
from sfukit.loadgen.metrics.series import Counts, Reach, Series, interval_s
from sfukit.loadgen.result.series import MOST_INTERVALS
from tests.unit.loadgen.test_summary import histogram

S = 1_000_000_000
EMPTY = histogram()


def reach(
    at_s: float,
    *,
    received: int = 0,
    loss: tuple[int, int, int] = (0, 0, 0),
    delays: tuple[float, ...] = (),
    cpu_s: float = 0.0,
    server: bool = True,
) -> Reach:
    histograms = Histograms(histogram(*delays), *[EMPTY] * 6)
    figures = Figures(
        at_ns=round(at_s * S),
        totals=Totals(0, received, 0, 2 * received, 0, 0, 0, 0, 0),
        loss=LossFigures(*loss),
        histograms=histograms,
        decrypted_ratio=1.0,
        generator=None,
        streams=[],
        transports=[],
    )
    used = Reading(at_s, cpu_s, 0, {1: ThreadTimes(cpu_s, 0.0)})
    return Reach(figures, used, used._replace(cpu_s=cpu_s / 2) if server else None)


def test_an_interval_is_a_difference_of_two_snapshots() -> None:
    series = Series(1.0, 100 * S)
    series.add(reach(100, delays=(0.1,)), "ramp", Counts(0, 0, 0))
    assert series.intervals == [] and series.next_ns == 101 * S
    series.add(
        reach(102, received=1000, loss=(200, 4, 1), delays=(0.1, 0.02, 0.02), cpu_s=1.0),
        "ramp",
        Counts(7, 1, 5),
    )
    [interval] = series.intervals
    assert (interval.start_s, interval.end_s, interval.phase) == (0, 2, "ramp")
    assert (interval.joined, interval.failed, interval.tracks) == (7, 1, 5)
    assert (interval.bitrate_in_bps, interval.bitrate_out_bps) == (4000, 8000)
    assert (interval.loss_raw, interval.loss_after_rtx) == (0.02, 0.005)
    assert interval.e2e_frame_p50_ms == 0.02 and interval.e2e_frame_p99_ms == 0.02
    assert interval.rtt_p95_ms is None and interval.lag_p99_ms is None
    assert (interval.generator_cores, interval.server_cores) == (0.5, 0.25)


def test_late_intervals_keep_the_grid_and_short_ones_are_left_out() -> None:
    series = Series(1.0, 0)
    for at_s in (0.0, 1.2, 2.0, 2.1):
        series.add(reach(at_s), "ramp", Counts(0, 0, 0))
    assert [interval.end_s for interval in series.intervals] == [1.2, 2.0]
    assert series.next_ns == 3 * S


def test_figures_count_from_the_start_of_the_window() -> None:
    series = Series(1.0, 0)
    series.add(reach(0), "warm-up", Counts(0, 0, 0))
    series.add(reach(1, received=500, loss=(90, 9, 9)), "warm-up", Counts(0, 0, 0))
    series.restart(reach(1.5))
    assert series.next_ns == round(2.5 * S)
    series.add(reach(2.5, received=125, loss=(10, 1, 0)), "measuring", Counts(0, 0, 0))
    assert [one.bitrate_in_bps for one in series.intervals] == [4000, 1000]
    assert series.intervals[1].loss_raw == 0.1


def test_a_late_repair_is_no_negative_loss_and_an_external_server_has_no_cpu() -> None:
    series = Series(1.0, 0)
    series.add(reach(0, loss=(100, 9, 5), server=False), "ramp", Counts(0, 0, 0))
    series.add(reach(1, loss=(200, 9, 2), server=False), "ramp", Counts(0, 0, 0))
    [interval] = series.intervals
    assert interval.loss_after_rtx == 0
    assert interval.server_cores is None


@pytest.mark.parametrize(("total_s", "expected"), [(60, 1.0), (36_000, 10.0)])
def test_a_long_run_has_longer_intervals(total_s: float, expected: float) -> None:
    assert interval_s(1.0, total_s) == expected
    assert total_s / interval_s(1.0, total_s) <= MOST_INTERVALS


def test_the_number_of_intervals_is_bounded() -> None:
    series = Series(1.0, 0)
    still = reach(0)
    for second in range(2 * MOST_INTERVALS + 10):
        figures = msgspec.structs.replace(still.figures, at_ns=second * S)
        series.add(still._replace(figures=figures), "measuring", Counts(0, 0, 0))
    assert len(series.intervals) == 2 * MOST_INTERVALS
