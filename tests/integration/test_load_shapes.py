"""Load shapes against a real private server: few clients, short windows, on loopback."""

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest

from sfukit.loadgen.options import LoadOptions, RunOptions, Stage
from sfukit.loadgen.run import run
from sfukit.loadgen.timeline import Progress
from tests.integration.loadtest_command import Loadtest
from tests.interop.server import serving

pytestmark = pytest.mark.realtime


@pytest.fixture
def loadtest(tmp_path: Path) -> Loadtest:
    return Loadtest(tmp_path)


async def test_quick_gives_a_verdict_in_less_than_ten_seconds(loadtest: Loadtest) -> None:
    started_s = time.monotonic()
    outcome = await loadtest("--quick")
    elapsed_s = time.monotonic() - started_s
    assert outcome.code == 0, outcome.out
    scenario = outcome.measured.scenario
    assert (scenario.clients, scenario.warmup_s, scenario.duration_s) == (5, 1.0, 3.0)
    assert elapsed_s < 10


async def test_find_max_lists_its_probes_and_what_broke_first(
    loadtest: Loadtest, tmp_path: Path
) -> None:
    saved = tmp_path / "search.json"
    limit = ("--server-args", "--max-participants 3", "-T", "join_ms.p95<5s")
    short = ("--warmup", "0.5s", "-d", "1s", "--seed", "7", "--rooms", "1")
    outcome = await loadtest("--find-max", "-c", "2", *short, *limit, "--json", str(saved))
    found = json.loads(saved.read_bytes())
    assert [(one["clients"], one["verdict"]) for one in found["probes"]] == [
        (2, "pass"),
        (4, "fail"),
        (3, "pass"),
    ]
    assert found["answer"]["max_clients"] == 3
    assert found["answer"]["broke_first"]["gate"] == "joins == 100 %"
    assert outcome.code == 0
    assert "\nMAX     3 clients pass the gates (within 1)  (seed 7)\n" in outcome.out
    assert "first to break, at 4 clients: server, " in outcome.out


async def test_each_stage_is_measured_and_judged(loadtest: Loadtest) -> None:
    stages = [f"--stage={seconds}s:{clients}" for seconds, clients in ((2, 2), (2, 4), (1, 2))]
    outcome = await loadtest(*stages, "--rooms", "1", "--warmup", "1s", "--seed", "7")
    report = outcome.measured
    assert outcome.code == 0, outcome.out
    assert [(one.clients, one.duration_s, one.verdict) for one in report.stages] == [
        (2, 2.0, "pass"),
        (4, 2.0, "pass"),
        (2, 1.0, "pass"),
    ]
    tracks = [one.metrics["tracks"] for one in report.stages]
    assert [(one.count, one.avg) for one in tracks] == [(4, 1.0), (24, 1.0), (4, 1.0)]
    joins = [one.metrics["join_ms"].count for one in report.stages]
    assert joins == [2, 2, 0]
    # each window counts its own frames: 4 clients watch 12 videos, 2 watch 2
    frames = [one.metrics["e2e_frame_ms"].count for one in report.stages]
    assert frames[1] > 2 * frames[0] > 2 * frames[2] > 0
    assert report.metrics["e2e_frame_ms"].count == sum(frames)
    assert report.metrics["joins"].count == 4
    assert report.scenario.clients == 4
    assert "\nstage " in outcome.out


async def test_the_progress_names_the_stage_and_its_tracks() -> None:
    seen: list[Progress] = []

    class Watching:
        def report(self, label: str, text: str) -> None:
            pass

        def progress(self, progress: Progress) -> None:
            seen.append(progress)

    load = LoadOptions(stages=(Stage(0.5, 2), Stage(0.5, 4)), rooms=1, warmup_s=0.5, seed=7)
    report = await run(RunOptions(load=load), Watching(), asyncio.Event())
    stages = {(one.stage, one.stages, one.clients, one.planned_tracks) for one in seen}
    assert stages == {(1, 2, 2, 4), (2, 2, 4, 24)}
    assert seen[-1].tracks == 24
    assert report.exit_code == 0, report.reasons


async def test_a_gate_that_one_stage_does_not_meet_fails_the_run(loadtest: Loadtest) -> None:
    stages = ("--stage", "1s:2", "--stage", "1s:4")
    gate = ("-T", "tracks.count<20")
    outcome = await loadtest(*stages, "--rooms", "1", "--warmup", "1s", *gate)
    assert outcome.code == 3, outcome.out
    assert [one.verdict for one in outcome.measured.stages] == ["pass", "fail"]
    assert outcome.measured.reasons[0] == "stage 2, 4 clients: tracks.count < 20: it is 24"


async def test_replaced_clients_join_and_are_measured(loadtest: Loadtest) -> None:
    churn = ("--churn", "300%/m", "--warmup", "1s", "-d", "12s", "--seed", "7")
    outcome = await loadtest("-c", "2", *churn)
    report = outcome.measured
    assert outcome.code == 0, outcome.out
    assert report.scenario.clients == 2
    assert report.metrics["joins"].count is not None and report.metrics["joins"].count > 2
    assert report.metrics["joins"].avg == report.metrics["tracks"].avg == 1.0
    assert report.errors == []


async def test_another_speaker_is_seen_large(loadtest: Loadtest) -> None:
    outcome = await loadtest(
        *("-c", "3", "--speaker-switch", "1s", "--warmup", "1s", "-d", "4s", "--seed", "7")
    )
    report = outcome.measured
    assert outcome.code == 0, outcome.out
    assert report.scenario.speaker_switch_s == 1.0
    # every client sees another video large at each of four changes
    switches = report.metrics["layer_switches"]
    assert switches.count == 6 and switches.avg is not None and switches.avg > 1.0
    assert report.metrics["layer_switch_ms"].count
    assert report.errors == []


async def test_clients_continue_from_another_local_address(loadtest: Loadtest) -> None:
    gates = ("-T", "handover_gap_ms.p95<1s", "-T", "handover_gap_ms[room=room-1].count>=5")
    options = ("-c", "3", "--handover", "1s", "--warmup", "1s", "-d", "4s", "--seed", "7")
    outcome = await loadtest(*options, *gates)
    report = outcome.measured
    assert outcome.code == 0, outcome.out
    assert report.scenario.handover_s == 1.0
    # five changes of three clients, with two transports each, of which one receives
    figures = [report.metrics[name] for name in ("handovers", "handover_gap_ms", "handover_ice_ms")]
    assert [one.count for one in figures] == [10, 5, 10]
    assert figures[0].avg == 1.0
    assert report.errors == []
    assert "\nhandover gap " in outcome.out
    assert "gate            handovers == 100 %: 100 %  ok\n" in outcome.out


async def test_a_grid_receives_the_tracks_of_its_tiles(loadtest: Loadtest) -> None:
    room = ("-c", "11", "--rooms", "1", "--layout", "grid3", "--bitrate", "500k")
    outcome = await loadtest(*room, "--warmup", "1s", "-d", "2s")
    assert outcome.code == 0, outcome.out
    tracks = outcome.measured.metrics["tracks"]
    assert (tracks.count, tracks.avg) == (11 * (9 + 10), 1.0)
    assert outcome.measured.scenario.layout == "grid3"


async def test_a_gate_that_stays_unmet_ends_the_run(loadtest: Loadtest) -> None:
    abort = ("--abort-after", "1s", "-T", "e2e_frame_ms.p50<0.001ms")
    outcome = await loadtest("-c", "2", "--warmup", "1s", "-d", "80s", *abort)
    assert outcome.code == 3, outcome.out
    reason = outcome.measured.reasons[0]
    assert reason.startswith("ended by --abort-after: e2e_frame_ms.p50 < 0.00 ms was not met for ")
    generator = outcome.measured.generator
    assert generator is not None and generator.wall_s < 40


async def test_joins_are_tried_again(loadtest: Loadtest) -> None:
    limit = ("--server-args", "--max-participants 2", "--retries", "1")
    outcome = await loadtest("-c", "3", "--rooms", "1", "--warmup", "1s", "-d", "1s", *limit)
    assert outcome.code == 3, outcome.out
    retried = outcome.measured.retried_joins
    assert (retried.attempts, retried.clients, retried.clients_joined) == (1, 1, 0)
    assert retried.codes == {"max_participants": 1}
    assert "1 join of 1 client failed and were tried again (1 x max_participants)" in outcome.out


async def test_the_server_finds_the_speakers_by_the_levels_of_bots(
    loadtest: Loadtest, tmp_path: Path
) -> None:
    with serving(tmp_path, "--last-n", "1") as server:
        short = ("-c", "3", "--rooms", "1", "--warmup", "1s", "-d", "4s", "--seed", "7")
        outcome = await loadtest(server.http, *short, "--speaker-switch", "2s")
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"{server.http}/metrics")).text
    assert outcome.report is not None, outcome.out
    found = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[0] != "#")
    # The first one, and for each of two changes: both for a second, then the new one alone.
    assert float(found["sfukit_active_speaker_changes_total"]) >= 3
    # Each of three clients gets the video of one of two others, at each change that of the new one.
    assert float(found['sfukit_videos_paused_total{reason="last_n"}']) >= 5
