"""The report of a run: metrics, saturation, verdict, text, schema."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from sfukit.cli import loadtest_text
from sfukit.gates import parse
from sfukit.loadgen.host.placement import Cores
from sfukit.loadgen.host.processes import Reading, ThreadTimes
from sfukit.loadgen.host.server_process import Traffic
from sfukit.loadgen.metrics import hdr
from sfukit.loadgen.metrics.figures import (
    Delays,
    Figures,
    GeneratorFigures,
    Histograms,
    LinkFigures,
    LossFigures,
    Points,
    Quality,
    StreamFigures,
    Totals,
)
from sfukit.loadgen.metrics.histogram import Histogram, metric_of_few
from sfukit.loadgen.metrics.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.metrics.measured import UsageSample, WindowResult
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.reports import html
from sfukit.loadgen.result import report as result
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.summary.whole import Facts, report
from sfukit.loadgen.verdict import gate_figures
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.machine import Machine
from sfukit.swarm.impairment import Impairment
from sfukit.swarm.messages import FirstFrame, TransportState

SCHEMA = Path(__file__).parents[3] / "docs" / "schema" / "loadtest.json"

MACHINE = Machine(
    system="Linux",
    kernel="6.1",
    cpu_model="Some CPU",
    cores=2,
    memory_bytes=2**33,
    open_files_soft=1024,
    open_files_hard=4096,
    rmem_max=4_194_304,
    wmem_max=4_194_304,
    udp_segment=True,
    udp_gro=True,
    run_queue_wait=True,
    free_page_reporting=True,
    pagelist_high_fraction=8,
    page_reporting_order=10,
)


def histogram(*values_ms: float) -> Histogram:
    """Count whole microseconds below 128, where a bucket is one value."""
    us = [round(value * 1000) for value in values_ms]
    largest = max(values_ms) if values_ms else None
    return Histogram(len(us), sum(us), 7, largest, sorted((one, us.count(one)) for one in set(us)))


def stream(number: int, bot: int, **changes: object) -> StreamFigures:
    usual = StreamFigures(
        stream=number,
        bot=bot,
        source="p1",
        kind="video",
        packets_expected=1000,
        packets_lost_raw=2,
        packets_lost_after_rtx=0,
        bytes_received=1_000_000,
        frames=300,
        frozen_ms=0.0,
        playing_ms=10_000.0,
        longest_gap_ms=40.0,
        jitter_ms=1.5,
        frames_late=3,
        frames_late_libwebrtc=0,
        playout_delay_ms=8.0,
        playout_delay_libwebrtc_ms=19.0,
        quality=Quality(99.0, 98.5, Points(0.8, 0.2, 0.0, 0.0)),
        e2e_frame=Delays(300, 0.1),
        e2e_histogram=histogram(0.05, 0.1),
    )
    return msgspec.structs.replace(usual, **changes)


def figures(streams: Sequence[StreamFigures], *, unsent: int = 0, drops: int | None = 0) -> Figures:
    delays = histogram(0.05, 0.06, 0.07, 0.1)
    return Figures(
        at_ns=0,
        totals=Totals(4000, 4_000_000, 3000, 3_000_000, unsent, 0, 300, 0, 0),
        loss=LossFigures(2000, 4, 0),
        histograms=Histograms(
            e2e_frame=delays,
            e2e_delta=delays,
            e2e_keyframe=histogram(0.1),
            playout_delay=histogram(0.01),
            playout_delay_libwebrtc=histogram(0.02, 0.03),
            rtt=histogram(0.02),
            lag=histogram(0.001),
        ),
        decrypted_ratio=1.0,
        generator=GeneratorFigures(socket_drops=drops),
        streams=list(streams),
        transports=[],
    )


def sample(at_s: float, *, server: bool = True) -> UsageSample:
    """Return the usage of two processes: half and a fifth of a core."""
    swarm = Reading(at_s, at_s * 0.5, 2**26, {1: ThreadTimes(at_s * 0.4, at_s * 0.01)})
    if not server:
        return UsageSample(swarm, None, None, None)
    used = Reading(at_s, at_s * 0.2, 2**27, {2: ThreadTimes(at_s * 0.2, at_s * 0.02)})
    packets = round(at_s * 1000)
    return UsageSample(
        swarm, used, Traffic(packets, 4 * packets, packets // 50, 400 * packets), at_s * 0.75
    )


class Run:
    """Two bots that see each other."""

    def __init__(self, options: RunOptions | None = None) -> None:
        self.options = options or RunOptions(load=LoadOptions(clients=2, seed=71))
        self.plan = plan(self.options.load)
        self.ledger = Ledger(self.plan)
        self.streams = [stream(10, 1), stream(11, 2, source="p2")]
        self.server = True
        self.links: list[LinkFigures] = []
        self.fault: TargetFault | None = None
        self.interrupted = False
        self.unsent = 0
        for bot in self.plan.bots:
            self.ledger.scheduled(bot, bot.index * 50_000_000)

    def join(self, *, arrives: bool = True, missing: str | None = None) -> None:
        """Let both join; no media arrives, or one kind of it is missing at the second bot."""
        for bot in self.plan.bots:
            at_ns = bot.index * 50_000_000
            self.ledger.signalled(bot, at_ns + 5_000_000)
            self.ledger.opened(bot.index, bot, decides=True)
            self.ledger.on_event(
                TransportState(
                    transport=bot.index,
                    state="connected",
                    reason="",
                    srtp_profile="SRTP_AEAD_AES_128_GCM",
                    ice_ms=3.0,
                    dtls_ms=8.0,
                    at_ns=at_ns + 20_000_000,
                )
            )
            for subscription in self.plan.subscriptions(bot):
                for kind in ("audio", "video"):
                    name = 10 * bot.index + (kind == "video") + 100
                    self.ledger.track_expected(
                        name, ExpectedTrack(bot, subscription.publisher, kind, 1)
                    )
                    if arrives and not (bot.index == 1 and kind == missing):
                        self.ledger.on_event(FirstFrame(stream=name, at_ns=90_000_000))

    def report(self) -> LoadtestReport:
        target = result.Target(kind="sfukit", url="http://127.0.0.1:1", private=self.server)
        facts = Facts(
            self.options,
            self.plan,
            target,
            MACHINE,
            Cores("off", (0, 1) if self.server else (), (0, 1)),
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        window = WindowResult(
            first=sample(0, server=self.server),
            before=sample(10, server=self.server),
            after=sample(20, server=self.server),
            figures_before=figures([]),
            figures=msgspec.structs.replace(
                figures(self.streams, unsent=self.unsent), links=self.links
            ),
            target_fault=self.fault,
            interrupted=self.interrupted,
        )
        return report(facts, self.ledger, [window])


def test_a_good_run_passes_with_every_metric_filled() -> None:
    run = Run()
    run.join()
    made = run.report()
    assert (made.verdict, made.exit_code, made.reasons) == ("pass", 0, [])
    assert made.metrics.keys() == result.METRICS.keys()
    assert {name: metric.unit for name, metric in made.metrics.items()} == result.METRICS
    assert made.metrics["joins"].avg == made.metrics["tracks"].avg == 1.0
    assert made.metrics["join_ms"].max == pytest.approx(20)
    assert made.metrics["join_signalling_ms"].avg == pytest.approx(5)
    # the later of the two ends was due at 50 ms
    assert made.metrics["ttff_ms"].max == pytest.approx(40)
    assert made.metrics["loss_raw"].avg == pytest.approx(0.002)
    assert made.metrics["bitrate_in"].p50 == pytest.approx(800_000)
    assert made.scenario.srtp_negotiated == {"SRTP_AEAD_AES_128_GCM": 2}
    environment = made.environment
    assert (environment.free_page_reporting, environment.pagelist_high_fraction) == (True, 8)
    assert environment.page_reporting_order == 10


def test_a_server_started_here_is_charged_for_the_window() -> None:
    run = Run()
    run.join()
    server = run.report().server
    assert server is not None
    assert (server.wall_s, server.packets_received, server.packets_sent) == (10, 10_000, 40_000)
    assert server.cpu_s == pytest.approx(2.0)
    assert server.cpu_us_per_packet == pytest.approx(50)
    assert server.cpu_us_per_packet_in_out == pytest.approx(40)
    assert server.busiest_thread == pytest.approx(0.2)


def test_a_server_elsewhere_has_no_figures_of_its_own() -> None:
    run = Run()
    run.server = False
    run.join()
    assert run.report().server is None


def test_a_stream_that_ended_before_the_window_has_no_jitter_in_it() -> None:
    run = Run()
    run.join()
    ended = {"bytes_received": 0, "packets_expected": 0, "playing_ms": 0.0, "jitter_ms": 99.0}
    run.streams.append(stream(12, 1, **ended))
    assert run.report().metrics["jitter_ms"].max == pytest.approx(1.5)


def test_late_frames_are_a_share_of_the_complete_frames_of_video() -> None:
    run = Run()
    run.join()
    run.streams = [
        stream(10, 1, frames_late=30, frames_late_libwebrtc=6),
        stream(11, 2, frames=100, frames_late=0),
        stream(12, 2, kind="audio", frames_late=900),
    ]
    metrics = run.report().metrics
    assert metrics["late_frames"].avg == pytest.approx(30 / 400)
    assert metrics["late_frames"].max == pytest.approx(0.1)
    assert metrics["late_frames_libwebrtc"].avg == pytest.approx(6 / 400)
    assert metrics["playout_delay_libwebrtc_ms"].max == pytest.approx(0.03)


def test_every_metric_has_the_histogram_of_its_percentiles() -> None:
    """Shards are merged by histograms; the mean bitrate of publishers has no percentiles."""
    run = Run()
    run.join()
    for name, metric in run.report().metrics.items():
        assert (metric.hdr is None) == (metric.p50 is None), name
        if metric.hdr is not None:
            assert sum(hdr.decode(metric.hdr).values()) == metric.count, name


def test_a_low_quality_score_is_judged_and_named_with_its_cause() -> None:
    run = Run()
    run.join()
    poor = Quality(58.0, 40.0, Points(1.0, 5.0, 2.0, 35.0))
    run.streams = [stream(10, 1, quality=poor, e2e_frame=Delays(9, 60.0)), stream(11, 2)]
    gates = tuple(
        parse(text, gate_figures.catalogue()) for text in ("quality.p5 > 60", "quality.p50 >= 58")
    )
    run.options = RunOptions(load=run.options.load, gates=gates)
    made = run.report()
    # a percentile is the upper bound of its bucket
    assert made.metrics["quality"].p5 == pytest.approx(58.0, rel=0.008)
    assert made.metrics["quality"].max == 99.0
    assert [gate.ok for gate in made.gates if gate.path.startswith("quality")] == [False, True]
    assert made.worst[0].note == "quality 58: 35 points lost by layer"
    assert [client.quality for client in made.clients] == [58.0, 99.0]
    assert made.metrics["join_ms"].p5 is None


def test_bots_that_never_came_count_as_not_joined() -> None:
    run = Run()
    run.ledger.join_records.clear()
    made = run.report()
    assert made.metrics["joins"].avg == 0.0
    assert made.exit_code == 3


@pytest.mark.parametrize("missing", ["audio", "video"])
def test_one_missing_track_fails_the_run(missing: str) -> None:
    run = Run()
    run.join(missing=missing)
    made = run.report()
    tracks = made.metrics["tracks"]
    assert (tracks.count, tracks.avg) == (4, 0.75)
    assert (made.verdict, made.exit_code) == ("fail", 3)
    assert made.reasons == ["tracks == 100 %: it is 75 %"]


@pytest.mark.parametrize("path", sorted(result.METRICS))
def test_a_gate_on_a_metric_without_values_is_no_pass(path: str) -> None:
    run = Run()
    run.join()
    run.streams = []
    for op in ("<", ">="):
        gate = parse(f"{path}.p99 {op} 1", gate_figures.catalogue())
        run.options = RunOptions(load=run.options.load, gates=(gate,), default_gates=False)
        made = run.report()
        if made.metrics[path].p99 is None:
            assert (made.verdict, made.exit_code) == ("inconclusive", 5), path
            assert made.reasons == [f"{made.gates[0].gate}: unknown"]


def test_the_average_loss_is_that_of_all_packets_not_of_streams() -> None:
    run = Run()
    run.join()
    run.streams = [
        stream(10, 1, packets_expected=9_000, packets_lost_after_rtx=0),
        stream(11, 2, packets_expected=1_000, packets_lost_after_rtx=100),
    ]
    made = run.report()
    loss = made.metrics["loss_after_rtx"]
    assert loss.avg == pytest.approx(0.01)
    assert loss.max == pytest.approx(0.1)
    assert (made.verdict, made.exit_code) == ("fail", 3)


def test_unknown_delays_make_no_pass() -> None:
    run = Run()
    run.join()
    options = run.options
    gate = parse("layer_switch_ms.p95 < 5", gate_figures.catalogue())
    run.options = RunOptions(load=options.load, gates=(gate,))
    made = run.report()
    assert (made.verdict, made.exit_code) == ("inconclusive", 5)


def test_a_load_that_was_not_sent_proves_nothing() -> None:
    run = Run()
    run.join()
    run.unsent = 300
    made = run.report()
    assert (made.verdict, made.exit_code, made.saturation.side) == ("inconclusive", 5, "swarm")


def test_a_target_without_media_is_a_fault_of_the_target() -> None:
    run = Run()
    run.join(arrives=False)
    run.fault = TargetFault("no media: 2 joined, but nothing arrived within 10 s", False)
    made = run.report()
    assert (made.verdict, made.exit_code) == ("fail", 4)
    assert made.reasons[0] == run.fault.text


def test_impaired_bots_are_a_group() -> None:
    load = LoadOptions(clients=2, net_down=Impairment(delay_ms=50), net_share=0.5)
    run = Run(RunOptions(load=load))
    run.join()
    bad = next(bot.index + 1 for bot in run.plan.bots if bot.impaired)
    run.streams = [stream(10, bad, e2e_frame=Delays(9, 60.0)), stream(11, 3 - bad)]
    made = run.report()
    assert made.groups["impaired"]["stream_e2e_p99_ms"].max == 60.0
    assert made.groups["free"]["stream_e2e_p99_ms"].max == 0.1
    assert made.worst[0].note == "impaired"


def test_the_published_schema_is_that_of_the_report() -> None:
    """When it was meant to change: write ``result.schema()`` there again."""
    assert json.loads(SCHEMA.read_text()) == result.schema()


def test_the_json_begins_like_every_other_and_reads_back() -> None:
    run = Run()
    run.join()
    made = run.report()
    document = msgspec.json.encode(made)
    assert list(json.loads(document))[:6] == [
        "schema",
        "tool",
        "version",
        "command",
        "verdict",
        "exit_code",
    ]
    assert msgspec.json.decode(document, type=LoadtestReport) == made


def test_every_gate_path_has_a_figure() -> None:
    run = Run()
    run.join()
    made = run.report()
    assert made.generator is not None
    found = gate_figures.figures(made.metrics, made.server, made.generator, made.saturation)
    assert found.keys() == gate_figures.catalogue().keys()


def test_the_text_of_a_pass() -> None:
    run = Run()
    run.join()
    assert loadtest_text.result_lines(run.report()) == [
        "PASS    2/2 joined, 4/4 tracks, 5/5 default gates  (seed 71)",
        "                       p50       p95       p99       max   gate",
        "join                 20 ms     20 ms     20 ms     20 ms",
        "first frame          40 ms     40 ms     40 ms     40 ms",
        "frame delay        0.06 ms   0.10 ms   0.10 ms   0.10 ms   p95 < 400 ms  ok",
        "round trip         0.02 ms   0.02 ms   0.02 ms   0.02 ms",
        "jitter              1.5 ms    1.5 ms    1.5 ms    1.5 ms",
        "playout delay      0.02 ms   0.03 ms   0.03 ms   0.03 ms",
        "loss            0.2 % before repair, 0 % after (< 0.5 %  ok)   freezes 0 % (< 1 %  ok)",
        "late frames     0 % by libwebrtc's jitter buffer, 1 % by the moving average",
        "quality         99, p5 99",
        "server          0.20 core, 50 us per forwarded packet, 128 MiB, 3.2 Mb/s out",
        "load generator  0.50 core, lag p99 0.00 ms, 0 socket drops: not saturated",
        "worst           room-1 p1 of p1: frame delay p99 0.10 ms",
    ]


def test_decoded_streams_are_told_with_what_is_not_in_their_figures() -> None:
    run = Run()
    run.join()
    one = result.Decoded(
        room="room-1",
        bot="p2",
        source="p1",
        frames=3,
        lossless=2,
        repeated=1,
        undecodable=0,
        unsampled=4,
        psnr=50.0,
        psnr_p5=30.0,
        ssim=0.97,
        ssim_p5=0.9,
    )
    ended = msgspec.structs.replace(one, bot="p1", unsampled=0, fault="the decoder ended with -11")
    made = run.report()
    metrics = made.metrics | {
        "psnr": metric_of_few([60.0, 60.0, 30.0], "dB"),
        "ssim": metric_of_few([1.0, 1.0, 0.9], "score"),
        "lossless_frames": metric_of_few([2 / 3], "ratio"),
    }
    made = msgspec.structs.replace(made, metrics=metrics, decoded=[one, ended])
    lines = loadtest_text.result_lines(made)
    at = next(place for place, line in enumerate(lines) if line.startswith("decoded"))
    assert lines[at : at + 3] == [
        "decoded         66.7 % of 3 frames identical to the clip, PSNR 50 dB, SSIM 0.9667",
        "                4 frames were not kept for the decoder",
        "                room-1 p1 of p1 not decoded: the decoder ended with -11",
    ]
    assert "the decoder ended with -11" in html.page(made)
    assert "4 frames not kept" in html.page(made)


def test_the_text_of_a_failure_names_reasons_and_errors() -> None:
    run = Run()
    run.join()
    run.ledger.fault("subscribe_refused", "codec_unsupported", run.plan.bots[1])
    run.streams = [stream(10, 1, packets_lost_after_rtx=100)]
    lines = loadtest_text.result_lines(run.report())
    assert lines[0].startswith("FAIL    2/2 joined")
    assert lines[1] == "        loss_after_rtx < 0.5 %: it is 10 %"
    assert any("after (< 0.5 %  NOT MET)" in line for line in lines)
    assert lines[-1] == (
        "errors          1 x subscribe_refused: codec_unsupported (first: room-1 p2)"
    )


def test_the_text_counts_inactive_encodings() -> None:
    run = Run()
    run.join()
    assert not any(line.startswith("inactive") for line in loadtest_text.result_lines(run.report()))
    run.ledger.encodings_published = 6
    run.ledger.deactivated(7, 2)
    run.ledger.deactivated(8, 2)
    run.ledger.deactivated(7, 1)
    made = run.report()
    assert (made.encodings.published, made.encodings.inactive) == (6, 3)
    assert (
        "inactive        3 of 6 encodings, without subscribers "
        "(dynacast; --unwatched send keeps all active)" in loadtest_text.result_lines(made)
    )


def test_a_saved_run_prints_the_same_lines() -> None:
    run = Run()
    run.join()
    made = run.report()
    again = loadtest_text.render_saved(msgspec.json.encode(made))
    assert again[2:] == loadtest_text.result_lines(made)
    assert again[0].endswith("2026-01-02T03:04:05+00:00  a private SFU")
    assert again[1].startswith("plan            2 clients, 1 room, VP8 x3 + Opus")
