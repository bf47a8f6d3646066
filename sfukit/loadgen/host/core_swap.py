"""``--pin exchange``: two media threads swap their cores, so that each reuses the other's pages.

Over loopback the server's thread allocates the memory of every packet, and the swarm's frees it.
The kernel keeps freed pages on the core where they were freed. With each thread on a core of its
own the free pages pile up on one core, hundreds of megabytes of them, while the other core
allocates cold pages: a virtual machine may have to fault these in from its host first
(docs/notes/free-page-reporting.md). Between two machines this does not happen.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_EVERY_S = 0.05  # at 150 MB/s 8 MB of pages pile up in it; the cost of swapping is not measurable
_ATTEMPTS = 100
_ATTEMPT_S = 0.01
_SERVER_THREAD = "sfukit-media-"
_SWARM_THREAD = "sfukit-swarm-"


class CoreSwap:
    """Two threads on two cores, which are swapped."""

    def __init__(self, threads: tuple[int, int], cores: tuple[int, int]) -> None:
        self._threads = threads
        self._cores = cores

    def swap(self) -> None:
        """Swap the cores; raise OSError for a thread that ended."""
        self._cores = self._cores[::-1]
        for thread, core in zip(self._threads, self._cores, strict=True):
            os.sched_setaffinity(thread, (core,))

    def release(self, cores: Sequence[int]) -> None:
        """Let both threads run on any of ``cores`` again."""
        for thread in self._threads:
            with suppress(OSError):
                os.sched_setaffinity(thread, cores)


@asynccontextmanager
async def swapping_cores(server_pid: int, cores: Sequence[int]) -> AsyncIterator[bool]:
    """Swap the cores while the load runs; yield whether that is possible.

    It needs one media thread on each side, and the permission to set their affinity.
    """
    server = await _threads_named(server_pid, _SERVER_THREAD)
    swarm = await _threads_named(os.getpid(), _SWARM_THREAD)
    if len(server) != 1 or len(swarm) != 1:
        yield False
        return
    core_swap = CoreSwap((server[0], swarm[0]), (cores[0], cores[1]))
    try:
        core_swap.swap()
    except OSError:
        core_swap.release(cores)
        yield False
        return
    task = asyncio.create_task(_swap_periodically(core_swap))
    try:
        yield True
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        core_swap.release(cores)


async def _swap_periodically(core_swap: CoreSwap) -> None:
    with suppress(OSError):  # the server ended: the timeline reports it
        while True:
            await asyncio.sleep(_EVERY_S)
            core_swap.swap()


async def _threads_named(pid: int, name: str) -> list[int]:
    """Return the threads with a name, waiting until they have set it."""
    for _ in range(_ATTEMPTS):
        found = _threads(pid, name)
        if found:
            return found
        await asyncio.sleep(_ATTEMPT_S)
    return []


def _threads(pid: int, name: str) -> list[int]:
    """Return the threads of a process whose name starts with ``name``."""
    found = []
    with suppress(OSError):
        for folder in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # the thread ended
                if (folder / "comm").read_text().startswith(name):
                    found.append(int(folder.name))
    return found
