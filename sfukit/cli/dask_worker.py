"""What runs in the process of a Dask worker: one shard, in a thread of the worker.

The shard ends with its worker, as it is no process of its own. Errors are returned as text, so that
no traceback with local values travels to the scheduler.
"""

import asyncio
import threading
import time
from typing import NamedTuple

import msgspec

from sfukit import __version__, report
from sfukit.cli.loadtest_preflight import preflight_of
from sfukit.errors import SfukitError
from sfukit.loadgen.dask import task as shard_task
from sfukit.loadgen.dask.task import ShardOutcome
from sfukit.loadgen.timeline import Progress
from sfukit.redaction import redacted


class Facts(NamedTuple):
    """What a worker says of itself."""

    version: str
    time_s: float


class _Running(NamedTuple):
    run_id: str
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


_running: list[_Running] = []  # one, unless workers are threads of one process
_lock = threading.Lock()


class Unseen:
    """An observer of a run that shows nothing."""

    def report(self, label: str, text: str) -> None:
        """Ignore a line."""

    def progress(self, progress: Progress) -> None:
        """Ignore the progress."""


def facts() -> Facts:
    """Return the version of sfukit and the time of the wall clock.

    Loads what a shard needs, so that it starts at once.
    """
    import sfukit.loadgen.run
    import sfukit.probe.check.run  # noqa: F401

    return Facts(__version__, time.time())


def run_shard(run_id: str, task: bytes) -> bytes:
    """Run one shard; return its outcome as JSON."""
    try:
        found = ShardOutcome(report=msgspec.Raw(asyncio.run(_run(run_id, task))))
    except SfukitError as error:
        hint = f"; {error.hint}" if error.hint else ""
        found = ShardOutcome(error=redacted(f"{error.what}{hint}"))
    except Exception as error:  # the worker goes on
        found = ShardOutcome(error=redacted(f"a bug in sfukit: {type(error).__name__}: {error}"))
    return msgspec.json.encode(found)


def stop_shard(run_id: str) -> None:
    """End a shard early; its report has the metrics so far."""
    with _lock:
        ended = [one for one in _running if one.run_id == run_id]
    for running in ended:
        running.loop.call_soon_threadsafe(running.stop.set)


async def _run(run_id: str, task: bytes) -> bytes:
    from sfukit.loadgen.run import run

    options = shard_task.decode(task)
    observer, stop = Unseen(), asyncio.Event()
    preflight = preflight_of(options.target or "", options, observer.report, stop)
    running = _Running(run_id, asyncio.get_running_loop(), stop)
    with _lock:
        _running.append(running)
    try:
        return report.encode(await run(options, observer, stop, preflight)).encode()
    finally:
        with _lock:
            _running.remove(running)
