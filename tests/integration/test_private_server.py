"""The server that a load test starts for itself: ready, charged, watched, stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sfukit import machine
from sfukit.errors import MachineError
from sfukit.loadgen.host import processes, server_process
from sfukit.loadgen.host.server_process import PrivateServer

pytestmark = pytest.mark.realtime


@pytest.fixture
async def server() -> AsyncIterator[PrivateServer]:
    started = await server_process.start((), machine.usable_cores())
    yield started
    await started.stop()


async def test_it_reports_its_addresses_and_packet_counts(server: PrivateServer) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server.ready.url}/info")).json()["server"] == "sfukit"
        assert await server.traffic(client) == (0, 0, 0, 0)
    used = server.read(0.0)
    assert used is not None and used.cpu_s > 0 and used.threads
    assert server.ended is None


async def test_its_end_is_reported(server: PrivateServer) -> None:
    os.kill(server.ready.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        while server.ended is None:  # noqa: ASYNC110 - the loop learns of it by a signal
            await asyncio.sleep(0.01)
    assert f"(pid {server.ready.pid}) ended by SIGKILL" in server.ended
    async with httpx.AsyncClient() as client:
        assert await server.traffic(client) is None


async def test_it_stops_on_request() -> None:
    started = await server_process.start((), machine.usable_cores())
    await started.stop()
    assert processes.read(started.ready.pid, 0.0) is None


async def test_it_stays_on_its_cores() -> None:
    core = machine.usable_cores()[0]
    started = await server_process.start((), [core])
    try:
        for thread in Path(f"/proc/{started.ready.pid}/task").iterdir():
            assert os.sched_getaffinity(int(thread.name)) == {core}
    finally:
        await started.stop()


async def test_arguments_that_it_refuses_are_quoted() -> None:
    with pytest.raises(MachineError) as refused:
        await server_process.start(("--no-such-option",), machine.usable_cores())
    assert "--no-such-option" in refused.value.what
    assert "--server-args" in (refused.value.hint or "")


async def test_it_ends_with_the_load_test_that_started_it() -> None:
    script = (
        "import asyncio\n"
        "from sfukit import machine\n"
        "from sfukit.loadgen.host import server_process\n"
        "async def main():\n"
        "    server = await server_process.start((), machine.usable_cores())\n"
        "    print(server.ready.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while processes.read(pid, 0.0) is not None and not _zombie(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _zombie(pid: int) -> bool:
    """Tell whether a process has ended and merely waits to be collected by init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
