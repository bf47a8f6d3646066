"""``sfukit latency`` against real servers on loopback: figures, faults, interruptions."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from sfukit.loadgen.host import server_process
from sfukit.loadgen.host.server_process import PrivateServer
from sfukit.loadgen.latency.result import METRICS, LatencyReport, Sample
from sfukit.machine import usable_cores
from tests.latency_run import Watcher, measured, options

pytestmark = pytest.mark.realtime


@pytest.fixture
async def server() -> AsyncIterator[PrivateServer]:
    started = await server_process.start((), usable_cores())
    yield started
    await started.stop()


def p50(report: LatencyReport, metric: str) -> float:
    value = report.metrics[metric].p50
    assert value is not None, report.unknown
    return value


async def test_every_metric_of_a_private_server_is_measured() -> None:
    watcher = Watcher()
    report = await measured(options(), watcher)
    assert (report.verdict, report.exit_code, report.unknown) == ("pass", 0, {})
    assert all(report.metrics[name].count for name in METRICS)
    assert [round(sample.at_s) for sample in report.samples] == [1, 2, 3]
    assert watcher.samples == report.samples
    frames = sum(sample.frames for sample in report.samples)
    assert frames == report.metrics["e2e_frame_ms"].count
    assert 85 <= frames <= 95
    assert report.metrics["loss_after_rtx"].avg == 0
    assert 450_000 < p50(report, "bitrate_in") < 650_000
    residence, delay = p50(report, "sfu_residence_ms"), p50(report, "e2e_frame_ms")
    halves = (p50(report, "rtt_pub_ms") + p50(report, "rtt_sub_ms")) / 2
    assert residence == pytest.approx(delay - halves, abs=2)
    assert watcher.lines[1].startswith("plan 1 publisher and 1 subscriber, in a room; VP8 360p30")


async def test_an_injected_delay_is_in_round_trips_and_frame_delay() -> None:
    """20 ms in each direction of both paths are 40 ms of each round trip and of each frame."""
    clean = await measured(options())
    slow = await measured(options(net_up="delay=20ms", net_down="delay=20ms", duration_s=4))
    for metric in ("rtt_pub_ms", "rtt_sub_ms", "e2e_frame_ms"):
        added = p50(slow, metric) - p50(clean, metric)
        assert 39 <= added <= 44, (metric, added)
    # the paths are symmetric, so the delay is not counted to the SFU
    added = p50(slow, "sfu_residence_ms") - p50(clean, "sfu_residence_ms")
    assert -2 <= added <= 3, added


async def test_injected_loss_is_counted_before_and_after_repair() -> None:
    report = await measured(options(net_down="loss=5%", duration_s=4))
    assert 0.01 < (report.metrics["loss_raw"].avg or 0) < 0.12
    assert (report.metrics["loss_after_rtx"].avg or 0) < 0.02


async def test_a_whip_and_whep_pair(server: PrivateServer) -> None:
    url = server.ready.url
    report = await measured(options(f"whip+{url}/whip/{{room}}", play=f"{url}/whep/{{room}}"))
    assert (report.verdict, report.unknown) == ("pass", {})
    assert report.target.kind == "whip"


async def test_a_room_without_publisher_is_named(server: PrivateServer) -> None:
    url = server.ready.url
    report = await measured(
        options(f"whip+{url}/whip/one", play=f"{url}/whep/another", join_timeout_s=1)
    )
    assert (report.exit_code, report.samples) == (4, [])
    assert report.reasons[0].startswith("the subscriber could not join: ")
    assert "(not_live); sfukit check names the step that fails" in report.reasons[0]


async def test_gates_decide_the_verdict(server: PrivateServer) -> None:
    missed = await measured(
        options(server.ready.url, duration_s=2, gate=("e2e_frame_ms.p50<0.1ms",))
    )
    assert (missed.verdict, missed.exit_code) == ("fail", 3)
    assert missed.reasons[0].startswith("e2e_frame_ms.p50 < 0.10 ms: it is ")


async def test_a_server_that_ends_in_the_middle_is_named(server: PrivateServer) -> None:
    def end(_sample: Sample) -> None:
        os.kill(server.ready.pid, signal.SIGKILL)

    report = await measured(options(server.ready.url, duration_s=30), Watcher(end))
    assert (report.verdict, report.exit_code) == ("fail", 4)
    assert report.reasons[0].startswith("the target disconnected the ")
    assert len(report.samples) == 1
    assert report.metrics["e2e_frame_ms"].count


async def test_a_private_server_that_ends_is_named() -> None:
    pid = 0

    class Killer(Watcher):
        def report(self, label: str, text: str) -> None:
            nonlocal pid
            super().report(label, text)
            if "(pid " in text:
                pid = int(text.split("(pid ")[1].split(",")[0])

    report = await measured(
        options(duration_s=30), Killer(lambda sample: os.kill(pid, signal.SIGKILL))
    )
    assert report.exit_code == 4
    assert f"the private server (pid {pid}) ended by SIGKILL" in report.reasons[0]


async def test_a_stop_in_the_window_keeps_the_samples() -> None:
    stop = asyncio.Event()
    report = await measured(options(duration_s=30), Watcher(lambda _sample: stop.set()), stop)
    assert (report.interrupted, report.verdict, report.exit_code) == (True, "inconclusive", 130)
    assert len(report.samples) == 1
    assert report.metrics["e2e_frame_ms"].count


async def test_a_stop_before_the_window_has_no_figures() -> None:
    stop = asyncio.Event()

    class Early(Watcher):
        def report(self, label: str, text: str) -> None:
            super().report(label, text)
            if label == "plan":
                stop.set()

    report = await measured(options(duration_s=30), Early(), stop)
    assert (report.interrupted, report.exit_code, report.samples) == (True, 130, [])
    assert report.unknown["e2e_frame_ms"] == "the run ended before the measured window"


async def test_ctrl_c_writes_the_report_of_the_command(tmp_path: Path) -> None:
    saved = tmp_path / "run.json"
    command = [sys.executable, "-m", "sfukit", "latency", "-d", "60s", "--json", str(saved)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, env=os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if b"frame delay" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130
    assert b"INTERRUPTED" in out
    assert err == b""
    report = msgspec.json.decode(saved.read_bytes(), type=LatencyReport)
    assert report.interrupted and report.samples
