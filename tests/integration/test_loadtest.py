"""Real load tests: bots, server, sockets, media; short, on loopback."""

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import httpx
import msgspec
import pytest
from aiohttp import web

from sfukit.loadgen.host import server_process
from sfukit.machine import usable_cores
from sfukit.media import catalog, ivf
from sfukit.signaling import sdp
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.transport import Credentials, LocalTransport
from tests.integration.loadtest_command import SHORT, Loadtest, Outcome

pytestmark = pytest.mark.realtime

_RUN_S = 90.0


@pytest.fixture
def loadtest(tmp_path: Path) -> Loadtest:
    return Loadtest(tmp_path)


@pytest.fixture
async def server_url() -> AsyncIterator[str]:
    server = await server_process.start((), usable_cores())
    yield server.ready.url
    await server.stop()


class Private(NamedTuple):
    """The server that a load test started, and the line that names it."""

    told: str
    pid: int
    url: str


async def private_server(process: Process) -> Private:
    """Read the first line of a load test."""
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    found = re.search(r"pid (\d+), (http://[^,]+),", line)
    assert found, line
    return Private(line, int(found[1]), found[2])


async def connected(url: str, count: int) -> None:
    """Wait until so many publish to a server."""
    async with asyncio.timeout(_RUN_S), httpx.AsyncClient(trust_env=False) as client:
        while True:
            rooms = (await client.get(f"{url}/debug/rooms")).json()["rooms"]
            states = [one["transports"] for room in rooms for one in room["participants"]]
            if sum("srtp_profile" in each.get("publish", {}) for each in states) >= count:
                return
            await asyncio.sleep(0.02)


async def line_with(process: Process, text: str) -> str:
    """Read on until a line says something."""
    assert process.stdout is not None
    told = ""
    async for line in process.stdout:
        told += line.decode()
        if text in told:
            return told
    raise AssertionError(told)


async def test_a_private_server_passes_and_its_cpu_is_measured(
    loadtest: Loadtest, tmp_path: Path
) -> None:
    outcome = await loadtest("-c", "4", *SHORT)
    report = outcome.measured
    assert (outcome.code, report.verdict, report.reasons) == (0, "pass", [])
    assert report.metrics["joins"].count == 4
    assert report.metrics["tracks"].count == 4 * 3 * 2
    for name in ("join_ms", "ttff_ms", "e2e_frame_ms", "e2e_delta_ms", "rtt_ms", "jitter_ms"):
        metric = report.metrics[name]
        assert metric.count and metric.p50 is not None and metric.p99 is not None, name
    assert report.metrics["loss_after_rtx"].avg == 0
    server = report.server
    assert server is not None
    assert server.wall_s == pytest.approx(2, abs=0.3)
    assert server.packets_sent > 200 and server.packets_received > 200
    assert server.cpu_s > 0 and server.rss_bytes > 2**24
    assert server.cpu_us_per_packet is not None
    assert report.scenario.srtp_negotiated == {"SRTP_AEAD_AES_128_GCM": 8}
    assert report.environment.kernel and report.environment.placement.swarm
    assert not report.environment.placement.cores_swapped, "no thread of the server is moved"
    assert outcome.out.startswith("sfukit ")
    assert "no target: started a private SFU (pid " in outcome.out
    assert "\nPASS    4/4 joined, 24/24 tracks, 5/5 default gates  (seed 7)\n" in outcome.out
    assert outcome.err == ""
    saved = tmp_path / "sfukit" / "last" / "loadtest.json"
    assert json.loads(saved.read_bytes())["seed"] == 7


@pytest.mark.skipif(len(usable_cores()) < 2, reason="needs two cores")
async def test_swapped_cores_are_asked_for_and_said(loadtest: Loadtest) -> None:
    outcome = await loadtest("-c", "2", *SHORT, "--pin", "exchange")
    placement = outcome.measured.environment.placement
    assert (placement.pin, placement.cores_swapped) == ("exchange", True)
    lines = [line for line in outcome.out.splitlines() if line.startswith("pin ")]
    assert len(lines) == 2, "before the load, and beside the figures of the server"
    assert all("which improves figures of the server" in line for line in lines)
    several = await loadtest("-c", "2", *SHORT, "--pin", "exchange", "--server-args=--workers 2")
    assert not several.measured.environment.placement.cores_swapped
    assert "exchange: not applied" in several.out


async def test_standard_output_has_json_only(loadtest: Loadtest) -> None:
    outcome = await loadtest("-c", "2", *SHORT, "--json", "-")
    assert json.loads(outcome.out)["verdict"] == "pass"
    assert "PASS" in outcome.err


async def test_a_gate_that_is_not_met_fails(loadtest: Loadtest) -> None:
    outcome = await loadtest("-c", "2", *SHORT, "-T", "e2e_frame_ms.p50<0.001ms")
    assert outcome.code == 3
    assert outcome.measured.verdict == "fail"
    assert outcome.measured.reasons[0].startswith("e2e_frame_ms.p50 < 0.00 ms: it is ")


@pytest.mark.parametrize("scenario", ["webinar", "broadcast", "audio-room"])
async def test_scenarios(loadtest: Loadtest, scenario: str) -> None:
    outcome = await loadtest("-c", "6", "--scenario", scenario, *SHORT)
    assert outcome.code == 0, outcome.out
    assert outcome.measured.metrics["tracks"].avg == 1.0


@pytest.mark.parametrize("options", [["--codec", "h264"], ["--no-simulcast", "--bitrate", "500k"]])
async def test_media(loadtest: Loadtest, options: list[str]) -> None:
    outcome = await loadtest("-c", "3", *options, *SHORT)
    assert outcome.code == 0, outcome.out


@pytest.mark.computes
async def test_mixed_codecs_are_received_and_timed(loadtest: Loadtest) -> None:
    outcome = await loadtest("-c", "4", "--codec", "mix", "--bitrate", "150k", *SHORT)
    assert outcome.code == 0, outcome.out + outcome.err
    report = outcome.measured
    assert report.scenario.codec == "mix"
    assert report.metrics["tracks"].avg == 1.0
    frames = report.metrics["e2e_frame_ms"]
    # 12 tracks of 15 frames a second, for two seconds: none is without a frame id
    assert frames.count > 0.9 * 12 * 15 * 2


@pytest.mark.computes
async def test_a_video_file_is_sent(loadtest: Loadtest, tmp_path: Path) -> None:
    clip = ivf.read(catalog.video_clip("vp8", catalog.LOW))
    file = tmp_path / "talk.ivf"
    ivf.write(file, clip)
    media = ["--media", str(file), "--layers", "2", "--fps", "10", "--bitrate", "500k"]
    outcome = await loadtest("-c", "3", *media, *SHORT)
    assert outcome.code == 0, outcome.out + outcome.err
    names = ["180p10 of talk.ivf", "360p10 of talk.ivf"]
    assert outcome.measured.scenario.encodings == names
    frames = outcome.measured.metrics["e2e_frame_ms"].count
    assert frames == pytest.approx(6 * 10 * 2, rel=0.15)


async def test_a_file_without_video_ends_the_run(loadtest: Loadtest, tmp_path: Path) -> None:
    file = tmp_path / "notes.mp4"
    file.write_text("no video at all")
    outcome = await loadtest("-c", "3", "--media", str(file), *SHORT)
    assert outcome.code == 2, outcome.out + outcome.err
    assert f"--media {file}: no video file that can be decoded" in outcome.out + outcome.err
    assert "give a file that FFmpeg reads" in outcome.out + outcome.err


async def test_another_bitrate_is_encoded_and_sent(loadtest: Loadtest) -> None:
    outcome = await loadtest("-c", "2", "--no-simulcast", "--bitrate", "250k", *SHORT)
    assert outcome.code == 0, outcome.out
    assert "encoded once and cached in" in outcome.out + outcome.err
    assert outcome.measured.scenario.encodings == ["180p15 at 250 kb/s"]
    sent_bps = outcome.measured.metrics["bitrate_out"].avg
    assert sent_bps is not None and 220_000 < sent_bps < 330_000


async def test_the_srtp_profile_is_chosen(loadtest: Loadtest) -> None:
    outcome = await loadtest("-c", "2", "--srtp", "cm80", *SHORT)
    assert outcome.measured.scenario.srtp_negotiated == {"SRTP_AES128_CM_HMAC_SHA1_80": 4}


async def test_a_running_server(loadtest: Loadtest, server_url: str) -> None:
    outcome = await loadtest(server_url, "-c", "3", *SHORT)
    assert outcome.code == 0, outcome.out + outcome.err
    server = outcome.measured.server
    assert server is not None
    assert server.counted_by == "bots"
    assert server.cpu_s < server.wall_s
    assert server.packets_received > 0 < server.packets_sent
    assert outcome.measured.target.version
    assert "\ncheck           one participant joined in " in outcome.out


async def test_any_whip_and_whep_pair(loadtest: Loadtest, server_url: str) -> None:
    play = f"{server_url}/whep/{{room}}"
    outcome = await loadtest(f"{server_url}/whip/{{room}}", "--play", play, "-c", "4", *SHORT)
    assert outcome.code == 0, outcome.out + outcome.err
    assert outcome.measured.target.kind == "whip"
    assert outcome.measured.metrics["tracks"].count == 6


async def test_publishers_of_one_whip_endpoint_are_named(
    loadtest: Loadtest, server_url: str
) -> None:
    outcome = await loadtest(f"whip+{server_url}/whip/one", "-c", "3", *SHORT)
    assert outcome.measured.target.publishers_per_endpoint == 3
    told = [line for line in outcome.out.splitlines() if "3 publishers share one WHIP" in line]
    assert [line.split()[0] for line in told] == ["note", "endpoint"], "before and after the run"
    assert outcome.code == 0, "sfukit admits several publishers to a room"


async def test_impairment_is_measured_and_repaired(loadtest: Loadtest) -> None:
    outcome = await loadtest("-c", "3", "--net-down", "loss=3%,delay=40ms", "-d", "4s")
    metrics = outcome.measured.metrics
    assert 0.01 < (metrics["loss_raw"].avg or 0) < 0.06
    assert (metrics["loss_after_rtx_video"].avg or 0) < 0.005
    assert (metrics["e2e_frame_ms"].p50 or 0) > 40
    assert (metrics["rtt_ms"].p50 or 0) > 40


async def test_ctrl_c_still_writes_the_report(loadtest: Loadtest) -> None:
    process = await loadtest.start("-c", "2", "--warmup", "1s", "--duration", "60s")
    told = await line_with(process, "measuring")
    process.send_signal(signal.SIGINT)
    outcome = await loadtest.finish(process, told=told)
    assert outcome.code == 130
    assert outcome.measured.interrupted
    assert "INTERRUPTED 2/2 joined" in outcome.out
    assert outcome.measured.metrics["e2e_frame_ms"].count


async def test_ctrl_c_while_joining_measures_joins_alone(loadtest: Loadtest) -> None:
    process = await loadtest.start("-c", "40", "--ramp", "10/s")
    server = await private_server(process)
    told = server.told + await line_with(process, "plan ")
    await connected(server.url, 2)
    process.send_signal(signal.SIGINT)
    outcome = await loadtest.finish(process, told=told)
    assert outcome.code == 130
    metrics = outcome.measured.metrics
    assert 0 < (metrics["joins"].avg or 0) < 1
    assert metrics["join_ms"].count
    assert metrics["bitrate_in"].count == 0


async def test_a_server_that_ends_during_the_run(loadtest: Loadtest) -> None:
    process = await loadtest.start("-c", "3", "--warmup", "1s", "--duration", "60s")
    server = await private_server(process)
    told = server.told + await line_with(process, "measuring")
    os.kill(server.pid, signal.SIGKILL)
    outcome = await loadtest.finish(process, told=told)
    assert outcome.code == 4
    assert f"the private server (pid {server.pid}) ended by SIGKILL" in outcome.measured.reasons[0]


class Mute:
    """A WHIP endpoint that takes every offer, and a media port that never says a word."""

    def __init__(self) -> None:
        self._media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._media.bind(("127.0.0.1", 0))
        app = web.Application()
        app.router.add_post("/whip", self._post)
        self._runner = web.AppRunner(app)
        self.url = ""
        self.offers = 0

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"whip+http://127.0.0.1:{self._runner.addresses[0][1]}/whip"

    async def stop(self) -> None:
        await self._runner.cleanup()
        self._media.close()

    async def _post(self, request: web.Request) -> web.Response:
        self.offers += 1
        port = self._media.getsockname()[1]
        local = LocalTransport(
            Credentials("abcd1234", "a" * 24),
            "sha-256 " + ":".join(["AB"] * 32),
            f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n",
        )
        answer = answer_publisher(sdp.parse(await request.text()), local, PublishRules())
        return web.Response(status=201, text=answer.sdp, content_type="application/sdp")


async def test_a_target_that_answers_no_media(loadtest: Loadtest) -> None:
    """One participant tries first: one line of the report, and no other bot joins."""
    mute = Mute()
    await mute.start()
    try:
        outcome = await loadtest(mute.url, "-c", "2", *SHORT)
    finally:
        await mute.stop()
    assert outcome.code == 4
    assert outcome.measured.reasons[0].startswith("no client can join: ice fails (udp_blocked)")
    assert "open the media port for UDP" in outcome.out
    assert mute.offers == 1


# --- saturation blames the right side: each side throttled in turn -------------------------------


async def throttled(pid: int, *, stopped_s: float, running_s: float) -> None:
    """Let a process run only part of the time, until it ends."""
    with contextlib.suppress(ProcessLookupError):
        try:
            while True:
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(stopped_s)
                os.kill(pid, signal.SIGCONT)
                await asyncio.sleep(running_s)
        finally:
            os.kill(pid, signal.SIGCONT)


async def while_throttled(loadtest: Loadtest, victim: Callable[[Process, Private], int]) -> Outcome:
    """Slow one side after all clients have joined, so that joins are not affected."""
    options = ("-c", "4", "--warmup", "2s", "--duration", "6s", "-T", "e2e_frame_ms.p95<60ms")
    process = await loadtest.start(*options)
    server = await private_server(process)
    await connected(server.url, 4)
    slowing = asyncio.create_task(throttled(victim(process, server), stopped_s=0.3, running_s=0.1))
    try:
        return await loadtest.finish(process, told=server.told)
    finally:
        slowing.cancel()
        await asyncio.gather(slowing, return_exceptions=True)


async def test_a_throttled_server_fails(loadtest: Loadtest) -> None:
    outcome = await while_throttled(loadtest, lambda _load, server: server.pid)
    assert outcome.code == 3, outcome.out
    assert outcome.measured.saturation.side in ("none", "server")


async def test_a_throttled_load_generator_is_inconclusive(loadtest: Loadtest) -> None:
    outcome = await while_throttled(loadtest, lambda load, _server: load.pid)
    assert outcome.code == 5, outcome.out
    assert outcome.measured.saturation.side == "swarm"
    assert "load generator " in outcome.measured.reasons[0]


async def test_one_shared_core_is_inconclusive_and_names_the_fix(loadtest: Loadtest) -> None:
    core = str(usable_cores()[-1])
    gate = ("-T", "e2e_frame_ms.p50<0.5ms")
    outcome = await loadtest(
        "-c", "300", "--ramp", "100/s", "--warmup", "2s", "--duration", "5s", *gate,
        before=("taskset", "-c", core),
    )  # fmt: skip
    assert outcome.code == 5, outcome.out
    saturation = outcome.measured.saturation
    assert saturation.side == "shared"
    assert "--pin" in saturation.reasons[0] or "other programs" in saturation.reasons[0]


async def scraped(process: Process, name: str) -> tuple[str, str]:
    """Scrape the metrics of a running load test until one is there; return what was told too."""
    told = await line_with(process, "prometheus")
    found = re.search(r"http://127\.0\.0\.1:\d+/metrics", told)
    assert found, told
    async with asyncio.timeout(_RUN_S), httpx.AsyncClient(trust_env=False) as client:
        while True:
            response = await client.get(found[0])
            assert response.headers["content-type"].startswith("text/plain")
            if f"\n{name} " in response.text:
                return told, response.text
            await asyncio.sleep(0.02)


async def test_every_output_of_one_run(loadtest: Loadtest, tmp_path: Path) -> None:
    files = {form: tmp_path / form for form in ("html", "junit", "markdown", "csv", "hdr")}
    process = await loadtest.start(
        *("-c", "4", *SHORT, "--interval", "500ms", "--prometheus", ":0"),
        *(f"--{form}={path}" for form, path in files.items()),
        *("-T", "e2e_frame_ms[room=room-1].p95 < 5000ms"),
    )
    told, metrics = await scraped(process, "sfukit_loadtest_received_bits_per_second")
    assert "sfukit_loadtest_clients_planned 4.0" in metrics
    outcome = await loadtest.finish(process, told=told)
    report = outcome.measured
    assert outcome.out.startswith("sfukit "), "the first line is that of the target"

    measured = [one for one in report.series if one.phase == "measuring"]
    assert {one.phase for one in report.series} >= {"warm-up", "measuring"}
    assert sum(one.end_s - one.start_s for one in measured) == pytest.approx(2, abs=0.6)
    assert all(
        later.start_s >= earlier.end_s for earlier, later in itertools.pairwise(report.series)
    )
    for one in measured:
        assert one.bitrate_in_bps > 1e5 and one.bitrate_out_bps > 1e5
        assert one.loss_raw is not None and one.lag_p99_ms is not None
        assert one.e2e_frame_p50_ms is not None and one.e2e_frame_p95_ms is not None
        assert one.e2e_frame_p50_ms <= one.e2e_frame_p95_ms
        assert one.server_cores is not None
    assert (measured[-1].joined, measured[-1].tracks) == (4, 24)

    assert [client.name for client in report.clients] == ["p1", "p2", "p3", "p4"]
    for client in report.clients:
        assert client.joined and client.tracks == client.planned_tracks == 6
        assert client.e2e_frame_p95_ms is not None and client.bitrate_in_bps is not None
    assert report.gates[-1].path == "e2e_frame_ms[room=room-1].p95" and report.gates[-1].ok
    room, every = report.rooms["room-1"]["e2e_frame_ms"], report.metrics["e2e_frame_ms"]
    assert room.count == every.count and room.p95 == pytest.approx(every.p95, rel=0.04)

    assert files["html"].read_text().count("<figure class=plot>") == 6
    cases = ElementTree.parse(files["junit"]).getroot().findall(".//testcase")
    assert len(cases) == 4 + len(report.gates)
    assert files["markdown"].read_text().startswith("## ")
    assert len(files["csv"].read_text().splitlines()) == 1 + len(report.series)
    assert "\nTag=e2e_frame_ms,0.000," in files["hdr"].read_text()


async def test_a_baseline_of_another_load_is_refused_before_the_run(
    loadtest: Loadtest, tmp_path: Path
) -> None:
    first = await loadtest("-c", "2", *SHORT)
    baseline = tmp_path / "baseline.json"
    baseline.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(first.measured, verdict="pass"))
    )
    refused = await loadtest("-c", "4", *SHORT, "--baseline", str(baseline))
    assert refused.code == 2
    assert "--baseline: another load: clients 2 and 4" in refused.err
    compared = await loadtest(
        *("-c", "2", *SHORT, "--baseline", str(baseline), "--max-regression", "100%")
    )
    paths = [gate.path for gate in compared.measured.gates if "(baseline " in gate.gate]
    assert "e2e_frame_ms.p95" in paths and "server.cpu_us_per_packet" in paths


async def test_a_report_that_cannot_be_written_is_refused_or_kept(
    loadtest: Loadtest, tmp_path: Path
) -> None:
    refused = await loadtest("-c", "2", *SHORT, "--html", str(tmp_path / "absent" / "x.html"))
    assert (refused.code, refused.out) == (2, "")
    assert "there is no folder" in refused.err
    full = await loadtest("-c", "2", *SHORT, "--html", "/dev/full")
    assert full.code == 2 and "No space left on device" in full.err
    assert full.measured.scenario.clients == 2, "the JSON is written all the same"
    assert (tmp_path / "sfukit" / "last" / "loadtest.json").exists()
