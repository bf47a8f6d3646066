"""Media threads that swap their cores."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sfukit.loadgen.host import core_swap as module
from sfukit.loadgen.host.core_swap import CoreSwap, swapping_cores

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="takes two cores")

NAMED = """
import ctypes, sys, threading
def live(name):
    ctypes.CDLL(None).prctl(15, name.encode())
    named.wait()
    sys.stdin.read()
named = threading.Barrier(len(sys.argv))
for name in sys.argv[1:]:
    threading.Thread(target=live, args=(name,)).start()
named.wait()
print("named", flush=True)
"""


@contextmanager
def process(*names: str) -> Iterator[int]:
    """Start a process whose further threads have these names."""
    arguments = [sys.executable, "-c", NAMED, *names]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "named\n"
        yield child.pid
        child.stdin.close()


@contextmanager
def swarm_thread() -> Iterator[int]:
    """Run a thread of this process that is named as a swarm's is."""
    named, over = threading.Event(), threading.Event()

    def live() -> None:
        Path("/proc/thread-self/comm").write_text("sfukit-swarm-0")
        named.set()
        over.wait()

    thread = threading.Thread(target=live)
    thread.start()
    named.wait()
    assert thread.native_id is not None
    try:
        yield thread.native_id
    finally:
        over.set()
        thread.join()


def threads_of(pid: int) -> list[int]:
    return sorted(int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir())


def test_each_swap_moves_both_threads() -> None:
    cores = sorted(os.sched_getaffinity(0))
    first, last = cores[0], cores[-1]
    with process("a", "b") as pid:
        _main, one, two = threads_of(pid)
        core_swap = CoreSwap((one, two), (first, last))
        for expected in ((last, first), (first, last), (last, first)):
            core_swap.swap()
            found = (os.sched_getaffinity(one), os.sched_getaffinity(two))
            assert found == ({expected[0]}, {expected[1]})
        core_swap.release(cores)
        assert os.sched_getaffinity(one) == os.sched_getaffinity(two) == set(cores)


async def test_media_threads_are_swapped_and_released() -> None:
    cores = sorted(os.sched_getaffinity(0))
    apart = {(cores[0],), (cores[-1],)}
    with process("tokio-runtime", "sfukit-media-0") as pid, swarm_thread() as swarm:
        _main, other, media = threads_of(pid)
        async with swapping_cores(pid, (cores[0], cores[-1])) as cores_swapped:
            assert cores_swapped
            seen = set()
            async with asyncio.timeout(10):
                while len(seen) < 2:  # both have been on both cores
                    await asyncio.sleep(0.01)
                    places = tuple(tuple(os.sched_getaffinity(one)) for one in (media, swarm))
                    assert set(places) == apart
                    seen.add(places)
            assert os.sched_getaffinity(other) == set(cores)
        assert os.sched_getaffinity(media) == os.sched_getaffinity(swarm) == set(cores)


async def test_a_server_of_two_workers_is_not_pinned() -> None:
    cores = sorted(os.sched_getaffinity(0))
    with process("sfukit-media-0", "sfukit-media-1") as pid, swarm_thread() as swarm:
        async with swapping_cores(pid, cores) as cores_swapped:
            await asyncio.sleep(0)
            assert not cores_swapped
            assert os.sched_getaffinity(swarm) == set(cores)


async def test_without_permission_to_pin_no_swap_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    with process("sfukit-media-0") as pid, swarm_thread():
        monkeypatch.setattr(os, "sched_setaffinity", refuse)
        async with swapping_cores(pid, (0, 1)) as cores_swapped:
            assert not cores_swapped


async def test_the_end_of_the_server_ends_only_the_swap() -> None:
    cores = sorted(os.sched_getaffinity(0))
    with swarm_thread() as swarm, ExitStack() as server:
        pid = server.enter_context(process("sfukit-media-0"))
        before = asyncio.all_tasks()
        async with swapping_cores(pid, cores[:2]) as cores_swapped:
            assert cores_swapped
            [swapping] = asyncio.all_tasks() - before
            server.close()
            async with asyncio.timeout(5):
                await swapping  # it ends by itself
        assert os.sched_getaffinity(swarm) == set(cores[:2])


async def test_swapping_waits_for_the_names_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = module._threads
    attempts: list[str] = []

    def later(pid: int, name: str) -> list[int]:
        attempts.append(name)
        return named(pid, name) if attempts.count(name) > 3 else []

    monkeypatch.setattr(module, "_threads", later)
    cores = sorted(os.sched_getaffinity(0))
    with process("sfukit-media-0") as pid, swarm_thread():
        async with swapping_cores(pid, (cores[0], cores[-1])) as cores_swapped:
            assert cores_swapped
