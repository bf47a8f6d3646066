"""Run a STUN server inside a namespace, in a process forked from this one: ready in 20 ms."""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from sfukit.errors import MachineError
from sfukit.probe.stunserver.run import Settings, serving

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_READY_S = 10.0


def enter(namespace: str) -> None:
    """Move this thread into a network namespace (setns(2)); what it opens from now is there."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    try:
        if libc.setns(handle, _CLONE_NEWNET):
            raise MachineError(f"cannot enter {namespace}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)


@contextlib.contextmanager
def stun_server(namespace: str, settings: Settings) -> Iterator[None]:
    """Serve STUN in a namespace while open; raises ``MachineError`` where it does not start."""
    ours, theirs = multiprocessing.Pipe()
    # forked, since importing everything again would take longer than a whole probe
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(namespace, settings, theirs), daemon=True
    )
    process.start()
    try:
        if not ours.poll(_READY_S) or ours.recv() != "ready":
            raise MachineError(f"the STUN server in {namespace} does not start")
        yield
    finally:
        process.terminate()
        process.join()
        ours.close()
        theirs.close()


def _serve(namespace: str, settings: Settings, parent: Connection) -> None:
    enter(namespace)

    async def serve() -> None:
        async with serving(settings):
            parent.send("ready")
            await asyncio.Event().wait()

    asyncio.run(serve())
