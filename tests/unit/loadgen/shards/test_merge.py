"""The reports of shards in one: figures of all, gates judged again, what is absent or differs."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.gates import GateResult
from sfukit.loadgen.merging import metrics as merge_metrics
from sfukit.loadgen.merging.merge import merge
from sfukit.loadgen.merging.metrics import MergeError
from sfukit.loadgen.merging.parts import part
from sfukit.loadgen.metrics.histogram import metric_of_values
from sfukit.loadgen.reports import html
from sfukit.loadgen.result.paths import MOST_LINKS, MOST_VIDEO_STREAMS
from sfukit.loadgen.result.report import Fault, LoadtestReport, Metric, Stage
from sfukit.loadgen.verdict import gate_figures
from tests.unit.loadgen.reports.runs import gate
from tests.unit.loadgen.shards.reports import saturated, shard, with_facts, with_values
from tests.unit.loadgen.test_paths import link, run_with, trace


def merged(*reports: LoadtestReport, absent: dict[int, str] | None = None) -> LoadtestReport:
    return merge([part(f"{n}.json", one) for n, one in enumerate(reports, 1)], absent)


def changed(report: LoadtestReport, **changes: Any) -> LoadtestReport:
    return msgspec.structs.replace(report, **changes)


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(0, 5000), max_size=30), min_size=1, max_size=5))
def test_a_merged_metric_is_that_of_all_values(parts: list[list[float]]) -> None:
    every = [value for part in parts for value in part]
    found = merge_metrics.merged("x", [metric_of_values(part, "ms") for part in parts])
    whole = metric_of_values(every, "ms")
    assert (found.count, found.hdr, found.max, found.unit) == (
        whole.count, whole.hdr, whole.max, whole.unit,
    )  # fmt: skip
    assert (found.p50, found.p95, found.p99) == (whole.p50, whole.p95, whole.p99)
    assert found.avg == (pytest.approx(whole.avg) if every else None)


def test_ratios_are_weighed_by_their_packets() -> None:
    small = metric_of_values([1.0], "ratio", average=1.0, weight=10.0)
    large = metric_of_values([0.0], "ratio", average=0.0, weight=990.0)
    found = merge_metrics.merged("loss_raw", [small, large])
    assert (found.avg, found.weight, found.count) == (pytest.approx(0.01), 1000.0, 2)


def test_a_metric_without_histogram_has_an_average_alone() -> None:
    parts = [Metric(unit="bit/s", count=3, avg=100.0, weight=30.0), Metric(unit="bit/s", count=0)]
    found = merge_metrics.merged("bitrate_out", parts)
    assert (found.count, found.avg, found.p95, found.hdr) == (3, 100.0, None, None)


def test_three_shards_are_the_plan() -> None:
    whole = merged(*(shard(index) for index in (2, 3, 1)))
    assert (whole.verdict, whole.exit_code, whole.reasons) == ("pass", 0, [])
    assert whole.merged is not None and whole.shard is None
    assert (whole.merged.clients, whole.merged.count) == (15, 3)
    assert [one.index for one in whole.merged.parts] == [1, 2, 3]
    assert [one.note for one in whole.merged.parts] == ["3.json", "1.json", "2.json"]
    one = shard(1)
    assert whole.metrics["join_ms"].count == 3 * one.metrics["join_ms"].count
    assert whole.generator is not None and one.generator is not None
    assert whole.generator.packets_sent == 3 * one.generator.packets_sent
    assert whole.series[2].bitrate_in_bps == pytest.approx(3 * one.series[2].bitrate_in_bps)
    assert len(whole.clients) == 3 * len(one.clients)


def test_links_and_streams_of_shards_stay_bounded() -> None:
    links = run_with(link(1, trace=trace())).links
    streams = run_with(link(1)).video_streams
    each = [changed(shard(n), links=links * 5, video_streams=streams * 40) for n in (1, 2, 3)]
    whole = merged(*each)
    assert (len(whole.links), len(whole.video_streams)) == (MOST_LINKS, MOST_VIDEO_STREAMS)


def test_gates_are_judged_on_the_figures_of_all() -> None:
    """One slow shard of three does not move the median: percentiles are not averaged."""
    median = gate_figures.parse("join_ms.p50 < 100")
    quick, slow = [10.0] * 5, [900.0] * 5
    parts = [shard(index, gates=(median,)) for index in (1, 2, 3)]
    judged = [
        changed(one, gates=[changed(one.gates[0], path="join_ms.p50", op="<", bound=100.0)])
        for one in parts
    ]
    found = merged(
        *(
            with_values(one, join_ms=values)
            for one, values in zip(judged, (quick, slow, quick), strict=True)
        )
    )
    result = found.gates[0]
    assert (result.path, result.ok) == ("join_ms.p50", True)
    assert result.value == pytest.approx(10.0, rel=0.01)
    assert found.metrics["join_ms"].p95 == pytest.approx(900.0, rel=0.01)


def test_absent_shards_are_named_and_their_share_is_inconclusive() -> None:
    found = merged(shard(1), absent={3: "worker lost"})
    assert (found.verdict, found.exit_code) == ("inconclusive", 5)
    assert found.reasons == [
        "shards 2, 3 (worker lost) of 3 are absent: their share, 9 of 15 clients, is inconclusive"
    ]
    assert found.merged is not None
    assert [one.verdict for one in found.merged.parts] == ["pass", None, None]


def test_a_failed_gate_stays_one_while_shards_are_absent() -> None:
    late = with_values(shard(1), e2e_frame_ms=[500.0] * 9)
    found = merged(late, shard(2))
    assert (found.verdict, found.exit_code) == ("fail", 3)
    assert "e2e_frame_ms.p95 < 400 ms" in found.reasons[0]
    assert found.reasons[-1].startswith("shard 3 of 3 is absent: its share, 3 of 15 clients")


def test_shards_that_start_apart_are_no_pass() -> None:
    found = merged(shard(1, started_s=10.0), shard(2, started_s=25.0), shard(3, started_s=10.2))
    assert found.verdict == "inconclusive"
    assert found.reasons == [
        "shard 2 started 15 s after shard 1: the load was not that of the plan; give all shards "
        "one --start-at"
    ]


@pytest.mark.parametrize(
    ("facts", "verdict", "code", "reason"),
    [
        ({"target_fault": "no media", "stated_by_target": True}, "fail", 4, "shard 2: no media"),
        ({"dropped": "the target disconnected 2 of 3 clients"}, "fail", 3, "shard 2: the target"),
        ({"aborted": "join_ms: not met for 10 s"}, "fail", 3, "shard 2: join_ms"),
        ({"load_delivered": False}, "inconclusive", 5, None),
    ],
)  # fmt: skip
def test_the_facts_of_one_shard_are_those_of_all(
    facts: dict[str, Any], verdict: str, code: int, reason: str | None
) -> None:
    found = merged(shard(1), with_facts(shard(2), **facts), shard(3))
    assert (found.verdict, found.exit_code) == (verdict, code)
    assert reason is None or found.reasons[0].startswith(reason)


def test_a_saturated_load_generator_is_named_and_makes_failures_inconclusive() -> None:
    late = saturated(with_values(shard(2), e2e_frame_ms=[500.0] * 99))
    found = merged(shard(1), late, shard(3))
    assert (found.verdict, found.saturation.side) == ("inconclusive", "swarm")
    assert found.reasons[0] == "shard 2: load generator 90 ms late"


def test_an_interrupted_shard_interrupts_all() -> None:
    found = merged(shard(1), changed(shard(2), interrupted=True), shard(3))
    assert (found.verdict, found.exit_code, found.interrupted) == ("inconclusive", 130, True)


def test_errors_and_counts_add_up() -> None:
    fault = Fault(code="join_timeout", message="no answer", count=2, first="room-1 p1")
    found = merged(
        *(changed(shard(index), errors=[fault], switches={"layout": 4}) for index in (1, 2, 3))
    )
    assert found.errors == [msgspec.structs.replace(fault, count=6)]
    assert found.switches == {"layout": 12}


@pytest.mark.parametrize(
    ("reports", "says"),
    [
        ([shard(1), shard(2, seed=8)], r"different plans: seed 7 and 8"),
        ([shard(1), shard(2, count=4)], r"different plans: shards 3 and 4"),
        ([shard(1), shard(2, retries=1)], r"1.json and 2.json are of different plans: retries 0"),
        ([shard(1), shard(2), shard(1)], "1.json and 3.json are both shard 1 of 3"),
        ([changed(shard(1), shard=None)], "1.json: a run of the whole plan"),
        ([merged(shard(1))], "1.json: already merged"),
    ],
)
def test_other_plans_and_duplicates_are_refused(reports: list[LoadtestReport], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        merged(*reports)


def share_changed(report: LoadtestReport, **changes: Any) -> LoadtestReport:
    assert report.shard is not None
    return changed(report, shard=msgspec.structs.replace(report.shard, **changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"index": 0}, "shard 0 of 3 is impossible"),
        ({"index": 4}, "shard 4 of 3 is impossible"),
        ({"count": 10**12}, "is impossible"),
        ({"fingerprint": "0" * 16}, "its fingerprint is not that of its plan"),
        ({"clients": 16}, "the shards have 16 clients, and their plan has 15"),
    ],
)
def test_a_forged_share_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        merged(share_changed(shard(1), **changes))


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (Metric(unit="ms", count=9, avg=1.0, max=1.0, hdr="AAAA"), "the histogram of join_ms"),
        (msgspec.structs.replace(metric_of_values([1.0], "ms"), count=2), "has 2 values, and its"),
        (metric_of_values([1.0], "ratio"), "join_ms is in ms and ratio"),
    ],
)
def test_a_metric_that_contradicts_itself_is_refused(metric: Metric, says: str) -> None:
    other = shard(2)
    forged = changed(other, metrics={**other.metrics, "join_ms": metric})
    with pytest.raises(MergeError, match=says):
        merged(shard(1), forged)


def test_weights_of_zero_and_negative_counts_divide_nothing() -> None:
    odd = Metric(unit="ratio", count=1, avg=1.0, max=1.0, weight=0.0, hdr=None)
    assert merge_metrics.merged("x", [odd, odd]).avg is None
    assert merge_metrics.merged("x", [Metric(unit="ms", count=-5, avg=1.0)]).count == 0


def test_the_page_has_every_shard_with_its_verdict() -> None:
    page = html.page(merged(shard(1), shard(2), absent={3: "worker <lost>"}))
    assert "3 of 3" in page and "absent" in page and "worker &lt;lost&gt;" in page
    assert "Shards" not in html.page(shard(1))


def staged(report: LoadtestReport, *results: GateResult) -> LoadtestReport:
    """Return a report with one stage, of the metrics of the report."""
    assert report.generator is not None
    stage = Stage(
        number=1,
        clients=15,
        start_s=0.0,
        duration_s=5.0,
        verdict="pass",
        reasons=[],
        gates=[*report.gates, *results],
        metrics=report.metrics,
        server=None,
        generator=report.generator,
        saturation=report.saturation,
    )
    return changed(report, stages=[stage])


def test_stages_are_merged_and_judged_by_number() -> None:
    slow = with_values(shard(2), e2e_frame_ms=[500.0] * 99)
    whole = merged(staged(shard(1)), staged(slow), staged(shard(3)))
    (stage,) = whole.stages
    assert stage.metrics["join_ms"].count == whole.metrics["join_ms"].count
    assert (stage.verdict, whole.verdict, whole.exit_code) == ("fail", "fail", 3)
    assert whole.reasons[0].startswith("stage 1, 15 clients: e2e_frame_ms.p95 < 400 ms: it is 500")


def test_a_gate_on_a_room_in_a_stage_is_that_of_its_shard() -> None:
    room = gate(True, "rtt_ms[room=room-1].p95")
    once = merged(staged(shard(1)), staged(shard(2), room), staged(shard(3)))
    assert (once.verdict, once.stages[0].gates[-1]) == ("pass", room)
    twice = merged(staged(shard(1), room), staged(shard(2), room), staged(shard(3)))
    assert (twice.verdict, twice.stages[0].gates[-1].ok) == ("inconclusive", None)
