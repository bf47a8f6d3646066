"""Two threads that exchange their cores, so that each uses the memory that the other freed.

Over loopback the server's thread takes the memory of every packet and the swarm's gives it back.
The kernel keeps freed pages on the core where they were freed. With each thread on a core of its
own the free pages pile up on one core, hundreds of megabytes of them, while the other core takes
pages that have not been used for long: in a virtual machine such pages may have to be fetched from
the host first (docs/performance.md). Nothing of this happens between two machines.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_EVERY_S = 0.05  # at 150 MB/s of packets 8 MB of pages pile up meanwhile; moving costs nothing yet
_LOOKS = 100
_LOOK_S = 0.01
_SERVER_THREAD = "sfukit-media-"
_SWARM_THREAD = "sfukit-swarm-"


class Exchange:
    """Two threads, each of them always on the core that the other left."""

    def __init__(self, threads: tuple[int, int], cores: tuple[int, int]) -> None:
        self._threads = threads
        self._cores = cores

    def turn(self) -> None:
        """Exchange the cores; a thread that ended is OSError."""
        self._cores = self._cores[::-1]
        for thread, core in zip(self._threads, self._cores, strict=True):
            os.sched_setaffinity(thread, (core,))

    def release(self, cores: Sequence[int]) -> None:
        """Let both threads run where they like again, among ``cores``."""
        for thread in self._threads:
            with suppress(OSError):
                os.sched_setaffinity(thread, cores)


@asynccontextmanager
async def exchanging(server_pid: int, cores: Sequence[int]) -> AsyncIterator[bool]:
    """Exchange while the load runs, and tell whether.

    It takes one data thread on each side, and a system that lets both be moved.
    """
    server = await _named(server_pid, _SERVER_THREAD)
    swarm = await _named(os.getpid(), _SWARM_THREAD)
    if len(server) != 1 or len(swarm) != 1:
        yield False
        return
    exchange = Exchange((server[0], swarm[0]), (cores[0], cores[1]))
    try:
        exchange.turn()
    except OSError:
        exchange.release(cores)
        yield False
        return
    task = asyncio.create_task(_again_and_again(exchange))
    try:
        yield True
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        exchange.release(cores)


async def _again_and_again(exchange: Exchange) -> None:
    with suppress(OSError):  # the server ended: whoever watches it says so
        while True:
            await asyncio.sleep(_EVERY_S)
            exchange.turn()


async def _named(pid: int, name: str) -> list[int]:
    """Look for threads until there are some: each names itself, some time after it was started."""
    for _ in range(_LOOKS):
        found = _threads(pid, name)
        if found:
            return found
        await asyncio.sleep(_LOOK_S)
    return []


def _threads(pid: int, name: str) -> list[int]:
    """List the threads of a process whose name begins so."""
    found = []
    with suppress(OSError):
        for folder in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # this thread ended meanwhile
                if (folder / "comm").read_text().startswith(name):
                    found.append(int(folder.name))
    return found
