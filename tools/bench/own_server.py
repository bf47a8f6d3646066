"""A server that outlives the load tests against it, watched from outside."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from sfukit.loadgen.host import processes
from sfukit.loadgen.host.server_process import Ready
from sfukit.loadgen.result.report import LoadtestReport
from tools.bench.runs import RunError

_STOP_S = 10.0
_CLEARING_S = 2.0  # a server gives memory back soon after the last room
_EMPTY_S = 60.0
_POLL_S = 0.2
_HELD = re.compile(
    r"^(sfukit_live_objects|sfukit_participants|sfukit_asyncio_tasks)(?:\{\S*\})? (\S+)$",
    re.MULTILINE,
)
_KEPT_OPEN = httpx.Limits(keepalive_expiry=None)
_TASKS = "sfukit_asyncio_tasks"
_STARTED_S = 0.02  # CPU time that only a load can have taken


class Sample(NamedTuple):
    """CPU time that a server had used at an instant."""

    at_s: float
    cpu_s: float


class Remains(NamedTuple):
    """The resources of a server: memory, files, tasks, and objects in the engine."""

    rss_bytes: int
    files: int
    tasks: int
    objects: int


class OwnServer:
    """One running ``sfukit serve``."""

    def __init__(self, ready: Ready, client: httpx.Client) -> None:
        self.url = ready.url
        self.pid = ready.pid
        self._ready = ready
        self._client = client

    def watched(self, load: Callable[[], LoadtestReport]) -> tuple[LoadtestReport, list[Sample]]:
        """Put a load on the server while its CPU time is read at short intervals."""
        samples: list[Sample] = []
        done = threading.Event()

        def look() -> None:
            while not done.wait(_POLL_S / 4):
                samples.append(self._sample())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            return load(), samples
        finally:
            done.set()
            watcher.join()

    def when_empty(self) -> Remains:
        """Wait until all objects of a load are released; return the remaining resources."""
        deadline_s = time.monotonic() + _EMPTY_S
        while self.remains().objects and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        time.sleep(_CLEARING_S)
        return self.remains()

    def remains(self) -> Remains:
        """Return the current resources of the server."""
        reading = processes.read(self._ready.pid, time.monotonic())
        if reading is None:
            raise RunError("the server has ended")
        # one connection, kept open, so that it is among the files and tasks each time
        objects, tasks = held(self._client.get(self._ready.metrics).text)
        files = len(list(Path(f"/proc/{self._ready.pid}/fd").iterdir()))
        return Remains(reading.rss_bytes, files, tasks, objects)

    def _sample(self) -> Sample:
        at_s = time.monotonic()
        reading = processes.read(self._ready.pid, at_s)
        if reading is None:
            raise RunError("the server has ended")
        return Sample(at_s, reading.cpu_s)


@contextmanager
def serving(*options: str) -> Iterator[OwnServer]:
    """Run a server on free ports; a file-descriptor limit is inherited."""
    command = [sys.executable, "-P", "-m", "sfukit", "serve", "--json", "-"]
    command += ["--http", "127.0.0.1:0", "--udp-port", "0", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RunError(f"the server did not start: {' '.join(command)}")
            with httpx.Client(timeout=_STOP_S, limits=_KEPT_OPEN) as client:
                yield OwnServer(msgspec.json.decode(line, type=Ready), client)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def joining_cost(
    samples: list[Sample], ramp_s: float, steady_s: float
) -> tuple[float, float, float] | None:
    """Split CPU time over a load's life: used until it is steady, steady cores, loaded seconds.

    The load begins with the first sample that shows work; the steady part begins after the joining
    and a third of what follows, and ends a little before the clients leave.
    """
    if not samples:
        return None
    idle = [sample for sample in samples if sample.cpu_s - samples[0].cpu_s < _STARTED_S]
    start = idle[-1]
    from_s = start.at_s + ramp_s + steady_s / 3
    plateau = [one for one in samples if from_s <= one.at_s <= start.at_s + ramp_s + steady_s * 0.9]
    if len(plateau) < 2:
        return None
    first, last = plateau[0], plateau[-1]
    cores = (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)
    return first.cpu_s - start.cpu_s, cores, first.at_s - start.at_s - ramp_s / 2


def held(metrics: str) -> tuple[int, int]:
    """Add up what lives in the server, participants and engine objects; count its tasks apart."""
    found = [(name, int(float(value))) for name, value in _HELD.findall(metrics)]
    tasks = sum(count for name, count in found if name == _TASKS)
    return sum(count for name, count in found if name != _TASKS), tasks
