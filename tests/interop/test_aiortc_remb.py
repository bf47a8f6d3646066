"""aiortc behind a narrow link: it has REMB and no transport-wide feedback."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sfukit.loadgen.latency.independent.forwarder import Forwarder
from sfukit.loadgen.latency.independent.impaired_path import ImpairedPath
from sfukit.swarm.impairment import Impairment
from tests.interop.participant import Participant, participant
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

FREE = Impairment(delay_ms=20.0)
NARROW = Impairment(rate_bps=300_000, queue_ms=300.0, delay_ms=20.0)
LOWER_THAN_BPS = 500_000
"""The middle encoding has so much; the link carries less."""
WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


@pytest.fixture
async def room(server: Server) -> AsyncIterator[str]:
    """A room with a publisher of 150, 500 and 1,700 kb/s."""
    command = ["-m", "sfukit", "loadtest", server.url("/"), "-c", "1", "--publishers", "1"]
    command += ["--audio", "none", "-d", "120s", "--no-default-gates", "-q"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", *command, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            rooms = (await asyncio.to_thread(server.rooms))["rooms"]
            if rooms and rooms[0]["participants"]:
                break
            await asyncio.sleep(0.05)
        yield rooms[0]["room"]
    finally:
        process.terminate()
        await process.wait()


async def until(
    viewer: Participant, holds: Callable[[dict[str, Any], dict[str, Any]], bool]
) -> Any:
    """Wait until the statistics of the viewer's transport and of its video fulfil a condition."""
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        stats = await viewer.call("stats")
        transports = [row for row in stats["transports"] if row.get("remb_bps")]
        if transports and stats["subscriptions"]:
            transport, video = transports[0], stats["subscriptions"][0]
            if holds(transport, video):
                return transport
        await asyncio.sleep(0.2)
    raise AssertionError(stats)


async def test_the_encoding_follows_the_estimate_of_the_receiver(server: Server, room: str) -> None:
    down = ImpairedPath(FREE, 1)
    path = Forwarder(ImpairedPath(FREE, 2), down, lambda *_: None, lambda *_: None)
    try:
        async with participant(server.websocket, "ann", path=path) as ann:
            await ann.join(room)
            free = await until(ann, lambda transport, video: video["rid"] in ("h", "f"))
            assert (free["bwe"], free["estimate_bps"]) == ("remb", None)
            down.change(NARROW)
            narrow = await until(ann, lambda transport, video: video["rid"] == "q")
            assert narrow["remb_bps"] < LOWER_THAN_BPS
            await until(ann, lambda transport, _: transport["budget_bps"] < LOWER_THAN_BPS)
    finally:
        path.close()
