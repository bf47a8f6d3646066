"""Traced links and the encodings of video streams in a report."""

from dataclasses import replace

import msgspec
import pytest

from sfukit.loadgen.merging.metrics import metrics as merged_metrics
from sfukit.loadgen.metrics import links
from sfukit.loadgen.metrics.figures import LinkFigures, Trace
from sfukit.loadgen.options import Group, LoadOptions, Phase, RunOptions
from sfukit.loadgen.reports import html
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.summary.video_streams import shares
from sfukit.swarm.impairment import Impairment
from sfukit.swarm.messages import EncodingChanged, FirstFrame, Network
from tests.unit.loadgen.test_summary import Run, histogram, stream

_S = 1_000_000_000
_NARROW = Impairment(rate_bps=1_000_000)


def link(bot: int, **changes: object) -> LinkFigures:
    usual = LinkFigures(
        bot=bot,
        direction="down",
        datagrams=100,
        queue_drops=10,
        losses=5,
        bytes_delivered=85_000,
        queue_wait=histogram(0.05, 0.1),
    )
    return msgspec.structs.replace(usual, **changes)


def trace(**changes: object) -> Trace:
    usual = Trace(
        start_ns=2 * _S,
        interval_ns=_S // 10,
        capacity_bps=[1_000_000, None],
        bytes=[12_500, 0],
        datagrams=[12, 0],
        queue_drops=[1, 0],
        losses=[2, 0],
        queue_ms=[40.04, None],
        queue_max_ms=[90.0, None],
    )
    return msgspec.structs.replace(usual, **changes)


def run_with(*read: LinkFigures) -> LoadtestReport:
    """Return the report of two clients; a stream changed its encoding in the window."""
    run = Run(RunOptions(load=LoadOptions(clients=2, seed=71, net_down=_NARROW)))
    run.join()
    run.ledger.on_event(FirstFrame(stream=10, encoding_index=2, at_ns=_S))
    run.ledger.on_event(EncodingChanged(stream=10, encoding_index=1, at_ns=15 * _S))
    run.links = list(read)
    return run.report()


def test_viewers_come_first_and_eight_links_are_traced() -> None:
    groups = (
        Group(name="senders", clients=2, subscribes=False, net_down=_NARROW, net_up=_NARROW),
        Group(name="viewers", clients=12, video=False, audio=False, net_down=_NARROW),
    )
    whole = plan(LoadOptions(groups=groups, rooms=1))
    found = whole.traced
    assert len(found) == 8 and {direction for _, direction in found} == {"down"}
    viewers = {bot.slot for bot in whole.slots if not bot.sends}
    assert {slot for slot, _ in found} <= viewers


def test_links_without_a_rate_are_not_traced_until_a_phase_limits_it() -> None:
    slow = Impairment(delay_ms=50.0)
    options = LoadOptions(clients=2, net_down=slow, warmup_s=1, duration_s=5)
    assert plan(options).traced == frozenset()
    later = Phase(2.0, None, msgspec.structs.replace(slow, rate_bps=500_000))
    limited = plan(replace(options, phases=(later,)))
    assert {direction for _, direction in limited.traced} == {"down"}


def test_a_traced_link_is_said_to_the_swarm() -> None:
    network = Network.of(_NARROW, 3, trace=True)
    assert network is not None and (network.bottleneck, network.trace) == (3, True)


def test_what_a_link_counted_before_the_window_is_left_out() -> None:
    earlier = link(1, datagrams=40, queue_drops=10, bytes_delivered=30_000)
    between = links.between([earlier], [link(1), link(2)])
    assert [one.datagrams for one in between] == [60, 100]
    found = links.metrics(between)
    assert found["queue_drops"].avg == pytest.approx(10 / 160)
    assert found["queue_drops"].max == pytest.approx(0.1)
    assert found["queue_ms"].count == 2
    assert links.metrics([link(1, direction="up")])["queue_drops"].count == 0


def test_the_queues_of_shards_are_added_up() -> None:
    each = [links.metrics([link(1)]), links.metrics([link(2, queue_drops=30)])]
    assert merged_metrics(each)["queue_drops"].avg == pytest.approx(0.2)
    assert merged_metrics(each)["queue_ms"].count == 4


def test_shares_of_encodings_are_of_the_time_since_the_first_frame() -> None:
    encodings = [(2 * _S, 2), (4 * _S, 1), (8 * _S, 2)]
    assert shares(encodings, 0, 10 * _S) == pytest.approx({1: 0.5, 2: 0.5})
    assert shares(encodings, 5 * _S, 7 * _S) == {1: 1.0}
    assert shares([], 0, _S) == {}


def test_a_report_has_links_and_encodings_over_time() -> None:
    made = run_with(link(2), link(1, trace=trace()))
    assert [one.client for one in made.links] == ["p1"]
    one = made.links[0]
    assert (one.start_s, one.interval_s) == (2.0, 0.1)
    assert (one.rate_bps, one.queue_ms) == ([1_000_000, 0], [40.0, None])
    assert one.window_rate_bps == pytest.approx(85_000 * 8 / 10)
    assert (one.window_drop_ratio, one.window_loss_ratio) == (0.1, 0.05)
    video = next(one for one in made.video_streams if one.encodings)
    assert [(change.at_s, change.encoding) for change in video.encodings] == [
        (1.0, "720p30"),
        (15.0, "360p30"),
    ]
    assert video.encoding_shares == {"360p30": 0.5, "720p30": 0.5}
    assert (video.impaired, video.layer_switches) == (True, 1)
    assert (video.first_frame_s, video.end_s) == (1.0, 20.0)


def test_a_stream_ends_with_its_subscription() -> None:
    run = Run(RunOptions(load=LoadOptions(clients=2, seed=71)))
    run.join()
    run.ledger.on_event(FirstFrame(stream=10, encoding_index=2, at_ns=12 * _S))
    run.ledger.on_event(EncodingChanged(stream=10, encoding_index=1, at_ns=15 * _S))
    run.streams = [stream(10, 1, playing_ms=4_000.0)]
    video = run.report().video_streams[0]
    assert video.end_s == 16.0
    assert video.encoding_shares == {"360p30": 0.25, "720p30": 0.75}


def test_the_html_report_shows_links_and_video_behind_them() -> None:
    page = html.page(run_with(link(1, trace=trace())))
    for said in ("Impaired links", "<h3>Rate of room-1 p1, downlink", "<h3>Queue of room-1 p1"):
        assert said in page, said
    assert "360p30 50%, 720p30 50%" in page
    assert "Impaired links" not in html.page(run_with(link(1)))


def test_series_of_a_forged_report_may_differ_in_length() -> None:
    made = run_with(link(1, trace=trace()))
    forged = msgspec.structs.replace(made.links[0], queue_ms=[], interval_s=1e300)
    assert "Impaired links" in html.page(msgspec.structs.replace(made, links=[forged]))
