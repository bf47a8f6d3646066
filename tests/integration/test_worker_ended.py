"""A real worker thread that ends: its poller is taken away under it, which no peer could do."""

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest

from sfukit.errors import SfukitError
from sfukit.server import run
from sfukit.server.engine import NativeEngine
from sfukit.server.settings import Settings
from tests.unit.server.stage import until

pytestmark = pytest.mark.realtime


def pollers() -> set[int]:
    """List the epoll descriptors of this process."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = entry.readlink()
        except OSError:  # closed meanwhile: the listing's own
            continue
        if str(target) == "anon_inode:[eventpoll]":
            found.add(int(entry.name))
    return found


def end_worker(poller: int) -> None:
    """Put another file in the place of a poller: waiting for it fails, and the thread ends."""
    with Path(os.devnull).open("rb") as other:
        os.dup2(other.fileno(), poller)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
async def test_ended_worker_threads_are_reported_and_the_last_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[list[int]] = []

    def engine(settings: Settings) -> NativeEngine:
        before = pollers()
        made = NativeEngine(settings.engine)
        found.append(sorted(pollers() - before))
        return made

    monkeypatch.setattr(run, "_engine", engine)
    settings = Settings(http_port=0, udp_port=0, workers=2)
    ready: asyncio.Future[run.Ready] = asyncio.get_running_loop().create_future()
    serving = asyncio.ensure_future(run._serve(settings, ready.set_result))
    async with asyncio.timeout(30):
        started = await ready
        first, last = found[0]
        end_worker(first)
        await until(lambda: started.context.engine.ended_workers)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{started.url}/readyz") as response,
        ):
            assert response.status == 503
            assert "media worker" in await response.text()
        assert len(started.context.engine.ended_workers) == 1
        assert not serving.done()
        end_worker(last)
        with pytest.raises(SfukitError, match="the media engine ended: media worker"):
            await serving
