"""One plan in three processes, merged, beside the same plan in one process."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from sfukit.cli.app import main
from sfukit.loadgen.host import server_process
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.machine import usable_cores
from tests.integration.loadtest_command import SHORT, Loadtest

pytestmark = pytest.mark.realtime

_LEAD_S, _LEAD = 2.0, 6.0  # until four processes have started and checked the target
# gates on counts: frame delays on a busy machine are no part of this test
_GATES = ("--no-default-gates", "-T", "joins == 100%", "-T", "tracks[room=room-2] == 100%")
_LOAD = ("-c", "12", "--rooms", "3", *SHORT, *_GATES)


@pytest.fixture
async def urls() -> AsyncIterator[list[str]]:
    """Start two servers: rooms of one name cannot be in both loads."""
    servers = await asyncio.gather(*(server_process.start((), usable_cores()) for _ in range(2)))
    yield [server.ready.url for server in servers]
    await asyncio.gather(*(server.stop() for server in servers))


async def lead_s(loadtest: Loadtest) -> float:
    """Return how long processes need to be ready, by how long one needs that prints its plan."""
    began_s = time.monotonic()
    assert (await loadtest("--plan")).code == 0
    return _LEAD_S + _LEAD * (time.monotonic() - began_s)


async def test_three_merged_shards_are_the_run_of_one_process(
    urls: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shards, runs = [f"{index}/3" for index in (1, 2, 3)], []
    for name in ("1", "2", "3", "whole"):
        (tmp_path / name).mkdir()
        runs.append(Loadtest(tmp_path / name))
    ready_s = await lead_s(runs[0])
    start = ("--start-at", f"{time.time() + ready_s:.3f}")
    *parts, whole = await asyncio.gather(
        *(
            run(urls[0], *_LOAD, *start, "--shard", shard)
            for run, shard in zip(runs, shards, strict=False)
        ),
        runs[3](urls[1], *_LOAD, *start),
    )
    assert [one.code for one in (*parts, whole)] == [0] * 4, [one.out + one.err for one in parts]
    fingerprints = {one.measured.shard and one.measured.shard.fingerprint for one in parts}
    assert len(fingerprints) == 1 and None not in fingerprints

    files = [str(tmp_path / name / "report.json") for name in ("3", "1", "2")]
    target = tmp_path / "merged.json"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["report", "merge", *files, "--json", str(target)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\nPASS    12/12 joined, 72/72 tracks, 2/2 gates  (seed 7)\n" in out
    assert "\nshards          3 of 3 (3 pass by themselves); plan " in out
    merged = msgspec.json.decode(target.read_bytes(), type=LoadtestReport)
    same_within_noise(merged, whole.measured)


def same_within_noise(merged: LoadtestReport, whole: LoadtestReport) -> None:
    assert merged.scenario == msgspec.structs.replace(
        whole.scenario, srtp_negotiated=merged.scenario.srtp_negotiated
    )
    assert [gate.gate for gate in merged.gates] == [gate.gate for gate in whole.gates]
    names = [(one.room, one.name, one.planned_tracks) for one in merged.clients]
    assert names == [(one.room, one.name, one.planned_tracks) for one in whole.clients]
    assert merged.metrics.keys() == whole.metrics.keys()
    for name in ("joins", "tracks", "join_ms", "ttff_ms", "jitter_ms", "loss_raw", "bitrate_in"):
        assert merged.metrics[name].count == whole.metrics[name].count, name
    for name in ("joins", "tracks", "loss_after_rtx", "bitrate_out"):
        assert merged.metrics[name].avg == pytest.approx(whole.metrics[name].avg, rel=0.1), name
    frames, expected = merged.metrics["e2e_frame_ms"], whole.metrics["e2e_frame_ms"]
    assert frames.count == pytest.approx(expected.count, rel=0.1)
    assert frames.p50 == pytest.approx(expected.p50, abs=25)
    assert len(merged.series) == pytest.approx(len(whole.series), abs=2)
    assert all(one.e2e_frame_p95_ms is not None for one in merged.series[-2:])


def spawned(pid: int) -> list[int]:
    """Return the processes that a load test with --workers started, in their order."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


async def test_a_worker_that_is_killed_is_named(urls: list[str], tmp_path: Path) -> None:
    loadtest = Loadtest(tmp_path)
    process = await loadtest.start(
        *(urls[0], "-c", "4", "--rooms", "2", *SHORT, "--join-timeout", "3s", "--workers", "2")
    )
    assert process.stdout is not None
    told = ""
    while not (line := (await process.stdout.readline()).decode()).startswith("start "):
        assert line, told
        told += line
    os.kill(spawned(process.pid)[1], signal.SIGKILL)
    outcome = await loadtest.finish(process, told=told)
    assert outcome.code == 5, outcome.out + outcome.err
    assert outcome.measured.reasons == [
        "shard 2 (process 2 ended early (exit code -9)) of 2 is absent: its share, 2 of 4 clients, "
        "is inconclusive"
    ]
    assert outcome.measured.metrics["tracks"].count == 4
