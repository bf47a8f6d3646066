"""Two runs compared: noise, regressions, unknown figures; and gates of a baseline."""

from typing import Any

import msgspec
import pytest

from sfukit import gates
from sfukit.loadgen.reports.compare import (
    COMPARED,
    Difference,
    baseline_gates,
    compare,
    load_differences,
    swap_difference,
)
from sfukit.loadgen.result.report import LoadtestReport, Metric
from sfukit.loadgen.verdict.gate_figures import figures
from tests.unit.loadgen.reports.runs import changed, passed


def with_metric(name: str, **values: Any) -> LoadtestReport:
    report = passed()
    metric = msgspec.structs.replace(report.metrics[name], **values)
    return changed(report, metrics={**report.metrics, name: metric})


def difference(before: LoadtestReport, after: LoadtestReport, path: str) -> Difference:
    [found] = [one for one in compare(before, after, 0.1) if one.path == path]
    return found


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (100.0, 100.0, "same"),
        (100.0, 104.0, "same"),  # within 5 %
        (100.0, 109.0, "same"),  # beyond noise, within the allowed 10 %
        (100.0, 111.0, "worse"),
        (100.0, 94.0, "better"),
        (1.0, 3.9, "same"),  # within 3 ms
        (1.0, 4.1, "worse"),
        (100.0, None, "unknown"),
        (None, 100.0, "unknown"),
    ],
)
def test_frame_delay_is_worse_beyond_noise_and_regression(
    before: float | None, after: float | None, change: str
) -> None:
    found = difference(
        with_metric("e2e_frame_ms", p95=before),
        with_metric("e2e_frame_ms", p95=after),
        "e2e_frame_ms.p95",
    )
    assert found.change == change


def test_fewer_joins_and_less_bitrate_are_worse() -> None:
    for name, before, after in (("joins", 1.0, 0.8), ("bitrate_in", 1e6, 8e5)):
        earlier, later = with_metric(name, avg=before), with_metric(name, avg=after)
        assert difference(earlier, later, name).change == "worse"
        assert difference(later, earlier, name).change == "better"


def test_loads_that_differ_are_named() -> None:
    report = passed()
    other = msgspec.structs.replace(report.scenario, clients=9, pacing="whole")
    assert load_differences(report.scenario, report.scenario) == []
    assert load_differences(report.scenario, other) == [
        "clients 2 and 9",
        "pacing libwebrtc and whole",
    ]


def test_figures_of_neither_run_are_left_out() -> None:
    report = changed(passed(), server=None)
    paths = {one.path for one in compare(report, report, 0.1)}
    assert paths and not any(path.startswith("server.") for path in paths)


def judged(before: LoadtestReport, after: LoadtestReport) -> dict[str, bool | None]:
    known = figures(after.metrics, after.server, after.generator, after.saturation)
    return {gate.path: gate.ok for gate in gates.judge(baseline_gates(before, known, 0.1), known)}


def test_a_baseline_is_a_gate_for_each_figure() -> None:
    report = passed()
    results = judged(report, report)
    assert results and all(results.values())
    assert results.keys() <= {one.path for one in COMPARED}
    slower = with_metric("e2e_frame_ms", p95=50.0)
    assert judged(report, slower)["e2e_frame_ms.p95"] is False
    assert judged(slower, report)["e2e_frame_ms.p95"] is True


@pytest.mark.parametrize(
    ("before", "after", "run"), [(True, False, "first"), (False, True, "second")]
)
def test_runs_of_which_one_swapped_cores_are_not_compared(
    before: bool, after: bool, run: str
) -> None:
    assert swap_difference(before, after) == [
        f"cores swapped (--pin exchange) in the {run} run alone"
    ]
    assert swap_difference(before, before) == []


def test_a_figure_that_only_one_run_has_is_unknown_and_no_pass() -> None:
    report, without = passed(), changed(passed(), server=None)
    assert judged(report, without)["server.cpu_us_per_packet"] is None
    assert judged(without, report)["server.cpu_us_per_packet"] is None
    assert "server.cpu_us_per_packet" not in judged(without, without)
    empty = {name: Metric(unit=one.unit, count=0) for name, one in report.metrics.items()}
    assert set(judged(report, changed(report, metrics=empty, server=None)).values()) == {None}


def test_the_text_of_a_gate_names_the_baseline() -> None:
    report = with_metric("e2e_frame_ms", p95=100.0)
    known = figures(report.metrics, report.server, report.generator, report.saturation)
    texts = [str(gate) for gate in baseline_gates(report, known, 0.1)]
    assert "e2e_frame_ms.p95 <= 110 ms (baseline 100 ms)" in texts
