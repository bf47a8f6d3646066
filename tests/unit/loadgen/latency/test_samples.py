"""Intervals between snapshots, the report made of them, and why a figure is unknown."""

from datetime import UTC, datetime

import msgspec
import pytest

from sfukit import gates
from sfukit.loadgen.latency import ends, other_end, result, summary
from sfukit.loadgen.latency.measure import Measured
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.peer import OneProcess
from sfukit.loadgen.latency.peer_address import PeerAddress
from sfukit.loadgen.latency.result import Clock, LatencyReport
from sfukit.loadgen.latency.samples import Sampler, residence_ms
from sfukit.loadgen.latency.summary import Facts
from sfukit.loadgen.metrics.figures import Figures, StreamFigures, TransportFigures
from sfukit.loadgen.metrics.histogram import Histogram
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.result.report import Target
from sfukit.loadgen.verdict.decision import TargetFault
from tests.latency_run import options

from ..test_summary import figures, histogram, stream

PUBLISHER, SUBSCRIBER = 1, 2
EMPTY = Histogram(0, 0, 7, None, [])
NS = 1_000_000_000


def rtts(
    outbound: Histogram = EMPTY, inbound: Histogram = EMPTY, *, blocks: int = 1, sent: int = 1
) -> list[TransportFigures]:
    return [
        TransportFigures(10, PUBLISHER, outbound, EMPTY, blocks, 0),
        TransportFigures(11, SUBSCRIBER, EMPTY, inbound, 0, sent),
    ]


def snapshot(
    at_s: float,
    received: StreamFigures,
    delays: Histogram = EMPTY,
    transports: list[TransportFigures] | None = None,
    sent_bytes: int = 0,
) -> Figures:
    usual = figures([received])
    return msgspec.structs.replace(
        usual,
        at_ns=round(at_s * NS),
        histograms=msgspec.structs.replace(
            usual.histograms, e2e_frame=delays, e2e_delta=delays, e2e_keyframe=EMPTY
        ),
        totals=msgspec.structs.replace(usual.totals, bytes_sent=sent_bytes),
        transports=rtts() if transports is None else transports,
    )


def received(**counts: object) -> StreamFigures:
    usual = {
        "packets_expected": 0,
        "packets_lost_raw": 0,
        "packets_lost_after_rtx": 0,
        "bytes_received": 0,
        "frames": 0,
    }
    return stream(20, SUBSCRIBER, **{**usual, **counts})


def sampler(before: Figures, publisher: int | None = PUBLISHER) -> Sampler:
    return Sampler(before, publisher, SUBSCRIBER, OneProcess())


def test_an_interval_is_the_difference_of_two_snapshots() -> None:
    one = sampler(snapshot(100, received()))
    first = snapshot(
        101,
        received(packets_expected=50, packets_lost_raw=4, packets_lost_after_rtx=1, frames=30),
        histogram(0.05, 0.06, 0.07),
        rtts(histogram(0.04), histogram(0.02)),
        sent_bytes=10_000,
    )
    second = snapshot(
        103,
        received(
            packets_expected=150, packets_lost_raw=5, packets_lost_after_rtx=2, frames=90,
            bytes_received=50_000,
        ),
        histogram(0.05, 0.06, 0.07, 0.1, 0.1, 0.1),
        rtts(histogram(0.04, 0.08, 0.06), histogram(0.02, 0.04)),
        sent_bytes=30_000,
    )  # fmt: skip
    assert one.sample(first).at_s == 1.0
    sample = one.sample(second)
    assert (sample.at_s, sample.frames) == (3.0, 60)
    assert (sample.packets_expected, sample.packets_lost_raw) == (100, 1)
    assert sample.packets_lost_after_rtx == 1
    assert (sample.bitrate_in, sample.bitrate_out) == (200_000, 80_000)
    assert sample.e2e_frame_ms == pytest.approx(0.1)
    assert (sample.rtt_pub_ms, sample.rtt_sub_ms) == pytest.approx((0.07, 0.04))
    assert sample.sfu_residence_ms == pytest.approx(0.1 - 0.035 - 0.02)


def test_the_round_trip_before_counts_for_the_residence_for_five_seconds() -> None:
    one = sampler(snapshot(0, received()))
    delays = [histogram(*[0.1] * count) for count in range(1, 8)]
    known = rtts(histogram(0.04), histogram(0.02))
    samples = [
        one.sample(snapshot(at_s, received(), delays[at_s - 1], known)) for at_s in range(1, 8)
    ]
    assert [sample.rtt_pub_ms for sample in samples] == [pytest.approx(0.04)] + [None] * 6
    assert [sample.sfu_residence_ms is not None for sample in samples] == [True] * 6 + [False]


def test_the_jitter_is_that_of_the_newest_stream() -> None:
    one = sampler(snapshot(0, received()))
    later = snapshot(1, received())
    ended, current = stream(20, SUBSCRIBER, jitter_ms=9.0), stream(30, SUBSCRIBER, jitter_ms=2.0)
    later = msgspec.structs.replace(later, streams=[current, ended])
    assert one.sample(later).jitter_ms == 2.0


def test_a_residence_needs_all_three_figures() -> None:
    assert residence_ms(50.0, 40.0, 20.0) == 20.0
    assert residence_ms(None, 40.0, 20.0) is None
    assert residence_ms(50.0, None, 20.0) is None
    assert residence_ms(50.0, 40.0, None) is None


def reported(measured: Measured, given: LatencyOptions | None = None) -> LatencyReport:
    given = given or options()
    plan = ends.plan(given, None)
    ledger = Ledger(plan)
    target = Target(kind="sfukit", url="http://h")
    return summary.report(Facts(given, plan, target, datetime.now(UTC)), ledger, measured)


def run_of(last: Figures) -> Measured:
    first = snapshot(0, received(), transports=rtts(blocks=0, sent=0))
    return Measured(samples=[sampler(first).sample(last)], first=first, last=last)


def test_an_sfu_that_answers_no_reference_time_is_named() -> None:
    last = snapshot(3, received(frames=3), histogram(0.1), rtts(histogram(0.04), sent=4))
    report = reported(run_of(last))
    assert (report.verdict, report.exit_code) == ("pass", 0)
    assert "answered none of 4 receiver reference times" in report.unknown["rtt_sub_ms"]
    assert report.unknown["sfu_residence_ms"] == "needs frame delay and both round trips"


@pytest.mark.parametrize(
    ("transports", "metric", "says"),
    [
        (rtts(blocks=0), "rtt_pub_ms", "sent no report block on the publisher's stream"),
        (rtts(blocks=3), "rtt_pub_ms", "none of 3 report blocks echoed a sender report"),
        (rtts(sent=0), "rtt_sub_ms", "the subscriber sent no receiver reference time"),
    ],
)
def test_reports_that_are_missing_are_named(
    transports: list[TransportFigures], metric: str, says: str
) -> None:
    report = reported(run_of(snapshot(3, received(frames=3), histogram(0.1), transports)))
    assert says in report.unknown[metric]


def test_frames_without_a_frame_id_are_named() -> None:
    report = reported(run_of(snapshot(3, received(frames=90))))
    assert "none of 90 received frames has the frame id" in report.unknown["e2e_frame_ms"]


def test_a_gate_on_an_unknown_figure_is_never_a_pass() -> None:
    last = snapshot(3, received(frames=3), histogram(0.1))
    for path in ("rtt_sub_ms.p50", "clock.uncertainty_ms"):
        report = reported(run_of(last), options(gate=(f"{path}<100ms",)))
        assert (report.verdict, report.exit_code) == ("inconclusive", 5), path


def test_a_late_process_is_inconclusive() -> None:
    gate = options(gate=("e2e_frame_ms.p50<0.01ms",))
    last = snapshot(3, received(frames=3), histogram(0.1))
    assert reported(run_of(last), gate).exit_code == 3
    late = msgspec.structs.replace(
        last,
        histograms=msgspec.structs.replace(
            last.histograms, lag=Histogram(1, 30_000, 7, 30.0, [(1230, 1)])
        ),
    )
    report = reported(run_of(late), gate)
    assert (report.verdict, report.exit_code) == ("inconclusive", 5)
    assert "this process was 30 ms late" in report.reasons[0]


def test_a_fault_of_the_target_has_its_exit_code_and_keeps_the_figures() -> None:
    measured = run_of(snapshot(3, received(frames=3), histogram(0.1)))
    measured.fault = TargetFault("media stopped", False)
    report = reported(measured)
    assert (report.verdict, report.exit_code) == ("fail", 4)
    assert report.metrics["e2e_frame_ms"].count == 1


def test_the_clock_of_two_hosts_may_be_gated() -> None:
    measured = run_of(snapshot(3, received(frames=3), histogram(0.1)))
    measured.clock = Clock(
        offset_ms=4.0, uncertainty_ms=0.5, min_rtt_ms=1.0, drift_ppm=None, exchanges=9,
        frames_early=0,
    )  # fmt: skip
    assert reported(measured, options(gate=("clock.uncertainty_ms<1ms",))).exit_code == 0
    assert reported(measured, options(gate=("clock.uncertainty_ms<0.1ms",))).exit_code == 3


def test_every_gate_path_has_a_value_or_is_known_to_be_unknown() -> None:
    report = reported(run_of(snapshot(3, received(frames=3), histogram(0.1))))
    assert set(result.figures(report.metrics, None)) == set(result.catalogue())
    for path in result.catalogue():
        gates.parse(f"{path}<1", result.catalogue())


def test_the_command_of_the_other_end() -> None:
    both = options("whip+http://192.0.2.1/whip", play="http://192.0.2.1/whep")
    given = LatencyOptions(
        run=both.run,
        ends="publish",
        room="latency-1",
        peer=PeerAddress("0.0.0.0", 0),
        peer_token="a secret",
    )
    assert other_end.command(given, PeerAddress("0.0.0.0", 7099)) == (
        "sfukit latency whip+http://192.0.2.1/whip --play http://192.0.2.1/whep --subscribe-only "
        "--peer THIS-HOST:7099 --peer-token 'a secret' --room latency-1"
    )


def test_the_ends_of_a_plan() -> None:
    plan = ends.plan(options(), None)
    assert [bot.name for bot in ends.bots(plan, "subscribe")] == ["s1"]
    assert ends.swarm_ids(plan, "publish") == (1, None)
    assert ends.swarm_ids(plan, "both") == (1, 2)
