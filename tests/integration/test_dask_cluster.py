"""A load on two workers of a Dask cluster, one of which is killed in the middle."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from sfukit.loadgen.host import server_process
from sfukit.machine import usable_cores
from tests.integration.loadtest_command import Loadtest

pytestmark = pytest.mark.realtime

SECRET = "a-secret-that-the-workers-alone-know"
_KEYS = {"SFUKIT_API_KEY": "workers", "SFUKIT_API_SECRET": SECRET}
_LIMIT_S = 25.0


class Cluster(NamedTuple):
    """The address of the scheduler, and the process ids of the workers by address."""

    scheduler: str
    workers: dict[str, int]


@asynccontextmanager
async def started(log: Path) -> AsyncIterator[Cluster]:
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.dask_cluster"),
            stdin=PIPE, stdout=PIPE, stderr=errors, env=os.environ | _KEYS,
        )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    async with asyncio.timeout(_LIMIT_S):
        line = (await process.stdout.readline()).decode().split()
    try:
        yield Cluster(line[0], {name: int(pid) for name, pid in (w.split("=") for w in line[1:])})
    finally:
        process.stdin.close()
        async with asyncio.timeout(_LIMIT_S):
            await process.wait()


async def told(process: Process, text: str) -> str:
    """Read on until a line has a text."""
    assert process.stdout is not None
    lines = ""
    async for line in process.stdout:
        lines += line.decode()
        if text in line.decode():
            return lines
    raise AssertionError(lines)


async def publishing(url: str, count: int) -> None:
    """Wait until so many publish to a server."""
    metric = "sfukit_participants "
    async with asyncio.timeout(_LIMIT_S), httpx.AsyncClient(trust_env=False) as client:
        while True:
            text = (await client.get(f"{url}/metrics")).text
            values = [line.split()[-1] for line in text.splitlines() if line.startswith(metric)]
            if sum(map(float, values)) >= count:
                return
            await asyncio.sleep(0.05)


async def test_a_lost_worker_is_named_and_its_share_is_inconclusive(tmp_path: Path) -> None:
    log = tmp_path / "cluster.log"
    keys = ("--api-key", "workers", "--api-secret", SECRET)
    server, stack = await server_process.start(keys, usable_cores()), started(log)
    async with stack as cluster:
        loadtest = Loadtest(tmp_path)
        process = await loadtest.start(
            *(server.ready.url, "--scheduler", cluster.scheduler, "--seed", "7"),
            *("-c", "4", "--rooms", "2", "--warmup", "1s", "-d", "3s", "--join-timeout", "4s"),
        )
        lines = await told(process, "2 shards, one each")
        lost = sorted(cluster.workers)[1]
        await publishing(server.ready.url, 4)
        os.kill(cluster.workers[lost], signal.SIGKILL)
        outcome = await loadtest.finish(process, told=lines)
    await server.stop()

    report = outcome.measured
    assert (outcome.code, report.verdict) == (5, "inconclusive"), outcome.out + outcome.err
    assert report.reasons == [
        f"shard 2 (worker {lost}: lost) of 2 is absent: its share, 2 of 4 clients, is inconclusive"
    ]
    assert report.merged is not None
    assert [one.verdict for one in report.merged.parts] == ["pass", None]
    assert report.metrics["joins"].count == 2 and report.metrics["e2e_frame_ms"].count > 50
    for text in (outcome.out, outcome.err, log.read_text(), (tmp_path / "report.json").read_text()):
        assert SECRET not in text
