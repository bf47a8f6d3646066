"""After all clients have left, a server has released files, tasks, objects, participants."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sfukit.loadgen.host import server_process
from sfukit.loadgen.host.server_process import PrivateServer
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.machine import usable_cores

pytestmark = pytest.mark.realtime

pytest.importorskip("sfukit._native")

BOTS = 40
_RUN_S = 60.0
_LEAVE_S = 20.0
_LIVE = ("rooms", "transports", "publications", "subscriptions")


class Held(NamedTuple):
    """The resources of a server; ``live`` are the objects of the engine by kind."""

    files: int
    tasks: int
    rooms: int
    participants: int
    live: dict[str, int]


class Watch:
    """Reads one server over one connection, which counts in its files and tasks each time."""

    def __init__(self, server: PrivateServer, client: httpx.AsyncClient) -> None:
        self.url = server.ready.url
        self._ready = server.ready
        self._client = client

    async def held(self) -> Held:
        text = (await self._client.get(self._ready.metrics)).text
        values = {
            (sample.name, sample.labels.get("kind")): int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if family.type == "gauge"
        }
        return Held(
            files=len(list(Path(f"/proc/{self._ready.pid}/fd").iterdir())),
            tasks=values["sfukit_asyncio_tasks", None],
            rooms=values["sfukit_rooms", None],
            participants=values["sfukit_participants", None],
            live={kind: values["sfukit_live_objects", kind] for kind in _LIVE},
        )

    async def becomes(self, wanted: Held) -> None:
        """Wait until the server holds this; fail with what it holds instead."""
        found = await self.held()
        try:
            async with asyncio.timeout(_LEAVE_S):
                while found != wanted:
                    await asyncio.sleep(0.05)
                    found = await self.held()
        except TimeoutError:
            assert found == wanted

    async def fills(self, participants: int) -> Held:
        """Wait until so many are there and receive."""
        async with asyncio.timeout(_RUN_S):
            while True:
                found = await self.held()
                if found.participants == participants and found.live["subscriptions"]:
                    return found
                await asyncio.sleep(0.05)


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    server = await server_process.start(("--room-idle", "0"), usable_cores())
    kept = httpx.Limits(keepalive_expiry=None)
    try:
        async with httpx.AsyncClient(limits=kept) as client:
            yield Watch(server, client)
    finally:
        await server.stop()


async def load(*options: str) -> Process:
    command = [sys.executable, "-m", "sfukit", "loadtest", *options, "--ramp", "50/s"]
    return await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=PIPE)


@pytest.mark.parametrize("protocol", ["rooms", "whip"])
async def test_nothing_is_left_of_those_who_said_goodbye(
    watch: Watch, protocol: str, tmp_path: Path
) -> None:
    before = await watch.held()
    assert (before.participants, before.live) == (0, dict.fromkeys(_LIVE, 0))
    target = [watch.url]
    if protocol == "whip":
        target = [f"whip+{watch.url}/whip/gone", "--play", f"{watch.url}/whep/gone"]
    report = tmp_path / "report.json"
    process = await load(
        *target, "-c", f"{BOTS}", "--duration", "2s", "--warmup", "1s", "--json", str(report)
    )
    there = await watch.fills(BOTS)
    assert there.files > before.files
    async with asyncio.timeout(_RUN_S):
        _, err = await process.communicate()
    assert report.exists(), err
    measured = msgspec.json.decode(report.read_bytes(), type=LoadtestReport)
    assert measured.metrics["joins"].avg == 1.0
    await watch.becomes(before)


async def test_nothing_is_left_of_those_who_vanished(watch: Watch) -> None:
    before = await watch.held()
    process = await load(watch.url, "-c", f"{BOTS}", "--duration", "60s", "--warmup", "1s")
    await watch.fills(BOTS)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    await watch.becomes(before)
