"""``sfukit latency`` in two processes, as on two hosts: one publishes, the other subscribes."""

import asyncio
import os
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from sfukit.loadgen.host import server_process
from sfukit.loadgen.latency.result import LatencyReport
from sfukit.machine import usable_cores

pytestmark = pytest.mark.realtime

_RUN_S = 60.0


@pytest.fixture
async def server_url() -> AsyncIterator[str]:
    server = await server_process.start((), usable_cores())
    yield server.ready.url
    await server.stop()


class End:
    """One end as a process, with its report."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._json = folder / f"{name}.json"
        self._process: Process | None = None

    async def start(self, *options: str) -> None:
        command = [sys.executable, "-m", "sfukit", "latency", *options, "--json", str(self._json)]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"XDG_STATE_HOME": str(self._folder)},
        )

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    async def line_with(self, text: str) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(_RUN_S):
            async for line in self.process.stdout:
                if text in line.decode():
                    return line.decode()
        assert self.process.stderr is not None
        raise AssertionError((await self.process.stderr.read()).decode())

    async def finish(self) -> LatencyReport:
        async with asyncio.timeout(_RUN_S):
            out, err = await self.process.communicate()
        assert self._json.exists(), (out + err).decode()
        report = msgspec.json.decode(self._json.read_bytes(), type=LatencyReport)
        assert report.exit_code == self.process.returncode
        return report


class Ends:
    """Both ends; the subscriber runs the command that the publisher prints."""

    def __init__(self, folder: Path, url: str) -> None:
        self.publisher = End(folder, "publisher")
        self.subscriber = End(folder, "subscriber")
        self._url = url

    async def publish(self, *options: str) -> list[str]:
        peer = ("--publish-only", "--peer", "127.0.0.1:0")
        await self.publisher.start(self._url, *peer, *options)
        line = await self.publisher.line_with("--subscribe-only")
        return shlex.split(line.partition("run there:")[2])[2:]

    async def run(self, publishing: Sequence[str] = (), subscribing: Sequence[str] = ()) -> None:
        printed = await self.publish(*publishing)
        await self.subscriber.start(*printed, *subscribing)


@pytest.fixture
async def ends(tmp_path: Path, server_url: str) -> AsyncIterator[Ends]:
    both = Ends(tmp_path, server_url)
    yield both
    for end in (both.publisher, both.subscriber):
        if end._process is not None and end.process.returncode is None:
            end.process.kill()
            await end.process.communicate()


async def test_both_ends_measure_and_the_clocks_of_one_machine_agree(ends: Ends) -> None:
    await ends.run(subscribing=("-d", "3s"))
    subscriber, publisher = await ends.subscriber.finish(), await ends.publisher.finish()
    assert (subscriber.verdict, publisher.verdict) == ("pass", "pass")
    assert (subscriber.ends, publisher.ends) == ("subscribe", "publish")
    assert set(subscriber.unknown) == {"bitrate_out"}
    clock = subscriber.clock
    assert clock is not None
    # one machine has one system clock: the true offset is zero
    assert abs(clock.offset_ms) <= clock.uncertainty_ms
    assert 0 < clock.uncertainty_ms < 20
    assert clock.exchanges >= 10
    assert all(sample.clock_uncertainty_ms for sample in subscriber.samples)
    assert publisher.metrics["rtt_pub_ms"].count
    assert publisher.metrics["bitrate_out"].count
    assert "runs in another process" in publisher.unknown["e2e_frame_ms"]
    assert publisher.clock is None


async def test_a_delay_injected_at_the_publisher_is_in_the_corrected_frame_delay(
    ends: Ends,
) -> None:
    network = ("--net-up", "delay=40ms", "--net-down", "delay=40ms")
    await ends.run(publishing=network, subscribing=("-d", "3s"))
    report = await ends.subscriber.finish()
    clock, delay = report.clock, report.metrics["e2e_frame_ms"].p50
    assert clock is not None and delay is not None
    assert clock.frames_early == 0
    # 40 ms on the path, up to 20 ms for the frame in both processes and the SFU
    assert 40 - clock.uncertainty_ms <= delay <= 60 + clock.uncertainty_ms
    rtt = report.metrics["rtt_pub_ms"].p50
    assert rtt is not None and 79 <= rtt <= 86
    residence = report.metrics["sfu_residence_ms"].p50
    assert residence is not None and -1 - clock.uncertainty_ms <= residence < 20


async def test_a_publisher_that_vanishes_is_named(ends: Ends) -> None:
    await ends.run(subscribing=("-d", "60s"))
    await ends.subscriber.line_with("frame delay")
    ends.publisher.process.send_signal(signal.SIGKILL)
    report = await ends.subscriber.finish()
    assert report.exit_code == 4
    assert report.reasons[0].startswith("media stopped: no packet arrived for ")
    assert report.samples


async def test_a_subscriber_that_is_interrupted_ends_the_publisher(ends: Ends) -> None:
    await ends.run(subscribing=("-d", "60s"))
    await ends.subscriber.line_with("frame delay")
    ends.subscriber.process.send_signal(signal.SIGINT)
    subscriber, publisher = await ends.subscriber.finish(), await ends.publisher.finish()
    assert (subscriber.exit_code, publisher.exit_code) == (130, 0)


async def test_a_wrong_token_gets_no_answer_and_ctrl_c_still_reports(ends: Ends) -> None:
    printed = await ends.publish("--peer-token", "the right token")
    printed[printed.index("--peer-token") + 1] = "a wrong token"
    await ends.subscriber.start(*printed)
    await ends.subscriber.line_with("waiting for the publisher's end")
    ends.subscriber.process.send_signal(signal.SIGINT)
    report = await ends.subscriber.finish()
    assert (report.exit_code, report.samples, report.clock) == (130, [], None)
